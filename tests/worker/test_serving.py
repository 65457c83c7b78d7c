"""One process that serves many attempts: what each of them is given, and what a process that breaks the rules costs."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path
from typing import Any

import pytest

from penstock.model.spec import Batch
from penstock.model.wire import Stop
from penstock.runner.leftovers import end_leftovers

#: Serves: does what the parameter `do` says with each task, in its own process.
LOOP = """
import json, os, sys, time
answers = os.fdopen(3, "w")
print("up", flush=True)
state = {}
for number, line in enumerate(sys.stdin):
    task = json.loads(line)
    params = json.load(open(task["params"]))
    answer = {"attempt": task["attempt"]}
    exec(params["do"])
    print("did", number, flush=True)
    print(json.dumps(answer), file=answers, flush=True)
"""
WRITE = 'open(task["out"] + "/n", "w").write(f"{os.getpid()} {number}")'


def serve(engine: Any, *dos: str, slots: int = 1, batch: Batch | None = None, **recipe: Any) -> Any:
    """Give attempts that do these things to processes that serve; all in one batch, so in order on one slot."""
    argv = ["python3", "-u", "-c", LOOP]
    return engine.outcome(engine.give(argv, [{"do": do} for do in dos], batch=batch or Batch(), **recipe))


def said(results: Any) -> list[tuple[str, str | None, str]]:
    return [(result.outcome, result.reason, result.message) for result in results]


def pids(engine: Any, results: Any) -> list[list[str]]:
    return [engine.wrote(result)["n"].decode().split() for result in results]


def ended(descriptor: int) -> bool:
    """Whether a process is over, or is soon; its pidfd is given back."""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    try:
        return bool(waiting.poll(10_000))
    finally:
        os.close(descriptor)


def test_one_process_serves_all_each_with_its_own_log_time_and_output(one: Any) -> None:
    results = serve(one, *[f"{WRITE}; print('hello {n}'); time.sleep(0.05)" for n in range(5)])
    assert said(results) == [("succeeded", None, "")] * 5
    found = pids(one, results)
    assert len({pid for pid, _ in found}) == 1
    assert [number for _, number in found] == ["0", "1", "2", "3", "4"]
    assert one.said(results[0]) == "up\nhello 0\ndid 0\n"
    assert [one.said(result) for result in results[1:]] == [f"hello {n}\ndid {n}\n" for n in range(1, 5)]
    assert all(0.05 <= result.stats.process_seconds < 5 for result in results)
    assert all(result.exit_code == 0 for result in results)


def test_a_failure_it_tells_is_one_tasks_and_it_goes_on(one: Any) -> None:
    results = serve(one, WRITE, 'answer["failed"] = "no good"', WRITE)
    assert said(results)[1] == ("failed", "exit", "no good")
    assert results[1].exit_code is None
    assert len({pid for pid, _ in pids(one, [results[0], results[2]])}) == 1


@pytest.mark.parametrize(
    ("do", "message"),
    [
        ("os._exit(7)", "python3 ended with exit code 7"),
        ("os._exit(0)", "python3 ended before it was done with this task"),
        ("os.kill(os.getpid(), 9)", "python3 was killed by SIGKILL (signal 9)"),
        ("1 / 0", "python3 ended with exit code 1"),
        ('print("garbage", file=answers, flush=True); time.sleep(60)', "it answered 'garbage\\n', which is no answer"),
        ('print("[1]", file=answers, flush=True); time.sleep(60)', "it answered '[1]\\n', which is no answer"),
        ('print("x" * 100_000, end="", file=answers, flush=True); time.sleep(60)', "which is no answer"),
        ('answer["attempt"] = "another"', "it answered "),
        ("print(json.dumps(answer), file=answers)", "which is no answer"),
        ("os.close(3); time.sleep(60)", "it closed descriptor 3, where it answers"),
    ],
)
def test_a_process_that_breaks_the_rules_costs_only_the_task_it_has(one: Any, do: str, message: str) -> None:
    results = serve(one, WRITE, do, WRITE)
    assert [result.outcome for result in results] == ["succeeded", "failed", "succeeded"]
    assert message in results[1].message and results[1].reason in ("exit", "signal")
    first, third = pids(one, [results[0], results[2]])
    assert first[0] != third[0] and third[1] == "0", "a new process, which begins anew"


def test_garbage_on_its_output_is_only_its_log(one: Any) -> None:
    (result,) = serve(one, 'print("{}"); sys.stderr.write("[1, 2\\n")')
    assert result.outcome == "succeeded" and "{}\n[1, 2\n" in one.said(result)


def test_one_that_never_starts_fails_each_task_for_itself(one: Any) -> None:
    results = one.outcome(one.give(["no-such-command"], 3, batch=Batch()))
    assert {(result.outcome, result.reason) for result in results} == {("failed", "command")}
    results = one.outcome(one.give(["sh", "-c", "exit 4"], 3, batch=Batch()))
    assert [result.message for result in results] == ["sh ended with exit code 4"] * 3


def test_too_long_ends_the_process_even_one_that_does_not_listen(one: Any) -> None:
    deaf = "import signal; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
    results = serve(one, deaf, WRITE, timeout=0.5, grace=0.2)
    assert said(results)[0] == ("failed", "timeout", "python3 took longer than 0.5 s")
    assert results[1].outcome == "succeeded"


def test_a_late_answer_does_not_count(one: Any) -> None:
    polite = "import signal; signal.signal(15, lambda *_: state.update(stop=1))\nwhile not state: time.sleep(0.01)"
    results = serve(one, polite, WRITE, timeout=0.3, grace=5.0)
    assert said(results)[0][:2] == ("failed", "timeout")
    assert pids(one, results[1:])[0][1] == "0"


def test_what_is_written_late_or_elsewhere_is_never_another_tasks(one: Any, tmp_path: Path) -> None:
    keep = 'state["out"] = task["out"]; state["file"] = open(task["out"] + "/late", "w")'
    late = """
