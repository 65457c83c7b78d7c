"""Inputs and output at /pfs, seen by the task alone."""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from penstock.model.errors import BadSpec, PenstockError
from penstock.runner import namespace
from penstock.service.opening import able


def forbidden() -> str | None:
    try:
        namespace.try_out()
    except PenstockError as error:
        return str(error)
    return None


needs_views = pytest.mark.skipif(forbidden() is not None, reason=str(forbidden()))


@needs_views
def test_what_a_task_sees_and_nobody_else(lab: Any) -> None:
    lab.put("in", {"a": "1", "b": "2"})
    lab.put("more", {"x": "3"})
    lab.pipeline("""
        steps:
          work:
            input: {cross: ["in:/*", {repo: more, glob: /, as: rest}]}
            pfs: true
            run: |
              cat /pfs/in/* /pfs/rest/x > /pfs/out/$(ls /pfs/in)
              find /pfs -type f | sort
              touch /pfs/beside /beside 2>&1
              test -d /proc/self && test -w /dev/null && pwd
          plain: {input: in:/*, run: "test ! -e /pfs && cp $PENSTOCK_IN/in/* $PENSTOCK_OUT"}
        """)
    lab.ok()
    assert lab.files("work") == {"a": "13", "b": "23"}
    said = subprocess.run(["grep", "-rh", "", lab.parts.layout.logs], capture_output=True, text=True, check=True).stdout
    assert "/pfs/in/a\n/pfs/out/a\n/pfs/rest/x" in said
    assert said.count("Read-only file system") == 4
    assert not os.path.exists("/pfs") and not os.path.exists("/beside")
    assert lab.parts.layout.id not in Path("/proc/self/mountinfo").read_text()


@needs_views
def test_a_tasks_own_programs_find_the_usual_paths_too(lab: Any) -> None:
    lab.put("in", {"a": "1"})
    lab.pipeline("""
        steps:
          work:
            input: in:/*
            pfs: true
            run: cmp $PENSTOCK_IN/in/a /pfs/in/a && echo both > $PENSTOCK_OUT/f && test "$(cat /pfs/out/f)" = both
        """)
    lab.ok()
    assert lab.files("work") == {"f": "both\n"}


@needs_views
def test_nothing_is_left_in_it_by_the_task_before(lab: Any) -> None:
    lab.put("in", {f"f{n}": str(n) for n in range(12)})
    lab.pipeline("""
        steps:
          work:
            input: in:/*
            pfs: true
            run: test $(find /pfs -type f | wc -l) = 1 && cp /pfs/in/* /pfs/out && (sleep 1000 & cd /pfs/out)
        """)
    lab.ok()
    assert len(lab.files("work")) == 12


@needs_views
def test_served_by_one_process(lab: Any) -> None:
    lab.put("in", {f"f{n}": str(n) for n in range(6)})
    lab.write("serve.py", SERVE)
    lab.pipeline("steps: {work: {input: 'in:/*', pfs: true, batch: true, run: serve.py}}")
    lab.ok()
    assert lab.files("work") == {f"f{n}": f"{n} f{n}" for n in range(6)}


SERVE = """
import os
from penstock import task

@task.batch
def work(inputs, out, params):
    (name,) = os.listdir("/pfs/in")
    open(f"/pfs/out/{name}", "w").write(open(f"/pfs/in/{name}").read() + " " + name)

work()
"""


