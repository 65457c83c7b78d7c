"""The parts of an open project, as every verb and driver receives them."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.model.errors import NoProject
from penstock.model.ids import uuid7
from penstock.model.inplace import owned
from penstock.model.run import Job, Run, Version
from penstock.model.spec import Pipeline, Step
from penstock.service import layout
from penstock.service.layout import Layout
from penstock.store.base import Store
from penstock.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from penstock.objects.store import Objects


def utc_now() -> int:
    """UTC microseconds."""
    return time.time_ns() // 1000


def far_away(url: str, endpoint: str | None, region: str | None) -> Callable[[Layout], None]:
    """What makes a new project keep its data at `s3://bucket/prefix`. Raises UsageError."""
    from penstock.objects import places

    told = os.environ
    where = places.parse_url(
        url,
        endpoint or told.get("AWS_ENDPOINT_URL_S3") or told.get("AWS_ENDPOINT_URL"),
        region or told.get("AWS_REGION") or told.get("AWS_DEFAULT_REGION"),
    )
    return lambda layout: places.set_up(layout.objects, where, layout.id)


class Parts:
    """Store, objects, clock and ids of one project. Objects open at first use: questions about rows need none."""

    def __init__(self, layout: Layout, store: Store, now: Callable[[], int] = utc_now) -> None:
        self.layout = layout
        self.store = store
        self.now = now
        self.owner = getpass.getuser()
        self.project = "default"
        self.warning: str | None = None  #: what whoever asks has to know of the answers
        self.cpus: int | None = None  #: how many processors of this machine work here may have at most; None: all
        self._pipelines: dict[tuple[str, int], Pipeline] = {}
        self._code: dict[tuple[str, int], bytes] = {}
        self._steps: dict[tuple[str, int, str], Step] = {}
        self._owned: dict[tuple[str, int, str], frozenset[str]] = {}
        self._numbers: dict[tuple[str, int], dict[str | None, int]] = {}

    @classmethod
    def open(cls, layout: Layout) -> Parts:
        if layout.writable:
            return cls(layout, SqliteStore(layout.database))
        from penstock.store.readonly import ReadOnlyStore

        store = ReadOnlyStore(layout.database)
        parts = cls(layout, store)
        if store.blind:
            parts.warning = f"{layout.database}-wal cannot be read here: what was written last may be missing"
        return parts

    @classmethod
    def create(cls, root: Path, prepare: Callable[[Layout], None] | None = None) -> Parts:
        """A new project, open; `prepare` does what else it needs. Raises AlreadyExists, NotWritable and what that
        raises; then nothing is left.
        """
        opened: list[Parts] = []

        def fill(made: Layout) -> None:
            opened.append(cls.open(made))
            if prepare is not None:
                prepare(made)

        try:
            layout.create(root, fill)
        except BaseException:
            for parts in opened:
                parts.close()
            raise
        return opened[0]

    @classmethod
    def find_or_create(cls, start: Path) -> tuple[Parts, bool]:
        """The project at `start` or above, else a new one where the nearest pipeline file lies; and whether it is new.

        Raises NoProject, NewerFormat, NotWritable.
        """
        try:
            return cls.open(layout.find(start)), False
        except NoProject:
            place = layout.place_for_new(start)
            if place is None:
                raise
            return cls.create(place), True

    @classmethod
    @contextmanager
    def first(cls, start: Path) -> Iterator[Parts]:
        """As `find_or_create`. If what is done with a new one fails before anything is written, it is one no more."""
        parts, new = cls.find_or_create(start)
        with closing(parts):
            try:
                yield parts
            except BaseException:
                if new and not (parts.store.fetch("pipelines") or parts.store.fetch("repos")):
                    layout.remove(parts.layout)
                raise

    @cached_property
    def objects(self) -> Objects:
        from penstock.objects.store import Objects

        if not self.layout.writable:
            return Objects(self.layout.objects, writable=False)
        return Objects.create(self.layout.objects)

    def new_id(self) -> str:
        return uuid7(self.now(), os.urandom(8))

    def version(self, pipeline: str, number: int) -> Version:
        return self.store.load(Version, "version", pipeline=pipeline, number=number)[0]

    def code(self, pipeline: str, number: int) -> bytes:
        """The root of the code tree of one version."""
        key = (pipeline, number)
        if key not in self._code:
            self._code[key] = self.version(pipeline, number).code
        return self._code[key]

    def pipeline(self, name: str, number: int) -> Pipeline:
        """The spec of one version of a pipeline; versions never change, so it is read once."""
        key = (name, number)
        if key not in self._pipelines:
            from penstock.text.canonical import pipeline_from_json

            self._pipelines[key] = pipeline_from_json(self.version(name, number).spec)
        return self._pipelines[key]

    def step(self, job: Job) -> Step:
        """The definition a job runs. Asked for every open job at every turn, so it is not looked for twice."""
        key = (job.pipeline, job.version, job.step)
        if key not in self._steps:
            self._steps[key] = self.pipeline(job.pipeline, job.version).step(job.step)
        return self._steps[key]

    def owned(self, job: Job) -> frozenset[str]:
        """The files in place of a job that one of its tasks alone makes."""
        key = (job.pipeline, job.version, job.step)
        if key not in self._owned:
            self._owned[key] = owned(self.step(job))
        return self._owned[key]

    def pipelines(self) -> dict[str, tuple[int, Pipeline]]:
        """The pipelines in force: name -> (version, spec)."""
        rows = self.store.fetch("pipelines")
        return {row["name"]: (row["version"], self.pipeline(row["name"], row["version"])) for row in rows}

    def stopped(self) -> set[str]:
        """The pipelines in force that somebody told to sleep: commits open no jobs of them."""
        return {row["name"] for row in self.store.fetch("pipelines") if row["stopped"] is not None}

    def disabled(self) -> set[tuple[str, str]]:
        """The steps, as (pipeline, step), that runs pass by."""
        return {(row["pipeline"], row["step"]) for row in self.store.fetch("disabled")}

    def numbers(self, pipeline: str, version: int) -> dict[str | None, int]:
        """The integers that stand for a pipeline (under None) and the steps of one of its versions. They were given
        when that was applied, so they are read once.
        """
        key = (pipeline, version)
        if key not in self._numbers:
            rows = self.store.fetch("numbers_of", pipeline=pipeline)
            self._numbers[key] = {row["step"]: row["seq"] for row in rows}
        return self._numbers[key]

    def params(self, run: Run, job: Job) -> dict[str, object]:
        """The parameters every task of a job sees: the pipeline's, the step's, then what the run was given."""
        pipeline = self.pipeline(job.pipeline, job.version)
        params = {**pipeline.params, **pipeline.step(job.step).params}
        if run.pipeline in (None, job.pipeline):
            params.update({name: value for name, value in run.params.items() if name in params})
        return params

    def close(self) -> None:
        if "objects" in self.__dict__:
            self.objects.close()
        self.store.close()
