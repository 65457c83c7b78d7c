"""What a step may say of its tasks: exit codes, standard input, recovery, time, users, and what a failure means."""

from __future__ import annotations

import os
import pwd
from typing import Any

import pytest

from penstock.model.errors import BadSpec, UsageError
from penstock.service.answers import lists

ROOT = os.geteuid() == 0


def outcomes(lab: Any, job: Any) -> list[tuple[str, str | None, int]]:
    return [(task.outcome, task.reason, task.attempts) for task in lab.tasks(job)]


def test_exit_codes_that_mean_success(lab: Any) -> None:
    lab.pipeline("""
        steps:
          work:
            each: {code: [0, 3, 4, 5]}
            run: echo $PENSTOCK_PARAM_CODE > $PENSTOCK_OUT/$PENSTOCK_PARAM_CODE; exit $PENSTOCK_PARAM_CODE
            accept_exit: [4, 3]
            output: kept
        """)
    (job,) = lab.run().jobs
    assert (job.state, job.tasks.processed, job.tasks.failed) == ("failure", 3, 1)
    assert lab.failures(job) == ["sh ended with exit code 5"]
    codes = [attempt.exit_code for task in lists.tasks(lab.parts, "work", 9, None).items for attempt in task.attempts]
    assert sorted(code or 0 for code in codes) == [0, 3, 4, 5]
    # What is no longer accepted is no result any more.
    lab.pipeline("""
        steps:
          work:
            each: {code: [0, 3]}
            run: echo $PENSTOCK_PARAM_CODE > $PENSTOCK_OUT/$PENSTOCK_PARAM_CODE; exit $PENSTOCK_PARAM_CODE
            accept_exit: [4]
            output: kept
        """)
    (job,) = lab.run().jobs
    assert (job.tasks.processed, job.tasks.reused, job.tasks.failed) == (1, 0, 1)


@pytest.mark.parametrize(
    ("given", "read"),
    [("[a b, 2, 1.50]", "a b\n2\n1.50\n"), ("just this", "just this"), ("[]", ""), (f"[{'x' * 200_000}]", None)],
)
def test_standard_input(lab: Any, given: str, read: str | None) -> None:
    lab.pipeline(f"""
        steps:
          work: {{each: {{n: "1..3"}}, run: "cat > $PENSTOCK_OUT/$PENSTOCK_PARAM_N", stdin: {given}, output: kept}}
        """)
    lab.ok()
    expected = "x" * 200_000 + "\n" if read is None else read
    assert lab.files("kept") == dict.fromkeys("123", expected)
    assert lab.ok()["work"] == (3, 0, 3)
    lab.pipeline("""
        steps:
          work: {each: {n: "1..3"}, run: "cat > $PENSTOCK_OUT/$PENSTOCK_PARAM_N", stdin: other, output: kept}
        """)
    assert lab.ok()["work"] == (3, 3, 0), "what a task reads is part of what it is"


def test_unread_input_is_no_failure(lab: Any) -> None:
    lab.pipeline(f"""
        steps:
          work: {{run: "true", stdin: {"y" * 200_000}}}
        """)
    assert lab.ok()["work"] == (1, 1, 0)


RECOVERING = """
    steps:
      work:
        each: {n: "1..3"}
        run: |
          echo try >> HERE/tries$PENSTOCK_PARAM_N
          echo half > $PENSTOCK_OUT/$PENSTOCK_PARAM_N
          test $PENSTOCK_PARAM_N = 1
        err_run: test $PENSTOCK_PARAM_N = 2 && echo saved $PENSTOCK_TASK && ls $PENSTOCK_OUT && cat
        retry: {tries: 2}
        output: kept
      below:
        input: kept:/*
        run: cp $PENSTOCK_IN/kept/* $PENSTOCK_OUT
    """


def test_recovered_tasks_are_counted_apart_leave_nothing_and_are_tried_again(lab: Any) -> None:
    lab.pipeline(RECOVERING.replace("HERE", str(lab.root.parent)).replace('"1..3"', "[1, 2]"))
    work, below = lab.run().jobs
    assert (work.state, work.tasks.processed, work.tasks.recovered, work.tasks.failed) == ("success", 1, 1, 0)
    assert lab.files("kept") == {"1": "half\n"}, "what a recovered task wrote is no result"
    assert below.tasks.total == 1
    assert outcomes(lab, work) == [("succeeded", None, 1), ("recovered", "exit", 2)]
    assert (lab.root.parent / "tries2").read_text() == "try\ntry\n", "first the tries, then the recovery"
    saved = lab.tasks(work)[1]
    assert saved.message == "sh ended with exit code 1"
    again, _ = lab.run().jobs
    assert (again.tasks.reused, again.tasks.recovered) == (1, 1)
    assert (lab.root.parent / "tries2").read_text() == "try\n" * 4