import threading
for path in (state["out"] + "/x", state["out"] + "/../out/x"):
    try: open(path, "w").write("not mine")
    except OSError as error: print("refused", error)
state["file"].write("not mine"); state["file"].flush()
os.makedirs(state["out"], exist_ok=True); open(state["out"] + "/again", "w").write("not mine")
open(task["out"] + "/n", "w").write("mine")
"""
    results = serve(one, keep, late, WRITE)
    assert [result.outcome for result in results] == ["succeeded"] * 3
    assert one.wrote(results[1]) == {"n": b"mine"}
    assert list(one.wrote(results[2])) == ["n"]
    assert "refused" in one.said(results[1])


def test_what_it_forks_may_stay_with_it_and_goes_with_it(one: Any, tmp_path: Path) -> None:
    fork = f"""
pid = os.fork()
if pid == 0:
    os.setsid()
    open({str(tmp_path / "child")!r}, "w").write(str(os.getpid()))
    time.sleep(1000)
while not os.path.exists({str(tmp_path / "child")!r}) or not open({str(tmp_path / "child")!r}).read(): time.sleep(0.01)
"""
    results = serve(one, fork, WRITE, "os._exit(1)")
    assert [result.outcome for result in results] == ["succeeded", "succeeded", "failed"]
    child = int((tmp_path / "child").read_text())
    serve(one, WRITE)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_process_is_replaced_after_so_many_tasks(one: Any) -> None:
    results = serve(one, *[WRITE] * 7, batch=Batch(size=3))
    found = pids(one, results)
    assert [number for _, number in found] == ["0", "1", "2"] * 2 + ["0"]
    assert len({pid for pid, _ in found}) == 3


def test_an_idle_process_leaves(one: Any) -> None:
    first = pids(one, serve(one, WRITE, batch=Batch(idle=0.05)))
    assert ended(os.pidfd_open(int(first[0][0])))
    assert pids(one, serve(one, WRITE, batch=Batch(idle=0.05)))[0][0] != first[0][0]


def test_processes_of_other_jobs_make_room(one: Any) -> None:
    first = pids(one, serve(one, WRITE, job="a@1"))
    second = pids(one, serve(one, WRITE, job="b@1"))
    third = pids(one, serve(one, WRITE, job="a@1"))
    assert len({found[0][0] for found in (first, second, third)}) == 3


def test_a_stray_in_its_inputs_fails_the_task_and_renews_the_process(one: Any) -> None:
    results = serve(one, 'open(task["in"] + "/mine", "w")', WRITE)
    assert (results[0].outcome, results[0].reason) == ("failed", "output")
    assert results[1].outcome == "succeeded" and pids(one, results[1:])[0][1] == "0"


def test_a_recovery_after_it_and_its_own_process_each_time(one: Any) -> None:
    results = serve(
        one,
        'answer["failed"] = "no"',
        "os._exit(3)",
        WRITE,
        err_argv=("sh", "-c", "echo saved; ls -d $PENSTOCK_OUT"),
    )
    assert [result.outcome for result in results] == ["recovered", "recovered", "succeeded"]
    assert [result.message for result in results[:2]] == ["no", "python3 ended with exit code 3"]
    assert all("saved" in one.said(result) for result in results[:2])


def test_stopped_while_it_serves(one: Any) -> None:
    batch = one.give(["python3", "-u", "-c", LOOP], [{"do": "time.sleep(60)"}, {"do": WRITE}], batch=Batch(), grace=0.2)
    while not any(report.running for report in one.take()):
        pass
    one.pipe.send(Stop(False, (batch.assignments[0].attempt,)))
    results = one.outcome(batch)
    assert said(results)[0] == ("cancelled", "user", "stopped")
    assert results[1].outcome == "succeeded"


def test_cpu_and_memory_are_of_each_task(one: Any) -> None:
    results = serve(one, "x = bytearray(80_000_000); del x", WRITE, "sum(range(3_000_000))", WRITE)
    first, second, third, _ = (result.stats for result in results)
    assert first.peak_memory > 80e6 > second.peak_memory > 1e6
    assert third.cpu_seconds > second.cpu_seconds


def test_nobody_is_left_when_the_worker_is_killed(doomed: Any) -> None:
    (result,) = serve(doomed, WRITE)
    left = os.pidfd_open(int(pids(doomed, [result])[0][0]))
    doomed.process.send_signal(signal.SIGKILL)
    doomed.process.wait(10)
    # It finds the end of its tasks and leaves by itself; if it does not, the next engine finds it by its mark.
    end_leftovers(doomed.project, grace=5.0)
    assert ended(left)


def test_its_process_may_die_while_the_recovery_is_asked(one: Any) -> None:
    die = 'import threading; threading.Timer(0.2, lambda: os._exit(1)).start(); answer["failed"] = "no"'
    results = serve(one, die, WRITE, err_argv=("sh", "-c", "sleep 0.6; echo saved"))
    assert [result.outcome for result in results] == ["recovered", "succeeded"]
    assert one.said(results[0]).endswith("saved\n")
    assert pids(one, results[1:])[0][1] == "0"
