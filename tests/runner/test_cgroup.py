"""Memory that the kernel limits: version 1 for real where this machine lets us, version 2 on files like its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.runner.base import Ended, Launch
from penstock.runner.cgroup import Group, Groups
from penstock.runner.process import Processes

HOG = "import sys; x = bytearray(int(sys.argv[1]) << 20); print(len(x))"


@pytest.fixture
def groups() -> Groups:
    found = Groups.here()
    if found is None or (probe := found.make(64 << 20)) is None:
        pytest.skip("control groups cannot be made here")
    probe.close()
    return found


def run(memory: int, megabytes: int, *before: str) -> tuple[int, bool]:
    """How a command ended that uses so much, in a limit of so much."""
    end = ended(memory, megabytes, *before)
    return end.exit_code, end.starved


def ended(memory: int, megabytes: int, *before: str) -> Ended:
    runner, null = Processes(), os.open(os.devnull, os.O_RDWR)
    words = (*before, sys.executable, "-c", HOG, str(megabytes))
    handle = runner.start(Launch(words, {"PATH": os.environ["PATH"]}, None, null, null, null, memory=memory << 20))
    (end,) = runner.poll(30.0)[0]
    assert end.handle == handle
    runner.close()
    os.close(null)
    return end


def test_what_uses_too_much_is_ended_by_the_kernel(groups: Groups) -> None:
    assert run(60, 300) == (-9, True)
    assert run(300, 60) == (0, False)


def test_what_it_starts_counts_too(groups: Groups) -> None:
    code, starved = run(60, 300, "sh", "-c", '"$@"; exit 7', "sh")
    assert (code, starved) == (7, True)


def test_several_that_pass_it_together(groups: Groups) -> None:
    """Each alone would have room."""
    for _ in range(3):
        assert run(100, 60, "sh", "-c", 'for n in 1 2 3; do "$@" & done; wait; exit 0', "sh") == (0, True)


def test_bytes_are_those_that_the_kernel_counts(groups: Groups) -> None:
    """What is shared with others is more than a limit that was not passed."""
    # What the system tells of a command begins at what this process has, which in a long session is much.
    assert ended(8000, 60).peak_memory < 8000 << 20
    assert ended(60, 300).peak_memory <= 60 << 20


def test_without_groups_what_it_used_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Groups, "here", lambda: None)
    end = ended(60, 300, "sh", "-c", '"$@"; exit 7', "sh")
    assert (end.exit_code, end.starved) == (7, False)
    assert end.peak_memory > 300 << 20


def test_nothing_of_a_group_stays(groups: Groups) -> None:
    run(60, 300)
    assert not list(Path(groups._base).glob(f"penstock-{os.getpid()}-*"))


def test_what_a_killed_worker_left_is_removed(groups: Groups) -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    left = Path(groups._base) / f"penstock-{gone.pid}-1"
    left.mkdir()
    assert Groups.here() is not None
    assert not left.exists()


def tree(root: Path, controllers: str = "cpu memory", enabled: str = "") -> Path:
    """A group of version 2 with this process in it, as files."""
    base = root / "user.slice" / "mine"
    base.mkdir(parents=True)
    (base / "cgroup.controllers").write_text(controllers)
    (base / "cgroup.subtree_control").write_text(enabled)
    (base / "cgroup.procs").write_text("11\n12\n")
    (root / "own").write_text("0::/user.slice/mine\n")
    return base


def test_version_2_where_memory_is_on_already(tmp_path: Path) -> None:
    base = tree(tmp_path, enabled="memory")
    found = Groups.here(str(tmp_path), str(tmp_path / "own"))
    assert found is not None
    group = found.make(1000)
    assert group is not None
    (made,) = base.glob("penstock-*")
    assert (made / "memory.max").read_text() == "1000" and (made / "memory.swap.max").read_text() == "0"
    group.add(17)
    assert (made / "cgroup.procs").read_text() == "17"
    (made / "memory.events").write_text("low 0\noom 1\noom_kill 0\n")
    assert not group.passed
    (made / "memory.events").write_text("low 0\noom 1\noom_kill 2\n")
    assert group.passed


def test_version_2_in_a_group_that_was_delegated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tree(tmp_path)
    monkeypatch.setattr("penstock.runner.cgroup._delegated", lambda path: path == str(base))
    assert Groups.here(str(tmp_path), str(tmp_path / "own")) is not None
    assert (base / "cgroup.subtree_control").read_text() == "+memory"
    assert (base / "penstock" / "cgroup.procs").read_text() == "12"  # the last of those that were moved


@pytest.mark.parametrize("controllers", ["cpu memory", "cpu"])
def test_version_2_that_is_not_ours_to_change(tmp_path: Path, controllers: str) -> None:
    base = tree(tmp_path, controllers)
    assert Groups.here(str(tmp_path), str(tmp_path / "own")) is None
    assert (base / "cgroup.subtree_control").read_text() == ""


@pytest.mark.parametrize("own", ["", "nonsense\n", "4:memory:/gone\n", "0::/gone\n"])
def test_where_there_are_none(tmp_path: Path, own: str) -> None:
    (tmp_path / "own").write_text(own)
    assert Groups.here(str(tmp_path), str(tmp_path / "own")) is None
    assert Groups.here(str(tmp_path), str(tmp_path / "absent")) is None


def test_a_limit_that_cannot_be_set_leaves_no_group(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        Group(str(tmp_path / "g"), "no/such/file", "events", 5)
    assert not (tmp_path / "g").exists()


@pytest.mark.parametrize(
    "run", [f"[{sys.executable}, -c, '{HOG}', '400']", f"""'{sys.executable} -c "{HOG}" 400; true'"""]
)
def test_a_worker_says_memory(groups: Groups, tmp_path: Path, run: str) -> None:
    """It ends between two looks of who watches, and all the same it is known why."""
    (tmp_path / "pipeline.yaml").write_text(f"steps:\n  s:\n    run: {run}\n    resources: {{memory: 100MiB}}\n")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-m", "penstock", "run"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "memory" in done.stdout + done.stderr and "100.0 MiB" in done.stdout + done.stderr, done.stdout + done.stderr
