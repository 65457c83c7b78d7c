"""What an attempt did beside writing its output: what it changed where it must not, what of the code it opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.model.data import EMPTY
from penstock.model.errors import BadOutput
from penstock.worker.attempt import Flight, few

if TYPE_CHECKING:
    from penstock.worker.code import Code
    from penstock.worker.storage import Storage


def strays(flight: Flight, code: Code | None) -> list[str]:
    """What an attempt changed where it must not; frozen code that it changed is gone by then."""
    if flight.standing is not None:
        flight.standing.end()
    found = flight.slot.strays([item.name for item in flight.assignment.inputs])
    if code is not None:
        found += code.strays(flight.folder)
    return found


def accept(flight: Flight, changed: list[str]) -> None:
    """Raise BadOutput if what a good command left around its output means failure."""
    if changed:
        raise BadOutput(f"it changed {few(changed)} outside its output; write into $PENSTOCK_OUT")
    if flight.log.trouble:
        raise BadOutput(f"what it printed cannot be kept: {flight.log.trouble}")


def reading(flight: Flight, storage: Storage, code: Code) -> bytes:
    """The root of what a good attempt opened of its frozen code and is not counted anyway. Raises NotFound, Corrupt,
    OSError.
    """
    recipe = flight.batch.recipe
    if recipe.workdir is not None or recipe.code == EMPTY:
        return EMPTY
    return storage.reading(code, flight.folder, recipe.code, recipe.counted)
