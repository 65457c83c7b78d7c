"""The engine role: one process a project moves its rows on; the others follow it.

The role is a lock on `.penstock/engine.lock`; the kernel frees it when its holder dies. The file names the holder.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from penstock.model.errors import NotWritable, Refused
from penstock.runner.leftovers import attempt_around


class Holder(Struct, frozen=True):
    """The process that has the role."""

    pid: int
    host: str
    mode: str = ""  #: how it stays, if it does
    site: str = ""  #: where it lets steps of this machine run, if not here

    def __str__(self) -> str:
        where = "" if self.host == os.uname().nodename else f" on {self.host}"
        return f"pid {self.pid}{where}{f' ({self.mode})' if self.mode else ''}"


@contextlib.contextmanager
def engine_role(lock: Path, mode: str = "", site: str | None = None) -> Iterator[bool]:
    """Hold the role while inside, if it is free; yields whether it was. Others are told `mode`, how the holder stays,
    and `site`, where it lets steps of this machine run. Raises NotWritable.
    """
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EROFS):
            raise NotWritable.here(lock.parent) from error
        raise
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        os.ftruncate(descriptor, 0)
        holds = {"pid": os.getpid(), "host": os.uname().nodename, "mode": mode, "site": site or ""}
        os.pwrite(descriptor, json.dumps(holds).encode(), 0)
        try:
            yield True
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def check_outside(project: str) -> None:
    """Raises Refused in a task of this project: what waits there for runs waits for itself, and for ever."""
    attempt = attempt_around(project)
    if attempt is not None:
        raise Refused(
            f"attempt {attempt} of this project would wait for itself; let what it wants to run be a step of the "
            "pipeline, or `run` and `wait` outside of tasks"
        )


def holder(lock: Path) -> Holder | None:
    """Who has the role now; None when nobody has."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None
        except BlockingIOError:
            text = os.read(descriptor, 4096)
    finally:
        os.close(descriptor)
    # The holder has the lock before it has written who it is.
    return Holder(**json.loads(text)) if text else Holder(0, os.uname().nodename)
