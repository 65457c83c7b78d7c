"""A worker process on a real store, and what an engine would say to it."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from penstock.model.data import EMPTY
from penstock.model.wire import Assignment, Batch, Hello, Input, Recipe, Report, Result
from penstock.objects import checkout, tree
from penstock.objects.deep import remove
from penstock.objects.store import Objects
from penstock.runner.pipe import Pipe

RECIPE = Recipe("run", "step@run", "pipe", "step", (), EMPTY, None, {}, True, 1, None, 0.2)


class Engine:
    """The other end of the pipe."""

    def __init__(self, home: Path, slots: int = 2) -> None:
        self.home = home
        self.project = uuid.uuid4().hex
        Objects.create(home / "objects").close()
        theirs, ours = os.pipe(), os.pipe()
        env = {**os.environ, "PENSTOCK_PROJECT": self.project, "PYTHONPATH": ":".join(sys.path)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "penstock.worker", str(home), "w1", str(slots)],
            stdin=theirs[0],
            stdout=ours[1],
            env=env,
            start_new_session=True,
        )
        os.close(theirs[0])
        os.close(ours[1])
        self.pipe = Pipe(ours[0], theirs[1])
        self.packs: list[str] = []
        self.reports: list[Report] = []
        self.results: dict[str, Result] = {}
        self._batches = count(1)
        assert self.pipe.receive() == [Hello("w1", self.process.pid, slots)]

    def give(self, argv: list[str], tasks: int | list[dict[str, Any]] = 1, inputs: Any = (), **recipe: Any) -> Batch:
        """Send a batch of one command; `tasks` are how many, or the parameters of each."""
        number = next(self._batches)
        params = [{} for _ in range(tasks)] if isinstance(tasks, int) else tasks
        batch = Batch(
            number,
            replace(RECIPE, argv=tuple(argv), **recipe),
            tuple(
                Assignment(f"t{number}.{index}", f"a{number}.{index}", number, given, inputs)
                for index, given in enumerate(params)
            ),
        )
        self.pipe.send(batch)
        return batch

    def take(self) -> list[Report]:
        """Wait for reports."""
        while not (messages := self.pipe.receive()):
            pass
        reports = [message for message in messages if isinstance(message, Report)]
        for report in reports:
            self.packs += report.packs
            self.results.update((result.attempt, result) for result in report.results)
        self.reports += reports
        return reports

    def outcome(self, batch: Batch) -> list[Result]:
        """The results of a whole batch, in its order."""
        wanted = [assignment.attempt for assignment in batch.assignments]
        while not self.results.keys() >= set(wanted):
            self.take()
        return [self.results[attempt] for attempt in wanted]

    def run(self, script: str, **more: Any) -> Result:
        """Run one shell script to its end."""
        return self.outcome(self.give(["sh", "-c", script], **more))[0]

    def said(self, result: Result) -> str:
        """What an attempt printed."""
        assert result.log is not None
        with open(self.home / "logs" / result.log.file, "rb") as file:
            file.seek(result.log.offset)
            return file.read(result.log.length).decode()

    def wrote(self, result: Result) -> dict[str, bytes]:
        """What an attempt left, as others find it."""
        with Objects(self.home / "objects") as objects:
            return {
                path: b"".join(objects.blobs.get(blob) for blob in entry.blobs)
                for path, entry in tree.files(objects.pages, result.output)
            }

    def store(self, files: dict[str, str]) -> bytes:
        """The root of a new tree with these files."""
        folder = self.home / "tree"
        remove(folder)
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        with Objects(self.home / "objects") as objects, objects.writer() as writer:
            return tree.build(objects.writing(writer), checkout.collect(writer, folder))

    def file(self, name: str, root: bytes, path: str) -> Input:
        """An input of one file."""
        with Objects(self.home / "objects") as objects:
            entry = tree.lookup(objects.pages, root, path)
            assert entry is not None
            return Input(name, path, tree.encode(entry), False, root)

    def hang_up(self) -> int:
        """Close the pipe; the worker leaves."""
        self.pipe.close()
        return self.process.wait(20)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    found = Engine(tmp_path / ".penstock")
    yield found
    found.hang_up()


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Engine]:
    """An engine whose worker has one slot, so that what it is given runs in order."""
    found = Engine(tmp_path / ".penstock", slots=1)
    yield found
    found.hang_up()


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[Engine]:
    """One whose worker the test ends itself."""
    found = Engine(tmp_path / ".penstock", slots=1)
    yield found
    found.pipe.close()
