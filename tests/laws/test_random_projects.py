"""Law 4 for all that a task can read: files in place, links, code that only running finds, user data.

Random histories of a project as people have it (edits, links turned, outputs lost, steps renamed, edits while tasks
run, restarts and retries in between) end with one run or restart. What stands there then, published and in place, must
be what a fresh copy of the last state makes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from penstock import Project
from penstock.model.moves import Outcome
from penstock.model.run import Job
from penstock.service.answers.fsck import fsck
from penstock.service.opening.freeze import freeze
from penstock.service.opening.restart import restart

#: Reads what it is given, a module, a file behind a link, and two files whose names no text shows.
ONE = """\
import glob, os, sys
from pathlib import Path
import lib
top, out = Path(os.environ["PENSTOCK_IN"]), Path(os.environ["PENSTOCK_OUT"])
parts = [lib.WORD, Path("alias.txt").read_text(), Path("op" + "tional.cfg").read_text(), Path("model.txt").read_text()]
parts += [Path(name).read_text() for name in sorted(glob.glob("con" + "f/*"))]
for file in sorted(top.rglob("*")):
    if file.is_file():
        if file.read_text() == "bad":
            sys.exit(3)
        (out / file.name).write_text("|".join([*parts, file.read_text()]))
"""
#: Reads a file in place and user data, and leaves a file in place.
TWO = """\
import json, os, sys
from pathlib import Path
text = Path("table.txt").read_text()
if text == "bad":
    sys.exit(3)
settings = json.loads(next(Path(os.environ["PENSTOCK_DATA"]).iterdir()).read_text())
Path("two.out").write_text(f"{text} {settings}")
"""
#: One of many, each with a file of its own.
MANY = """\
import sys
from pathlib import Path
if Path("table.txt").read_text() == "bad" and sys.argv[1] == "2":
    sys.exit(3)
