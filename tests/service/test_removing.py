"""Every cell of the table in `docs/removing.md`, as a scenario."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.model.errors import NotFound, Refused
from penstock.model.ids import parse_reference as ref
from penstock.model.run import Commit, Job, Task, Version
from penstock.service import resolve
from penstock.service.answers import lists
from penstock.service.answers.why import trace
from penstock.service.data import branches, commits, purging, removing, repos, triggers
from penstock.service.keeping import retention
from penstock.service.keeping.garbage import gc
from penstock.service.opening import begin

DOCUMENT = (Path(__file__).parents[2] / "docs/removing.md").read_text()
STEPS = """\
pipeline: work
steps:
  up: {input: 'in:/*', run: 'cp $PENSTOCK_IN/in/* $PENSTOCK_OUT'}
  down: {input: 'up:/*', run: 'cp $PENSTOCK_IN/up/* $PENSTOCK_OUT'}
"""


class Scene:
    """A project with three puts, and a run over each; that over the third may be not done."""

    def __init__(self, lab: Any, *, driven: bool = True) -> None:
        self.lab = lab
        lab.pipeline(STEPS)
        self.ids = [lab.put("in", {"a": "1"})]
        self.first = lab.run().run
        for number in ("2", "3"):
            self.ids.append(lab.put("in", {"a": number, f"n{number}": number}))
            if driven or number == "2":
                lab.project.wait(self.ids[-1])

    def refuses(self, act: Callable[..., object], message: str, *args: Any, force: bool = False, **more: Any) -> None:
        """Something is refused, also with `force`, or if that overrules it, only without; then it is done."""
        before = self.heads()
        with pytest.raises(Refused, match=message):
            act(self.lab.parts, *args, **more)
        assert self.heads() == before
        if force:
            act(self.lab.parts, *args, force=True, **more)
        elif act in FORCED:
            with pytest.raises(Refused, match=message):
                act(self.lab.parts, *args, force=True, **more)
            assert self.heads() == before

    def heads(self) -> list[Any]:
        parts = self.lab.parts
        views = [
            view for repo in parts.store.fetch("repos") for view in lists.branches(parts, repo["name"], 9, None).items
        ]
        return [*views, parts.store.load(Commit, "open_commits")]

    def opened(self, target: str = "in") -> str:
        return str(commits.start(self.lab.parts, [ref(target)])[0].id)

    def gone(self, target: str) -> None:
        with pytest.raises(NotFound):
            self.lab.project.commit(target)

    def files(self, target: str) -> Any:
        return self.lab.files(target)


FORCED: set[Callable[..., object]] = {
    repos.delete_repo,
    branches.delete_branch,
    removing.squash,
    removing.squash_set,
    removing.drop,
    removing.delete_run,
    begin.delete,
}


def delete_pipeline(scene: Scene) -> None:
    begin.delete(scene.lab.parts, "work")


# repo delete


def repo_named(lab: Any) -> None:
    scene = Scene(lab)
    scene.refuses(repos.delete_repo, "is used by step 'up' of pipeline 'work'", "in")
    scene.refuses(repos.delete_repo, "is used by step 'up' of pipeline 'work', step 'down'", "up")
    lab.pipeline("pipeline: other\nrepos: {photos: {path: p}}\nsteps: {x: {run: 'true'}}", "other.yaml")
    lab.write("p/a", "a")
    lab.ok("other.yaml")
    scene.refuses(repos.delete_repo, "is used by pipeline 'other', which links it", "photos")


def repo_needed(lab: Any) -> None:
    scene = Scene(lab, driven=False)
    begin.delete(lab.parts, "work", force=True)
    scene.refuses(repos.delete_repo, f"is used by job up@{scene.ids[2]}", "in")
    assert lab.project.wait(scene.ids[2]).state == "killed"


def repo_open(lab: Any) -> None:
    scene = Scene(lab)
    delete_pipeline(scene)
    opened = scene.opened()
    scene.refuses(repos.delete_repo, f"has the open commit {opened}: finish it, or use --force", "in", force=True)
    scene.gone("in")


def repo_goes(lab: Any) -> None:
    scene = Scene(lab)
    triggers.set_trigger(lab.parts, ref("in@late"), "main", commits=1)
    delete_pipeline(scene)
    repos.delete_repo(lab.parts, "in")
    scene.gone("in")
    lab.put("in", {"z": "z"})
    assert len(lab.project.log("in")) == 1
    assert [view.branch for view in lists.branches(lab.parts, "in", 9, None).items] == ["main"]


def repo_stays(lab: Any) -> None:
    scene = Scene(lab)
    delete_pipeline(scene)
    repos.delete_repo(lab.parts, "in")
    assert scene.files("up") == scene.files(f"down@{scene.ids[2]}") == {"a": "3", "n2": "2", "n3": "3"}
    assert lab.project.run_view(scene.first).state == "success"


# branch delete


def branch_default(lab: Any) -> None:
    Scene(lab).refuses(branches.delete_branch, "in@main is the default branch", "in", "main")


def branch_read(lab: Any) -> None:
    scene = Scene(lab)
    lab.put("in@dev", {"x": "x"})
    lab.pipeline("pipeline: other\nsteps: {x: {input: 'in@dev:/*', run: 'true'}}", "other.yaml")
    lab.ok("other.yaml")
    scene.refuses(branches.delete_branch, "in@dev is read by step 'x' of pipeline 'other'", "in", "dev")


def branch_open(lab: Any) -> None:
    scene = Scene(lab)
    opened = scene.opened("in@dev")
    scene.refuses(branches.delete_branch, f"in@dev has the open commit {opened}", "in", "dev", force=True)
    scene.gone(f"in@{opened}")


def branch_followed(lab: Any) -> None:
    scene = Scene(lab)
    triggers.set_trigger(lab.parts, ref("in@late"), "dev", commits=1)
    made = lab.put("in@dev", {"x": "x"})
    scene.refuses(branches.delete_branch, "in@dev is followed by in@late", "in", "dev", force=True)
    assert lists.branch(lab.parts, "in", "late").head == made
    assert lists.branch(lab.parts, "in", "late").trigger is None


def branch_goes(lab: Any) -> None:
    Scene(lab)
    triggers.set_trigger(lab.parts, ref("in@late"), "main", commits=1)
    branches.delete_branch(lab.parts, "in", "late")
    lab.project.wait(lab.put("in", {"y": "y"}))
    assert [view.branch for view in lists.branches(lab.parts, "in", 9, None).items] == ["main"]


def branch_stays(lab: Any) -> None:
    scene = Scene(lab)
    made = lab.put("in@dev", {"x": "x"})
    branches.delete_branch(lab.parts, "in", "dev")
    assert scene.files(f"in@{made}") == {"x": "x"}


# commit squash and drop


def commit_open(act: Callable[..., object]) -> Callable[[Any], None]:
    def scenario(lab: Any) -> None:
        scene = Scene(lab)
        opened = scene.opened()
        scene.refuses(act, "is open; `penstock commit abandon", ref(f"in@{opened}"))

    return scenario


def commit_made(act: Callable[..., object]) -> Callable[[Any], None]:
    def scenario(lab: Any) -> None:
        scene = Scene(lab)
        scene.refuses(act, "a job made this commit; `penstock run delete", ref(f"up@{scene.ids[1]}"))

    return scenario


def squash_alone(lab: Any) -> None:
    scene = Scene(lab)
    scene.refuses(removing.squash, "no finished commit follows this one", ref("in"))
    scene.opened()
    scene.refuses(removing.squash, "no finished commit follows this one", ref("in"))


def squash_fork(lab: Any) -> None:
    scene = Scene(lab)
    base = scene.ids[1]
    branches.create_branch(lab.parts, "in", "side", ref("in@main^"))
    lab.put("in@side", {"side": "s"})
    branches.delete_branch(lab.parts, "in", "side")
    scene.refuses(removing.squash, "all go on from this one", ref(f"in@{base}"))


def squash_head(lab: Any) -> None:
    scene = Scene(lab)
    branches.create_branch(lab.parts, "in", "old", ref("in@main^"))
    scene.refuses(removing.squash, "branch old points to it", ref("in@main^"))


def squash_unfinished(lab: Any) -> None:
    scene = Scene(lab, driven=False)
    lab.put("in", {"later": "x"})
    scene.refuses(removing.squash, f"is read by up@{scene.ids[2]}; wait for the run, or stop it", ref("in@main^"))
    lab.ok()


def squash_read(lab: Any) -> None:
    scene = Scene(lab)
    scene.refuses(removing.squash, f"was read by up@{scene.ids[1]}; --force", ref("in@main^"), force=True)
    forgets(scene, scene.ids[1])


def forgets(scene: Scene, run: str) -> None:
    """The results are there; what they were made of is not; and the next job knows what to do."""
    lab = scene.lab
    scene.gone(f"in@{run}")
    assert scene.files(f"up@{run}")["a"] in ("2", "3")
    assert trace(lab.parts, ref(f"up@{run}:/n2")).inputs == ()
    lab.put("in", {"a": "4"})
    assert lab.ok()["up"][0] == len(lab.files("in")) and lab.files("up") == lab.files("in")


def squash_goes(lab: Any) -> None:
    scene = Scene(lab)
    removing.squash(lab.parts, ref("in@main^"), force=True)
    scene.gone(f"in@{scene.ids[1]}")
    assert [view.commit for view in lab.project.log("in")] == [scene.ids[2], scene.ids[0]]


def squash_after(lab: Any) -> None:
    scene = Scene(lab)
    removing.squash(lab.parts, ref("in@main^"), force=True)
    assert scene.files("in") == {"a": "3", "n2": "2", "n3": "3"}


def squash_before(lab: Any) -> None:
    scene = Scene(lab)
    removing.squash(lab.parts, ref("in@main^"), force=True)
    assert scene.files("in@main^") == {"a": "1"}


# commit squash of an id


def set_open(lab: Any) -> None:
    scene = Scene(lab)
    opened = scene.opened()
    scene.refuses(removing.squash_set, "is open; `penstock commit abandon", opened)


def set_not_done(lab: Any) -> None:
    scene = Scene(lab, driven=False)
    lab.put("in", {"later": "x"})
    scene.refuses(removing.squash_set, f"run {scene.ids[2]} is not done", scene.ids[2])
    lab.ok()


def set_last(lab: Any) -> None:
    scene = Scene(lab)
    scene.refuses(removing.squash_set, "no finished commit follows this one", scene.ids[2])


def set_fork(lab: Any) -> None:
    scene = Scene(lab)
    branches.create_branch(lab.parts, "in", "side", ref("in@main^"))
    lab.put("in@side", {"side": "s"})
    branches.delete_branch(lab.parts, "in", "side")
    scene.refuses(removing.squash_set, "all go on from this one", scene.ids[1])


def set_head(lab: Any) -> None:
    scene = Scene(lab)
    branches.create_branch(lab.parts, "in", "old", ref("in@main^"))
    scene.refuses(removing.squash_set, "branch old points to it", scene.ids[1])


def set_unfinished(lab: Any) -> None:
    scene = Scene(lab)
    branches.create_branch(lab.parts, "in", "old", ref("in@main^"))
    lab.pipeline("pipeline: other\nsteps: {late: {input: 'in@old:/*', run: 'true'}}", "other.yaml")
    late = lab.project.begin(lab.root / "other.yaml").run.id
    begin.delete(lab.parts, "other", force=True)
    branches.delete_branch(lab.parts, "in", "old")
    scene.refuses(removing.squash_set, f"is read by late@{late}; wait for the run, or stop it", scene.ids[1])
    lab.project.wait(late)


def set_read(lab: Any) -> None:
    scene = Scene(lab)
    branches.create_branch(lab.parts, "in", "old", ref("in@main^"))
    lab.pipeline("pipeline: other\nsteps: {late: {input: 'in@old:/*', run: 'true'}}", "other.yaml")
    late = lab.run("other.yaml").run
    begin.delete(lab.parts, "other")
    branches.delete_branch(lab.parts, "in", "old")
    scene.refuses(removing.squash_set, f"was read by late@{late}; --force", scene.ids[1], force=True)
    scene.gone(f"in@{scene.ids[1]}")


def squashed_set(lab: Any) -> Scene:
    scene = Scene(lab)
    gone = removing.squash_set(lab.parts, scene.ids[1][:14])
    assert sorted(commit.repo for commit in gone) == ["down", "in", "up"]
    return scene


def set_goes(lab: Any) -> None:
    scene = squashed_set(lab)
    for repo in ("in", "up", "down"):
        scene.gone(f"{repo}@{scene.ids[1]}")
        assert len(lab.project.log(repo)) == 2


def set_run_goes(lab: Any) -> None:
    scene = squashed_set(lab)
    with pytest.raises(NotFound):
        lab.project.run_view(scene.ids[1])


def set_after(lab: Any) -> None:
    scene = squashed_set(lab)
    for repo in ("in", "up", "down"):
        assert scene.files(repo) == {"a": "3", "n2": "2", "n3": "3"}
    lab.put("in", {"a": "4"})
    lab.ok()
    assert lab.files("down") == {"a": "4", "n2": "2", "n3": "3"}


def drop_followed(lab: Any) -> None:
    scene = Scene(lab)
    scene.refuses(removing.drop, f"{scene.ids[2][:12]} follows this one; drop that first", ref("in@main^"))
    scene.opened()
    scene.refuses(removing.drop, r"\(open\) follows this one", ref("in"))


def drop_unfinished(lab: Any) -> None:
    scene = Scene(lab, driven=False)
    scene.refuses(removing.drop, f"is read by up@{scene.ids[2]}; wait for the run, or stop it", ref("in"))
    lab.ok()


def drop_forgotten(lab: Any) -> None:
    scene = Scene(lab)
    delete_pipeline(scene)
    lab.put("in", {"a": "4"})
    retention.keep(lab.parts, "in", 1, None)
    assert gc(lab.parts).commits == 3
    scene.refuses(removing.drop, f"would fall back to {scene.ids[2]}, whose bytes were given up", ref("in"))


def drop_read(lab: Any) -> None:
    scene = Scene(lab)
    scene.refuses(removing.drop, f"was read by up@{scene.ids[2]}; --force", ref("in"), force=True)
    forgets(scene, scene.ids[2])


def drop_goes(lab: Any) -> None:
    scene = Scene(lab)
    removing.drop(lab.parts, ref("in"), force=True)
    scene.gone(f"in@{scene.ids[2]}")


def drop_falls(lab: Any) -> None:
    scene = Scene(lab)
    branches.create_branch(lab.parts, "in", "same", ref("in"))
    before = len(lab.project.runs(99))
    removing.drop(lab.parts, ref("in"), force=True)
    assert {view.head for view in lists.branches(lab.parts, "in", 9, None).items} == {scene.ids[1]}
    assert len(lab.project.runs(99)) == before
    lab.put("fresh", {"a": "1"})
    removing.drop(lab.parts, ref("fresh"))
    assert lists.branch(lab.parts, "fresh", "main").head is None


def drop_before(lab: Any) -> None:
    scene = Scene(lab)
    removing.drop(lab.parts, ref("in"), force=True)
    assert scene.files("in") == {"a": "2", "n2": "2"}


# commit abandon


def abandon_none(lab: Any) -> None:
    scene = Scene(lab)
    scene.refuses(commits.abandon, "no commit is open there", "in")
    scene.refuses(commits.abandon, "there is no open commit", scene.ids[0])


def abandon_goes(lab: Any) -> None:
    scene = Scene(lab)
    opened = commits.start(lab.parts, [ref("in"), ref("labels")])[0].id
    lab.put("labels", {"x": "x"})
    commits.abandon(lab.parts, opened)
    scene.gone(f"in@{opened}")
    scene.gone(f"labels@{opened}")


def abandon_stays(lab: Any) -> None:
    scene = Scene(lab)
    before = scene.files("in")
    opened = scene.opened()
    lab.put("in", {"x": "x"})
    commits.abandon(lab.parts, opened)
    assert scene.files("in") == before


# run delete


def run_not_done(lab: Any) -> None:
    scene = Scene(lab, driven=False)
    scene.refuses(removing.delete_run, f"run {scene.ids[2]} is not done; `penstock stop", scene.ids[2])
    lab.ok()


def run_forgotten(lab: Any) -> None:
    scene = Scene(lab)
    retention.keep(lab.parts, "up", 1, None)
    delete_pipeline(scene)
    assert gc(lab.parts).commits == 2
    scene.refuses(removing.delete_run, f"would fall back to {scene.ids[1]}, whose bytes were given up", scene.ids[2])


def other_reader(scene: Scene, drive: bool) -> str:
    """A run of another pipeline that reads what the newest run published."""
    lab = scene.lab
    lab.pipeline(
        "pipeline: other\nsteps: {x: {input: 'up:/*', run: 'cp $PENSTOCK_IN/up/* $PENSTOCK_OUT'}}", "other.yaml"
    )
    run = lab.project.begin(lab.root / "other.yaml").run.id
    if drive:
        lab.project.wait(run)
    return str(run)


def run_read_unfinished(lab: Any) -> None:
    scene = Scene(lab)
    other = other_reader(scene, False)
    scene.refuses(removing.delete_run, f"up@{scene.ids[2]} is read by x@{other}; wait for the run", scene.ids[2])
    lab.project.wait(other)


def run_read(lab: Any) -> None:
    scene = Scene(lab)
    other = other_reader(scene, True)
    scene.refuses(removing.delete_run, f"up@{scene.ids[2]} was read by x@{other}; --force", scene.ids[2], force=True)
    scene.gone(f"up@{other}")
    assert scene.files(f"x@{other}") == {"a": "3", "n2": "2", "n3": "3"}
    assert trace(lab.parts, ref(f"x@{other}:/a")).inputs == ()


def run_goes(lab: Any) -> None:
    scene = Scene(lab)
    jobs = lab.parts.store.load(Job, "jobs_of_run", run=scene.ids[1])
    prints = [
        task.fingerprint
        for job in jobs
        for task in lab.parts.store.load(Task, "tasks_of_job", job=job.seq, after=0, limit=99)
    ]
    assert prints and all(lab.parts.store.load(Task, "success", fingerprint=mark) for mark in prints)
    removing.delete_run(lab.parts, scene.ids[1])
    with pytest.raises(NotFound):
        resolve.run(lab.parts, scene.ids[1])
    assert not any(lab.parts.store.load(Task, "success", fingerprint=mark) for mark in prints)
    assert lab.parts.store.load(Job, "jobs_of_run", run=scene.ids[1]) == []
    later = lab.parts.store.load(Job, "jobs_of_run", run=scene.ids[2])
    assert [job.base for job in later] == [None, None] and lab.explain(later[0].id)
    assert lab.ok() == {"up": (3, 0, 3), "down": (3, 0, 3)}


def run_commits(lab: Any) -> None:
    scene = Scene(lab)
    removing.delete_run(lab.parts, scene.ids[2])
    for step in ("up", "down"):
        scene.gone(f"{step}@{scene.ids[2]}")
        assert scene.files(step) == {"a": "2", "n2": "2"}
    assert lab.ok() == {"up": (3, 2, 1), "down": (3, 2, 1)}
    assert scene.files("down") == scene.files("in")


def run_people(lab: Any) -> None:
    scene = Scene(lab)
    removing.delete_run(lab.parts, scene.ids[2])
    assert scene.files("in") == {"a": "3", "n2": "2", "n3": "3"}
    assert lab.project.commit("in").run is None


def run_after(lab: Any) -> None:
    scene = Scene(lab)
    removing.delete_run(lab.parts, scene.ids[1])
    assert scene.files("up") == scene.files(f"up@{scene.ids[2]}") == {"a": "3", "n2": "2", "n3": "3"}
    assert scene.files("up@main^") == {"a": "1"}


# pipeline delete


def pipeline_busy(lab: Any) -> None:
    scene = Scene(lab, driven=False)
    scene.refuses(begin.delete, "pipeline 'work' is not done: up@", "work", force=True)
    assert lab.project.wait(scene.ids[2]).state == "killed"


def pipeline_goes(lab: Any) -> None:
    scene = Scene(lab)
    delete_pipeline(scene)
    before = len(lab.project.runs(99))
    lab.put("in", {"z": "z"})
    assert len(lab.project.runs(99)) == before
    lab.put("up", {"mine": "now"})


def pipeline_stays(lab: Any) -> None:
    scene = Scene(lab)
    delete_pipeline(scene)
    assert len(lab.parts.store.load(Version, "versions", pipeline="work")) == 1
    assert lab.project.run_view(scene.ids[1]).state == "success"
    assert scene.files(f"down@{scene.ids[1]}") == {"a": "2", "n2": "2"}


# purge


def purge_filled(lab: Any) -> None:
    Scene(lab).refuses(purging.purge, "is written by step 'up'", ref("up:/a"))


def purge_linked(lab: Any) -> None:
    scene = Scene(lab)
    lab.pipeline(
        "pipeline: other\nrepos: {photos: {path: p}}\nsteps: {x: {input: 'photos:/', run: 'true'}}", "other.yaml"
    )
    lab.write("p/a", "a")
    lab.ok("other.yaml")
    scene.refuses(purging.purge, "p/a is still there", ref("photos:/a"))


def purge_open(lab: Any) -> None:
    scene = Scene(lab)
    opened = scene.opened("in@dev")
    scene.refuses(purging.purge, f"in@dev has the open commit {opened}: finish it or abandon it", ref("in:/a"))


def purge_unfinished(lab: Any) -> None:
    scene = Scene(lab, driven=False)
    scene.refuses(purging.purge, f"job up@{scene.ids[2]} is not done and reads what the purge takes", ref("in:/n3"))
    lab.ok()


def purge_nothing(lab: Any) -> None:
    Scene(lab).refuses(purging.purge, "no commit has such a file or directory", ref("in:/never"))


def purged(lab: Any) -> Scene:
    scene = Scene(lab)
    for run in purging.purge(lab.parts, ref("in:/n2")).runs:
        lab.project.wait(run.id)
    return scene


def purge_path(lab: Any) -> None:
    scene = purged(lab)
    assert all("n2" not in scene.files(f"in@{view.commit}") for view in lab.project.log("in"))


def purge_results(lab: Any) -> None:
    scene = purged(lab)
    for step in ("up", "down"):
        assert all("n2" not in scene.files(f"{step}@{view.commit}") for view in lab.project.log(step))
    again = lab.project.wait(lab.put("in", {"n2": "2"}))
    assert [job.tasks.processed for job in again.jobs] == [1, 1], "nobody remembers what it gave"


def purge_stays(lab: Any) -> None:
    scene = purged(lab)
    assert [scene.files(f"in@{id}") for id in scene.ids] == [{"a": "1"}, {"a": "2"}, {"a": "3", "n3": "3"}]
    assert scene.files(f"down@{scene.ids[1]}") == {"a": "2"}
    assert scene.files("down") == {"a": "3", "n3": "3"}


#: command -> column -> the scenarios of its cell.
TABLE: dict[str, list[list[Callable[[Any], None]]]] = {
    "repo delete REPO": [[repo_named, repo_needed], [repo_open], [repo_goes], [repo_stays]],
    "branch delete REPO@BRANCH": [
        [branch_default, branch_read],
        [branch_open, branch_followed],
        [branch_goes],
        [branch_stays],
    ],
    "commit squash REPO@REF": [
        [
            commit_open(removing.squash),
            commit_made(removing.squash),
            squash_alone,
            squash_fork,
            squash_head,
            squash_unfinished,
        ],
        [squash_read],
        [squash_goes],
        [squash_after, squash_before],
    ],
    "commit squash ID": [
        [set_open, set_not_done, set_last, set_fork, set_head, set_unfinished],
        [set_read],
        [set_goes, set_run_goes],
        [set_after],
    ],
    "commit drop REPO@REF": [
        [commit_open(removing.drop), commit_made(removing.drop), drop_followed, drop_unfinished, drop_forgotten],
        [drop_read],
        [drop_goes, drop_falls],
        [drop_before],
    ],
    "commit abandon ID": [[abandon_none], [], [abandon_goes], [abandon_stays]],
    "run delete RUN": [
        [run_not_done, run_read_unfinished, run_forgotten],
        [run_read],
        [run_goes, run_commits],
        [run_people, run_after],
    ],
    "pipeline delete PIPELINE": [[], [pipeline_busy], [pipeline_goes], [pipeline_stays]],
    "purge REPO:/PATH": [
        [purge_filled, purge_linked, purge_open, purge_unfinished, purge_nothing],
        [],
        [purge_path, purge_results],
        [purge_stays],
    ],
}


def cells() -> dict[str, list[list[str]]]:
    """The document's table: command -> its other cells, cut into statements."""
    rows = [line.strip("|").split("|") for line in DOCUMENT.splitlines() if line.startswith("| `")]
    return {
        row[0].strip(" `"): [[part for part in re.split(r";\s*", cell.strip()) if part] for cell in row[1:]]
        for row in rows
    }


def walk() -> list[Any]:
    found = []
    for command, row in cells().items():
        for statements, scenarios in zip(row, TABLE[command], strict=True):
            found += [
                pytest.param(scenario, id=f"{command}: {statement}")
                for statement, scenario in zip(statements, scenarios, strict=True)
            ]
    return found


def test_the_table_is_whole() -> None:
    assert cells().keys() == TABLE.keys()


@pytest.mark.parametrize("scenario", walk())
def test_a_cell_is_true(lab: Any, scenario: Callable[[Any], None]) -> None:
    scenario(lab)
