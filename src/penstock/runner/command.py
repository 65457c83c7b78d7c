"""Finding the program of a command, and saying in one line why a command cannot be started."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence

from penstock.model.errors import BadCommand
from penstock.runner.base import Launch

#: What a system without its own default would search.
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
#: Bytes of one argument or one variable on Linux.
LONGEST = 128 * 1024


def find(name: str, env: Mapping[str, str]) -> str | None:
    """The program `name` on the `PATH` of `env` (relative entries from the current directory), None if there is none.

    A name with a slash is a path already. Unlike `execvp`, the search is not that of our own `PATH`: a task's
    environment decides what the task runs.
    """
    if "/" in name:
        return name
    for candidate in _candidates(name, env):
        if os.access(candidate, os.X_OK) and os.path.isfile(candidate):
            return candidate
    return None


def refusal(launch: Launch, error: Exception | None) -> BadCommand:
    """Why `launch` cannot be started: `error` came from the system, None when no program of that name was found."""
    name = launch.argv[0] if launch.argv else ""
    return BadCommand(f"command {_short(name)} cannot be started: {_why(launch, name, error)}")


def _candidates(name: str, env: Mapping[str, str]) -> list[str]:
    return [os.path.join(folder or ".", name) for folder in env.get("PATH", DEFAULT_PATH).split(":")] if name else []


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:80] + "…")


def _why(launch: Launch, name: str, error: Exception | None) -> str:
    if not name:
        return "its name is empty; 'run' must start with a program"
    if isinstance(error, ValueError):
        return "an argument or a variable of it holds a NUL character or is not text; no program can be given that"
    code = (isinstance(error, OSError) and error.errno) or errno.ENOENT
    if code == errno.E2BIG:
        return _too_long(launch)
    if code == errno.EAGAIN:
        return "the system allows no more processes (see `ulimit -u`); use fewer workers or slots"
    if launch.cwd is not None and not os.path.isdir(launch.cwd):
        return f"the directory it should run in, {launch.cwd}, is not there"
    if launch.cwd is not None and not os.access(launch.cwd, os.X_OK):
        return f"the directory it should run in, {launch.cwd}, may not be entered"
    path = find(name, launch.env)
    if path is None:
        path = next((found for found in _candidates(name, launch.env) if os.path.isfile(found)), None)
    if path is None:
        hint = without_shell(launch.argv) or "; install it, or give its path"
        return f"no program of that name in PATH ({launch.env.get('PATH', DEFAULT_PATH)}){hint}"
    return _about_file(path, launch.cwd or os.getcwd(), code, error)


#: Words that mean something to a shell alone.
_OF_SHELLS = {"|", "||", "&&", "&", ";", ">", ">>", "<", "2>", "2>&1", "&>"}
#: Commands that only a shell has.
_BUILT_IN = {"cd", "source", ".", "export", "alias", "set", "ulimit", "umask"}


def without_shell(argv: Sequence[str]) -> str:
    """The end of a message about a command that failed, if it was meant for a shell and none read it; else "".

    >>> without_shell(["cat", "x", "|", "wc"])
    "; no shell reads a list of words, so that '|' is a word like any other: write the command as text"
    """
    if not argv:
        return ""
    meant = argv[0] if argv[0] in _BUILT_IN else next((word for word in argv[1:] if word in _OF_SHELLS), None)
    if meant is None:
        return ""
    return f"; no shell reads a list of words, so that {meant!r} is a word like any other: write the command as text"


def _too_long(launch: Launch) -> str:
    words = [*launch.argv, *(f"{name}={value}" for name, value in launch.env.items())]
    sizes = [len(os.fsencode(word)) + 1 for word in words]
    if max(sizes) > LONGEST:
        return f"one argument or variable has {max(sizes)} bytes, at most {LONGEST} can be passed; put it into a file"
    return f"its arguments and variables have {sum(sizes)} bytes, more than the system passes on; put them into a file"


def _about_file(path: str, cwd: str, code: int, error: Exception | None) -> str:
    """What is wrong with a program file that was named or found."""
    full = os.path.join(cwd, path)
    if not os.path.lexists(full):
        return f"there is no such file in {cwd}; is it part of the step's code?"
    if os.path.isdir(full):
        return f"{path} is a directory"
    if not os.access(full, os.X_OK):
        return f"{path} is not executable; use `chmod +x`, or name its interpreter first in 'run'"
    interpreter = _interpreter(full)
    if code == errno.ENOEXEC or interpreter == "":
        return f"{path} is no program of this machine and has no '#!' line; name its interpreter first in 'run'"
    if interpreter is not None and not os.path.exists(os.path.join(cwd, interpreter)):
        ending = "; the line ends as on Windows, remove the carriage return" if interpreter.endswith("\r") else ""
        return f"its '#!' line asks for {interpreter!r}, which is not there{ending or '; install it or name another'}"
    return os.strerror(code) if isinstance(error, OSError) else str(error)


def _interpreter(path: str) -> str | None:
    """The program that the `#!` line of a script names, None if the file is no script (or cannot be read)."""
    try:
        with open(path, "rb") as file:
            line = file.readline(256)
    except OSError:
        return None  # an unreadable program can be a working one
    words = line[2:].rstrip(b"\n").strip(b" \t").split(maxsplit=1) if line.startswith(b"#!") else None
    if words is None:
        return None
    if line.rstrip(b"\n").endswith(b"\r") and len(words) == 1:
        return os.fsdecode(words[0] + b"\r")
    return os.fsdecode(words[0]) if words else ""