def test_what_recovery_does_not_save_fails_as_its_command_did(lab: Any) -> None:
    lab.pipeline(RECOVERING.replace("HERE", str(lab.root.parent)))
    work, below = lab.run().jobs
    assert (work.state, work.tasks.processed, work.tasks.recovered, work.tasks.failed) == ("failure", 1, 1, 1)
    assert below.state == "unrunnable"
    assert outcomes(lab, work)[2] == ("failed", "exit", 2)


def test_a_recovery_that_cannot_start_hangs_or_is_not_asked(lab: Any) -> None:
    lab.pipeline("""
        steps:
          missing: {run: "exit 3", err_run: [no-such-recovery]}
          hangs: {run: "exit 3", err_run: "sleep 1000", retry: {timeout: 0.3}}
          slow: {run: "sleep 1000", err_run: "true", retry: {timeout: 0.2}}
          killed: {run: "kill -9 $$", err_run: "true"}
          unstartable: {run: [no-such-command], err_run: "true"}
          good: {run: "true", err_run: "touch asked"}
        """)
    jobs = {job.step: job for job in lab.run().jobs}
    assert {name: job.state for name, job in jobs.items()} == {
        "missing": "failure",
        "hangs": "failure",
        "slow": "success",
        "killed": "success",
        "unstartable": "failure",
        "good": "success",
    }
    (missing,) = lab.failures(jobs["missing"])
    assert missing.startswith("sh ended with exit code 3; its `err_run` failed, too: ")
    assert "no program of that name" in missing
    assert lab.failures(jobs["hangs"]) == ["sh ended with exit code 3"]
    assert outcomes(lab, jobs["slow"]) == [("recovered", "timeout", 1)]
    assert not (lab.root / "asked").exists()


def test_the_time_of_a_whole_job(lab: Any) -> None:
    lab.pipeline("""
        steps:
          work: {each: {n: "1..50"}, run: 'test $PENSTOCK_PARAM_N -le 2 || sleep 1000', timeout: 1s, output: kept}
          below: {input: kept:/*, run: "true"}
        """)
    view = lab.run()
    work, below = view.jobs
    assert (view.state, work.state, work.reason, below.state) == ("killed", "killed", "timeout", "unrunnable")
    assert (work.tasks.processed, work.tasks.left) == (2, 0)
    assert {(outcome, reason) for outcome, reason, _ in outcomes(lab, work)[2:]} <= {
        ("succeeded", None),
        ("cancelled", "timeout"),
    }
    assert "it took longer than its timeout allows" in lab.explain("work")


@pytest.mark.parametrize(("rule", "ran"), [("fast", False), ("finish", True)])
def test_what_the_first_failure_means(lab: Any, rule: str, ran: bool) -> None:
    here = lab.root.parent
    lab.pipeline(f"""
        fail: {rule}
        steps:
          work:
            each: {{n: "1..40"}}
            run: |
              echo x >> {here}/ran
              test $PENSTOCK_PARAM_N != 1 || exit 9
              until test -e {here}/go; do sleep 0.02; done
        """)
    if ran:
        (here / "go").touch()
    (job,) = lab.run().jobs
    assert (job.state, job.reason, job.tasks.failed) == ("failure", "tasks", 1)
    assert (job.tasks.processed, job.tasks.cancelled) == ((39, 0) if ran else (0, 39))
    began = len((here / "ran").read_text().splitlines())
    assert began == 40 if ran else began <= 10
    if not ran:
        assert {reason for _, reason, _ in outcomes(lab, job)} == {"exit", "tasks"}


def test_a_failure_that_may_be_tried_again_is_not_the_first(lab: Any) -> None:
    lab.pipeline(f"""
        steps:
          work:
            each: {{n: "1..4"}}
            run: mkdir {lab.root.parent}/was$PENSTOCK_PARAM_N && exit 1; true
            retry: {{tries: 2}}
            fail: fast
        """)
    assert lab.ok()["work"] == (4, 4, 0)


@pytest.mark.skipif(not ROOT, reason="only root may run as somebody else")
def test_as_another_user(lab: Any) -> None:
    for folder in (lab.root, *lab.root.parents):
        if folder.owner() == "root" and folder != folder.parent:
            folder.chmod(folder.stat().st_mode | 0o711)
    lab.put("in", {"a": "1"})
    lab.pipeline("""
        steps:
          work:
            input: in:/*
            user: nobody
            run: |
              id -un > $PENSTOCK_OUT/who; echo $HOME >> $PENSTOCK_OUT/who; cat $PENSTOCK_IN/in/a >> $PENSTOCK_OUT/who
              touch $PENSTOCK_IN/x 2>/dev/null; rm -f $PENSTOCK_IN/x
          mine: {input: in:/*, run: id -un > $PENSTOCK_OUT/who, user: root}
        """)
    lab.ok()
    assert lab.files("work") == {"who": f"nobody\n{pwd.getpwnam('nobody').pw_dir}\n1"}
    assert lab.files("mine") == {"who": "root\n"}


