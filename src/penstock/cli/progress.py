"""How work gets on, on stderr: a table refreshed in place on a terminal, else lines about jobs that end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Collection, Sequence
from typing import TextIO

from penstock.cli.output import short
from penstock.model.moves import JobState
from penstock.model.run import Job
from penstock.model.words import job_word
from penstock.service.driving.watch import Progress
from penstock.service.role import Holder
from penstock.text.units import show_seconds

_COLOURS = {"success": "32", "failure": "31", "running": "36", "starting": "36", "finishing": "36"}
_OTHER_END = "33"
#: With more jobs than this not each is told.
MANY = 100
#: From this many jobs that ran on it is told how long the others will take.
ENOUGH = 5


def watcher() -> Lines:
    """What to hand progress to; `close` it before anything else is printed."""
    live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return Live(sys.stderr) if live else Lines(sys.stderr)


class Lines:
    """One line per job that ends, and one for whoever drives.

    Of many jobs only the first that did not end well have a line; the rest is counted, a line per hundredth of them.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.time) -> None:
        self.stream = stream
        self.clock = clock
        self.following: Holder | None = None
        self.jobs: Sequence[Job] = ()  #: as they stood last
        self._told: set[int] = set()
        self._bad = 0  # of these
        self._trouble = ""

    def __call__(self, progress: Progress) -> None:
        self.jobs = progress.jobs
        if progress.following != self.following:
            self.following = progress.following
            if self.following is not None:
                self.close()
                print(f"engine is {self.following}, following", file=self.stream, flush=True)
        if progress.trouble != self._trouble:
            self._trouble = progress.trouble
            if self._trouble:
                self.close()
                print(self._trouble, file=self.stream, flush=True)
        self.show(progress)

    def show(self, progress: Progress) -> None:
        ended = [job for job in progress.jobs if job.state == JobState.DONE and job.seq not in self._told]
        if not ended:
            return
        every = len(progress.jobs)
        before, bad = len(self._told), [job for job in ended if word(job) != "success"]
        shown = ended if every <= MANY else bad[: max(MANY - self._bad, 0)]
        self._told.update(job.seq for job in ended)
        self._bad += len(bad)
        names = job_names(progress.jobs) if shown else {}
        cells = ((names[job.seq], f"{tasks(job)} tasks", word(job), _message(job)) for job in shown)
        lines = ["  ".join(filter(None, parts)) for parts in cells]
        now = len(self._told)
        if every > MANY and now * 100 // every > before * 100 // every:
            lines.append(overall(progress.jobs, self.clock()))
        if lines:
            print(*lines, sep="\n", file=self.stream, flush=True)

    def close(self) -> None:
        """Leave the stream at the beginning of an empty line."""


