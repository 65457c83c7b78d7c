"""What is known of the nodes that an engine asked for: of those it wants, and of those it does not want any more."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from msgspec import Struct

from penstock.model.run import Allocation
from penstock.runner.queue import Ask, Seen

#: How one ends that began and then found something missing; all else is the doing of its node, or of somebody.
_BY_ITSELF = ("COMPLETED", "FAILED", "OUT_OF_MEMORY", "TIMEOUT")


class Member(Struct, eq=False):
    """A node that is wanted, with its worker. Moments are monotonic seconds."""

    row: Allocation
    missed: float | None = None  #: since when the batch system does not know it, whenever it answers
    looks: int = 0  #: how often it did not
    seen: Seen | None = None
    over: float | None = None  #: since when the batch system says that it has ended
    heard: bool = False  #: whether its mailbox ever held anything of it
    left: bool = False  #: whether it has said that it leaves

    @property
    def name(self) -> str:
        return self.row.worker


class Parting(Struct):
    """What is not wanted any more, and since when."""

    row: Allocation
    since: float
    looks: int = 0  #: how often the batch system did not know it


def ended_by_itself(seen: Seen) -> bool:
    """Whether one that has ended began, and neither its node nor anybody ended it."""
    return seen.why.partition(" ")[0] in _BY_ITSELF


def native_id(native: str | None, ask: Ask, row: Allocation) -> str:
    """What the batch system calls one element of what it took as `native`."""
    return f"{native}_{row.element}" if ask.count > 1 else str(native)


def note_unsent(box: Path) -> None:
    """Note beside a mailbox that nobody was asked for its worker yet. Raises OSError."""
    (box / "unsent").touch()


def is_unsent(box: Path) -> bool:
    """Whether certainly nobody was asked yet."""
    return os.path.exists(box / "unsent")


def note_sent(box: Path) -> None:
    """Note that somebody may have been asked, safe from a power cut where the file system can do that. Raises
    OSError.
    """
    (box / "unsent").unlink(missing_ok=True)
    descriptor = os.open(box, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
