"""Law 4: an incremental run gives the same bytes as a full recompute.

Small random histories of data, code and parameters go through one project, run after run; what it publishes must be
what a fresh project makes of the last state alone.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock import Project
from penstock.model.paths import link_stays_inside
from penstock.service.answers.fsck import fsck

NAMES = st.sampled_from(["a", "b", "d/a", "d/b", "d/e/c", "z z", "ü"])
#: `-> ` and what a link leads to.
LINKS = st.sampled_from(["-> a", "-> b", "-> d", "-> ../a", "-> e/c", "-> d/e"])
TEXTS = st.sampled_from(["", "one", "two", "bad", "x" * 70_000])
#: What a step may do with its inputs; cheap, and a function of its inputs alone.
WORK = {
    "copy": "cp -r . $PENSTOCK_OUT",
    "first": "find . -type f | LC_ALL=C sort | head -n 1 > "
    "$PENSTOCK_OUT/first-$(find . -type f | LC_ALL=C sort | cksum | cut -d ' ' -f 1)",
    "sizes": 'find . -type f -size -20k | LC_ALL=C sort | while read f; do wc -c < "$f"; done > '
    "$PENSTOCK_OUT/$(find . -type f | LC_ALL=C sort | cksum | cut -d ' ' -f 1)",
    "picky": "! grep -rqx bad . && cp -r . $PENSTOCK_OUT",
}
INPUTS = {
    "one": ["l:/*", "l:/**", "l:/", "l:/d/*"],
    "two": ["one:/*", "one:/", "{cross: ['one:/*', 'r:/*']}", "['r:/*', 'one:/']", "['l:/*', 'r:/']"],
}

CHANGES = st.one_of(
    st.tuples(st.just("write"), st.sampled_from("lr"), NAMES, TEXTS),
    st.tuples(st.just("write"), st.sampled_from("lr"), NAMES, TEXTS),
    st.tuples(st.just("write"), st.just("l"), NAMES, LINKS),
    st.tuples(st.just("remove"), st.sampled_from("lr"), NAMES),
    st.tuples(st.just("work"), st.sampled_from(["one", "two"]), st.sampled_from(sorted(WORK))),
    st.one_of(*(st.tuples(st.just("input"), st.just(step), st.sampled_from(INPUTS[step])) for step in INPUTS)),
    st.tuples(st.just("each"), st.sampled_from(["", "1..2", "2..3"])),
)
#: A history is a few batches of changes with a run after each.
HISTORIES = st.lists(st.lists(CHANGES, min_size=1, max_size=4), min_size=1, max_size=3)


class State:
    """What a user would have on disk."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, str]] = {"l": {"a": "one", "d/b": "two"}, "r": {"b": "one"}}
        self.work = {"one": "copy", "two": "first"}
        self.input = {"one": "l:/*", "two": "one:/*"}
        self.each = ""

    def change(self, change: tuple[str, ...]) -> None:
        kind, *words = change
        if kind == "write":
            repo, name, text = words
            files = self.files[repo]
            clash = [other for other in files if other.startswith(f"{name}/") or name.startswith(f"{other}/")]
            for other in clash:
                del files[other]
            files[name] = text
        elif kind == "remove":
            self.files[words[0]].pop(words[1], None)
        elif kind == "work":
            self.work[words[0]] = words[1]
        elif kind == "input":
            self.input[words[0]] = words[1]
        elif kind == "each":
            self.each = words[0]

    def lay_out(self, root: Path) -> None:
        for repo, files in self.files.items():
            shutil.rmtree(root / repo, ignore_errors=True)
            (root / repo).mkdir(parents=True)
            for name, text in files.items():
                (root / repo / name).parent.mkdir(parents=True, exist_ok=True)
                if not text.startswith("-> "):
                    (root / repo / name).write_text(text)
                elif link_stays_inside(name, text[3:]):
                    (root / repo / name).symlink_to(text[3:])
        steps = ""
        for step in ("one", "two"):
            each = f"    each: {{n: '{self.each}'}}\n" if self.each and step == "one" else ""
            steps += f"  {step}:\n    input: {self.input[step]}\n{each}    run: [sh, {step}.sh]\n"
            (root / f"{step}.sh").write_text(f"cd $PENSTOCK_IN || exit 9\n{WORK[self.work[step]]}\n")
        repos = "repos: {l: {path: l}, r: {path: r}}"
        (root / "pipeline.yaml").write_text(f"pipeline: law\n{repos}\nsteps:\n{steps}")


def published(project: Project, run: str) -> dict[str, dict[str, bytes] | None]:
    """What each step published in a run: path -> bytes; None if it did not succeed."""
    found: dict[str, dict[str, bytes] | None] = {}
    for job in project.run_view(run).jobs:
        found[job.step] = None
        if job.state == "success":
            source = f"{job.step}@{run}"
            listed = list(project.ls(source, recursive=True))
            names = [item.path for item in listed if item.target is None]
            found[job.step] = {name: project.read(f"{source}:/{name}") for name in names}
            assert project.log(source)[0].files == len(listed)
            assert project.log(source)[0].size == sum(map(len, (found[job.step] or {}).values()))
    return found


#: Each costs half a second; `make storm` has the time.
EXAMPLES = 25 if settings().max_examples <= 100 else 500


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(HISTORIES)
def test_an_incremental_run_gives_what_a_full_one_gives(history: list[list[tuple[str, ...]]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        state = State()
        root = Path(place, "grown")
        with Project.create(root) as grown:
            for batch in [[], *history]:
                for change in batch:
                    state.change(change)
                state.lay_out(root)
                last = grown.run()
            assert list(fsck(grown.parts)) == []
            incremental = published(grown, last.run)
            totals = {job.step: job.tasks.total for job in last.jobs}
        with Project.create(Path(place, "fresh")) as fresh:
            state.lay_out(Path(place, "fresh"))
            full = fresh.run()
            assert incremental == published(fresh, full.run)
            assert totals == {job.step: job.tasks.total for job in full.jobs}
            assert last.state == full.state
