"""Slurm by its own commands, as argv lists. Which cluster is meant is told by the environment (SLURM_CONF).

Each call has a time limit. Success is an exit code of 0 and an answer that can be read whole; a line that cannot be
read is passed by, which says nothing about what it was of.
"""

from __future__ import annotations

import math
import re
import shlex
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from msgspec import Struct

from penstock.model.errors import Doubt, NotNow, Refused
from penstock.runner.queue import Ask, Kind, Seen, State

#: Seconds until a command of Slurm counts as hanging.
PATIENCE = 30.0
#: Slurm looks at signals on a grid of so many seconds, so they are asked for that much earlier.
GRID = 30
#: Slurm tells times in whole seconds, of a start and of now.
ROUGH = 2
#: How many days back accounting is asked about.
DAYS = 30
#: How many names, or ids, one command is given.
MANY = 500
Call = Callable[[Sequence[str], str, float], tuple[int, str, str]]

_PENDING = frozenset(
    ["PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT"]
)
_RUNNING = frozenset(["RUNNING", "SUSPENDED", "COMPLETING", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED"])
_ENDED = frozenset(
    [
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
    ]
)
#: What the controller says when it has thought about a request and does not take it.
_REFUSAL = "Batch job submission failed: "
#: Reasons behind that which say nothing about the request: the answer was lost, or who was there was not well.
_LOST = re.compile(
    "timed out|zero bytes|unable to contact|connection|transport|communication|unexpected message|authentication"
    "|credential|standby|shutting down|i/o error|unspecified error|incompatible version",
    re.IGNORECASE,
)
#: Reasons that will be the same tomorrow: the request names what is not there. All others may pass.
_FINAL = re.compile(
    "invalid (?:partition|account|qos|feature|node name|generic resource)|node configuration is not available"
    "|memory required by task is not available|time limit is invalid",
    re.IGNORECASE,
)
#: sbatch itself does not take an option or its value.
_USAGE = re.compile(r"sbatch: ((?:unrecognized option|option .* requires|error: invalid).*)", re.IGNORECASE)
#: What scancel says of one that is over.
_OVER = re.compile("Invalid job id|already complet")
_ID = re.compile(r"([0-9]{1,18})(?:;[\w.-]+)?\s*")
_ELEMENT = re.compile(r"([0-9]{1,18})(?:_([0-9]{1,9}))?")
#: `gpu:4`, `gpu:a100:4(S:0-1)`, `gpu:1g.5gb:7`: the type may begin with a digit.
GPUS = re.compile(r"gpu(?::[^:(,]+)?:([0-9]{1,6})(?=[(,]|$)")
#: partition|cpus|memory|gres|limit|nodes; a `+` stands for "and more".
_KIND = re.compile(r"([^|]+)\|([0-9]{1,9})\+?\|([0-9]{1,12})\+?\|([^|]*)\|([^|]*)\|([0-9]{1,9})")
#: `D-HH[:MM[:SS]]`, or `HH:MM:SS`, `MM:SS`, `MM`.
_TIME = re.compile(r"(?:([0-9]{1,6})-)?([0-9]{1,9})(?::([0-9]{1,9}))?(?::([0-9]{1,9}))?")


def call(argv: Sequence[str], stdin: str, timeout: float) -> tuple[int, str, str]:
    """Run a command; its exit code and what it printed. Raises Doubt if it does not end or cannot be started."""
    try:
        done = subprocess.run(
            argv, input=stdin, capture_output=True, timeout=timeout, check=False, encoding="utf-8", errors="replace"
        )
    except subprocess.TimeoutExpired:
        raise Doubt(f"{argv[0]} did not answer within {timeout:.0f} s") from None
    except OSError as error:
        raise Doubt(f"{argv[0]} cannot be started: {error.strerror}") from None
    return done.returncode, done.stdout, done.stderr


class Slurm:
    """A `Queue`. `call` runs a command: another one may stand in for a cluster that lies."""

    def __init__(self, call: Call = call) -> None:
        self._call = call

    def submit(self, ask: Ask) -> str:
        """See `Queue`. The script becomes the command, which so is what signals reach; one that comes before it can be
        heard is ignored.
        """
        argv = ["sbatch", "--parsable", "--no-requeue", f"--job-name={ask.name}", f"--chdir={ask.cwd}"]
        output = ask.output.replace("%", "%%")
        argv += [f"--output={output}", f"--time={max(1, math.ceil(ask.seconds / 60))}", f"--nodes={ask.nodes}"]
        argv += ["--ntasks-per-node=1", "--open-mode=append", f"--cpus-per-task={ask.cpus}"]
        # Below a mebibyte Slurm would take it for "all there is".
        argv += [f"--mem={max(1, ask.memory >> 20)}M"] if ask.memory else []
        argv += [f"--gres=gpu:{ask.gpus}"] if ask.gpus else []
        argv += [f"--partition={ask.partition}"] if ask.partition else []
        lead = min(ask.lead + GRID, ask.seconds // 2)  # earlier than it begins would be as it begins
        argv += [f"--signal=B:USR1@{lead}"] if ask.lead else []
        argv += [f"--array=0-{ask.count - 1}"] if ask.count > 1 else []
        argv += [f"--{name}={value}" if value else f"--{name}" for name, value in ask.options]
        script = f"#!/bin/sh\ntrap '' USR1\nexec {shlex.join(ask.argv)}\n"
        code, printed, complaint = self._call(argv, script, PATIENCE)
        found = _ID.fullmatch(printed)
        if code == 0 and found:
            return found[1]
        said = _last(complaint) or _last(printed) or f"exit code {code}"
        reason = said.partition(_REFUSAL)[2]
        if code and reason and not _LOST.search(reason):
            raise (Refused if _FINAL.search(reason) else NotNow)(f"Slurm does not take it: {reason}")
        wrong = _USAGE.search(complaint)
        if code and wrong and not _LOST.search(wrong[1]):
            raise Refused(f"Slurm does not take it: {wrong[1]}")
        raise Doubt(f"sbatch: {said}")

    def look(self, names: Collection[str]) -> list[Seen]:
        """See `Queue`: the queue first, then accounting for what has left it."""
        found: dict[str, Seen] = {}
        for some in _pieces(sorted(names)):
            listed = self._ask(
                *("squeue", "--noheader", "--all", "--me", "--array", "--states=all"),
                *(f"--name={','.join(some)}", "--format=%i|%T|%r|%N|%j"),
            )
            for seen in _read(listed, names):
                found[seen.id] = seen
        known = {seen.name for seen in found.values()}
        for some in _pieces([name for name in sorted(names) if name not in known]):
            for seen in self._accounted(some):
                found[seen.id] = seen
        return list(found.values())

    def _accounted(self, names: list[str]) -> Iterator[Seen]:
        """What accounting knows to have ended, nothing where there is none. Of what the controller has lost it may say
        for ever that it waits.
        """
        argv = ["sacct", "--noheader", "--parsable2", "--allocations", "--array", f"--name={','.join(names)}"]
        argv += [f"--starttime=now-{DAYS}days", "--format=JobID,State,ExitCode,NodeList,JobName"]
        try:
            code, printed, _ = self._call(argv, "", PATIENCE)
        except Doubt:
            return
        if code == 0:
            yield from (seen for seen in _read(printed, names) if seen.state == "ended")

    def remove(self, ids: Collection[str]) -> None:
        """See `Queue`."""
        for some in _pieces(list(ids)):
            code, _, complaint = self._call(["scancel", "--quiet", *some], "", PATIENCE)
            left = [line for line in complaint.splitlines() if line.strip() and not _OVER.search(line)]
            if code and (left or not complaint.strip()):
                raise Doubt(f"scancel: {_last(left[-1]) if left else f'exit code {code}'}")

    def kinds(self) -> list[Kind]:
        """See `Queue`."""
        kinds = []
        for line in self._ask("sinfo", "--noheader", "--all", "--format=%P|%c|%m|%G|%l|%D").splitlines():
            found = _KIND.fullmatch(line)
            if found:
                name, cpus, memory, gres, limit, nodes = found.groups()
                gpus = sum(map(int, GPUS.findall(gres)))
                usual, longest = "*" in name, parse_time(limit)
                # One mebibyte is what Slurm says where nobody has told it.
                known = int(memory) << 20 if int(memory) > 1 else 0
                kinds.append(Kind(name.rstrip("*"), usual, int(nodes), int(cpus), known, gpus, longest))
        return kinds

    def close(self) -> None:
        """Nothing is held."""

    def _ask(self, *argv: str) -> str:
        code, printed, complaint = self._call(argv, "", PATIENCE)
        if code:
            raise Doubt(f"{argv[0]}: {_last(complaint) or f'exit code {code}'}")
        return printed


def _read(text: str, names: Collection[str]) -> Iterator[Seen]:
    """Lines of `id|state|reason|node|name`. The last one may be torn: it counts only if it ends like the others."""
    for line in text.splitlines(keepends=True):
        fields = line.rstrip("\n").split("|")
        if len(fields) != 5 or not line.endswith("\n") or fields[4] not in names:
            continue
        native, words, reason, node, name = fields
        element = _ELEMENT.fullmatch(native)
        state = _state(words)
        if element is None or state is None:
            continue  # elements that wait together are listed as one, `17_[3-9]`, and nothing is to be said of them
        told = words if reason in ("None", "", "0:0") else f"{words} ({reason})"
        yield Seen(native, name, int(element[2] or 0), state, told, "" if node == "None assigned" else node)


def _state(words: str) -> State | None:
    """`CANCELLED by 0` -> ended; None: it is a word that we do not know."""
    word = words.partition(" ")[0].rstrip("+")
    known: tuple[tuple[frozenset[str], State], ...] = ((_PENDING, "pending"), (_RUNNING, "running"), (_ENDED, "ended"))
    return next((state for those, state in known if word in those), None)


def _pieces(items: Sequence[str]) -> Iterator[list[str]]:
    return (list(items[start : start + MANY]) for start in range(0, len(items), MANY))


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("sbatch: error: ") if lines else ""


def _number(text: str) -> int:
    """The number that a text begins with; 0 without one."""
    found = re.match("[0-9]{1,15}", text)
    return int(found[0]) if found else 0


def parse_time(limit: str) -> int | None:
    """Seconds of a time as Slurm writes and reads it; None for a word, which stands for no limit.

    >>> parse_time("1-00:00:00"), parse_time("1-12"), parse_time("4:00:00"), parse_time("90"), parse_time("UNLIMITED")
    (86400, 129600, 14400, 5400, None)
    """
    found = _TIME.fullmatch(limit)
    if found is None:
        return None
    days, *parts = found.groups()
    numbers = [int(part) for part in parts if part is not None]
    if days is not None or len(numbers) == 3:
        hours, minutes, seconds = [*numbers, 0, 0][:3]
    else:
        hours, (minutes, seconds) = 0, [*numbers, 0][:2]
    return int(days or 0) * 86400 + hours * 3600 + minutes * 60 + seconds


class Granted(Struct, frozen=True):
    """What Slurm gave the job that this process is in."""

    element: int  #: of an array; 0 without one
    cpus: int
    memory: int  #: bytes; 0: not limited
    gpus: int


def granted(env: Mapping[str, str]) -> Granted:
    """What the job of Slurm was given that this process is in, by its environment."""
    cpus = _number(env.get("SLURM_CPUS_ON_NODE", "")) or 1
    memory = _number(env.get("SLURM_MEM_PER_NODE", "")) or _number(env.get("SLURM_MEM_PER_CPU", "")) * cpus
    gpus = _number(env.get("SLURM_GPUS_ON_NODE", ""))
    return Granted(_number(env.get("SLURM_ARRAY_TASK_ID", "")), cpus, memory << 20, gpus)


def time_left(env: Mapping[str, str], call: Call = call) -> int | None:
    """Seconds in which the job of Slurm that this process is in will certainly not end; None if nobody knows, or it
    never does.
    """
    job = env.get("SLURM_JOB_ID", "")
    if "SLURM_ARRAY_TASK_ID" in env:  # one of its elements has the number of the whole array
        job = f"{env.get('SLURM_ARRAY_JOB_ID', job)}_{env['SLURM_ARRAY_TASK_ID']}"
    try:
        code, printed, _ = call(["squeue", "--noheader", "--all", f"--jobs={job}", "--format=%L"], "", PATIENCE)
    except Doubt:
        return None
    left = parse_time(printed.strip()) if code == 0 and printed.strip() else None
    return None if left is None else max(0, left - ROUGH)
