"""What an engine that died left behind is found by its environment and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator

import pytest

from penstock.runner.leftovers import end_leftovers


@pytest.fixture
def project() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def leave(project: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes to be put in; none is left when the test ends."""
    found: list[subprocess.Popen[bytes]] = []
    yield found
    for process in found:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def begin(script: str, project: str, leave: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Start a shell of this project, in its own session, and wait until it says so."""
    process = subprocess.Popen(
        ["sh", "-c", script],
        env={**os.environ, "PENSTOCK_PROJECT": project},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    leave.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == b"here\n"
    return process


def test_none() -> None:
    assert end_leftovers(uuid.uuid4().hex) == 0


def test_the_polite_and_the_stubborn(project: str, leave: list[subprocess.Popen[bytes]]) -> None:
    polite = begin("echo here; exec sleep 1000", project, leave)
    stubborn = begin("trap '' TERM; echo here; while :; do sleep 1000 & wait; done", project, leave)
    assert end_leftovers(project, grace=0.2) >= 2
    assert polite.wait() == -signal.SIGTERM
    assert stubborn.wait() == -signal.SIGKILL
    assert end_leftovers(project) == 0


def test_other_projects_live(project: str, leave: list[subprocess.Popen[bytes]]) -> None:
    other = begin("echo here; exec sleep 1000", f"{project}x", leave)
    assert end_leftovers(project) == 0
    assert other.poll() is None


def test_one_worker(project: str, leave: list[subprocess.Popen[bytes]]) -> None:
    mine = begin("PENSTOCK_WORKER=w exec sh -c 'echo here; exec sleep 1000'", project, leave)
    other = begin("PENSTOCK_WORKER=v exec sh -c 'echo here; exec sleep 1000'", project, leave)
    assert end_leftovers(project, worker="w") == 1
    assert mine.wait() == -signal.SIGTERM
    assert other.poll() is None


def test_one_worker_of_a_site_on_this_host(project: str, leave: list[subprocess.Popen[bytes]]) -> None:
    mine = begin("PENSTOCK_WORKER=w-0 exec sh -c 'echo here; exec sleep 1000'", f"{project}@w-0", leave)
    other = begin("PENSTOCK_WORKER=w-1 exec sh -c 'echo here; exec sleep 1000'", f"{project}@w-1", leave)
    assert end_leftovers(project, worker="w") == 0
    assert end_leftovers(project) == 0  # an engine that takes over goes on with those
    assert end_leftovers(project, worker="w-0") == 1
    assert mine.wait() == -signal.SIGTERM
    assert other.poll() is None


def test_a_zombie_does_not_count(project: str, leave: list[subprocess.Popen[bytes]]) -> None:
    process = begin("echo here", project, leave)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert end_leftovers(project) == 0


def test_neither_the_asker_nor_who_runs_it(project: str, leave: list[subprocess.Popen[bytes]]) -> None:
    code = "from penstock.runner.leftovers import end_leftovers; import sys; print(end_leftovers(sys.argv[1]))"
    script = f"{sys.executable} -c '{code}' {project}; echo alive"
    env = {**os.environ, "PENSTOCK_PROJECT": project, "PYTHONPATH": ":".join(sys.path)}
    told = subprocess.run(["sh", "-c", script], env=env, capture_output=True, text=True, check=True)
    assert told.stdout == "0\nalive\n"
