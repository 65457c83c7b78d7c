"""Steps on the nodes of a real Slurm: workers on a shared directory, asked for as needed and given back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from penstock.model.run import Allocation, Job
from penstock.service.project import Project

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, service: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Write:
    """A project with one site, `far`, and these steps."""
    monkeypatch.setenv("SLURM_CONF", service("slurm"))

    def write(steps: dict[str, Any], **site: Any) -> Path:
        far = {"kind": "slurm", "nodes": 2, "walltime": "5m", "cpus": 2, "memory": "400MiB", "gpus": 0, **site}
        for step in steps.values():
            step.setdefault("site", "far")
        spec = {"pipeline": "p", "sites": {"far": far}, "steps": steps}
        (tmp_path / "pipeline.json").write_text(json.dumps(spec))
        return tmp_path

    return write


def sh(text: str, **more: Any) -> dict[str, Any]:
    return {"run": ["sh", "-c", text], **more}


@contextmanager
def penstock(root: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command that does not outlive its test."""
    process = subprocess.Popen(
        [sys.executable, "-m", "penstock", *words],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=interruptible,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=60)


def interruptible() -> None:
    """Whoever starts tests in the background may have taken Ctrl-C from them."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def run(root: Path, *words: str, code: int = 0) -> str:
    with penstock(root, "run", *words) as process:
        said = process.communicate(timeout=240)[0]
    assert process.returncode == code, said
    return said


def queue(root: Path) -> list[str]:
    """What Slurm still has of a project."""
    with Project.open(root) as project:
        prefix = f"penstock-{project.parts.layout.id[:8]}-"
    listed = subprocess.run(["squeue", "--noheader", "--format=%j %T"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if line.startswith(prefix) and "COMPLETING" not in line]


def check_nothing_left(root: Path) -> None:
    """No job in the queue, no row that waits, no mail."""
    until = time.monotonic() + 15
    while queue(root) and time.monotonic() < until:
        time.sleep(0.1)
    assert queue(root) == []
    assert not (root / ".penstock/mail").exists()
    with Project.open(root) as project:
        assert project.parts.store.load(Allocation, "live_allocations") == []


def wait_for(there: Callable[[], Any]) -> None:
    """Wait until something is so."""
    until = time.monotonic() + 60
    while not there():
        assert time.monotonic() < until
        time.sleep(0.05)


def outcomes(root: Path) -> dict[str, str | None]:
    """How the jobs of the newest run ended."""
    with Project.open(root) as project:
        run = project.runs(1)[0].run
        return {job.step: job.outcome for job in project.parts.store.load(Job, "jobs_of_run", run=run)}


def allocations(root: Path) -> list[Allocation]:
    with Project.open(root) as project:
        return project.parts.store.load(Allocation, "allocations", limit=100)


def test_tasks_run_on_nodes_that_were_asked_for(write: Write) -> None:
    root = write(
        {
            "each": sh('echo "$SLURMD_NODENAME $SLURM_CPUS_ON_NODE" >> seen; sleep 0.3', each={"n": "1..12"}),
            "here": sh('echo "${SLURM_JOB_ID:-none}" > here', after=["each"], site="local"),
        }
    )
    run(root)
    seen = Counter((root / "seen").read_text().splitlines())
    assert sum(seen.values()) == 12
    assert all(line.startswith("pn") and line.endswith(" 2") for line in seen)
    assert (root / "here").read_text() == "none\n"
    rows = allocations(root)
    assert len(rows) == 2  # 12 tasks of one CPU at once are 6 nodes, and 2 may be asked for
    assert {(row.cpus, row.memory, row.seconds, row.state) for row in rows} == {(2, 400 << 20, 300, "ended")}
    check_nothing_left(root)


def test_data_goes_there_and_comes_back(write: Write, tmp_path: Path) -> None:
    root = write(
        {
            "count": sh(
                'cat "$PENSTOCK_IN"/texts/* | wc -c > "$PENSTOCK_OUT/$(ls "$PENSTOCK_IN/texts")"', input="texts:/*"
            ),
            "sum": sh('cat "$PENSTOCK_IN"/count/* | paste -sd+ | bc > "$PENSTOCK_OUT/sum"', input="count:/"),
        }
    )
    with Project.open(root, create=True) as project:
        (tmp_path / "in").mkdir()
        for number in range(5):
            (tmp_path / "in" / f"{number}.txt").write_text("x" * number)
        project.put("texts", f"{tmp_path / 'in'}/")
    run(root)
    with Project.open(root) as project:
        assert [project.read(f"count:/{number}.txt").strip() for number in range(5)] == [b"0", b"1", b"2", b"3", b"4"]
        assert project.read("sum:/sum").strip() == b"10"
    again = run(root)
    assert "0 + 5 / 5" in again
    check_nothing_left(root)


def test_each_task_is_a_job_of_its_own(write: Write) -> None:
    root = write(
        {
            "small": sh('echo "$SLURM_CPUS_ON_NODE" > small'),
            "large": sh(
                'echo "$SLURM_CPUS_ON_NODE $SLURM_MEM_PER_NODE $CUDA_VISIBLE_DEVICES" > large',
                resources={"cpus": 3, "memory": "100MiB", "gpus": 2, "time": "2m"},
            ),
        },
        per="task",
        nodes=4,
        cpus=1,
        memory="50MiB",
    )
    run(root)
    assert (root / "small").read_text() == "1\n"
    assert (root / "large").read_text() == "3 100 0,1\n"
    assert {(row.cpus, row.memory >> 20, row.gpus, row.seconds) for row in allocations(root)} == {
        (1, 50, 0, 300),
        (3, 100, 2, 180),
    }
    check_nothing_left(root)


def test_what_a_task_may_not_have_is_told(write: Write) -> None:
    root = write({"a": sh("true", resources={"cpus": 3}), "b": sh("true", resources={"time": "8m"})})
    said = run(root, code=1)
    assert "step 'a' asks for 3 CPUs, the largest node has 2" in said
    assert "step 'b' asks for 480 s, the longest walltime is 300 s" in said
    assert allocations(root) == []


@pytest.mark.parametrize(
    ("site", "words"),
    [
        ({"partition": "nowhere"}, "there is no partition nowhere"),
        ({"cpus": 64}, "it asks for 64 CPUs, a node has 4"),
        ({"partition": "short", "walltime": "1h"}, "it asks for 3600 s, a partition that it names gives 300 s at most"),
        ({"options": {"nodelist": "nowhere"}}, "Invalid node name specified"),
        ({"options": {"frobnicate": 1}}, "frobnicate"),
    ],
)
def test_a_site_that_can_never_give_anything_is_an_error_and_no_wait(
    write: Write, site: dict[str, Any], words: str
) -> None:
    root = write({"a": sh("true"), "b": sh("true", each={"n": "1..3"})}, **site)
    said = run(root, code=1)
    assert words in said, said
    assert said.count(words) >= 1
    with Project.open(root) as project:
        view = project.runs(1)[0]
        assert {job.state for job in view.jobs} <= {"unrunnable", "killed", "failure"}
    check_nothing_left(root)


def test_a_worker_that_dies_gives_its_task_back(write: Write) -> None:
    root = write(
        {
            "a": sh(
                'echo "$PENSTOCK_ATTEMPT" >> tries; if [ ! -e died ]; then touch died; sleep 60; fi; echo done > out'
            )
        },
        nodes=1,
    )
    with penstock(root, "run") as process:
        wait_for(lambda: (root / "died").exists())
        (row,) = allocations(root)
        assert row.native is not None
        subprocess.run(["scancel", "--signal=KILL", "--full", row.native], check=True)
        said = process.communicate(timeout=240)[0]
    assert process.returncode == 0, said
    assert (root / "out").read_text() == "done\n"
    assert len((root / "tries").read_text().splitlines()) == 2
    check_nothing_left(root)


def test_an_engine_that_dies_is_followed_by_one_that_goes_on_with_its_nodes(write: Write) -> None:
    """What ran for the dead engine is over before it runs again, on the same node."""
    root = write(
        {
            "a": sh(
                'echo "begin $SLURM_JOB_ID" >> story; trap "echo cut >> story; exit 1" TERM; '
                'if [ ! -e once ]; then touch once; sleep 60 & wait; fi; echo "end $SLURM_JOB_ID" >> story'
            ),
        },
        nodes=1,
    )
    with penstock(root, "run") as process:
        wait_for(lambda: (root / "once").exists())
        process.kill()
        process.wait()
    assert len(queue(root)) == 1
    run(root)
    story = (root / "story").read_text().splitlines()
    first = story[0].split()[1]
    assert story[0] == f"begin {first}" and story[-2:] == [f"begin {first}", f"end {first}"], story
    assert len(allocations(root)) == 1
    check_nothing_left(root)


def test_what_runs_is_ended_by_ctrl_c_with_its_nodes(write: Write) -> None:
    root = write({"a": sh("touch began; sleep 60 & wait")}, nodes=1)
    with penstock(root, "run") as process:
        wait_for(lambda: (root / "began").exists())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    check_nothing_left(root)


def test_nodes_that_nobody_needs_are_given_back(write: Write) -> None:
    root = write({"wide": sh("sleep 0.2", each={"n": "1..8"}), "then": sh("sleep 6", after=["wide"])}, nodes=2, idle=1)
    counts = Counter[int]()
    with penstock(root, "run") as process:
        while process.poll() is None:
            running = (
                sum(row.state == "running" for row in allocations(root))
                if (root / ".penstock" / "format").exists()
                else 0
            )
            counts[running] += 1
            time.sleep(0.2)
        process.communicate()
    assert process.returncode == 0
    assert counts[2] and counts[1] > 10, counts
    check_nothing_left(root)


def test_memory_is_limited_there_too(write: Write) -> None:
    hog = "import time; x = bytearray(200 << 20); time.sleep(20)"
    root = write({"a": {"run": ["python3", "-c", hog], "resources": {"memory": "100MiB"}}}, nodes=1)
    said = run(root, code=1)
    assert "memory" in said and "100.0 MiB" in said
    check_nothing_left(root)


def test_who_supports_it_is_told_before_the_node_is_taken_back(write: Write) -> None:
    told = 'trap "echo told > told; exit 3" TERM; touch began; while :; do sleep 0.1; done'
    root = write({"flagged": sh(told, supports_termination=True, grace="20s"), "other": sh("sleep 60")}, nodes=1)
    with penstock(root, "run"):
        wait_for(lambda: (root / "began").exists())
        (row,) = allocations(root)
        assert row.native is not None
        subprocess.run(["scancel", "--batch", "--signal=TERM", row.native], check=True)
        wait_for(lambda: (root / "told").exists() and outcomes(root)["flagged"])
        states = outcomes(root)
    assert states == {"flagged": "terminated", "other": None}
    check_nothing_left(root)


def test_why_it_waits(write: Write) -> None:
    root = write({"a": sh("true")}, options={"begin": "now+1hour"}, nodes=1)
    with penstock(root, "run") as process:
        until = time.monotonic() + 60
        said = ""
        while "PENDING" not in said and time.monotonic() < until:
            time.sleep(0.3)
            if (root / ".penstock").exists():
                with penstock(root, "status") as asked:
                    said = asked.communicate()[0]
        assert "site far has lent 0 of at most 1 nodes and is asked for 1 more (1 PENDING" in said
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    check_nothing_left(root)


def test_a_site_for_this_once(write: Write) -> None:
    root = write({"a": sh('echo "${SLURM_JOB_ID:-none}" > a', site="local")}, nodes=1)
    run(root)
    assert (root / "a").read_text() == "none\n"
    run(root, "--site", "far")
    assert (root / "a").read_text().strip().isdigit()
    said = run(root, "--site", "moon", code=3)
    assert "has no site 'moon'; it knows local, far" in said
    check_nothing_left(root)


def test_a_task_of_two_nodes(write: Write) -> None:
    root = write(
        {"mpi": sh("srun hostname > names; echo $SLURM_JOB_NUM_NODES > nodes", resources={"nodes": 2})},
        per="task",
        nodes=2,
        cpus=1,
        memory="50MiB",
    )
    run(root)
    assert (root / "nodes").read_text() == "2\n"
    assert len((root / "names").read_text().splitlines()) == 2
    check_nothing_left(root)
    root = write({"mpi": sh("true", resources={"nodes": 2})})
    assert 'it asks for 2 nodes, and site "far" gives a task one; say `per: task` there' in run(root, code=2)
