"""The frame of the real services: a missing one is one line at the end, and a failure under CI=true."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ASKS = """
def test_one(service):
    assert service("postgres") == "somewhere"

def test_two(service):
    assert service("postgres") == "somewhere"
"""


def ask(directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs two tests that want PostgreSQL, beside a copy of our own conftest."""
    (directory / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
    (directory / "test_asks.py").write_text(ASKS)
    clean = {k: v for k, v in os.environ.items() if k != "CI" and not k.startswith(("PENSTOCK_TEST_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "."]
    return subprocess.run(command, cwd=directory, env=clean | environment, capture_output=True, text=True, check=False)


def test_a_missing_service_skips_with_one_line(tmp_path: Path) -> None:
    done = ask(tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("skipped for want of a service: postgres (2);") == 1
    assert "2 skipped" in done.stdout


def test_a_missing_service_fails_under_ci(tmp_path: Path) -> None:
    done = ask(tmp_path, CI="true")
    assert done.returncode == 1
    assert "no service: postgres; ci/services.sh up postgres" in done.stdout
    assert "2 failed" in done.stdout


def test_the_address_comes_from_the_environment(tmp_path: Path) -> None:
    done = ask(tmp_path, CI="true", PENSTOCK_TEST_POSTGRES="somewhere")
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


@pytest.mark.parametrize(("words", "code"), [([], 2), (["up"], 0), (["down"], 0), (["up", "nix"], 2), (["names"], 0)])
def test_the_script_refuses_what_it_does_not_know(words: list[str], code: int) -> None:
    done = subprocess.run([ROOT / "ci/services.sh", *words], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert ("the names are: dask moto postgres rgw slurm" in done.stderr) == (code == 2)


def test_what_a_killed_server_left_stops_nothing(tmp_path: Path) -> None:
    """A machine that was switched off leaves a pid file, and the next `up` begins with a `down`."""
    with subprocess.Popen(["true"]) as dead:
        pass
    left = tmp_path / "postgres/data/postmaster.pid"
    left.parent.mkdir(parents=True)
    left.write_text(f"{dead.pid}\n")
    environment = os.environ | {"PENSTOCK_SERVICES": str(tmp_path)}
    command = [ROOT / "ci/services.sh", "down", "postgres"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert not left.exists()
