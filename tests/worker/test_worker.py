"""A worker process: what becomes of attempts, and what of the worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from penstock.model.data import EMPTY, Entry
from penstock.model.wire import Input, Recall, Stop
from penstock.objects import tree
from penstock.runner.leftovers import end_leftovers

if TYPE_CHECKING:
    from tests.worker.conftest import Engine


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def await_file(path: Path) -> str:
    deadline = time.monotonic() + 20
    while not path.exists() or not path.read_text().endswith("\n"):
        assert time.monotonic() < deadline, f"{path} never came"
        os.sched_yield()
    return path.read_text()


class TestSuccess:
    def test_many(self, engine: Engine) -> None:
        results = engine.outcome(engine.give(["true"], tasks=50))
        assert [result.outcome for result in results] == ["succeeded"] * 50
        assert {result.token for result in results} == {1}
        assert all(result.output == EMPTY and result.exit_code == 0 and not result.message for result in results)
        assert all(0 < result.started <= result.ended for result in results)
        assert engine.packs == []

    def test_what_a_task_sees(self, engine: Engine) -> None:
        params = [{"limit-a": 3, "text": "$(touch x); é"}]
        batch = engine.give(["sh", "-c", "cat $PENSTOCK_PARAMS; echo; env"], params, vars={"MINE": "1"}, cpus=2)
        (result,) = engine.outcome(batch)
        first, *rest = engine.said(result).splitlines()
        env = dict(line.split("=", 1) for line in rest if "=" in line)
        assert json.loads(first) == params[0]
        assert env["PENSTOCK_PARAM_LIMIT_A"] == "3"
        assert env["PENSTOCK_PARAM_TEXT"] == "$(touch x); é"
        assert (env["PENSTOCK_TASK"], env["PENSTOCK_ATTEMPT"]) == (result.task, result.attempt)
        assert (env["PENSTOCK_RUN"], env["PENSTOCK_JOB"]) == ("run", "step@run")
        assert (env["PENSTOCK_PROJECT"], env["PENSTOCK_CPUS"], env["MINE"]) == (engine.project, "2", "1")
        assert os.listdir(engine.home.parent) == [".penstock"]

    def test_parameters_are_those_of_the_task(self, engine: Engine) -> None:
        batch = engine.give(["sh", "-c", "cat $PENSTOCK_PARAMS"], [{"n": n // 3} for n in range(20)])
        assert [engine.said(result) for result in engine.outcome(batch)] == [f'{{"n":{n // 3}}}' for n in range(20)]

    def test_output_is_collected_and_durable(self, engine: Engine) -> None:
        script = 'mkdir -p $PENSTOCK_OUT/a/b; printf "$PENSTOCK_TASK" > $PENSTOCK_OUT/a/b/x; touch $PENSTOCK_OUT/empty'
        results = engine.outcome(engine.give(["sh", "-c", script], 10))
        for result in results:
            assert engine.wrote(result) == {"a/b/x": result.task.encode(), "empty": b""}
            assert result.files == 2
            assert result.stats.upload_bytes == len(result.task)
        assert engine.packs

    def test_a_large_output(self, engine: Engine) -> None:
        result = engine.run("head -c 3000000 /dev/zero > $PENSTOCK_OUT/big")
        assert engine.wrote(result) == {"big": bytes(3_000_000)}

    def test_inputs(self, engine: Engine) -> None:
        root = engine.store({"a/b/x": "one", "a/y": "two", "z": "three"})
        inputs = (
            engine.file("file", root, "a/b/x"),
            Input("dir", "a", b"", True, root),
            Input("all", "", root, True, root),
        )
        result = engine.run("cd $PENSTOCK_IN; find . -type f | sort; echo changed > file/a/b/x", inputs=inputs)
        assert engine.said(result).split() == [
            "./all/a/b/x",
            "./all/a/y",
            "./all/z",
            "./dir/a/b/x",
            "./dir/a/y",
            "./file/a/b/x",
        ]
        assert result.outcome == "succeeded"
        assert result.stats.download_bytes == 3 + (3 + 3) + (3 + 3 + 5)
        again = engine.run("cat $PENSTOCK_IN/file/a/b/x; ls $PENSTOCK_IN", inputs=inputs[:1])
        assert engine.said(again) == "onefile\n"
        assert engine.said(engine.run("ls $PENSTOCK_IN")) == ""

    def test_the_task_kit(self, engine: Engine) -> None:
        root = engine.store({"a/x": "one"})
        code = (
            "from penstock import task; (task.out / 'r').write_text("
            "f\"{[p.name for p in task.files('i')]} {task.inputs['i'].name} {task.params['n']} {task.cpus}\")"
        )
        batch = engine.give([sys.executable, "-c", code], [{"n": 5}], (Input("i", "", root, True, root),))
        (result,) = engine.outcome(batch)
        assert engine.wrote(result) == {"r": b"['x'] i 5 1"}

    def test_frozen_code_and_live_directory(self, engine: Engine, tmp_path: Path) -> None:
        root = engine.store({"main.sh": "echo frozen; pwd", "lib/a": "x"})
        result = engine.run("sh main.sh", code=root)
        said, place = engine.said(result).split()
        assert said == "frozen"
        assert place.startswith(str(engine.home / "work"))
        assert engine.said(engine.run("pwd", workdir=str(tmp_path))).strip() == str(tmp_path)

    def test_stdout_and_stderr_in_order(self, engine: Engine) -> None:
        results = engine.outcome(
            engine.give(["sh", "-c", "echo $PENSTOCK_TASK; echo err >&2; echo x > /dev/stderr"], 9)
        )
        for result in results:
            assert engine.said(result) == f"{result.task}\nerr\nx\n"

    def test_the_cost_is_told(self, engine: Engine) -> None:
        result = engine.run("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done")
        assert result.stats.cpu_seconds > 0
        assert result.stats.process_seconds > 0
        assert result.stats.peak_memory > 100_000


class TestFailure:
    @pytest.mark.parametrize(
        ("script", "reason", "code", "message"),
        [
            ("exit 3", "exit", 3, "sh ended with exit code 3"),
            ("kill -SEGV $$", "signal", -11, "sh was killed by SIGSEGV (signal 11)"),
            ("touch stray", "output", 0, "it changed 'stray' outside its output; write into $PENSTOCK_OUT"),
            ("ln -s ../x $PENSTOCK_OUT/l", "output", 0, "leads out"),
            ('touch "$PENSTOCK_OUT/a\nb"', "output", 0, "control character"),
            ("mkfifo $PENSTOCK_OUT/f", "output", 0, "'f'"),
            ("rm -r $PENSTOCK_OUT", "output", 0, "it changed 'out' outside"),
            (r'touch "$(printf "$PENSTOCK_OUT/\377")"', "output", 0, "not valid UTF-8"),
        ],
    )
    def test_reasons(self, engine: Engine, script: str, reason: str, code: int, message: str) -> None:
        result = engine.run(script)
        assert (result.outcome, result.reason, result.exit_code) == ("failed", reason, code)
        assert message in result.message
        assert "\n" not in result.message
        assert result.output == EMPTY
        after = engine.run("ls $PENSTOCK_IN $PENSTOCK_OUT/ > $PENSTOCK_OUT/l; ls")
        assert after.outcome == "succeeded"
        assert engine.said(after).split() == ["in", "out", "params.json"]

    def test_output_of_a_failed_task_is_dropped(self, engine: Engine) -> None:
        result = engine.run("echo x > $PENSTOCK_OUT/x; exit 1")
        assert (result.output, result.files) == (EMPTY, 0)
        assert engine.packs == []

    def test_a_command_that_is_not_there(self, engine: Engine) -> None:
        (result,) = engine.outcome(engine.give(["penstock-no-such"]))
        assert (result.outcome, result.reason, result.exit_code, result.log) == ("failed", "command", None, None)
        assert "command 'penstock-no-such' cannot be started: no program of that name" in result.message

    def test_too_many_arguments(self, engine: Engine) -> None:
        (result,) = engine.outcome(engine.give(["true", *["x" * 100_000] * 50]))
        assert (result.reason, "put them into a file" in result.message) == ("command", True)

    def test_writing_into_frozen_code(self, engine: Engine) -> None:
        root = engine.store({"main.sh": "echo x > lib/stray", "lib/a": "x"})
        batch = engine.give(["sh", "main.sh"], 6, code=root)
        for result in engine.outcome(batch):
            if os.geteuid() == 0:
                assert (result.reason, "'lib/stray'" in result.message) == ("output", True)
            else:
                assert (result.reason, "denied" in engine.said(result)) == ("exit", True)
        assert engine.said(engine.run("ls lib", code=root)) == "a\n"

    def test_an_input_that_is_missing(self, engine: Engine) -> None:
        absent = tree.encode(Entry((b"\x1e" + b"x" * 32,), 5))
        result = engine.run("true", inputs=(Input("i", "x", absent, False, b""),))
        assert (result.outcome, result.reason) == ("failed", "input")
        assert "no pack and no file" in result.message
        assert engine.run("true").outcome == "succeeded"

    def test_code_that_is_missing(self, engine: Engine) -> None:
        result = engine.run("true", code=b"\x1e" + b"x" * 32)
        assert (result.outcome, result.reason) == ("failed", "input")

    def test_a_damaged_input(self, engine: Engine) -> None:
        root = engine.store({"x": "hello"})
        for pack in (engine.home / "objects/packs").rglob("*.pack"):
            pack.chmod(0o644)
            pack.write_bytes(pack.read_bytes().replace(b"hello", b"jello"))
        result = engine.run("true", inputs=(Input("i", "", root, True, root),))
        assert (result.outcome, result.reason) == ("failed", "input")

    def test_timeout(self, engine: Engine) -> None:
        result = engine.run("sleep 1000", timeout=0.1)
        assert (result.outcome, result.reason, result.exit_code) == ("failed", "timeout", -signal.SIGTERM)
        assert result.message == "sh took longer than 0.1 s"

    def test_timeout_of_a_stubborn_task(self, engine: Engine) -> None:
        result = engine.run("trap '' TERM; while :; do sleep 0.05; done", timeout=0.1, grace=0.1)
        assert (result.reason, result.exit_code) == ("timeout", -signal.SIGKILL)

    def test_a_daemon_ends_with_its_task(self, engine: Engine, tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        result = engine.run(f"setsid sh -c 'echo $$ > {pids}; exec sleep 1000' & while ! [ -s {pids} ]; do :; done")
        assert result.outcome == "succeeded"
        assert not alive(int(pids.read_text()))


class TestTalk:
    def test_stopping_what_runs_and_what_waits(self, engine: Engine, tmp_path: Path) -> None:
        first = engine.give(["sh", "-c", f"echo $$ > {tmp_path}/$PENSTOCK_TASK; exec sleep 1000"], 5)
        pids = [int(await_file(tmp_path / f"t1.{index}")) for index in range(2)]
        engine.pipe.send(Stop(False))
        results = engine.outcome(first)
        assert {(result.outcome, result.reason) for result in results} == {("cancelled", "user")}
        assert [result.exit_code for result in results] == [-signal.SIGTERM] * 2 + [None] * 3
        assert not any(alive(pid) for pid in pids)
        assert engine.run("true").outcome == "succeeded"

    def test_killing_one(self, engine: Engine, tmp_path: Path) -> None:
        batch = engine.give(
            ["sh", "-c", f"trap '' TERM; echo > {tmp_path}/$PENSTOCK_TASK; while :; do sleep 1; done"], 2
        )
        for index in range(2):
            await_file(tmp_path / f"t1.{index}")
        engine.pipe.send(Stop(True, ("a1.1",)))
        while "a1.1" not in engine.results:
            engine.take()
        assert engine.results["a1.1"].exit_code == -signal.SIGKILL
        engine.pipe.send(Stop(True))
        assert [result.outcome for result in engine.outcome(batch)] == ["cancelled"] * 2

    def test_recall(self, engine: Engine, tmp_path: Path) -> None:
        go = tmp_path / "go"
        script = f"echo > {tmp_path}/$PENSTOCK_TASK; while ! [ -e {go} ]; do sleep 0.01; done"
        batch = engine.give(["sh", "-c", script], 5)
        for index in range(2):
            await_file(tmp_path / f"t1.{index}")
        engine.pipe.send(Recall(batch.id))
        (report,) = engine.take()
        assert (report.batch, report.results, report.recalled) == (1, (), ("a1.2", "a1.3", "a1.4"))
        engine.pipe.send(Recall(batch.id))
        (report,) = engine.take()
        assert (report.batch, report.results, report.recalled) == (1, (), ())
        go.touch()
        while len(engine.results) < 2:
            engine.take()
        assert {result.outcome for result in engine.results.values()} == {"succeeded"}
        engine.pipe.send(Recall(batch.id))  # it is over and forgotten
        (report,) = engine.take()
        assert (report.batch, report.results, report.recalled) == (1, (), ())

    def test_a_batch_of_nothing(self, engine: Engine) -> None:
        batch = engine.give(["true"], 0)
        (report,) = engine.take()
        assert (report.batch, report.results) == (batch.id, ())

    def test_results_are_told_when_there_is_nothing_else_to_do(self, engine: Engine, tmp_path: Path) -> None:
        script = f"[ $PENSTOCK_PARAM_N = 0 ] || while ! [ -e {tmp_path}/go ]; do sleep 0.01; done"
        batch = engine.give(["sh", "-c", script], [{"n": 0}, {"n": 1}])
        (report,) = engine.take()
        assert [result.attempt for result in report.results] == ["a1.0"]
        (tmp_path / "go").touch()
        engine.outcome(batch)

    def test_reports_are_batches(self, engine: Engine) -> None:
        engine.outcome(engine.give(["true"], 300))
        assert len(engine.reports) < 60


class TestEnd:
    def test_without_engine_nothing_goes_on(self, engine: Engine, tmp_path: Path) -> None:
        engine.give(["sh", "-c", f"trap '' TERM; echo $$ > {tmp_path}/$PENSTOCK_TASK; while :; do sleep 1; done"], 3)
        pids = [int(await_file(tmp_path / f"t1.{index}")) for index in range(2)]
        assert engine.hang_up() == 0
        assert not any(alive(pid) for pid in pids)
        assert os.listdir(engine.home / "work") == []

    def test_sigterm_ends_it_and_its_tasks(self, engine: Engine, tmp_path: Path) -> None:
        engine.give(["sh", "-c", f"echo $$ > {tmp_path}/$PENSTOCK_TASK; exec sleep 1000"])
        pid = int(await_file(tmp_path / "t1.0"))
        engine.process.send_signal(signal.SIGINT)  # not its business
        engine.process.send_signal(signal.SIGTERM)
        assert engine.process.wait(20) == 0
        assert not alive(pid)

    def test_what_a_killed_worker_leaves_is_found(self, engine: Engine, tmp_path: Path) -> None:
        engine.give(["sh", "-c", f"trap '' TERM; echo $$ > {tmp_path}/$PENSTOCK_TASK; while :; do sleep 1; done"], 2)
        pids = [int(await_file(tmp_path / f"t1.{index}")) for index in range(2)]
        engine.process.kill()
        engine.process.wait()
        assert all(alive(pid) for pid in pids)
        assert end_leftovers(engine.project, grace=0.1) >= 2
        assert not any(alive(pid) for pid in pids)

    @pytest.mark.parametrize("arguments", [[], ["x"], ["x", "y", "z"]])
    def test_usage(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        from penstock.worker.__main__ import main

        assert main(arguments) == 2
        assert "usage" in capsys.readouterr().err

    def test_a_place_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        done = subprocess.run(
            [sys.executable, "-m", "penstock.worker", str(tmp_path / "file"), "w", "1"],
            env={**os.environ, "PENSTOCK_PROJECT": "p", "PYTHONPATH": ":".join(sys.path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert done.stderr.startswith("penstock worker w cannot start: Not a directory")
        assert done.stderr.count("\n") == 1
