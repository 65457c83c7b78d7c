"""Law 4 over all forms of inputs: whatever happened before, a run gives what the last state alone gives, and no work
that succeeded is done again. A reference is the exception that has to be one: of it repo, branch and glob count, so a
run gives what was made when work was first done, of what stood there then.

Random histories (put, delete, rename, rewind, other code, other inputs, failures, stops) go through one project whose
workers are a pure function here; what a run gives must be what that function makes of all bindings of the last state.
"""

from __future__ import annotations

import copy
import hashlib
import inspect
import json
import tempfile
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from penstock import Project
from penstock.engine.expand import Expansion
from penstock.model.data import EMPTY
from penstock.model.moves import Outcome, Reason
from penstock.model.run import Attempt, Job, JobInput, Task
from penstock.model.spec import InputSpec
from penstock.model.wire import Assignment, Input, Recipe, Result
from penstock.objects import map as maps
from penstock.objects import tree
from penstock.objects.blobs import Pages
from penstock.service import resolve
from penstock.service.answers.fsck import fsck
from penstock.service.bindings.keys import KeyMap
from penstock.service.bindings.links import Links
from penstock.service.bindings.trees import TreeLeaf
from penstock.service.bindings.work import decode_inputs
from penstock.service.driving import control, loop
from penstock.service.opening.launch import Draft, advance, commit
from penstock.service.parts import Parts
from penstock.testing.crew import DryCrew, Work

Files = dict[str, bytes]
#: Of work that was done, by step, variant and what counts of its inputs, what it made.
Results = dict[tuple[str, str, tuple[Any, ...]], Files]


def work(variant: str, files: dict[str, bytes]) -> dict[str, bytes] | None:
    """What a task makes of its inputs, `NAME/PATH` -> bytes; None: it fails."""
    names = sorted(files)
    key = hashlib.sha1("\n".join(names).encode()).hexdigest()[:8]
    if variant == "picky" and b"bad" in files.values():
        return None
    if variant == "copy":
        return {name.partition("/")[2]: files[name] for name in names}
    if variant == "names":
        return {f"d/{key}-n": "\n".join(names).encode()}
    return {f"{key}-{variant}": b"\n".join(name.encode() + b"=" + files[name] for name in names)}


#: The same as a program.
PROGRAM = f"""import hashlib, os, pathlib
{textwrap.dedent(inspect.getsource(work))}
top, out = pathlib.Path(os.environ["PENSTOCK_IN"]), pathlib.Path(os.environ["PENSTOCK_OUT"])
made = work(VARIANT, {{str(file.relative_to(top)): file.read_bytes() for file in top.rglob("*") if file.is_file()}})
if made is None:
    raise SystemExit(1)
for path, data in made.items():
    (out / path).parent.mkdir(parents=True, exist_ok=True)
    (out / path).write_bytes(data)
"""
VARIANTS = ["sums", "picky", "names", "copy", "other"]


def files_of(pages: Pages, inputs: Iterable[Input]) -> Files:
    """What a task with these inputs finds."""
    found: Files = {}
    for item in inputs:
        below = tree.files(pages, item.root, item.path) if item.directory else [(item.path, tree.decode(item.content))]
        for path, entry in below:
            data = b"" if item.layout == "empty" else b"".join(pages.get(blob) for blob in entry.blobs)
            found[f"{item.name}/{path}"] = data
    return found


def program(pages: Pages, code: bytes, step: str) -> str:
    """Which variant of `work` a step's code is."""
    source = maps.get(pages, code, f"{step}.py".encode())
    assert source is not None
    return b"".join(pages.get(blob) for blob in tree.decode(source).blobs).decode().split('"')[1]


def counted(pages: Pages, source: InputSpec, inputs: Iterable[Input]) -> tuple[Any, ...]:
    """What of a task's inputs is a reason to do it: of a reference where it is, of all others what they hold."""
    leaves = {leaf.name: leaf for leaf in source.leaves()}
    found = []
    for item in inputs:
        leaf = leaves[item.name]
        place = (leaf.repo, leaf.branch, leaf.glob, leaf.layout == "empty")
        held = sorted(files_of(pages, [item]).items()) if leaf.counts else place
        found.append((item.name, item.path, *held))
    return tuple(sorted(found, key=repr))


# The engine's workers, as a pure function.


