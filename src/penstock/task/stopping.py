"""Whether a task was asked to leave: SIGTERM means checkpoint, then exit."""

from __future__ import annotations

import os
import signal

_asked: bool | None = None


def should_stop() -> bool:
    """True once SIGTERM arrived. The first call, in the main thread, takes over that signal; call it early.

    Until then SIGTERM ends the program as always. Raises RuntimeError outside a task.
    """
    global _asked
    if _asked is None:
        if "PENSTOCK_TASK" not in os.environ:
            raise RuntimeError(
                "PENSTOCK_TASK is not set: penstock.task only works inside a task; start this with `penstock run`"
            )
        _asked = False
        signal.signal(signal.SIGTERM, _ask)
    return _asked


def _ask(*_: object) -> None:
    global _asked
    _asked = True
