"""`purge`: a path out of every commit, every result and the memory of reuse; everything else as it was."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from penstock.model.errors import NotFound, Refused, UsageError
from penstock.model.ids import parse_reference as ref
from penstock.model.run import Commit, Job, Task
from penstock.model.views import RunView
from penstock.objects import tree
from penstock.service.bindings.ledger import Ledger
from penstock.service.data import branches, commits, purging, removing, repos
from penstock.service.keeping.garbage import gc
from penstock.service.keeping.roots import roots

SECRET = "secret-content-of-a-file"
STEPS = """
steps:
  each: {input: 'in:/*', run: cp -r $PENSTOCK_IN/in/. $PENSTOCK_OUT}
  dirs: {input: 'in:/d', run: 'find $PENSTOCK_IN -type f -exec cat {} + > $PENSTOCK_OUT/joined'}
  all:
    input: {cross: ['each:/', 'labels:/*']}
    run: 'find $PENSTOCK_IN -type f -exec cat {} + > $PENSTOCK_OUT/$PENSTOCK_TASK'
  labels_only: {input: 'labels:/*', run: cp $PENSTOCK_IN/labels/* $PENSTOCK_OUT}
"""


def everything(lab: Any) -> str:
    """All bytes that any row still leads to: commits, jobs' trees, and the memory of reuse."""
    pages, store = lab.parts.objects.pages, lab.parts.store
    found = []
    for item in roots(lab.parts):
        trees = [item.root] if item.kind == "tree" else []
        if item.kind == "ledger":
            trees = [done.output for _, done in Ledger(item.root).every(pages)]
        for path, entry in (named for root in trees for named in tree.files(pages, root)):
            found.append(path)
            found += [lab.parts.objects.blobs.get(blob).decode() for blob in entry.blobs]
    for job in store.load(Job, "jobs", before=1 << 62, limit=10_000):
        for task in store.load(Task, "tasks_of_job", job=job.seq, after=0, limit=10_000):
            found += [path for path, _ in tree.files(pages, task.output)]
    return "\n".join(found)


def purge(lab: Any, target: str) -> purging.Purged:
    return lab.project.purge(target)  # type: ignore[no-any-return]


def counts(view: RunView) -> dict[str, tuple[int, int, int]]:
    """step -> tasks in all, processed, reused."""
    return {job.step: (job.tasks.total, job.tasks.processed, job.tasks.reused) for job in view.jobs}


def counted(lab: Any) -> None:
    """Every commit says how much it holds."""
    pages, store = lab.parts.objects.pages, lab.parts.store
    for repo in ("in", "each", "dirs", "all", "labels"):
        for commit in store.load(Commit, "commits_of_repo", repo=repo, before=1 << 62, limit=1000):
            entries = [entry for _, entry in tree.files(pages, commit.root)]
            assert (commit.files, commit.size) == (len(entries), sum(entry.size for entry in entries)), commit


def test_a_file_goes_with_all_that_was_made_of_it(lab: Any) -> None:
    lab.pipeline(STEPS)
    lab.put("labels", {"l": "label"})
    ids = [lab.put("in", {"a": "one", "d/x": "deep"})]
    lab.ok()
    ids.append(lab.put("in", {"secret": SECRET}))
    lab.ok()
    ids.append(lab.put("in", {"b": "two"}))
    lab.ok()
    lab.project.remove("in:/secret")
    lab.ok()
    before = {id: lab.files(f"in@{id}") for id in ids}
    results = {id: lab.files(f"each@{id}") for id in ids[1:]}
    assert SECRET in everything(lab)
    dry = purging.purge(lab.parts, ref("in:/secret"), dry=True)
    assert SECRET in everything(lab) and lab.files(f"in@{ids[1]}") == before[ids[1]]
    done = purge(lab, "in:/secret")
    assert done.paths == dry.paths == {"secret"} and done.runs == [], "no branch had it any more"
    assert SECRET not in everything(lab)
    for id in ids:
        assert lab.files(f"in@{id}") == {path: text for path, text in before[id].items() if path != "secret"}
    for id, files in results.items():
        assert lab.files(f"each@{id}") == {path: text for path, text in files.items() if path != "secret"}
    assert lab.files("dirs") == {"joined": "deep"}, "not made of it"
    counted(lab)
    assert lab.fsck() == []
    for step, (total, processed, reused) in lab.ok().items():
        assert processed == 0 and total == reused > 0, step
    again = lab.project.wait(lab.put("in", {"secret": SECRET}))
    assert counts(again)["each"] == (4, 1, 3), "nobody remembers what it gave"


def test_a_head_that_had_it_gets_a_new_commit_and_a_run(lab: Any) -> None:
    lab.pipeline(STEPS)
    lab.put("labels", {"l": "label"})
    lab.put("in", {"a": "one", "d/x": "deep", "d/secret": SECRET})
    lab.ok()
    old = lab.project.commit("in")
    branches.create_branch(lab.parts, "in", "same", ref("in"))
    lab.put("in@dev", {"d/secret": SECRET, "z": "z"})
    done = purge(lab, "in:/d/secret")
    new = lab.project.commit("in")
    assert new.parent == old.id and new.id == lab.project.commit("in@same").id and new.message == "purged /d/secret"
    assert lab.project.commit("in@dev").files == 1 and lab.project.commit("in@dev").message == "purged /d/secret"
    assert [run.id for run in done.runs] == [new.id], "one per head that somebody reads"
    assert lab.project.wait(new.id).state == "success"
    lab.ok()
    assert lab.files("each") == {"a": "one", "d/x": "deep"} and lab.files("dirs") == {"joined": "deep"}
    assert SECRET not in everything(lab)
    counted(lab)


def test_a_directory_and_a_whole_repo_as_input(lab: Any) -> None:
    lab.pipeline(STEPS)
    lab.put("labels", {"l": "label", "m": "more"})
    lab.put("in", {"a": "one", "d/x": SECRET, "d/y/z": SECRET + "2"})
    lab.ok()
    done = purge(lab, "in:/d")
    assert done.paths == {"d/x", "d/y/z"} and len(done.runs) == 1
    assert SECRET not in everything(lab)
    assert lab.files("dirs") == {} and lab.files("all") == {}, "they were made of it"
    assert lab.project.wait(done.runs[0].id).state == "success"
    assert lab.files("each") == {"a": "one"} and len(lab.files("all")) == 2
    counted(lab)


def test_failed_tasks_and_parameters(lab: Any) -> None:
    lab.pipeline(
        """
        steps:
          some:
            input: 'in:/*'
            each: {n: [1, 2]}
            run: |
              for f in $PENSTOCK_IN/in/*; do cp $f $PENSTOCK_OUT/$PENSTOCK_PARAM_N$(basename $f); done
              ! grep -q bad $PENSTOCK_IN/in/*
        """
    )
    lab.put("in", {"a": "one", "s": SECRET, "x": "bad"})
    assert lab.run().state == "failure"
    done = purge(lab, "in:/s")
    assert SECRET not in everything(lab) and len(done.tasks) == 2
    view = lab.project.wait(done.runs[0].id)
    assert (view.jobs[0].tasks.total, view.jobs[0].tasks.reused, view.jobs[0].tasks.failed) == (4, 2, 2)
    lab.project.remove("in:/x")
    assert lab.ok() == {"some": (2, 0, 2)}


def test_a_linked_repo(lab: Any) -> None:
    lab.pipeline("repos: {in: {path: p}}\nsteps: {each: {input: 'in:/*', run: cp $PENSTOCK_IN/in/* $PENSTOCK_OUT}}")
    lab.write("p/a", "one")
    secret = lab.write("p/secret", SECRET)
    lab.ok()
    with pytest.raises(Refused, match="p/secret is still there, and would be committed again; remove it first"):
        purge(lab, "in:/secret")
    secret.unlink()
    (run,) = purge(lab, "in:/secret").runs
    assert list((lab.root / ".penstock/scans").iterdir()) == []
    assert lab.project.wait(run.id).state == "success"
    assert lab.files("each") == lab.files("in") == {"a": "one"}
    before = len(lab.project.log("in"))
    assert lab.ok() == {"each": (1, 0, 1)} and len(lab.project.log("in")) == before
    assert SECRET not in everything(lab)


def test_what_purges_refuse(lab: Any) -> None:
    lab.pipeline(STEPS)
    lab.put("labels", {"l": "label"})
    first = lab.put("in", {"a": "one", "d/x": "deep"})
    lab.ok()
    for target, error, message in (
        ("in", UsageError, "expected REPO:/PATH"),
        (f"in@{first}:/a", UsageError, "takes a path out of all commits"),
        ("each:/a", Refused, "is written by step 'each'"),
        ("in:/never", NotFound, "no commit has such a file or directory"),
        ("nope:/a", NotFound, "there is no repo 'nope'"),
    ):
        with pytest.raises(error, match=message):
            purge(lab, target)
    lab.put("in", {"a": "two"})
    with pytest.raises(Refused, match="is not done and reads what the purge takes away"):
        purge(lab, "in:/a")
    lab.ok()


def test_other_places_with_the_same_bytes_are_named(lab: Any, tmp_path: Path) -> None:
    lab.put("in", {"a": SECRET, "b": SECRET, "c": "other"})
    lab.project.copy("in:/a", "copies:/x")
    assert sorted(purge(lab, "in:/a").elsewhere) == ["copies:/x", "in:/b"]
    assert lab.files("in") == {"b": SECRET, "c": "other"}


def test_results_of_commits_whose_bytes_were_given_up_go_too(lab: Any) -> None:
    lab.pipeline(STEPS)
    lab.put("labels", {"l": "label"})
    lab.put("in", {"a": "one", "d/x": SECRET})
    lab.ok()
    lab.project.remove("in:/d", recursive=True)
    lab.put("in", {"b": "two"})
    lab.ok()
    for repo in ("in", "each"):
        for commit in lab.project.log(repo)[1:]:
            with lab.parts.store.transaction():
                lab.parts.store.execute("forget_bytes", repo=repo, id=commit.commit, now=1)
                lab.parts.store.execute("forget_ledger", repo=repo, run=commit.commit)
    with pytest.raises(NotFound, match="no commit has such a file"):
        purge(lab, "in:/nothing")
    purge(lab, "in:/d")
    assert SECRET not in everything(lab) and lab.files("all") != {}
    assert all(SECRET not in text for text in results_known(lab))


def results_known(lab: Any) -> list[str]:
    """What the memory of reuse would bring back."""
    pages, blobs = lab.parts.objects.pages, lab.parts.objects.blobs
    kept = [item.root for item in roots(lab.parts) if item.what.startswith("result")]
    assert kept, "not all is forgotten"
    return [blobs.get(blob).decode() for root in kept for _, entry in tree.files(pages, root) for blob in entry.blobs]


def test_a_crash_in_the_middle_changes_nothing(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.pipeline(STEPS)
    lab.put("labels", {"l": "label"})
    lab.put("in", {"a": "one", "secret": SECRET, "d/x": "x"})
    lab.ok()
    before = [lab.files(repo) for repo in ("in", "each", "all")]

    def fail(*_: object) -> None:
        raise OSError("pulled the plug")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="pulled"):
        patch.setattr(purging, "_new_head", fail)
        purge(lab, "in:/secret")
    assert [lab.files(repo) for repo in ("in", "each", "all")] == before
    assert lab.ok()["each"] == (3, 0, 3)


def test_a_commit_made_meanwhile_is_purged_too(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.put("in", {"secret": SECRET})
    real, late = purging._name_others, []

    def meanwhile(*args: Any) -> None:
        real(*args)
        if not late:
            late.append(lab.put("in", {"b": "late"}))

    monkeypatch.setattr(purging, "_name_others", meanwhile)
    purge(lab, "in:/secret")
    assert lab.files(f"in@{late[0]}") == lab.files("in") == {"b": "late"}
    assert SECRET not in everything(lab)


def test_a_repo_with_the_same_tree_hides_nothing(lab: Any) -> None:
    """What a result was made of is dropped, and the tree it was of stands in a repo that has nothing to do with it."""
    lab.pipeline("steps: {each: {input: 'in:/*', run: cp $PENSTOCK_IN/in/* $PENSTOCK_OUT}}")
    lab.put("in", {"a": "one"})
    lab.put("in", {"a": "one", "secret": SECRET})
    lab.ok()
    lab.put("other", {"a": "one", "secret": SECRET})
    removing.drop(lab.parts, ref("in"), force=True)
    lab.put("in", {"b": "two", "secret": SECRET})
    lab.ok()
    purge(lab, "in:/secret")
    lab.ok()
    assert lab.files("in") == lab.files("each") == {"a": "one", "b": "two"}
    assert SECRET not in "".join(lab.files(f"each@{run.run}").get("secret", "") for run in lab.project.runs(9))


def test_what_is_forgotten_meanwhile_is_planned_anew(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.put("in", {"secret": SECRET})
    lab.put("in", {"secret": SECRET, "b": "2"})
    lab.project.keep("in", 1)
    real = purging._name_others

    def meanwhile(*args: Any) -> None:
        real(*args)
        gc(lab.parts)

    monkeypatch.setattr(purging, "_name_others", meanwhile)
    purge(lab, "in:/secret")
    assert lab.files("in") == {"b": "2"}
    assert [view.forgotten is None for view in lab.project.log("in")] == [True, True, False]


def test_a_broken_link_in_a_linked_directory_is_still_there(lab: Any) -> None:
    lab.write("raw/a", "a")
    (lab.root / "raw/broken").symlink_to("nowhere")
    repos.create_repo(lab.parts, "raw", str(lab.root / "raw"))
    commits.create(lab.parts, ref("raw"))
    with pytest.raises(Refused, match="raw/broken is still there"):
        purge(lab, "raw:/broken")
    shutil.rmtree(lab.parts.layout.scans)
    (lab.root / "raw/broken").unlink()
    purge(lab, "raw:/broken")
    assert lab.files("raw") == {"a": "a"}
