"""What every batch system must do. Inherit `QueueSuite` and give it the fixtures `queue` and `later`."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from penstock.model.errors import Refused
from penstock.runner.queue import Ask, Queue, Seen

Later = Callable[[], None]

#: How often a state is looked at until it counts as never coming.
LOOKS = 200


class QueueSuite:
    """Tests of submit, look, remove and kinds. What is asked for here sleeps, or ends at once; there are three nodes or
    more. `IMPOSSIBLE`: what can never be, as changes of a request, and words of the refusal.
    """

    IMPOSSIBLE: Sequence[tuple[dict[str, Any], str]] = (
        ({"partition": "there-is-none"}, "partition"),
        ({"gpus": 9}, "configuration is not available"),
        ({"options": (("nodelist", "there-is-none"),)}, "node name"),
    )

    @pytest.fixture
    def queue(self) -> Iterator[Queue]:
        """The batch system; nothing of an earlier test is in it."""
        raise NotImplementedError("give the suite a fixture `queue`")

    @pytest.fixture
    def later(self) -> Later:
        """A function that lets a little time pass."""
        raise NotImplementedError("give the suite a fixture `later`")

    @pytest.fixture
    def ask(self, tmp_path: Path) -> Ask:
        """A job of one node, whose name nobody else has; a test changes what it is about."""
        name = f"penstock-{uuid.uuid4().hex[:12]}"
        return Ask(name, ("sleep", "60"), str(tmp_path), str(tmp_path / "out"), 60, memory=50 << 20)

    @staticmethod
    def until(queue: Queue, later: Later, name: str, state: str, count: int = 1) -> list[Seen]:
        """All elements of a name once they are in this state."""
        seen: list[Seen] = []
        for _ in range(LOOKS):
            seen = queue.look([name])
            if len(seen) == count and all(item.state == state for item in seen):
                return sorted(seen, key=lambda item: item.element)
            later()
        raise AssertionError(f"{name} is not {state}: {seen}")

    def blocked(self, queue: Queue, later: Later, ask: Ask) -> Ask:
        """A request that has to wait."""
        return replace(ask, options=(("begin", "now+1hour"),))

    def test_what_is_asked_for_is_found_by_its_name_until_it_is_over(
        self, queue: Queue, later: Later, ask: Ask
    ) -> None:
        native = queue.submit(ask)
        (seen,) = self.until(queue, later, ask.name, "running")
        assert (seen.id, seen.name, seen.element) == (native, ask.name, 0)
        assert seen.node
        queue.remove([native])
        (seen,) = self.until(queue, later, ask.name, "ended")
        assert seen.why.startswith("CANCELLED")

    def test_one_that_ends_by_itself(self, queue: Queue, later: Later, ask: Ask) -> None:
        queue.submit(replace(ask, argv=("true",)))
        (seen,) = self.until(queue, later, ask.name, "ended")
        assert seen.why == "COMPLETED"

    def test_elements_are_seen_one_by_one(self, queue: Queue, later: Later, ask: Ask) -> None:
        native = queue.submit(replace(ask, count=3))
        seen = self.until(queue, later, ask.name, "running", 3)
        assert [item.element for item in seen] == [0, 1, 2]
        assert [item.id for item in seen] == [f"{native}_{number}" for number in range(3)]
        queue.remove([f"{native}_1"])
        while {item.element for item in queue.look([ask.name]) if item.state == "ended"} != {1}:
            later()
        queue.remove([native])
        self.until(queue, later, ask.name, "ended", 3)

    def test_what_cannot_start_is_pending_and_says_why(self, queue: Queue, later: Later, ask: Ask) -> None:
        native = queue.submit(self.blocked(queue, later, ask))
        (seen,) = self.until(queue, later, ask.name, "pending")
        assert seen.why.startswith("PENDING")
        queue.remove([native])
        self.until(queue, later, ask.name, "ended")

    def test_names_that_nobody_used(self, queue: Queue, ask: Ask) -> None:
        assert queue.look([ask.name, "penstock-none"]) == []
        assert queue.look([]) == []

    def test_several_names_in_one_look(self, queue: Queue, later: Later, ask: Ask) -> None:
        names = [f"{ask.name}-{letter}" for letter in "abc"]
        natives = [queue.submit(replace(ask, name=name)) for name in names]
        assert {item.name for item in queue.look(names)} == set(names)
        queue.remove(natives)
        for name in names:
            self.until(queue, later, name, "ended")

    def test_removing_what_is_over_or_never_was(self, queue: Queue, later: Later, ask: Ask) -> None:
        native = queue.submit(replace(ask, argv=("true",)))
        self.until(queue, later, ask.name, "ended")
        queue.remove([native])
        queue.remove(["99999999"])
        queue.remove([])

    def test_what_can_never_be_is_refused_in_its_words(self, queue: Queue, ask: Ask) -> None:
        for change, words in self.IMPOSSIBLE:
            with pytest.raises(Refused, match=f"(?i){words}"):
                queue.submit(replace(ask, **change))
        assert all(seen.state == "ended" for seen in queue.look([ask.name]))

    def test_kinds_of_nodes(self, queue: Queue) -> None:
        kinds = queue.kinds()
        assert [kind.default for kind in kinds].count(True) == 1
        assert all(kind.nodes > 0 and kind.cpus > 0 and kind.memory > 0 for kind in kinds)
