"""On a node that is lent: commands, each on a leash that this process holds, and how those ended that are over."""

from __future__ import annotations

import os
import subprocess
import threading
from collections import deque
from collections.abc import Collection, Sequence

from penstock.runner.isolated import interpreter, python
from penstock.runner.queue import ELEMENT

#: How many of those that are over are remembered.
KEPT = 1000

_children: dict[str, subprocess.Popen[bytes]] = {}
_ended: dict[str, str] = {}  # how the last ones did
_unwanted: deque[str] = deque(maxlen=KEPT)  # what was ended, perhaps before it began
_lock = threading.Lock()


def is_meant(id: str, ids: Collection[str]) -> bool:
    """Whether something is meant by its id or by that of its whole request."""
    return id in ids or id.partition("_")[0] in ids


def run(id: str, argv: Sequence[str | None], cwd: str, output: str, element: int, seconds: int) -> None:
    """Run a command to its end, at most so long. It is on a leash, which this process holds."""
    given = [word for word in argv if word is not None]
    words = [*interpreter(), *given[1:]] if argv[0] is None else given
    leash = python("penstock.runner.leash", str(seconds))
    env = {**os.environ, ELEMENT: str(element)}
    try:
        with open(output, "ab") as said, _lock:
            if id in _children:
                return  # Dask has lost sight of this host for a while, and tries again
            if is_meant(id, _unwanted):
                _end(id, "CANCELLED")
                return
            child = _children[id] = subprocess.Popen(
                [*leash, *words], cwd=cwd, env=env, stdin=subprocess.PIPE, stdout=said, stderr=said
            )
        code = child.wait()
        how = "COMPLETED" if code == 0 else f"FAILED ({code})"
    except OSError as error:
        how = f"FAILED ({error})"
    with _lock:
        if id in _children:
            _let_go(_children.pop(id))
        _end(id, how)


def _end(id: str, how: str) -> None:
    """Note how one ended, and forget who did long ago."""
    _ended[id] = how
    while len(_ended) > KEPT:
        del _ended[next(iter(_ended))]


def _let_go(child: subprocess.Popen[bytes]) -> None:
    if child.stdin is not None:
        child.stdin.close()


def children() -> dict[str, str]:
    """What runs here (""), and how it ended what did before."""
    with _lock:
        return {**_ended, **dict.fromkeys(_children, "")}


def end(ids: Collection[str]) -> None:
    """Ask commands to leave, by their ids or those of whole requests; those that do not are killed."""
    with _lock:
        _unwanted.extend(ids)
        for id, child in _children.items():
            if is_meant(id, ids):
                _let_go(child)
