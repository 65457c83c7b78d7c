"""Every error Penstock raises, as one tree; the command line turns each into one line and an exit code.

    PenstockError                     1  the work failed
    ├── UsageError                    2  the question is wrong
    │   ├── BadSpec                      a pipeline file, with file:line:column
    │   ├── BadReference                 `repo@branch:/path` that cannot be read
    │   └── BadPath                      a path no tree may hold
    ├── Refused                       3  the question is fine, the answer is no
    │   ├── NotFound
    │   ├── AlreadyExists
    │   ├── NoProject
    │   ├── NewerFormat                  written by a later Penstock
    │   ├── NotWritable
    │   └── NotNow                       a batch system does not take it, and may later
    ├── Unreachable                   4  a server or an engine that does not answer
    │   └── Doubt                        nobody knows whether a batch system did what it was asked
    ├── WaitTimeout                 124
    ├── Interrupted                 130
    ├── Conflict                      1  rows changed under a transaction: load again
    ├── Corrupt                       1  stored bytes are not what their name says
    ├── BadCommand                    1  a command cannot be started
    ├── BadOutput                     1  what a task left cannot be kept
    └── Collision                     1  two tasks wrote one path

The message says what happened, where, and what to do about it.
"""

from __future__ import annotations


class PenstockError(Exception):
    """Something Penstock can explain. `exit_code` is what a command ends with."""

    exit_code = 1


class UsageError(PenstockError):
    """The command, the file or the reference cannot be understood."""

    exit_code = 2


class BadSpec(UsageError):
    """A pipeline file is wrong at one place; `where` is `file:line:column` (lines and columns from 1)."""

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.where = where
        self.message = message


class BadReference(UsageError):
    """A reference such as `repo@branch:/path` cannot be read."""


class BadPath(UsageError):
    """A path that no tree may hold: see `model.paths`."""


class Refused(PenstockError):
    """The request is understood and not granted."""

    exit_code = 3


class NotFound(Refused):
    """The thing named does not exist."""


class AlreadyExists(Refused):
    """The name is taken."""


class NoProject(Refused):
    """There is no `.penstock` here or above."""


class NewerFormat(Refused):
    """The project was written by a later Penstock."""


class NotWritable(Refused):
    """The project directory cannot be written."""

    @classmethod
    def here(cls, home: object) -> NotWritable:
        """What is said of a project's `.penstock` that may only be read."""
        return cls(f"{home}: no permission to write here; run as the project's owner or copy the project")


class NotNow(Refused):
    """A batch system certainly did not take a request, and may take the same one later."""


class Unreachable(PenstockError):
    """A server, or the engine of this project on another host, does not answer."""

    exit_code = 4


class Doubt(Unreachable):
    """A batch system was asked and its answer is not there or makes no sense: nothing is known, nothing changes."""


class WaitTimeout(PenstockError):
    """The time given to a wait is over; the work goes on."""

    exit_code = 124


class Interrupted(PenstockError):
    """The user pressed Ctrl-C; the work can be continued."""

    exit_code = 130


class Conflict(PenstockError):
    """A row changed between reading and writing; nothing was written. Load again and repeat."""


class Corrupt(PenstockError):
    """Stored bytes do not have the content their name promises."""


class BadCommand(PenstockError):
    """A command cannot be started: it is not there, may not be executed, or was given too much."""


class BadOutput(PenstockError):
    """A task left something that no tree can hold: a link leading out, a device, an impossible name."""


class Collision(PenstockError):
    """Two tasks of one job wrote the same path, or one wrote a file where the other has a directory."""