def test_a_user_who_is_not_there_is_refused_before_anything_runs(lab: Any) -> None:
    lab.pipeline("steps: {first: {run: touch ran}, work: {after: [first], run: x, user: no-such-user}}")
    with pytest.raises(BadSpec, match="there is no such user on this machine") as caught:
        lab.run()
    assert caught.value.where.endswith("pipeline.yaml:1:34")
    with pytest.raises(BadSpec):
        lab.planned()
    assert not (lab.root / "ran").exists()


def test_only_root_runs_as_others(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from penstock.runner import account

    account.account.cache_clear()
    monkeypatch.setattr(account.os, "geteuid", lambda: 12345)
    try:
        lab.pipeline("steps: {work: {run: x, user: nobody}}")
        with pytest.raises(BadSpec, match="only root may run tasks as somebody else; leave `user` out"):
            lab.run()
    finally:
        account.account.cache_clear()


def test_what_a_job_cost(lab: Any) -> None:
    lab.put("in", {"a": "x" * 1000, "b": "y" * 500})
    lab.pipeline("""
        steps:
          work:
            input: in:/*
            run: >-
              python3 -c "x = bytearray(150_000_000); sum(range(2_000_000))";
              cp $PENSTOCK_IN/in/* $PENSTOCK_OUT
        """)
    (job,) = lab.run().jobs
    stats = job.stats
    assert (stats.download_bytes, stats.upload_bytes, job.restarts) == (1500, 1500, 0)
    assert stats.process_seconds >= stats.cpu_seconds > 0.02
    assert stats.download_seconds > 0 and stats.upload_seconds > 0
    assert 150e6 < stats.peak_memory < 400e6
    for task in lists.tasks(lab.parts, "work", 9, None).items:
        assert 150e6 < task.stats["peak_memory"] <= stats.peak_memory
        assert task.stats["download_bytes"] == task.stats["upload_bytes"] > 0


def test_a_tree_of_processes_is_added_up(lab: Any) -> None:
    """Two children at once; neither of them alone needs what both do."""
    lab.write("both.py", BOTH)
    lab.pipeline("steps: {work: {run: both.py}}")
    (job,) = lab.run().jobs
    assert job.state == "success"
    assert 200e6 < job.stats.peak_memory < 500e6
    assert job.stats.cpu_seconds > 0.05


BOTH = """
import os, sys, time
program = "import sys; x = bytearray(100_000_000); sum(range(2_000_000)); print(flush=True); sys.stdin.read()"
import subprocess
children = [subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for _ in range(2)]
for child in children:
    child.stdout.readline()
began = time.monotonic()
while time.monotonic() - began < 2.5:  # looked at once a second
    time.sleep(0.1)
for child in children:
    child.communicate(b"")
"""


def test_words_have_places_for_parameters_and_zipped_ones_go_together(lab: Any) -> None:
    lab.pipeline("""
        steps:
          s:
            each: {zip: {name: [one, "two words"], n: "1..2"}, rate: [0.5]}
            run:
              - sh
              - -c
              - printf '%s\\n' "$@" > "$PENSTOCK_OUT/$PENSTOCK_PARAM_N"
              - sh
              - "{name}"
              - "{n:03d}/{rate:.2f}"
              - "{x}${n}"
            output: o
        """)
    assert lab.ok() == {"s": (2, 2, 0)}
    assert lab.files("o") == {"1": "one\n001/0.50\n{x}${n}\n", "2": "two words\n002/0.50\n{x}${n}\n"}
    assert lab.ok() == {"s": (2, 0, 2)}
    assert sorted(task.params["name"] for task in lab.tasks(lab.runs[0].jobs[0])) == ["one", "two words"]


def test_parameters_stand_in_words(lab: Any) -> None:
    """As their own words, whatever they hold; with every value it is another task."""
    lab.pipeline("""
        params: {size: 0.2}
        steps:
          s:
            params: {name: a b}
            run: [sh, -c, 'echo "$@" > $PENSTOCK_OUT/x', sh, "--size={size:.3f}", "{name}"]
            output: s
        """)
    assert lab.run().state == "success"
    assert lab.project.read("s:/x") == b"--size=0.200 a b\n"
    assert lab.project.run(params={"name": "$(touch x);", "size": 1}).state == "success"
    assert lab.project.read("s:/x") == b"--size=1.000 $(touch x);\n"
    with pytest.raises(UsageError, match="{size:.3f}: 'much' cannot be written so"):
        lab.project.run(params={"size": "much"})
