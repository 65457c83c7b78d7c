"""`python -m penstock.service.egress`: carry out one order, trying again, and end with whoever gave it.

Each line on standard output is one try that failed. Exit code 0: all is where it shall be.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import msgspec

from penstock.model.errors import BadOutput, Collision, Corrupt, PenstockError, Refused, UsageError
from penstock.objects.store import Objects
from penstock.service.egress.order import FAILED, Order

#: What another try would only meet again.
_FINAL = (UsageError, Refused, BadOutput, Corrupt, Collision)
#: Seconds between two tries, at most.
_LONGEST = 300.0


def main() -> int:
    order = msgspec.json.decode(sys.stdin.readline(), type=Order)
    threading.Thread(target=_leave_with_engine, daemon=True).start()
    wait, tries = order.export.wait, order.export.tries
    for number in range(1, tries + 1):
        try:
            _carry_out(order)
            return 0
        except (PenstockError, OSError) as error:
            said = f"{order.export.to}: {' '.join(str(error).split())}"
            if isinstance(error, _FINAL) or number == tries:
                print(f"{said} (after {number} tries)" if number > 1 else said, flush=True)
                return FAILED
            print(f"try {number} of {tries} failed: {said}; the next one in {wait:g} s", flush=True)
        time.sleep(wait)
        wait = min(wait * 2, _LONGEST)
    raise AssertionError("the last try returns")


def _leave_with_engine() -> None:
    """The engine keeps the other end open as long as it lives: the next one does all of it again."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def _carry_out(order: Order) -> None:
    with Objects(Path(order.objects)) as objects:
        if order.export.kind in ("postgresql", "sqlite"):
            from penstock.service.egress.tables import load

            load(objects, order)
        else:
            from penstock.service.egress.files import copy

            copy(objects, order)


if __name__ == "__main__":
    sys.exit(main())