Path(f"many-{sys.argv[1]}").write_text(sys.argv[1] + Path("two.out").read_text())
"""

TEXTS = st.sampled_from(["one", "two", "bad", "x" * 3000])
FILES = st.sampled_from(["d/a", "d/b", "model.txt", "table.txt", "optional.cfg", "conf/a", "real/x", "real/y"])
CHANGES = st.one_of(
    st.tuples(st.just("write"), FILES, TEXTS),
    st.tuples(st.just("write"), FILES, TEXTS),
    st.tuples(st.just("write"), st.sampled_from(["optional.cfg", "conf/a"]), TEXTS),
    st.tuples(st.just("swap"), st.sampled_from(["model.txt", "table.txt"]), TEXTS),
    st.tuples(st.just("alias"), st.sampled_from(["real/x", "real/y"])),
    st.tuples(st.just("latest"), st.sampled_from(["a", "b"])),
    st.tuples(st.just("word"), st.sampled_from(["w", "v"])),
    st.tuples(st.just("data"), st.sampled_from([1, 2])),
    st.tuples(st.just("rename"), st.sampled_from(["one", "uno"])),
    st.tuples(st.just("lose"), st.sampled_from(["two.out", "many-1", "many-2"])),
    # Of a step that reuses nothing it is the user's to change.
    st.tuples(st.just("spoil"), st.just("two.out")),
    st.tuples(st.just("run")),
    st.tuples(st.just("begin")),
    st.tuples(st.just("restart")),
    st.tuples(st.just("retry")),
)
HISTORIES = st.tuples(st.lists(CHANGES, min_size=1, max_size=8), st.sampled_from(["run", "restart"]))
#: A history takes some seconds; `make storm` has the time.
EXAMPLES = 6 if settings().max_examples <= 100 else 50


def restarted(project: Project) -> Any:
    """The run of a restart, when it is over; None if nothing had to run again."""
    for run in project.runs():
        if run.state not in ("success", "failure", "killed"):
            project.wait(run.run)
    with project.parts.objects.session():
        run = restart(project.parts, freeze(project.parts, None))
    return None if run is None else project.wait(run.id)


class Life:
    """A project and what its user does."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.step, self.data = "one", 1
        for folder in ("d", "conf", "real"):
            (root / folder).mkdir(parents=True)
        for name in ("d/a", "d/b", "model.txt", "table.txt", "optional.cfg", "conf/a", "real/x", "real/y"):
            (root / name).write_text(name)
        (root / "one.py").write_text(ONE)
        (root / "two.py").write_text(TWO)
        (root / "many.py").write_text(MANY)
        (root / "lib.py").write_text('WORD = "w"\n')
        os.symlink("real/x", root / "alias.txt")
        os.symlink("a", root / "d" / "latest")
        self.write_pipeline()

    def write_pipeline(self) -> None:
        (self.root / "pipeline.yaml").write_text(
            "pipeline: life\n"
            "repos: {d: {path: d}}\n"
            f"data: {{settings: {{value: {self.data}}}}}\n"
            "steps:\n"
            f"  {self.step}: {{output: ones, input: ['d:/*', {{file: model.txt}}], run: [python3, one.py]}}\n"
            "  two: {reuse: true, input: {file: table.txt}, inputs_data: [settings], outputs: [two.out], "
            "run: [python3, two.py]}\n"
            "  many: {each: {i: '1..3'}, input: [{file: two.out}, {file: table.txt}], outputs: ['many-{i}'], "
            "code: [many.py], run: [python3, many.py, '{i}']}\n"
        )

    def do(self, project: Project, change: tuple[Any, ...]) -> None:
        kind, *words = change
        event(kind)
        getattr(self, f"do_{kind}")(project, *words)

    def do_write(self, _: Project, name: str, text: str) -> None:
        (self.root / name).write_text(text)

    def do_swap(self, _: Project, name: str, text: str) -> None:
        """Another file of the same time takes the place of one."""
        file = self.root / name
        moment = file.stat()
        other = self.root / f"{name}.new"
        other.write_text(text)
        os.utime(other, ns=(moment.st_atime_ns, moment.st_mtime_ns))
        other.rename(file)

    def do_alias(self, _: Project, target: str) -> None:
        (self.root / "alias.txt").unlink()
        os.symlink(target, self.root / "alias.txt")

    def do_latest(self, _: Project, target: str) -> None:
        (self.root / "d" / "latest").unlink()
        os.symlink(target, self.root / "d" / "latest")

    def do_word(self, _: Project, word: str) -> None:
        (self.root / "lib.py").write_text(f'WORD = "{word}"\n')

    def do_data(self, project: Project, value: int) -> None:
        self.data = value
        self.write_pipeline()
        project.data_set("settings", value, pipeline="life")

    def do_rename(self, _: Project, name: str) -> None:
        self.step = name
        self.write_pipeline()

    def do_lose(self, _: Project, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)

    def do_spoil(self, _: Project, name: str) -> None:
        if (self.root / name).exists():
            (self.root / name).write_text("spoilt")

    def do_run(self, project: Project) -> None:
        project.run()

    def do_begin(self, project: Project) -> None:
        """Somebody opens a run and edits on while it waits."""
        project.begin()

    def do_restart(self, project: Project) -> None:
        restarted(project)

    def do_retry(self, project: Project) -> None:
        last = project.runs(limit=1)
        if last and last[0].state == "failure":
            project.wait(project.retry(last[0].run).run)

    def stands(self, project: Project) -> dict[str, Any]:
        """How the newest job of each step ended, what is published, and what lies in place."""
        jobs = project.parts.store.load(Job, "newest_of_steps", pipeline="life")
        states = {job.step: "success" if job.outcome == Outcome.SUCCEEDED else "failure" for job in jobs}
        found: dict[str, Any] = {"states": {name: states[name] for name in ("two", "many")}, "one": states[self.step]}
        if found["one"] == "success":
            names = [item.path for item in project.ls("ones", recursive=True)]
            found["ones"] = {name: project.read(f"ones:/{name}") for name in names}
        for name, step in (("two.out", "two"), ("many-1", "many"), ("many-2", "many"), ("many-3", "many")):
            if states.get(step) == "success":
                found[name] = (self.root / name).read_text()
        return found


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(HISTORIES)
def test_whatever_happened_the_last_state_alone_counts(history: tuple[list[tuple[Any, ...]], str]) -> None:
    changes, last = history
    with tempfile.TemporaryDirectory() as place:
        life = Life(Path(place, "grown"))
        with Project.create(life.root) as grown:
            grown.run()
            for change in changes:
                life.do(grown, change)
            restarted(grown) if last == "restart" else grown.run()
            found = life.stands(grown)
            assert list(fsck(grown.parts)) == []
        root = Path(place, "fresh")
        ignored = shutil.ignore_patterns(".penstock", "two.out", "many-*")
        shutil.copytree(life.root, root, symlinks=True, ignore=ignored)
        with Project.create(root) as fresh:
            life.root = root
            fresh.run()
            full = life.stands(fresh)
        assert found == full
