"""A Slurm that is not there, for what a real one does too rarely: it hangs, forgets, and answers nonsense.

`Cluster.call` takes the place of `runner.slurm.call`. Behind it is a small cluster that knows the truth; before it, if
asked for, a liar with a seed of its own. Time passes by `advance`.
"""

from __future__ import annotations

import random
import shlex
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from penstock.model.errors import Doubt

Answer = tuple[int, str, str]

#: What a controller says that is not there, or busy.
_SILENCE = (
    "Unable to contact slurm controller (connect failure)",
    "Batch job submission failed: Socket timed out on send/recv operation",
    "slurm_load_jobs error: Zero Bytes were transmitted or received",
)


class Element(Struct):
    """One element of a job, as it is."""

    number: int
    state: str = "PENDING"
    node: str = ""
    starts: float = 0.0
    ends: float = 0.0  #: once it runs


class FakeJob(Struct):
    """A job, as it is."""

    id: int
    name: str
    argv: list[str]
    seconds: float
    elements: list[Element]
    array: bool
    forgotten: bool = False  #: the controller lost it, and it runs all the same
    begin: float = 0.0

    def words(self, element: Element) -> str:
        return f"{self.id}_{element.number}" if self.array else str(self.id)


class Cluster:
    """Two partitions of so many nodes of 4 processors. `lies` is how likely a call is answered by the liar."""

    def __init__(self, seed: int = 0, nodes: int = 6, lies: float = 0.0) -> None:
        self.chance = random.Random(seed)
        self.lies = lies
        self.now = 0.0
        self.jobs: dict[int, FakeJob] = {}
        self.nodes = [f"fn{number}" for number in range(1, nodes + 1)]
        self.submissions = 0

    # the truth -------------------------------------------------------------------------------------------------------

    def living(self) -> Iterator[tuple[FakeJob, Element]]:
        """All elements that run."""
        for job in self.jobs.values():
            yield from ((job, element) for element in job.elements if element.state == "RUNNING")

    def waiting(self) -> Iterator[tuple[FakeJob, Element]]:
        for job in self.jobs.values():
            yield from ((job, element) for element in job.elements if element.state == "PENDING")

    def advance(self, seconds: float) -> None:
        """Let time pass: end what is over, start what can start."""
        self.now += seconds
        for job, element in list(self.living()):
            if element.ends <= self.now:
                element.state = "COMPLETED" if job.argv[0] in ("true", "sleep") else "TIMEOUT"
        busy = {element.node for _, element in self.living()}
        free = [node for node in self.nodes if node not in busy]
        for job, element in list(self.waiting()):
            if free and max(element.starts, job.begin) <= self.now:
                element.state, element.node = "RUNNING", free.pop(0)
                element.ends = self.now + _takes(job)

    def finish(self, job: FakeJob, element: Element, state: str = "COMPLETED") -> None:
        """A process ended by itself."""
        element.state = state

    # the commands ----------------------------------------------------------------------------------------------------

    def call(self, argv: Sequence[str], stdin: str, timeout: float) -> Answer:
        """Answer a command as Slurm does, or as it should not."""
        command: Callable[[Sequence[str], str], Answer] = getattr(self, f"_{argv[0]}")
        if self.chance.random() >= self.lies:
            return command(argv, stdin)
        lie = self.chance.choice(("hang", "down", "late", "torn", "twice", "nonsense", "empty", "strange"))
        if lie == "hang":
            raise Doubt(f"{argv[0]} did not answer within {timeout:.0f} s")
        if lie == "down":
            return 1, "", f"{argv[0]}: error: {self.chance.choice(_SILENCE)}\n"
        code, printed, complaint = command(argv, stdin)
        if lie == "late":  # done, and nobody was told
            if argv[0] == "sbatch" and code == 0 and self.chance.random() < 0.5:
                self.jobs[max(self.jobs)].forgotten = True
            raise Doubt(f"{argv[0]} did not answer within {timeout:.0f} s")
        if lie == "torn":
            return code, printed[: self.chance.randrange(len(printed) + 1)], complaint
        if lie == "twice":
            return code, printed * 2 if argv[0] != "sbatch" else printed, complaint
        if lie == "nonsense":
            return code, "".join(self.chance.choices("0123456789|_[]-\nRUNGCOMPLETED ", k=80)), complaint
        if lie == "empty":
            return code, "", complaint
        for word in ("RUNNING", "PENDING", "COMPLETED"):
            printed = printed.replace(word, self.chance.choice(("FROBNICATED", "COMPLETED", "UNKNOWN", "NODE_FAIL")))
        return code, printed, complaint

    def _sbatch(self, argv: Sequence[str], stdin: str) -> Answer:
        options = dict(word[2:].partition("=")[::2] for word in argv[1:])
        refusal = ""
        if options.get("partition", "long") not in ("long", "short"):
            refusal = "invalid partition specified: " + options["partition"]
        elif options.get("gres", "") not in ("", "gpu:1", "gpu:2"):
            refusal = "Requested node configuration is not available"
        elif "nodelist" in options:
            refusal = "Invalid node name specified"
        if refusal:
            return 1, "", f"sbatch: error: Batch job submission failed: {refusal}\n"
        self.submissions += 1
        number = max(self.jobs, default=100) + 1
        array = "array" in options
        count = int(options["array"].partition("-")[2]) + 1 if array else 1
        start = self.now + (self.chance.random() * 30 if self.lies else 0)
        argv_of_job = shlex.split(stdin.splitlines()[-1])[1:]
        self.jobs[number] = FakeJob(
            number,
            options["job-name"],
            argv_of_job,
            float(options["time"]) * 60,
            [Element(place, starts=start) for place in range(count)],
            array,
            begin=1e9 if "begin" in options else 0.0,
        )
        return 0, f"{number}\n", ""

    def _squeue(self, argv: Sequence[str], stdin: str) -> Answer:
        return (
            0,
            "".join(self._lines(argv, lambda words, state, element, name: f"{words}|{state}|None|{element}|{name}\n")),
            "",
        )

    def _sacct(self, argv: Sequence[str], stdin: str) -> Answer:
        return (
            0,
            "".join(self._lines(argv, lambda words, state, element, name: f"{words}|{state}|0:0|{element}|{name}\n")),
            "",
        )

    def _lines(self, argv: Sequence[str], show: Callable[[str, str, str, str], str]) -> Iterator[str]:
        names = next(word for word in argv if word.startswith("--name=")).removeprefix("--name=").split(",")
        for job in self.jobs.values():
            if job.name in names and not job.forgotten:
                for element in job.elements:
                    yield show(job.words(element), element.state, element.node, job.name)

    def _scancel(self, argv: Sequence[str], stdin: str) -> Answer:
        for word in argv[2:]:
            number, _, place = word.partition("_")
            job = self.jobs.get(int(number))
            if job is None or job.forgotten:
                continue
            for element in job.elements:
                if element.state in ("PENDING", "RUNNING") and place in ("", str(element.number)):
                    element.state = "CANCELLED by 0"
        return 0, "", ""

    def _sinfo(self, argv: Sequence[str], stdin: str) -> Answer:
        return 0, f"long*|4|4000|gpu:2|infinite|{len(self.nodes)}\nshort|4|4000|(null)|5:00|2\n", ""


def _takes(job: FakeJob) -> float:
    """How long an element of a job runs, if nobody ends it."""
    if job.argv[0] == "true":
        return 0.0
    return min(job.seconds, float(job.argv[1])) if job.argv[0] == "sleep" else job.seconds
