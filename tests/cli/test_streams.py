"""Standard streams that are closed change neither what is done nor the exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

STEPS = "steps:\n  good: {run: [sh, -c, 'echo out; echo err >&2']}\n"


@pytest.fixture
def closed(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run a command without some of its standard streams."""

    def run(numbers: tuple[int, ...], *words: str) -> subprocess.CompletedProcess[bytes]:
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.run(
            [sys.executable, "-m", "penstock", *words],
            cwd=tmp_path,
            preexec_fn=lambda: [os.close(number) for number in numbers] and None,
            **streams,
            check=False,
            timeout=120,
        )

    return run


@pytest.mark.parametrize("numbers", [(1,), (2,), (0, 1, 2)])
def test_the_work_is_done(closed: Any, tmp_path: Path, numbers: tuple[int, ...]) -> None:
    (tmp_path / "pipeline.yaml").write_text(STEPS)
    for words, code in (
        (("run",), 0),
        (("wait", "good"), 0),
        (("ls", "nosuch"), 3),
        (("nosuch",), 2),
        (("pachctl", "list", "repo"), 0),
        (("pachctl", "inspect", "repo", "nosuch"), 3),
        (("torc", "workflows", "list"), 0),
        (("repo", "create", "t", "--json"), 0),
        (("put", "t:/x", "pipeline.yaml"), 0),
        (("run", "--detach"), 0),
        (("wait",), 0),
    ):
        done = closed(numbers, *words)
        assert done.returncode == code, (words, done)
        assert b"Traceback" not in done.stdout + done.stderr and b"defect" not in done.stdout + done.stderr
        assert 2 in numbers or not code or done.stderr
    assert closed((), "logs", "good").stdout == b"out\nerr\n"


def test_nothing_else_is_taken_for_a_closed_stream(closed: Any, tmp_path: Path) -> None:
    """What is opened first would get its number, and be written to."""
    (tmp_path / "pipeline.yaml").write_text(STEPS)
    closed((0, 1, 2), "run")
    assert closed((), "fsck").returncode == 0
    assert (tmp_path / "pipeline.yaml").read_text() == STEPS


def test_a_closed_input_is_not_an_empty_one(closed: Any) -> None:
    closed((), "init")
    closed((), "repo", "create", "t")
    done = closed((0,), "put", "t:/x", "-")
    assert done.returncode == 2
    assert done.stderr.startswith(b"penstock: standard input is closed; ")
    assert closed((), "ls", "t:/").stdout == b""
