"""Open commits, transactions, copies, moved heads, history: what they do and what they refuse."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.model.errors import AlreadyExists, BadReference, NotFound, PenstockError, Refused, UsageError
from penstock.model.ids import parse_reference as ref
from penstock.model.run import Commit, Job
from penstock.service.answers import lists
from penstock.service.data import branches, commits, copying, history, merging, removing, repos
from penstock.store.queries import queries

COPY = "steps: {copy: {input: 'in:/*', run: cp -r $PENSTOCK_IN/in/. $PENSTOCK_OUT}}"
JOIN = """\
steps:
  join:
    input: {cross: ["in:/", "labels:/"]}
    run: cat $PENSTOCK_IN/*/* > $PENSTOCK_OUT/all
"""


def start(lab: Any, *targets: str) -> str:
    return commits.start(lab.parts, [ref(target) for target in targets])[0].id


def head(lab: Any, target: str) -> str:
    return str(lab.project.commit(target).id)


def drop(lab: Any, target: str, **more: Any) -> Commit:
    return removing.drop(lab.parts, ref(target), **more)


# Open commits.


def test_puts_gather_in_an_open_commit(lab: Any) -> None:
    lab.pipeline(COPY)
    first = lab.put("in", {"a": "1"})
    lab.ok()
    runs = len(lab.project.runs(100))
    opened = start(lab, "in")
    assert lab.put("in", {"b": "2"}) == lab.put("in", {"c": "3"}) == opened
    lab.project.remove("in:/a")
    lab.project.copy("in:/a", "in:/d")
    assert head(lab, "in") == first and lab.files("in") == {"a": "1"}
    assert lab.files(f"in@{opened[:14]}") == {"b": "2", "c": "3", "d": "1"}
    assert lab.files(f"in@{opened}^") == {"a": "1"}
    assert len(lab.project.runs(100)) == runs, "an open commit opens no run"
    listed = lists.commits(lab.parts, ref("in"), 10, None).items
    assert [(item.commit, item.finished is None) for item in listed] == [(opened, True), (first, False)]
    finished, run = commits.finish(lab.parts, "in")
    assert run is not None and run.id == opened == finished[0].id == head(lab, "in")
    assert lab.project.commit("in").parent == first and lab.project.commit("in").run == opened
    assert lab.project.wait(opened).state == "success"
    assert lab.files(f"copy@{opened}") == lab.files("in") == {"b": "2", "c": "3", "d": "1"}
    assert lab.project.commit("in").files == 3 and lab.project.commit("in").size == 3


def test_an_open_commit_makes_repo_and_branch(lab: Any) -> None:
    opened = start(lab, "new@dev")
    with pytest.raises(NotFound, match="new@dev has no commit yet"):
        lab.files("new@dev")
    lab.put("new@dev", {"a": "1"})
    commits.finish(lab.parts, opened[:10])
    assert lab.files("new@dev") == {"a": "1"}
    with pytest.raises(NotFound):
        lab.files("new")


def test_an_abandoned_commit_leaves_nothing(lab: Any) -> None:
    lab.put("in", {"a": "1"})
    opened = start(lab, "in", "labels")
    lab.put("in", {"a": "2"})
    assert [item.repo for item in commits.abandon(lab.parts, "labels")] == ["in", "labels"]
    assert lab.files("in") == {"a": "1"}
    for repo in ("in", "labels"):
        with pytest.raises(NotFound):
            lab.project.commit(f"{repo}@{opened}")
    assert lab.put("in", {"a": "3"}) != opened


def test_a_transaction_is_one_id_and_one_run(lab: Any, tmp_path: Path) -> None:
    lab.pipeline(JOIN)
    (tmp_path / "x").write_text("x")
    with lab.project.transaction("in", "labels@main") as tx:
        tx.put("in", tmp_path / "x")
        tx.put("labels:/y", tmp_path / "x")
        tx.copy(f"labels@{tx.id}:/y", "labels:/twice")
        tx.remove("labels:/y")
        with pytest.raises(UsageError, match="other@main is not part of this transaction, which is over in@main"):
            tx.put("other", tmp_path / "x")
    assert head(lab, "in") == head(lab, "labels") == tx.id
    lab.ok()
    before = len(lab.project.runs(100))
    with lab.project.transaction("in", "labels") as tx:
        tx.put("in:/z", tmp_path / "x")
        tx.put("labels:/z", tmp_path / "x")
    assert len(lab.project.runs(100)) == before + 1
    assert lab.project.wait(tx.id).state == "success"
    assert lab.files(f"join@{tx.id}") == {"all": "xxxx"}
    with pytest.raises(ZeroDivisionError), lab.project.transaction("in", "labels") as tx:
        tx.put("in:/never", tmp_path / "x")
        1 / 0  # noqa: B018
    assert sorted(lab.files("in")) == ["x", "z"]
    assert lab.parts.store.load(Commit, "open_commits") == []


def test_what_somebody_else_ended_is_not_written_to(lab: Any, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    for end in (commits.abandon, commits.finish):
        with (
            pytest.raises(UsageError, match="name a branch, or one that is open"),
            lab.project.transaction("in", "labels") as tx,
        ):
            tx.put("in", tmp_path / "x")
            end(lab.parts, tx.id)
            tx.put("labels:/late/", tmp_path / "x")
        assert lab.parts.store.load(Commit, "open_commits") == []
        assert all(view.files == 0 for view in lists.commits(lab.parts, ref("labels"), 10, None).items)
    assert lab.files("in") == {"x": "x"} and lab.files("labels") == {}


def test_two_writers_share_an_open_commit(lab: Any, tmp_path: Path) -> None:
    opened = start(lab, "in")
    for number in range(8):
        (tmp_path / str(number)).write_text(str(number))
    lab.project.put("in:/first", tmp_path / "0")
    failed: list[BaseException] = []

    def work(number: int) -> None:
        from penstock import Project

        try:
            with Project.open(lab.root) as mine:
                assert mine.put("in", tmp_path / str(number)).commit == opened
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    finished, _ = commits.finish(lab.parts, opened)
    assert finished[0].files == 9 and len(lab.files("in")) == 9


def test_what_open_commits_refuse(lab: Any) -> None:
    lab.pipeline("repos: {photos: {path: p}}\nsteps: {s: {input: 'photos:/*', run: 'true'}}")
    lab.write("p/a", "a")
    lab.ok()
    first = lab.put("in", {"a": "1"})
    opened = start(lab, "in")
    other = start(lab, "in@dev")
    refusals: list[tuple[Callable[[], object], type[PenstockError], str]] = [
        (lambda: start(lab, "photos"), Refused, "is linked to p/"),
        (lambda: start(lab, "s"), Refused, "is written by step 's'"),
        (lambda: start(lab, "in"), Refused, f"in@main has the open commit {opened}: finish it first"),
        (lambda: start(lab, "b", "b@dev"), UsageError, "repo 'b' is named twice"),
        (lambda: start(lab, f"in@{first}"), UsageError, "a commit cannot be changed; name a branch"),
        (lambda: commits.finish(lab.parts, "photos"), NotFound, "no commit is open there"),
        (lambda: commits.finish(lab.parts, "0123456789ab"), NotFound, "no open commit '0123456789ab'"),
        (lambda: commits.abandon(lab.parts, opened[:6]), UsageError, "fits several open commits"),
        (lambda: commits.create(lab.parts, ref("in")), Refused, f"has the open commit {opened}: finish that one"),
        (lambda: branches.create_branch(lab.parts, "in", "main", ref("in@main")), Refused, "has the open commit"),
        (lambda: branches.create_branch(lab.parts, "in", "x", ref(f"in@{opened}")), Refused, "this commit is open"),
        (lambda: merging.merge(lab.parts, ref(f"in@{opened}"), "x"), Refused, "this commit is open"),
        (lambda: branches.delete_branch(lab.parts, "in", "dev"), Refused, f"has the open commit {other}"),
        (lambda: repos.delete_repo(lab.parts, "in"), Refused, f"has the open commit {opened}"),
        (lambda: drop(lab, f"in@{opened}"), Refused, "is open; `penstock commit abandon"),
        (lambda: drop(lab, f"in@{first}"), Refused, rf"{opened[:12]} \(open\) follows this one"),
        (lambda: removing.squash(lab.parts, ref(f"in@{first}")), Refused, "no finished commit follows this one"),
    ]
    for act, error, message in refusals:
        with pytest.raises(error, match=message):
            act()
    assert len(lab.parts.store.load(Commit, "open_commits")) == 2
    lab.pipeline("pipeline: other\nsteps: {in: {run: 'true', output: in}}", "other.yaml")


def test_what_happened_meanwhile_is_noticed_at_the_finish(lab: Any) -> None:
    lab.put("in", {"a": "1"})
    opened = start(lab, "in")
    with lab.parts.store.transaction():
        lab.parts.store.execute("set_head", repo="in", name="main", head=None, created=1)
    with pytest.raises(Refused, match=f"in@main was moved since {opened} was started; abandon it"):
        commits.finish(lab.parts, opened)
    commits.abandon(lab.parts, opened)
    opened = start(lab, "made")
    lab.pipeline("steps: {made: {input: 'in:/*', run: 'true'}}")
    lab.run()
    with pytest.raises(Refused, match="repo 'made' is written by step 'made'"):
        commits.finish(lab.parts, opened)
    commits.abandon(lab.parts, opened)


# Copies.


def test_a_copy_moves_no_bytes(lab: Any) -> None:
    lab.put("in", {"a": "1", "d/b": "22", "d/e/c": "333"})
    packs = sorted((lab.root / ".penstock/objects/packs").rglob("*.pack"))
    made = lab.project.copy("in", "whole")
    assert sorted((lab.root / ".penstock/objects/packs").rglob("*.pack")) == packs, "all of a repo is one page"
    assert (made.files, made.size, made.origin, made.message) == (3, 6, "copy", "copied from in")
    assert lab.project.commit("whole").root == lab.project.commit("in").root
    lab.project.copy("in:/a", "out")
    lab.project.copy("in:/a", "out:/name")
    lab.project.copy("in:/a", "out:/into/")
    assert lab.files("out") == {"a": "1", "name": "1", "into/a": "1"}
    lab.project.copy("in:/d", "dirs")
    lab.project.copy("in:/d", "dirs:/new")
    lab.project.copy("in:/d", "dirs:/under/")
    lab.project.copy("in:/d/", "dirs:/holds/")
    assert sorted(lab.files("dirs")) == [
        *("d/b", "d/e/c"),
        *("holds/b", "holds/e/c"),
        *("new/b", "new/e/c"),
        *("under/d/b", "under/d/e/c"),
    ]
    lab.project.copy("in:/**/c", "globs:/x")
    lab.project.copy("in", "globs:/all")
    assert sorted(lab.files("globs")) == ["all/a", "all/d/b", "all/d/e/c", "x/d/e/c"]
    total = lab.project.commit("globs")
    assert (total.files, total.size) == (4, 9)