class Live(Lines):
    """One line per job, drawn over the lines before."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.time) -> None:
        super().__init__(stream, clock)
        self._drawn = 0
        self._colour = "NO_COLOR" not in os.environ

    def show(self, progress: Progress) -> None:
        columns, rows = _size(self.stream)
        lines = self._lines(progress, max(rows - 2, 1))
        # A line that wraps would be two when it is drawn over.
        text = "".join(f"{_cut(line, columns - 1)}\n" for line in lines)
        self.stream.write(self._back() + text)
        self.stream.flush()
        self._drawn = len(lines)

    def close(self) -> None:
        if self._drawn:
            self.stream.write(self._back())
            self.stream.flush()
            self._drawn = 0

    def _back(self) -> str:
        """To the first line drawn, and everything below it away."""
        return f"\x1b[{self._drawn}F\x1b[J" if self._drawn else ""

    def _lines(self, progress: Progress, room: int) -> list[list[tuple[str, str]]]:
        jobs = _most_telling(progress.jobs, room)
        names = job_names(progress.jobs)
        cells = [
            (
                names[job.seq],
                tasks(job) if job.expanded else "",
                _rate(progress.rates.get(job.seq, 0.0), job),
                _time(job, progress.rates.get(job.seq, 0.0), self.clock()),
                word(job),
            )
            for job in jobs
        ]
        widths = [max((len(row[place]) for row in cells), default=0) for place in range(4)]
        lines = [
            [*((f"{cell.ljust(width)}  ", "") for cell, width in zip(row, widths)), (state, self._tint(state))]
            for *row, state in cells
        ]
        hidden = len(jobs) < len(progress.jobs)
        return lines + ([[(overall(progress.jobs, self.clock()), "")]] if hidden else [])

    def _tint(self, state: str) -> str:
        quiet = state in ("created", "queued")
        return _COLOURS.get(state, "" if quiet else _OTHER_END) if self._colour else ""


def _size(stream: TextIO) -> tuple[int, int]:
    """Columns and rows of a terminal; of one that does not know, as they used to be."""
    try:
        found = os.get_terminal_size(stream.fileno())
    except OSError:
        return 80, 24
    return found.columns or 80, found.lines or 24


def _cut(line: Sequence[tuple[str, str]], columns: int) -> str:
    text = ""
    for piece, colour in line:
        piece = piece[: max(columns, 0)]
        columns -= len(piece)
        text += f"\x1b[{colour}m{piece}\x1b[0m" if colour and piece else piece
    return text


def _most_telling(jobs: Sequence[Job], room: int) -> Sequence[Job]:
    """As many jobs as fit, in their order: those at work before those to come, those that are over last."""
    if len(jobs) <= room:
        return jobs
    order = {JobState.DONE: 2, JobState.WAITING: 1}
    kept = sorted(jobs, key=lambda job: order.get(JobState(job.state), 0))[: room - 1]
    return sorted(kept, key=lambda job: job.seq)


def job_names(jobs: Collection[Job]) -> dict[int, str]:
    """Steps by name; with the pipeline where there are several, with the run where there are several."""
    many_pipelines = len({job.pipeline for job in jobs}) > 1
    many_runs = len({job.run for job in jobs}) > 1
    return {
        job.seq: (f"{job.pipeline}." if many_pipelines else "") + job.step + (f"@{short(job.run)}" if many_runs else "")
        for job in jobs
    }


def overall(jobs: Sequence[Job], now: float) -> str:
    """How far all of these are: `15 of 1000 jobs are over, 1 not well, about 3m00s left`; of one, its tasks.

    What is left is told from the jobs that ran, as if the others took as long.
    """
    if len(jobs) == 1:
        return f"{jobs[0].total - jobs[0].left} of {jobs[0].total} tasks are over"
    over = [job for job in jobs if job.state == JobState.DONE]
    bad = sum(word(job) != "success" for job in over)
    ran = [job.started for job in over if job.kept is None and job.started is not None]
    left = len(jobs) - len(over)
    seconds = (now - min(ran) / 1e6) / len(ran) * left if len(ran) >= ENOUGH else 0.0
    return (
        f"{len(over)} of {len(jobs)} jobs are over"
        + (f", {bad} not well" if bad else "")
        + (f", about {show_seconds(seconds)} left" if left and seconds > 0 else "")
    )


def tasks(job: Job) -> str:
    """`processed + reused / total`."""
    return f"{job.processed} + {job.reused} / {job.total}"


def word(job: Job) -> str:
    return job_word(job.state, job.outcome, job.reason, job.reached, job.hold)


def _message(job: Job) -> str:
    return job.message if word(job) != "success" else ""


def _rate(rate: float, job: Job) -> str:
    return f"{rate:.1f}/s" if rate and job.state != JobState.DONE else ""


def _time(job: Job, rate: float, now: float) -> str:
    """What is left while that is known, else how long it has taken."""
    if job.started is None:
        return ""
    if job.state != JobState.DONE and rate and job.left:
        return f"{show_seconds(job.left / rate)} left"
    end = now if job.finished is None else job.finished / 1e6
    return show_seconds(max(end - job.started / 1e6, 0.0))