def pure_work(parts: Parts) -> Work:
    """What workers do, as a function."""

    def results(recipe: Recipe, assignments: Sequence[Assignment]) -> list[Result]:
        pages = parts.objects.pages
        variant = program(pages, recipe.code, recipe.step)
        told = []
        with parts.objects.writer() as writer:
            for item in assignments:
                made = work(variant, files_of(pages, item.inputs))
                root = EMPTY
                if made is not None:
                    entries = [
                        (path, tree.Entry((writer.add(data),) if data else (), len(data)))
                        for path, data in made.items()
                    ]
                    root = tree.build(Pages(parts.objects.blobs, writer), entries)
                outcome = Outcome.FAILED if made is None else Outcome.SUCCEEDED
                now, reason = parts.now(), None if made is not None else Reason.EXIT
                said = (item.task, item.attempt, item.token, outcome, reason, int(made is None))
                told.append(Result(*said, "", root, len(made or ()), now, now, None))
        return told

    return results


# What people do.

PATHS = st.sampled_from(["a-1", "a-2", "b-1", "b-2", "d/a-1"])
TEXTS = st.sampled_from(["one", "two", "bad"])
REPOS = st.sampled_from(["l", "r"])
KEYED = ["/(*)-*", "/(*)-(*)", "/*-(*)", "/**/(*)-*"]
PLAIN = ["/", "/*", "/a-*", "/**", "/d"]


def inputs(repos: list[str], depth: int = 3, keyed: frozenset[str] = frozenset()) -> st.SearchStrategy[dict[str, Any]]:
    """An input as a pipeline file has it; names are given afterwards."""
    more: dict[str, st.SearchStrategy[Any]] = {"lazy": st.just(True), "empty": st.just(True)}
    more["reference"] = st.just(True)
    if "join" in keyed:
        more["outer"] = st.just(True)
    said = {"on": st.just("$1")} if "join" in keyed else {}
    said |= {"group": st.sampled_from(["$1", "$1."])} if "group" in keyed else {}
    leaf = st.fixed_dictionaries(
        {"repo": st.sampled_from(repos), "glob": st.sampled_from(KEYED if keyed else PLAIN + KEYED[:1]), **said},
        optional=more,
    ).map(lambda found: {name: found[name] for name in found if not (name == "lazy" and "empty" in found)})
    if not depth:
        return leaf

    def node(kind: str) -> st.SearchStrategy[dict[str, Any]]:
        around = keyed | {kind} if kind in ("join", "group") else keyed
        parts = st.lists(inputs(repos, depth - 1, around), min_size=1, max_size=3)
        return parts.map(lambda found: {kind: found})

    return leaf | st.sampled_from(["cross", "union", "join", "group", "all"]).flatmap(node)


def named(spec: dict[str, Any], numbers: Iterator[int]) -> Any:
    """The same with an own name for each glob; a list instead of `all`."""
    if "repo" in spec:
        return {**spec, "as": f"i{next(numbers)}"}
    (kind,) = spec
    parts = [named(part, numbers) for part in spec[kind]]
    return parts if kind == "all" else {kind: parts}


