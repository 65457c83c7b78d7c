"""A project that may only be read: on a read-only file system, and without permission to write."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock import Project
from penstock.objects.index import Index
from penstock.store.sqlite import SqliteStore

#: Runs commands one after the other in one process, and prints [exit code, stdout, stderr] of each.
MANY = """
import contextlib, io, json, sys
from penstock.cli.main import main
for words in json.loads(sys.argv[1]):
    out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    out.flush()
    print(json.dumps([code, out.buffer.getvalue().decode(), err.getvalue()]))
"""
#: Makes a directory read-only for what is started in it, and for nothing else.
MOUNTED = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && cd "$1" && shift && exec "$@"'
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")

Ask = Callable[..., list[tuple[int, str, str]]]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A project with a run, a small and a large file; closed."""
    root = tmp_path / "lab"
    with Project.create(root) as project:
        (root / "pipeline.yaml").write_text(
            "steps: {s: {input: 'in:/*', run: 'cp \"$PENSTOCK_IN\"/*/* \"$PENSTOCK_OUT\"; echo copied'}}"
        )
        (tmp_path / "small").write_text("small")
        (tmp_path / "large").write_text("large " * 50_000)
        project.put("in", tmp_path / "small", tmp_path / "large")
        assert project.run().state == "success"
    return root


def answers(root: Path, prefix: tuple[str, ...], commands: list[list[str]]) -> list[tuple[int, str, str]]:
    done = subprocess.run(
        [*prefix, sys.executable, "-c", MANY, json.dumps(commands)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def set_modes(root: Path, directory: int, file: int) -> None:
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(directory if path.is_dir() else file)


def open_way(to: Path) -> None:
    """Let others come to a directory; another session of pytest may have closed the way meanwhile."""
    for directory in (to, *to.parents):
        if directory.stat().st_mode & 0o011 != 0o011:
            directory.chmod(directory.stat().st_mode | 0o011)


@pytest.fixture(params=["mounted", "nobody"])
def ask(request: pytest.FixtureRequest, made: Path, tmp_path: Path) -> Iterator[Ask]:
    """Asks the project, which cannot be written to then."""
    prefix: tuple[str, ...] = ()
    if request.param == "mounted":
        prefix = ("unshare", "-m", "sh", "-c", MOUNTED, "sh", str(made))
        if shutil.which("unshare") is None or subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
            pytest.skip("needs a mount namespace, which only root can make here")
    elif os.geteuid() == 0:
        prefix = NOBODY
        if shutil.which("setpriv") is None:
            pytest.skip("needs setpriv to be somebody else")
        open_way(tmp_path)
        reach = subprocess.run([*prefix, sys.executable, "-c", "import click, msgspec"], cwd=made)
        if reach.returncode != 0:
            pytest.skip("another user cannot reach this Python")

    def asked(*commands: list[str]) -> list[tuple[int, str, str]]:
        if request.param == "nobody":
            set_modes(made, 0o555, 0o444)
            open_way(tmp_path)
        before = contents(made)
        try:
            return answers(made, prefix, list(commands))
        finally:
            assert contents(made) == before, "something was written"
            set_modes(made, 0o755, 0o644)

    yield asked


def contents(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in root.rglob("*")}


def readers(root: Path) -> list[list[str]]:
    """Every command that only reads, with what it needs to be told."""
    with Project.open(root) as project:
        run_id = project.runs()[0].run
    return [
        line.split()
        for line in (
            "ls in|ls s|cat in:/small|cat s:/large|log in|diff in s|status|run list|"
            f"run show {run_id}|job list|job show s|task list s|logs s|explain s|explain {run_id}|trace s:/small|"
            "trace --down in:/small|find in:/small|repo list|repo show in|branch list in|commit list in|pipeline list|"
            "file list in|data list|report|site list|graph|pachctl list repo|torc workflows list"
        ).split("|")
    ]


def test_it_is_read_as_any_other(made: Path, ask: Ask, tmp_path: Path) -> None:
    commands = readers(made)
    expected = answers(made, (), commands)
    assert {code for code, _, _ in expected} == {0}, expected
    for words, told, right in zip(commands, ask(*commands), expected, strict=True):
        assert without_ages(told) == without_ages(right), words


def without_ages(told: tuple[int, str, str]) -> Any:
    """`3 seconds ago` is another one a second later."""
    code, out, err = told
    return code, re.sub(r"(\d+|a|Less than a) (second|minute)s? +ago", "ago", out).split(), err


@pytest.mark.parametrize("lost", ["index.db", "rows"])
def test_packs_that_the_index_lacks_are_found(made: Path, ask: Ask, lost: str) -> None:
    index = made / ".penstock/objects/index.db"
    if lost == "rows":
        known = Index(index)
        known.forget(min(known.packs()))
        known.close()
    else:
        index.unlink()
    told = ask(["cat", "in:/small"], ["cat", "s:/small"], ["ls", "s"])
    assert told == [(0, "small", ""), (0, "small", ""), (0, "large\nsmall\n", "")]


def test_what_writes_is_refused(made: Path, ask: Ask) -> None:
    commands = [
        line.split()
        for line in [
            "run",
            "run --watch",
            "run --detach",
            "put in pipeline.yaml",
            "rm in:/small",
            "cp in:/small in:/b",
            "restart",
            "repo create z",
            "repo delete in",
            "branch create in@x",
            "commit start in",
            "gc",
            "purge in:/small",
            "pipeline delete lab",
            "data add 1",
            "pachctl create repo z",
            "plan",
        ]
    ]
    for words, (code, out, err) in zip(commands, ask(*commands), strict=True):
        assert code == 3 and "no permission to write here" in err and err.count("\n") == 1 and not out, (words, err)


@pytest.fixture
def left(made: Path) -> Iterator[Path]:
    """The project as a crash left it: the newest row is in the log beside the database."""
    store = SqliteStore(made / ".penstock/state.db")
    with store.transaction():
        store._db.execute("update run set created = created + 3600000000")
    aside = made.parent / "aside"
    shutil.copytree(made / ".penstock", aside)
    store.close()
    for end in ("", "-wal", "-shm"):
        shutil.copy(aside / f"state.db{end}", made / f".penstock/state.db{end}")
    yield made


def test_what_a_crash_left_in_the_log_is_read(left: Path, ask: Ask) -> None:
    ((code, out, err),) = ask(["run", "list"])
    right = answers(left, (), [["run", "list"]])
    assert (code, out, err) == right[0]


def test_a_log_that_cannot_be_read_is_told(left: Path, ask: Ask) -> None:
    (left / ".penstock/state.db-shm").unlink()
    ((code, out, err),) = ask(["run", "list"])
    assert code == 0 and "success" in out
    assert err.startswith("warning: ") and "what was written last may be missing" in err and err.count("\n") == 1


def test_an_earlier_schema_is_refused(made: Path, ask: Ask) -> None:
    store = SqliteStore(made / ".penstock/state.db")
    store._db.execute("pragma user_version = 1")
    store.close()
    ((code, _, err),) = ask(["ls", "in"])
    assert code == 3 and "use the project once where it can be written" in err
