"""What a worker may give to attempts at once, and until when."""

from __future__ import annotations

import math
import time

from msgspec import Struct

from penstock.engine.pack import lasts
from penstock.model.wire import Assignment, Recipe


class Asked(Struct, frozen=True):
    """What one attempt asks for."""

    cpus: int
    memory: int  #: bytes; 0: not said
    gpus: int
    seconds: float | None  #: at most; None: not said
    grace: float | None = None  #: seconds it needs to leave; None: it is not told to


def asked(recipe: Recipe, assignment: Assignment) -> Asked:
    memory, seconds = assignment.memory or recipe.memory, assignment.seconds or recipe.time
    return Asked(recipe.cpus, memory, recipe.gpus, seconds, recipe.grace if recipe.terminates else None)


class Capacity:
    """Processors, bytes of memory (0: not known, and not counted) and devices that are free. `left` is for how many
    seconds from now on there is any of it; None: for ever.
    """

    def __init__(self, cpus: int, memory: int = 0, gpus: int = 0, left: float | None = None) -> None:
        self.cpus = cpus
        self.gpus = gpus  #: how many there are
        self.memory = memory  #: how much there is in all
        self._memory = memory or math.inf
        self._free_gpus = set(range(gpus))
        self.ends = math.inf if left is None else time.monotonic() + left

    @property
    def left(self) -> float | None:
        """Seconds until there is nothing of it any more; None: there always is."""
        return None if self.ends == math.inf else self.ends - time.monotonic()

    @property
    def full(self) -> bool:
        """Whether nothing at all may begin now."""
        return self.cpus <= 0

    @property
    def over(self) -> bool:
        """Whether nothing may begin any more."""
        return not lasts(self.left, None)

    def fits(self, wish: Asked) -> bool:
        """Whether an attempt may begin now, beside what runs."""
        return wish.cpus <= self.cpus and wish.memory <= self._memory and wish.gpus <= len(self._free_gpus)

    def lasts(self, wish: Asked) -> bool:
        """Whether there is as much time left as an attempt says it needs, or needs to leave; whether one is as long as
        its whole place the engine knows.
        """
        if wish.grace is not None and lasts(self.left, None, wish.grace):
            return True
        return lasts(self.left, wish.seconds, wish.grace)

    def take(self, wish: Asked) -> tuple[int, ...]:
        """Give an attempt what it asks for; the devices it gets, the lowest that are free."""
        self.cpus -= wish.cpus
        self._memory -= wish.memory
        chosen = tuple(sorted(self._free_gpus)[: wish.gpus])
        self._free_gpus.difference_update(chosen)
        return chosen

    def give_back(self, wish: Asked, gpus: tuple[int, ...]) -> None:
        """An attempt is over."""
        self.cpus += wish.cpus
        self._memory += wish.memory
        self._free_gpus.update(gpus)
