"""Slurm: the real one, and the words of one that is not well."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from penstock.model.errors import Doubt, NotNow, Refused
from penstock.runner.queue import Ask, Kind, Queue
from penstock.runner.slurm import Granted, Slurm, call, granted, time_left
from penstock.testing.fakeslurm import Cluster
from penstock.testing.queue import Later, QueueSuite

ASK = Ask("penstock-x", ("true",), "/", "/dev/null", 90)


class TestSlurm(QueueSuite):
    """The real one."""

    @pytest.fixture
    def queue(self, service: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
        monkeypatch.setenv("SLURM_CONF", service("slurm"))
        yield Slurm()

    @pytest.fixture
    def later(self) -> Later:
        return lambda: time.sleep(0.1)

    def test_the_command_gets_its_words_and_its_place_as_they_are(
        self, queue: Queue, later: Later, ask: Ask, tmp_path: Path
    ) -> None:
        words = ("a b", "$HOME", "`id`", "'; touch x; '", "\\", "ü")
        out = tmp_path / "50%j %%"
        queue.submit(replace(ask, argv=("sh", "-c", 'pwd; printf "%s\\n" "$@"', "sh", *words), output=str(out)))
        self.until(queue, later, ask.name, "ended")
        for _ in range(50):
            if out.exists() and len(out.read_text().splitlines()) > len(words):
                break
            later()
        assert out.read_text().splitlines() == [str(tmp_path), *words]

    def test_a_job_is_told_what_it_was_given(self, queue: Queue, later: Later, ask: Ask, tmp_path: Path) -> None:
        queue.submit(replace(ask, argv=("env",), cpus=2, gpus=1, memory=64 << 20, seconds=120))
        self.until(queue, later, ask.name, "ended")
        env = dict(line.partition("=")[::2] for line in (tmp_path / "out").read_text().splitlines())
        assert granted(env) == Granted(0, 2, 64 << 20, 1)
        assert time_left(env, lambda argv, stdin, timeout: (0, "2:00\n", "")) == 118

    def test_too_much_memory_ends_a_job(self, queue: Queue, later: Later, ask: Ask) -> None:
        hog = "import time; x = bytearray(400 << 20); time.sleep(30)"
        queue.submit(replace(ask, argv=("python3", "-c", hog), memory=100 << 20))
        (seen,) = self.until(queue, later, ask.name, "ended")
        assert seen.why.partition(" ")[0] in ("OUT_OF_MEMORY", "FAILED")

    def test_the_nodes_of_the_cluster(self, queue: Queue) -> None:
        size = 4000 << 20
        assert queue.kinds() == [Kind("long", True, 6, 4, size, 2, None), Kind("short", False, 2, 4, size, 2, 300)]


class TestFake(QueueSuite):
    """The one that is not there, as long as it does not lie."""

    @pytest.fixture
    def cluster(self) -> Cluster:
        return Cluster()

    @pytest.fixture
    def queue(self, cluster: Cluster) -> Iterator[Queue]:
        yield Slurm(cluster.call)

    @pytest.fixture
    def later(self, cluster: Cluster) -> Later:
        return lambda: cluster.advance(1.0)


def saying(code: int, printed: str = "", complaint: str = "") -> Slurm:
    return Slurm(lambda argv, stdin, timeout: (code, printed, complaint))


@pytest.mark.parametrize(
    ("code", "printed", "complaint"),
    [
        (1, "", "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"),
        (1, "", "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)"),
        (1, "", "sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received"),
        (1, "", "sbatch: error: Batch job submission failed: Protocol authentication error"),
        (1, "", "sbatch: error: Batch job submission failed: Invalid authentication credential"),
        (1, "", "sbatch: error: Batch job submission failed: Slurm backup controller in standby mode"),
        (1, "", "sbatch: error: Batch job submission failed: I/O error writing script/environment to file"),
        (1, "", "sbatch: error: Batch job submission failed: Unspecified error"),
        (1, "", "sbatch: error: Batch job submission failed: Incompatible versions of client and server code"),
        (1, "", "sbatch: error: Invalid authentication credential"),
        (1, "", "Segmentation fault"),
        (-9, "", ""),
        (0, "", ""),
        (0, "Submitted batch job 17", ""),
        (0, "17\n18\n", ""),
        (1, "17\n", ""),
    ],
)
def test_it_may_have_been_accepted(code: int, printed: str, complaint: str) -> None:
    with pytest.raises(Doubt):
        saying(code, printed, complaint).submit(ASK)


@pytest.mark.parametrize(
    ("complaint", "words"),
    [
        (
            "sbatch: error: Batch job submission failed: Invalid account or account/partition combination",
            "Invalid account",
        ),
        ("sbatch: error: Batch job submission failed: Requested time limit is invalid (missing or)", "time limit"),
        ("sbatch: error: Batch job submission failed: Memory required by task is not available", "Memory"),
        ("sbatch: unrecognized option '--frobnicate=1'\nTry \"sbatch --help\" for more information", "frobnicate"),
    ],
)
def test_it_was_certainly_not_accepted_and_never_will_be(complaint: str, words: str) -> None:
    with pytest.raises(Refused, match=words) as caught:
        saying(1, "", complaint).submit(ASK)
    assert not isinstance(caught.value, NotNow)


@pytest.mark.parametrize(
    "reason",
    [
        "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
        "Required partition not available (inactive or drain)",
        "Requested partition configuration not available now",
        "Something that nobody has heard of",
    ],
)
def test_it_was_certainly_not_accepted_and_may_be_later(reason: str) -> None:
    with pytest.raises(NotNow):
        saying(1, "", f"sbatch: error: Batch job submission failed: {reason}").submit(ASK)


@pytest.mark.parametrize("printed", ["17\n", "17;far\n"])
def test_the_id(printed: str) -> None:
    assert saying(0, printed).submit(ASK) == "17"


def test_what_is_asked() -> None:
    asked: list[Sequence[str]] = []
    scripts: list[str] = []

    def call(argv: Sequence[str], stdin: str, timeout: float) -> tuple[int, str, str]:
        asked.append(argv)
        scripts.append(stdin)
        return 0, "5\n", ""

    ask = Ask(
        "n", ("a b", "c'd"), "/w", "/w/50%j", 61, 4, 2, 8, 3 << 30, 1, "p,q", 120, (("account", "x"), ("hold", ""))
    )
    Slurm(call).submit(ask)
    assert asked[0][0] == "sbatch"
    assert set(asked[0][1:]) == {
        *(
            "--parsable",
            "--no-requeue",
            "--job-name=n",
            "--chdir=/w",
            "--output=/w/50%%j",
            "--open-mode=append",
            "--time=2",
        ),
        *("--nodes=2", "--ntasks-per-node=1", "--cpus-per-task=8", "--mem=3072M", "--gres=gpu:1", "--partition=p,q"),
        *("--signal=B:USR1@30", "--array=0-3", "--account=x", "--hold"),
    }
    assert scripts == ["#!/bin/sh\ntrap '' USR1\nexec 'a b' 'c'\"'\"'d'\n"]


@pytest.mark.parametrize(
    "listed",
    [
        "17|FROBNICATED|None|n1|penstock-x\n",
        "17_[3-9]|PENDING|Priority||penstock-x\n",
        "17|RUNN",
        "17|RUNNING|None|n1|penstock-x",  # the line may go on
        "17|RUNNING|None|n1|penstock-xyz\n",
        "17|RUNNING\n",
        "slurm_load_jobs: hello\n",
        "\n\n",
    ],
)
def test_a_line_that_cannot_be_read_says_nothing(listed: str) -> None:
    assert saying(0, listed).look(["penstock-x"]) == []


def test_a_failed_poll_is_no_answer() -> None:
    with pytest.raises(Doubt, match="connect failure"):
        saying(1, "", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)").look(["n"])
    with pytest.raises(Doubt):
        saying(1).kinds()
    with pytest.raises(Doubt):
        saying(1, "", "scancel: error: Unable to contact slurm controller").remove(["17"])


def test_what_one_id_is_told_hides_nothing_of_another() -> None:
    over = "scancel: error: Kill job error on job id 17: Invalid job id specified\n"
    saying(1, "", over).remove(["17"])
    with pytest.raises(Doubt, match="timed out"):
        saying(1, "", f"{over}scancel: error: Kill job error on job id 18: Socket timed out\n").remove(["17", "18"])
    with pytest.raises(Doubt, match="timed out"):
        saying(1, "", f"scancel: error: Kill job error on job id 18: Socket timed out\n{over}").remove(["17", "18"])


def test_a_signal_that_comes_before_the_command_can_hear_it_is_lost() -> None:
    """And does not end it; the command hears the next one."""
    scripts: list[str] = []
    program = (
        "import os, signal; os.kill(os.getpid(), signal.SIGUSR1); "
        "signal.signal(signal.SIGUSR1, lambda *_: print('heard')); os.kill(os.getpid(), signal.SIGUSR1)"
    )

    def keep(argv: Sequence[str], stdin: str, timeout: float) -> tuple[int, str, str]:
        scripts.append(stdin)
        return 0, "5\n", ""

    Slurm(keep).submit(replace(ASK, argv=(sys.executable, "-c", program)))
    assert call(["sh", "-c", scripts[0]], "", 10.0) == (0, "heard\n", "")


def test_without_accounting_what_has_left_the_queue_is_not_known() -> None:
    def call(argv: Sequence[str], stdin: str, timeout: float) -> tuple[int, str, str]:
        if argv[0] == "sacct":
            raise Doubt("sacct cannot be started: No such file or directory")
        return 0, "", ""

    assert Slurm(call).look(["n"]) == []


def test_accounting_tells_of_what_has_ended() -> None:
    """Of what was lost it may tell for ever that it waits, or runs."""
    ended = "17_0|CANCELLED by 5|0:15|n1|n\n17_1|TIMEOUT|0:0|n2|n\n"
    lost = "17_2|PENDING|0:0|None assigned|n\n17_3|RUNNING|0:0|n3|n\n"

    def call(argv: Sequence[str], stdin: str, timeout: float) -> tuple[int, str, str]:
        return 0, ended + lost if argv[0] == "sacct" else "", ""

    seen = Slurm(call).look(["n"])
    assert [(item.element, item.state, item.why) for item in seen] == [
        (0, "ended", "CANCELLED by 5 (0:15)"),
        (1, "ended", "TIMEOUT"),
    ]


@pytest.mark.parametrize(
    ("printed", "left"),
    [
        ("2:00\n", 118),
        ("1-00:00:01\n", 86399),
        ("1:00:00\n", 3598),
        ("UNLIMITED\n", None),
        ("INVALID\n", None),
        ("", None),
    ],
)
def test_the_time_left(printed: str, left: int | None) -> None:
    env = {"SLURM_JOB_ID": "5", "SLURM_CPUS_ON_NODE": "4", "SLURM_MEM_PER_CPU": "100", "SLURM_ARRAY_TASK_ID": "3"}
    asked: list[Sequence[str]] = []

    def call(argv: Sequence[str], stdin: str, timeout: float) -> tuple[int, str, str]:
        asked.append(argv)
        return 0, printed, ""

    assert time_left({**env, "SLURM_ARRAY_JOB_ID": "4"}, call) == left
    assert "--jobs=4_3" in asked[0]
    assert granted(env) == Granted(3, 4, 400 << 20, 0)


def test_nobody_knows_the_time_left() -> None:
    def call(argv: Sequence[str], stdin: str, timeout: float) -> tuple[int, str, str]:
        raise Doubt("it hangs")

    assert time_left({"SLURM_JOB_ID": "5"}, call) is None


@pytest.mark.parametrize(
    "torn",
    [
        "\ufffd\ufffd garbage",
        "p*|4|8000|(null)|1:00|²",
        "p*|٣x|8000|(null)|1:00|2",
        "p|4|8000|(null)|1:00",
        "p|4|8000|(null)|1:00|" + "9" * 5000,
    ],
)
def test_what_no_partition_can_be_is_passed_by(torn: str) -> None:
    whole = "q*|4+|8000+|gpu:a100:2(S:0)|1-12:00:00|3\n"
    kinds = Slurm(lambda argv, stdin, timeout: (0, f"{torn}\n{whole}", "")).kinds()
    assert kinds == [Kind("q", True, 3, 4, 8000 << 20, 2, 129_600)]


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [
        ("gpu:4(S:0)", 4),
        ("gpu:3090:8(S:0-1)", 8),
        ("gpu:2080ti:4", 4),
        ("gpu:1g.5gb:7", 7),
        ("gpu:a100:2(S:0-1),gpu:3090:2", 4),
        ("(null)", 0),
    ],
)
def test_gpus_of_a_node(gres: str, gpus: int) -> None:
    assert [kind.gpus for kind in saying(0, f"p*|32|8000|{gres}|infinite|2\n").kinds()] == [gpus]


def test_memory_that_nobody_configured_is_not_known() -> None:
    assert [kind.memory for kind in saying(0, "p*|32|1|(null)|infinite|2\n").kinds()] == [0]


def test_hidden_partitions_are_asked_for() -> None:
    asked: list[Sequence[str]] = []

    def call(argv: Sequence[str], stdin: str, timeout: float) -> tuple[int, str, str]:
        asked.append(argv)
        return 0, "", ""

    Slurm(call).kinds()
    Slurm(call).look(["n"])
    assert [argv[0] for argv in asked if "--all" in argv] == ["sinfo", "squeue"]


def test_bytes_that_are_no_text_are_an_answer_too() -> None:
    code, printed, _ = call(["printf", r"\377\376 garbage\n"], "", 10.0)
    assert (code, printed) == (0, "\ufffd\ufffd garbage\n")