def test_where_it_is_forbidden_it_is_refused_before_anything_runs(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        return -1

    class Forbidding:
        unshare = staticmethod(refuse)

    namespace.try_out.cache_clear()
    monkeypatch.setattr(namespace, "_libc", Forbidding)
    try:
        lab.pipeline("steps: {first: {run: touch ran}, work: {after: [first], run: x, pfs: true}}")
        with pytest.raises(BadSpec, match=r"nothing can be shown at /pfs here: cannot make a .*mount namespace: .*"):
            lab.run()
        assert not (lab.root / "ran").exists() and lab.project.runs() == []
        step = lab.parts.pipelines
        assert step() == {}
    finally:
        monkeypatch.undo()
        namespace.try_out.cache_clear()


def test_a_run_somebody_elses_commit_opens_ends_unrunnable(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.put("in", {"a": "1"})
    lab.pipeline("steps: {work: {input: 'in:/*', run: 'true', user: root}}")
    monkeypatch.setattr(able, "refusal", lambda step: None)
    monkeypatch.setattr("penstock.service.driving.expanding.refusal", lambda step: "not on this machine")
    (job,) = lab.run().jobs
    assert (job.state, job.message) == ("unrunnable", "step 'work': not on this machine")


@needs_views
def test_views_leave_nothing_behind(tmp_path: Path) -> None:
    for name in ("root", "in", "out"):
        (tmp_path / name).mkdir()
    view = namespace.Namespace(str(tmp_path / "root"))
    for _ in range(20):
        view.point({"in": str(tmp_path / "in"), "out": str(tmp_path / "out")})
    view.close()
    assert list((tmp_path / "root").iterdir()) == []


@needs_views
def test_an_unprivileged_user_gets_one_too(tmp_path: Path) -> None:
    """In a child that gave up being root (or is not): it sees /pfs, and is who it was."""
    for name in ("root", "in", "out"):
        (tmp_path / name).mkdir()
        os.chmod(tmp_path / name, 0o777)
    for folder in (tmp_path, *tmp_path.parents):
        if os.access(folder, os.W_OK) and os.geteuid() == folder.stat().st_uid:
            os.chmod(folder, folder.stat().st_mode | 0o711)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
                ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # what an exec would give back: its own /proc/self
            view = namespace.Namespace(str(tmp_path / "root"))
            child = os.fork()
            if child == 0:
                view.enter({"out": str(tmp_path / "out")})
                Path("/pfs/out/who").write_text(str(os.getuid()))
                os._exit(0)
            os.waitpid(child, 0)
        except BaseException as error:
            os.write(write, repr(error).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(write)
    trouble = os.read(read, 4096)
    os.close(read)
    if b"cannot make" in trouble:
        pytest.skip(trouble.decode())
    assert trouble == b""
    assert (tmp_path / "out" / "who").read_text() == str(65534 if os.geteuid() == 0 else os.geteuid())


@needs_views
def test_a_task_is_told_of_itself_in_pachyderms_words(lab: Any) -> None:
    lab.put("left", {"a-1": "x", "b-1": "x"})
    lab.put("right", {"a-2": "y", "a-3": "y"})
    lab.put("home", {"f": "z"})
    lab.pipeline("""
        steps:
          told:
            input:
              cross:
                - join:
                    - {repo: left, glob: "/(*)-*", on: $1}
                    - {group: [{repo: right, glob: "/(*)-*", on: $1, group: "$1"}]}
                - {repo: home, glob: /, as: HOME}
            pfs: true
            run: env | grep -E '^(left|right|PACH_|PPS_|HOME)' | sort > /pfs/out/$PACH_DATUM_ID
          plain: {input: "home:/*", run: "env > $PENSTOCK_OUT/env"}
        """)
    view = lab.run()
    assert view.state == "success", [job.message for job in view.jobs]
    ((name, said),) = lab.files("told").items()
    (task,) = lab.tasks(next(job for job in view.jobs if job.step == "told"))
    assert name == task.id
    commits = {repo: lab.project.commit(repo).id for repo in ("left", "right", "home")}
    assert dict(line.split("=", 1) for line in said.splitlines()) == {
        "left": "/pfs/left/a-1",
        "left_COMMIT": commits["left"],
        "right": "/pfs/right",
        "right_COMMIT": commits["right"],
        "PACH_DATUM_left_JOIN_ON": "a",
        "PACH_DATUM_right_JOIN_ON": "a",
        "PACH_DATUM_right_GROUP_BY": "a",
        "PACH_DATUM_ID": task.id,
        "PACH_JOB_ID": view.run,
        "PACH_OUTPUT_COMMIT_ID": view.run,
        "PPS_PIPELINE_NAME": "told",
        "PPS_PROJECT_NAME": "default",
        "HOME": os.environ["HOME"],
        "HOME_COMMIT": commits["home"],
    }
    assert "PACH_" not in lab.files("plain")["env"]


@needs_views
def test_what_a_task_is_told_counts(lab: Any) -> None:
    lab.put("t", {"x-y": "1"})
    told = """{
        input: {group: [{repo: t, glob: /(*)-(*), group: KEY}]}, pfs: true,
        run: "echo $PACH_DATUM_t_GROUP_BY $PPS_PIPELINE_NAME > /pfs/out/f"
    }"""
    for key, said in (("$1", "x"), ("$2", "y")):
        lab.pipeline(f"steps: {{one: {told}, two: {told}}}".replace("KEY", key))
        assert lab.ok() == {"one": (1, 1, 0), "two": (1, 1, 0)}
        assert (lab.files("one"), lab.files("two")) == ({"f": f"{said} one\n"}, {"f": f"{said} two\n"})
    lab.put("t", {"x-y": "2"})
    lab.ok()
    assert lab.ok() == {"one": (1, 0, 1), "two": (1, 0, 1)}, "ids differ from run to run, and do not count"


@needs_views
def test_each_part_of_a_union_is_told_its_own_key_and_commit(lab: Any) -> None:
    ids = [lab.put(repo, {path: "same"}) for repo, path in (("p", "a-b"), ("q", "c_d"))]
    lab.put("r", {"a": "", "d": ""})
    lab.pipeline("""
        steps:
          told:
            input:
              join:
                - union: [{repo: p, glob: /(*)-*, on: $1, as: in}, {repo: q, glob: /*_(*), on: $1, as: in}]
                - {repo: r, glob: "/(*)", on: $1}
            pfs: true
            run: echo $in_COMMIT > /pfs/out/$PACH_DATUM_in_JOIN_ON
        """)
    assert lab.ok() == {"told": (2, 2, 0)}
    assert lab.files("told") == {"a": f"{ids[0]}\n", "d": f"{ids[1]}\n"}
