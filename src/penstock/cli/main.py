"""Entry point of the command: whatever goes wrong ends as one line on stderr and an exit code.

0 ok, 1 the work failed, 2 usage, 3 not found or refused, 4 unreachable, 124 wait timed out, 130 interrupted.
`PENSTOCK_DEBUG=1` shows the traceback as well.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from penstock.cli.streams import complete
from penstock.runner.isolated import settle

if TYPE_CHECKING:
    import click

#: What the system may refuse, and what to do about it.
_ADVICE = {
    errno.ENOSPC: "no space left on the device; free some and repeat",
    errno.EDQUOT: "your quota on the device is used up; free some space and repeat",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.EROFS: "the file system is read-only; copy the project to one that can be written",
    errno.EMFILE: "too many open files; raise the limit (`ulimit -n`)",
    errno.ENFILE: "the system has too many open files",
    errno.ENOENT: "no such file or directory",
    errno.EISDIR: "is a directory",
    errno.ENOTDIR: "is not a directory",
}
#: What a shell reports for a program that wrote into a closed pipe.
_CLOSED_PIPE = 128 + 13


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. Without `argv` this process is the command."""
    if argv is None:
        settle()
        complete()
    try:
        for stream in (sys.stdout, sys.stderr):
            # Names of files may hold what the terminal's encoding has not.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        code = _run(sys.argv[1:] if argv is None else list(argv))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _forget(sys.stdout, sys.stderr)
        return _CLOSED_PIPE
    except KeyboardInterrupt as error:
        return _say("interrupted", 130, error)
    except Exception as error:
        # Whatever was written before the error comes first.
        try:
            sys.stdout.flush()
        except OSError:
            # It would fail again when the interpreter ends, in more words and with a code of its own.
            _forget(sys.stdout)
        return _explain(error)


def _run(argv: list[str]) -> int:
    import click

    from penstock.cli.root import cli

    if "_PENSTOCK_COMPLETE" in os.environ:
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, "penstock", "_PENSTOCK_COMPLETE", os.environ["_PENSTOCK_COMPLETE"])
    try:
        with cli.make_context("penstock", argv) as context:
            cli.invoke(context)
        return 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        where = getattr(error, "ctx", None)
        message = _message(error)
        stop = "" if message.endswith("?") else ";"
        return _say(message + (f"{stop} see `{where.command_path} --help`" if where is not None else ""), 2, error)


def _message(error: click.ClickException) -> str:
    """What click says; of an option that another tool has, what it is called here."""
    import click

    from penstock.cli.foreign import pointer

    if isinstance(error, click.NoSuchOption) and error.ctx is not None:
        hint = pointer(error.ctx.command.name or "", error.option_name)
        if hint is not None:
            return f"no such option: {error.option_name}; {hint}"
    return error.format_message().rstrip(".")


def _explain(error: Exception) -> int:
    from penstock.model.errors import PenstockError

    if isinstance(error, PenstockError):
        return _say(str(error), error.exit_code, error)
    if isinstance(error, OSError):
        advice = _ADVICE.get(error.errno or 0) or error.strerror or str(error)
        place = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, (str, bytes)) else ""
        return _say(place + advice, 3 if error.errno in _ADVICE else 1, error)
    sqlite3 = sys.modules.get("sqlite3")
    if sqlite3 is not None and isinstance(error, sqlite3.Error):
        return _say(f".penstock/state.db: {error}; `penstock fsck` looks for damage", 1, error)
    return _say(f"{type(error).__name__}: {error}; a defect in Penstock: PENSTOCK_DEBUG=1 shows where", 1, error)


def _say(message: str, code: int, error: BaseException) -> int:
    if os.environ.get("PENSTOCK_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)
    with contextlib.suppress(OSError):
        print(f"penstock: {message}", file=sys.stderr)
    return code


def _forget(*streams: TextIO) -> None:
    """Let the interpreter flush into nothing when it ends."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(nothing, stream.fileno())
    os.close(nothing)