def test_a_copy_is_of_one_commit(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole repo is counted by the commit that its tree is from."""
    lab.put("in", {"a": "1"})
    real, late = copying.reading.find, ["b"]

    def meanwhile(*args: Any) -> Any:
        found = real(*args)
        while late:
            lab.put("in", {late.pop(): "22"})
        return found

    monkeypatch.setattr(copying.reading, "find", meanwhile)
    lab.project.copy("in", "other")
    made = lab.project.commit("other")
    assert (made.files, made.size, lab.files("other")) == (1, 1, {"a": "1"})


def test_a_copy_adds_to_what_is_there(lab: Any) -> None:
    first = lab.put("in", {"a": "old", "d/b": "2"})
    lab.put("in", {"a": "new"})
    lab.project.copy(f"in@{first}:/a", "in:/a", append=True)
    assert lab.files("in") == {"a": "newold", "d/b": "2"}
    lab.project.copy("in:/d", "in:/a2")
    lab.project.copy(f"in@{first}", "in")
    assert lab.files("in") == {"a": "old", "d/b": "2", "a2/b": "2"}
    total = lab.project.commit("in")
    assert (total.files, total.size) == (3, 5)


def test_what_copies_refuse(lab: Any, tmp_path: Path) -> None:
    (tmp_path / "s/d").mkdir(parents=True)
    (tmp_path / "s/x").write_text("x")
    (tmp_path / "s/d/link").symlink_to("../x")
    lab.project.put("in", f"{tmp_path}/s/")
    lab.put("full", {"x/y": "1"})
    for source, target, error, message in (
        ("in:/nope", "out", NotFound, "no such file or directory"),
        ("in:/*.nope", "out", NotFound, "there is nothing to copy"),
        ("in:/d/", "out", UsageError, "/link would be a link to ../x, which leads out of the repo"),
        ("in:/x", "full:/x", PenstockError, "'x/y' stands below it"),
        ("in:/x", f"full@{head(lab, 'full')}", UsageError, "a commit cannot be changed"),
    ):
        with pytest.raises(error, match=message):
            lab.project.copy(source, target)
    with pytest.raises(NotFound):
        lab.project.commit("out")


def test_a_job_without_a_repo_can_be_copied_from(lab: Any) -> None:
    lab.pipeline("steps: {plain: {run: echo made > $PENSTOCK_OUT/x}}")
    lab.ok()
    copying.copy(lab.parts, ref("plain"), ref("kept"))
    assert lab.files("kept") == {"x": "made\n"}


# Names in history.


def test_commits_by_their_place(lab: Any) -> None:
    ids = [lab.put("in", {"a": str(number)}) for number in range(5)]
    assert [head(lab, f"in@main.{place}") for place in range(1, 6)] == ids
    assert [head(lab, f"in@main^{back}") for back in range(5)] == ids[::-1]
    assert head(lab, f"in@{ids[2]}.2") == ids[1] and head(lab, f"in@{ids[2][:14]}~2") == ids[0]
    lab.put("in", {"b": "1"})
    assert head(lab, "in@main.5") == ids[4], "it stays as the branch grows"
    for name, message in (("main.7", "has only 6 commits, number 7"), ("main^6", "has only 5 ancestors, 6 were")):
        with pytest.raises(NotFound, match=message):
            lab.project.commit(f"in@{name}")
    with pytest.raises(BadReference, match="nothing or one of"):
        lab.project.commit("in@main.1^")


def test_a_run_names_what_it_really_used(lab: Any) -> None:
    lab.pipeline(
        """
        steps:
          up: {input: 'in:/*', run: cp $PENSTOCK_IN/in/* $PENSTOCK_OUT}
          both: {input: {cross: ['up:/', 'labels:/']}, run: cat $PENSTOCK_IN/*/* > $PENSTOCK_OUT/all}
        """
    )
    images = lab.put("in", {"a": "1"})
    lab.put("labels", {"l": "l"})
    lab.ok()
    up = head(lab, "up")
    later = lab.put("labels", {"l": "L"})
    assert lab.project.wait(later).state == "success"
    lab.put("in", {"a": "2"})
    lab.ok()
    assert head(lab, f"labels@{later}") == later, "the commit that opened the run"
    assert head(lab, f"up@{later}") == up, "read by a job of it"
    assert head(lab, f"in@{later}") == images, "what that was made of"
    assert head(lab, f"both@{later}") == later, "its own output"
    with lab.project.transaction("in", "other") as tx:
        lab.put("in", {"a": "3"})
    lab.ok()
    assert head(lab, f"other@{tx.id}") == tx.id and head(lab, f"both@{tx.id}") == tx.id
    assert head(lab, f"labels@{tx.id}") == later
    lab.put("nothing", {"x": "x"})
    with pytest.raises(NotFound, match="nothing has no branch or commit"):
        lab.project.commit(f"nothing@{tx.id}")


def test_find_says_which_commits_touched_a_path(lab: Any) -> None:
    one = lab.put("in", {"d/a": "1", "b": "1"})
    lab.put("in", {"b": "2"})
    three = lab.put("in", {"d/a": "2"})
    four = lab.project.remove("in:/d", recursive=True).commit
    commits.create(lab.parts, ref("in"))
    six = lab.put("in", {"d/c": "3"})
    found = [(item.commit.commit, item.change) for item in lab.project.find("in:/d/a")]
    assert found == [(four, "removed"), (three, "modified"), (one, "added")]
    found = [(item.commit.commit, item.change) for item in lab.project.find("in:/d")]
    assert found == [(six, "added"), (four, "removed"), (three, "modified"), (one, "added")]
    assert [item.commit.commit for item in lab.project.find(f"in@{three}:/d")] == [three, one]
    assert list(lab.project.find("in:/never")) == []
    with pytest.raises(UsageError, match="name a path"):
        lab.project.find("in")


def test_a_long_history_is_one_question(lab: Any) -> None:
    first = lab.project.commit(f"in@{lab.put('in', {'a': '1'})}")
    store, count = lab.parts.store, 3_000
    ids = [f"{number:032x}" for number in range(count)]
    rows = [
        Commit(
            0, id, "in", "main", ids[place - 1] if place else first.id, None, "put", first.root, 1, 1, place, finished=1
        )
        for place, id in enumerate(ids)
    ]
    with store.transaction():
        store.insert(rows)
        store.execute("set_head", repo="in", name="main", head=ids[-1], created=1)
    asked: list[str] = []
    assert head(lab, f"in@main^{count}") == head(lab, "in@main.1") == first.id
    store._db.set_trace_callback(asked.append)
    assert head(lab, f"in@main^{count - 1}") == ids[0]
    assert sum("recursive" in statement for statement in asked) == 1 and len(asked) < 6
    asked.clear()
    assert len(lab.project.log("in", 1 << 40)) == count + 1
    assert len(asked) < 30
    store._db.set_trace_callback(None)
    plan = [row[3] for row in store._db.execute(f"explain query plan {queries()['open_commits']}")]
    assert plan[0] == "SCAN commit USING INDEX commit_open", "what is finished costs nothing"
    assert len(list(history.find(lab.parts, ref("in:/a")))) == 1


# Branches.


def test_a_head_moves_back_and_keeps_its_id(lab: Any) -> None:
    lab.pipeline(COPY)
    first = lab.put("in", {"a": "1"})
    lab.ok()
    second = lab.put("in", {"a": "2"})
    lab.ok()
    moved = branches.create_branch(lab.parts, "in", "main", ref("in@main^"))
    assert moved.branch.head == first == head(lab, "in")
    assert moved.run is not None and moved.run.id not in (first, second)
    assert lab.project.wait(moved.run.id).state == "success"
    assert lab.files("copy") == {"a": "1"}
    job = lab.parts.store.load(Job, "jobs_of_run", run=moved.run.id)[0]
    assert (job.processed, job.reused) == (0, 1), "nothing runs twice"
    assert head(lab, f"in@{moved.run.id}") == first
    assert branches.create_branch(lab.parts, "in", "main", ref("in@main")).run is None, "it is there already"
    third = lab.put("in", {"b": "1"})
    assert lab.project.commit("in").parent == first
    assert lab.files(f"in@{second}") == {"a": "2"}, "what was moved away from stays readable"
    new = branches.create_branch(lab.parts, "in", "dev", ref(f"in@{second}"))
    assert (new.branch.head, new.run) == (second, None)
    assert head(lab, "in") == third
    lab.ok()


def test_work_is_deferred_by_a_branch_of_what_a_step_publishes(lab: Any) -> None:
    lab.pipeline(
        "steps: {one: {input: 'in:/*', run: cp -r $PENSTOCK_IN/in/. $PENSTOCK_OUT},"
        " two: {input: 'one@prod:/*', run: cp -r $PENSTOCK_IN/one/. $PENSTOCK_OUT}}"
    )
    lab.put("in", {"a": "1"})
    lab.ok()
    first = lab.project.commit("one").id
    moved = branches.create_branch(lab.parts, "one", "prod", ref("one@main"))
    assert moved.branch.head == first
    assert moved.run is not None and lab.project.wait(moved.run.id).state == "success"
    assert lab.files("two") == {"a": "1"}
    lab.put("in", {"b": "2"})
    lab.ok()
    assert lab.files("two") == {"a": "1"}, "until the branch is moved"
    moved = branches.create_branch(lab.parts, "one", "prod", ref("one@main"))
    assert moved.run is not None and lab.project.wait(moved.run.id).state == "success"
    assert lab.files("two") == {"a": "1", "b": "2"}
    assert branches.create_branch(lab.parts, "one", "empty", None).branch.head is None


def test_what_branches_refuse(lab: Any) -> None:
    lab.pipeline("steps: {s: {input: 'in:/*', run: [sh, -c, '! grep -r bad $PENSTOCK_IN']}}")
    lab.put("in", {"a": "bad"})
    bad = lab.run().run
    lab.put("in@dev", {"a": "1"})
    lab.put("free", {"a": "1"})
    for act, error, message in (
        (lambda: branches.create_branch(lab.parts, "s", "main", ref(f"s@{bad}")), Refused, "is written by step 's'"),
        (lambda: branches.create_branch(lab.parts, "s", "main", None), Refused, "is written by step 's'"),
        (
            lambda: branches.create_branch(lab.parts, "in", "x", ref("free@main")),
            UsageError,
            "free@main: a branch of 'in' cannot point into 'free'",
        ),
        (lambda: branches.create_branch(lab.parts, "in", "dev", None), AlreadyExists, "in@dev exists already; --head"),
        (lambda: branches.delete_branch(lab.parts, "in", "main"), Refused, "is the default branch"),
        (lambda: branches.delete_branch(lab.parts, "in", "nope"), NotFound, "in has no branch 'nope'"),
        (lambda: branches.check_head(lab.project.commit(f"s@{bad}"), ref("s")), Refused, "this commit has an error"),
    ):
        with pytest.raises(error, match=message):
            act()
    lab.pipeline("steps: {s: {input: 'in@dev:/*', run: 'true'}}")
    lab.ok()
    with pytest.raises(Refused, match="branch in@dev is read by step 's'"):
        branches.delete_branch(lab.parts, "in", "dev", force=True)


# Merging.


def test_a_branch_is_merged_into_another(lab: Any) -> None:
    lab.pipeline(COPY)
    base = lab.put("in", {"a": "1", "b": "1", "c": "1"})
    lab.ok()
    branches.create_branch(lab.parts, "in", "dev", ref("in"))
    lab.put("in@dev", {"a": "2", "new": "x"})
    lab.project.remove("in@dev:/c")
    lab.put("in", {"b": "2"})
    done = merging.merge(lab.parts, ref("in@dev"))
    assert (done.how, done.changed, done.commit.merged) == ("merge", 3, head(lab, "in@dev"))
    assert lab.files("in") == {"a": "2", "b": "2", "new": "x"}
    assert done.run is not None and lab.project.wait(done.run.id).state == "success"
    assert lab.files("copy") == lab.files("in")
    assert (done.commit.files, done.commit.size) == (3, 3)
    assert merging.merge(lab.parts, ref("in@dev")).how == "nothing"
    # A second merge starts from what the first one brought.
    lab.put("in", {"a": "3"})
    lab.put("in@dev", {"new": "y"})
    assert merging.merge(lab.parts, ref("in@dev")).how == "merge"
    assert lab.files("in") == {"a": "3", "b": "2", "new": "y"}
    forward = merging.merge(lab.parts, ref("in@main"), "dev")
    assert forward.how == "forward" and head(lab, "in@dev") == head(lab, "in")
    assert merging.merge(lab.parts, ref(f"in@{base}"), "late").how == "forward"
    assert head(lab, "in@late") == base
    lab.ok()


def test_the_newest_common_ancestor_is_found(lab: Any) -> None:
    """In a history with merges, also beyond the first page of it, as a plain search finds it."""
    repos.create_repo(lab.parts, "in")
    chance, ids, above = random.Random(7), [f"{number:032x}" for number in range(400)], {}
    for place, id in enumerate(ids):
        parent, merged = (chance.choice(ids[max(0, place - 60) : place] or [None]) for _ in range(2))
        above[id] = [parent, merged if chance.random() < 0.1 else None]
    with lab.parts.store.transaction():
        lab.parts.store.insert(
            Commit(0, id, "in", "main", parent, None, "put", b"", 0, 0, 1, finished=1, merged=merged)
            for id, (parent, merged) in above.items()
        )

    def line(id: str | None) -> set[str]:
        return {id}.union(*map(line_of.__getitem__, filter(None, above[id]))) if id else set()

    line_of: dict[str, set[str]] = {}
    for id in ids:
        line_of[id] = line(id)
    for _ in range(60):
        one, other = chance.choice(ids), chance.choice(ids)
        found = merging._common(lab.parts, lab.project.commit(f"in@{one}"), lab.project.commit(f"in@{other}"))
        assert (found.id if found else None) == max(line_of[one] & line_of[other], default=None)


@pytest.mark.parametrize("ahead", [False, True])
def test_what_is_merged_is_looked_at_again(lab: Any, monkeypatch: pytest.MonkeyPatch, ahead: bool) -> None:
    """Somebody else drops it, or takes a path out of it, while the trees are merged."""
    real = merging.merge_trees
    lab.put("in", {"a": "1"})
    branches.create_branch(lab.parts, "in", "dev", ref("in"))
    lab.put("in@dev", {"b": "1", "secret": "s"})
    lab.put("in@dev", {"c": "1"})
    if ahead:
        lab.put("in", {"d": "1"})
    changes = [lambda: lab.project.purge("in:/secret"), lambda: drop(lab, "in@dev")]

    def meanwhile(*args: Any) -> Any:
        if changes:
            changes.pop()()
        return real(*args)

    monkeypatch.setattr(merging, "merge_trees", meanwhile)
    done = merging.merge(lab.parts, ref("in@dev"))
    assert changes == [] and lab.files("in") == {"a": "1", "b": "1"} | ({"d": "1"} if ahead else {})
    assert head(lab, f"in@{done.commit.merged or done.commit.id}") == head(lab, "in@dev")


def test_a_dropped_commit_was_merged_all_the_same(lab: Any) -> None:
    lab.put("in", {"a": "1"})
    branches.create_branch(lab.parts, "in", "dev", ref("in"))
    lab.put("in@dev", {"b": "1"})
    lab.put("in@dev", {"c": "1"})
    lab.put("in", {"d": "1"})
    merging.merge(lab.parts, ref("in@dev"))
    lab.project.remove("in:/b")
    drop(lab, "in@dev")
    assert merging.merge(lab.parts, ref("in@dev")).how == "nothing"
    assert "b" not in lab.files("in")


def test_nobody_merges_over_what_was_given_up(lab: Any) -> None:
    lab.put("in", {"a": "1"})
    branches.create_branch(lab.parts, "in", "dev", ref("in"))
    lab.put("in@dev", {"b": "1"})
    lab.put("in", {"a": "2"})
    lab.project.keep("in", 1)
    lab.project.collect_garbage(now=True)
    with pytest.raises(Refused, match="both come from .*, whose bytes were given up.*penstock cp"):
        merging.merge(lab.parts, ref("in@dev"))


def test_a_merge_names_what_both_changed(lab: Any) -> None:
    lab.put("in", {"a": "1", "d/x": "1", "f": "1", "both": "1"})
    branches.create_branch(lab.parts, "in", "dev", ref("in"))
    lab.put("in@dev", {"a": "dev", "both": "same", "n/deep": "dev", "own": "dev"})
    lab.project.remove("in@dev:/d", recursive=True)
    lab.put("in@dev", {"d": "file"})
    lab.put("in", {"a": "main", "both": "same", "n": "file", "d/y": "2"})
    before = head(lab, "in")
    with pytest.raises(Refused, match="both changed /a, /d against /d/y, /n/deep against /n; --prefer ours or theirs"):
        merging.merge(lab.parts, ref("in@dev"))
    with pytest.raises(UsageError, match="expected 'ours' or 'theirs'"):
        merging.merge(lab.parts, ref("in@dev"), None, "mine")
    assert head(lab, "in") == before
    ours = merging.merge(lab.parts, ref("in@dev"), None, "ours").commit
    shared = {"f": "1", "both": "same", "own": "dev"}
    assert lab.files("in") == {**shared, "a": "main", "n": "file", "d/y": "2"}
    branches.create_branch(lab.parts, "in", "again", ref(f"in@{before}"))
    theirs = merging.merge(lab.parts, ref("in@dev"), "again", "theirs").commit
    assert lab.files("in@again") == {**shared, "a": "dev", "n/deep": "dev", "d": "file"}
    for made in (ours, theirs):
        files = lab.files(f"in@{made.id}")
        assert (made.files, made.size) == (len(files), sum(map(len, files.values())))


def test_repos_that_steps_or_directories_fill_are_not_merged_into(lab: Any) -> None:
    lab.pipeline(COPY)
    lab.put("in", {"a": "1"})
    lab.ok()
    with pytest.raises(Refused, match="is written by step 'copy'"):
        merging.merge(lab.parts, ref("copy@main"), "dev")
