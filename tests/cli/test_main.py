"""The frame of the command: help without imports, one line per error, exit codes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from penstock.cli import lazy, main
from penstock.cli.root import cli

Penstock = Callable[..., Any]


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def test_help_lists_all_and_loads_nothing() -> None:
    code = "import sys; from penstock.cli.main import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    for name in cli.places:
        assert f"\n  {name} " in done.stdout
    loaded = set(done.stdout.splitlines()[-1].split())
    assert not {"rich", "yaml", "sqlite3", "msgspec", "blake3", "penstock.service", "asyncio"} & loaded


@pytest.mark.parametrize("name", sorted(cli.places))
def test_help_says_what_the_command_says(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None and command.help
    if not isinstance(command, click.Group):
        assert command.help.splitlines()[0].startswith(cli.places[name][1].rstrip("."))


def test_every_command_answers_in_json() -> None:
    noun = lazy._load(cli.faces["run"][1])
    assert isinstance(noun, click.Group)
    for path, command in [*commands(cli), *commands(noun, ("run",))]:
        if path[0] in ("torc", "worker"):  # Torc's way is an option of the root, and workers talk to engines
            continue
        assert "--json" in [option for param in command.params for option in param.opts], path


def test_every_command_of_torc_has_the_format_of_its_root() -> None:
    torc = cli.get_command(click.Context(cli), "torc")
    assert isinstance(torc, click.Group)
    (form,) = [param for param in torc.params if "--output-format" in param.opts]
    assert isinstance(form.type, click.Choice) and "json" in form.type.choices


def test_groups_alone_show_their_help(penstock: Penstock) -> None:
    assert penstock().out == penstock("--help").out
    assert penstock("repo").out == penstock("repo", "--help").out
    assert penstock("--version").out.startswith("penstock ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["stauts"], "there is no command 'stauts'; did you mean 'status'? see `penstock --help`"),
        (["xyzzy"], "there is no command 'xyzzy'; see `penstock --help`"),
        (["ls", "--xyzzy", "a"], "No such option"),
        (["repo", "xyzzy"], "No such command 'xyzzy'"),
        (["run", "a", "b"], "Got unexpected extra argument (b); see `penstock run --help`"),
    ],
)
def test_usage_is_told_in_one_line(penstock: Penstock, words: list[str], says: str) -> None:
    done = penstock(*words)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert done.err.count("\n") == 1


def test_elsewhere(penstock: Penstock, tmp_path: Path) -> None:
    done = penstock("status")
    assert done.code == 3
    assert done.err == f"penstock: {tmp_path}: no project here or above; make one with `penstock init`\n"
    assert penstock("init", "lab", "--json").json == {"project": str(tmp_path / "lab")}
    assert penstock("-C", "lab", "status").code == 0
    assert penstock("-C", "nowhere", "status").err == "penstock: nowhere: no such file or directory\n"
    assert penstock("init", "lab").code == 3


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (OSError(errno.ENOSPC, "full", "/x"), 3, "/x: no space left on the device; free some and repeat"),
        (OSError(errno.EACCES, "denied", "/x"), 3, "/x: no permission"),
        (OSError(errno.EROFS, "read only"), 3, "the file system is read-only"),
        (OSError(errno.EIO, "Input/output error", "/x"), 1, "/x: Input/output error"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (KeyError("x"), 1, "KeyError: 'x'; a defect in Penstock: PENSTOCK_DEBUG=1 shows where"),
    ],
)
def test_whatever_happens_is_one_line(
    penstock: Penstock, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, says: str
) -> None:
    def fail(argv: list[str]) -> int:
        raise error

    monkeypatch.setattr(main, "_run", fail)
    done = penstock("status")
    assert done.code == code
    assert done.err.startswith(f"penstock: {says}")
    assert done.err.count("\n") == 1
    monkeypatch.setenv("PENSTOCK_DEBUG", "1")
    assert "Traceback" in penstock("status").err


def test_a_damaged_database_is_one_line(penstock: Penstock, tmp_path: Path) -> None:
    penstock("init")
    (tmp_path / ".penstock/state.db").write_bytes(b"no database " * 1000)
    done = penstock("status")
    assert done.code == 1
    assert "file is not a database" in done.err
    assert done.err.count("\n") == 1


def command(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "penstock", *words], capture_output=False, text=True, **options)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_and_a_full_disk(
    penstock: Penstock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unbuffered: str
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    penstock("init")
    read, write = os.pipe()
    os.close(read)
    gone = command("status", cwd=tmp_path, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (gone.returncode, gone.stderr) == (141, "")
    with open("/dev/full", "w") as full:
        done = command("status", cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == "penstock: no space left on the device; free some and repeat"
    assert "Traceback" not in done.stderr