def globs(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The globs of an input."""
    if "repo" in spec:
        yield spec
    else:
        for parts in spec.values():
            for part in parts:
                yield from globs(part)


STEPS = {"one": ["l", "r"], "two": ["one", "r"]}
OPS = st.one_of(
    st.tuples(st.just("put"), REPOS, PATHS, TEXTS),
    st.tuples(st.just("put"), REPOS, PATHS, TEXTS),
    st.tuples(st.just("delete"), REPOS, PATHS),
    st.tuples(st.just("rename"), REPOS, PATHS, PATHS),
    st.tuples(st.just("rewind"), REPOS, st.integers(1, 3)),
    st.tuples(st.just("code"), st.sampled_from(["one", "two"]), st.sampled_from(VARIANTS)),
    st.one_of(*(st.tuples(st.just("input"), st.just(step), inputs(repos)) for step, repos in STEPS.items())),
    st.tuples(st.just("elsewhere"), st.just("one"), st.integers(0, 9)),
    st.tuples(st.just("elsewhere"), st.sampled_from(["one", "two"]), st.integers(0, 9)),
    st.tuples(st.just("stop"), st.integers(0, 6)),
    st.tuples(st.just("run")),
    st.tuples(st.just("run")),
)
HISTORIES = st.tuples(inputs(STEPS["one"]), inputs(STEPS["two"]), st.lists(OPS, min_size=2, max_size=9))


class Life:
    """A project and what a user did to it."""

    def __init__(self, root: Path, one: dict[str, Any], two: dict[str, Any], dry: bool) -> None:
        self.project = Project.create(root)
        self.parts = self.project.parts
        self.root, self.dry = root, dry
        self.inputs = {"one": one, "two": two}
        self.code = {"one": "sums", "two": "sums"}
        self.repos: dict[str, Files] = {"l": {}, "r": {}}
        self.heads: dict[str, list[tuple[str, Files]]] = {"l": [], "r": []}
        self.write_files()
        self.project.begin()  # makes the repos
        self.put("l", {"a-1": b"one", "b-1": b"two", "d/a-1": b"one"})
        self.put("r", {"a-2": b"one", "b-1": b"one"})
        self.run()

    def write_files(self) -> None:
        steps = {
            name: {"input": named(self.inputs[name], iter(range(99))), "run": ["python3", f"{name}.py"]}
            for name in ("one", "two")
        }
        spec = {"pipeline": "law", "repos": {"l": None, "r": None}, "steps": steps}
        (self.root / "pipeline.json").write_text(json.dumps(spec))
        for name, variant in self.code.items():
            (self.root / f"{name}.py").write_text(f'VARIANT = "{variant}"\n{PROGRAM}')

    def do(self, op: tuple[Any, ...]) -> None:
        kind, *words = op
        event(kind)
        if kind == "put":
            self.put(words[0], {**self.repos[words[0]], words[1]: words[2].encode()})
        elif kind == "delete":
            self.put(words[0], {path: data for path, data in self.repos[words[0]].items() if path != words[1]})
        elif kind == "rename":
            left = dict(self.repos[words[0]])
            moved = left.pop(words[1], None)
            self.put(words[0], left if moved is None else {**left, words[2]: moved})
        elif kind == "rewind":
            past = self.heads[words[0]]
            back, self.repos[words[0]] = past[max(len(past) - 1 - words[1], 0)]
            with self.parts.store.transaction(durable=True):
                advance(self.parts, {(words[0], "main"): back}, self.parts.new_id())
        elif kind == "elsewhere":
            self.inputs[words[0]] = copy.deepcopy(self.inputs[words[0]])
            found = list(globs(self.inputs[words[0]]))
            chosen = [glob for glob in found if "reference" in glob and "empty" not in glob] or found
            glob = chosen[words[1] % len(chosen)]
            glob["repo"] = next(repo for repo in STEPS[words[0]] if repo != glob["repo"])
        elif kind in ("code", "input"):
            getattr(self, {"code": "code", "input": "inputs"}[kind])[words[0]] = words[1]
        else:
            self.run(stop_after=words[0] if kind == "stop" else None)

    def put(self, repo: str, files: Files) -> None:
        if files == self.repos[repo]:
            return
        self.repos[repo] = files
        with self.parts.objects.writer() as writer:
            pages = Pages(self.parts.objects.blobs, writer)
            entries = [(path, tree.Entry((writer.add(data),), len(data))) for path, data in files.items()]
            root = tree.build(pages, entries)
        with self.parts.store.transaction(durable=True):
            head = resolve.head(self.parts, repo)
            size = sum(map(len, files.values()))
            draft = Draft(repo, "main", head.id if head else None, root, len(files), size, "put")
            ((made,), _) = commit(self.parts, [draft], self.parts.new_id())
        self.heads[repo].append((made.id, files))

    def run(self, stop_after: int | None = None) -> None:
        """A run over everything, to its end and compared; or stopped after some turns of the engine."""
        self.write_files()
        begun = self.project.begin().run.id
        if stop_after is not None and self.dry:
            self.drive(stop_after)
            if any(run == begun for run in self.active()):
                control.stop(self.parts, begun)
        self.drive()
        if stop_after is None:
            self.compare(begun)

    def active(self) -> list[str]:
        return [row["id"] for row in self.parts.store.fetch("active_runs")]

    def drive(self, turns: int | None = None) -> None:
        if not self.dry:
            for run in self.active():
                self.project.wait(run)
            return
        engine = loop.Engine(self.parts, crew=DryCrew(pure_work(self.parts)))
        left = iter(range(turns)) if turns is not None else None
        engine.drive(lambda world: not world.runs or (left is not None and next(left, None) is None))
        engine.interrupt()

    def compare(self, run: str) -> None:
        roots = {repo: head.root if (head := resolve.head(self.parts, repo)) else EMPTY for repo in self.repos}
        jobs = {job.step: job for job in self.parts.store.load(Job, "jobs_of_run", run=run)}
        known = self.results()
        for name in ("one", "two"):
            job = jobs[name]
            made = self.full(job, roots, known)
            assert (job.outcome == Outcome.SUCCEEDED) is (made is not None), (name, job.outcome, job.message)
            if made is not None:
                total, files = made
                assert job.total == total
                pages = self.parts.objects.pages
                found = {
                    path: b"".join(pages.get(blob) for blob in entry.blobs)
                    for path, entry in tree.files(pages, job.tree)
                }
                assert found == files
                assert (job.files, job.size) == (len(files), sum(map(len, files.values())))
                roots[name] = job.tree

    def full(self, job: Job, roots: dict[str, bytes], known: Results) -> tuple[int, Files] | None:
        """How many bindings a step has of these trees, and all that they make; None if it must fail.

        It must if what it reads was not made, if one of its tasks fails, or if two of them write one path.
        """
        source = self.parts.step(job).input
        assert source is not None
        if any(leaf.repo not in roots for leaf in source.leaves()):
            return None
        made: Files = {}
        total = 0
        with self.parts.objects.writer() as writer:
            pages = Pages(self.parts.objects.blobs, writer)
            trees = [(leaf, roots[leaf.repo]) for leaf in source.leaves()]
            leaves = [TreeLeaf(pages, leaf, root, Links(pages, root, 0, None)) for leaf, root in trees]
            for binding in Expansion(source, {}, leaves, KeyMap(pages, EMPTY)).every():
                total += 1
                variant = self.code[job.step]
                done = known.get((job.step, variant, counted(pages, source, binding.inputs)))
                output = work(variant, files_of(pages, binding.inputs)) if done is None else done
                if output is None or output.keys() & made.keys():
                    return None
                made |= output
        above = {path[:cut] for path in made for cut in range(len(path)) if path[cut] == "/"}
        return None if above & made.keys() else (total, made)

    def results(self) -> Results:
        """What each task that succeeded made, by all that counts. None ran for which something had succeeded before,
        and all found what their jobs read.
        """
        tried: list[tuple[int, Job, Task, str | None]] = []
        for job in self.parts.store.load(Job, "jobs", before=1 << 62, limit=10_000):
            for task in self.parts.store.load(Task, "tasks_of_job", job=job.seq, after=0, limit=10_000):
                for attempt in self.parts.store.load(Attempt, "attempts", task=task.seq):
                    tried.append((attempt.token, job, task, attempt.outcome))
        done: set[bytes] = set()
        known: Results = {}
        for _, job, task, outcome in sorted(tried, key=lambda item: item[0]):
            source, inputs = self.parts.step(job).input, decode_inputs(task.inputs)
            assert source is not None
            read = {leaf.name: resolve_root(self.parts, item) for leaf, item in zip(source.leaves(), job.inputs)}
            assert all(item.root == read[item.name] for item in inputs)
            variant = program(self.parts.objects.pages, self.parts.code(job.pipeline, job.version), job.step)
            key = (job.step, variant, counted(self.parts.objects.pages, source, inputs))
            assert (task.fingerprint in done, key in known) == (False, False)
            if outcome == Outcome.SUCCEEDED:
                done.add(task.fingerprint)
                made = work(variant, files_of(self.parts.objects.pages, inputs))
                assert made is not None
                known[key] = made
        return known


def resolve_root(parts: Parts, item: JobInput) -> bytes:
    commit = resolve.commit_by_id(parts, item.repo, item.commit) if item.commit else None
    return commit.root if commit else EMPTY


def live(history: tuple[dict[str, Any], dict[str, Any], list[tuple[Any, ...]]], dry: bool) -> None:
    one, two, ops = history
    with tempfile.TemporaryDirectory() as place:
        life = Life(Path(place, "life"), one, two, dry)
        try:
            for op in [*ops, ("run",)]:
                life.do(op)
            assert list(fsck(life.parts)) == []
        finally:
            life.project.close()


SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@pytest.mark.parametrize("share", range(4))
def test_every_history_gives_what_its_end_gives(share: int) -> None:
    settings(max_examples=75 if settings().max_examples <= 100 else 500, suppress_health_check=SLOW)(
        given(HISTORIES)(lambda history: live(history, dry=True))
    )()


@pytest.mark.storm
def test_every_history_with_real_processes() -> None:
    settings(max_examples=50, suppress_health_check=SLOW)(given(HISTORIES)(lambda history: live(history, dry=False)))()
