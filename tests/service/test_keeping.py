"""Housekeeping of a real project: what is deleted, what is given up, what it says about both."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from typing import Any

import pytest

from penstock.model.errors import BadSpec, NotFound, PenstockError, Refused, UsageError
from penstock.model.ids import parse_reference
from penstock.model.run import Job, Repo, Task
from penstock.service import resolve
from penstock.service.answers import fsck as fsck_module
from penstock.service.answers.fsck import fsck
from penstock.service.answers.views import task_view
from penstock.service.answers.why import explain, trace
from penstock.service.data import comparing
from penstock.service.data.repos import delete_repo
from penstock.service.keeping import garbage, retention
from penstock.service.keeping import usage as usage_module
from penstock.service.keeping.garbage import GRACE, gc
from penstock.service.keeping.usage import usage
from penstock.service.role import engine_role
from tests.service.conftest import UPPER, Lab

DAY = 86_400_000_000

PIPELINE = """
    pipeline: work
    steps:
      upper:
        input: in:/*
        run: sh upper.sh
"""


def later(lab: Lab, micros: int) -> None:
    """Let the clock of this process be ahead."""
    now = lab.parts.now
    lab.parts.now = lambda: now() + micros


def steps(lab: Lab, count: int = 3) -> list[str]:
    """A pipeline that ran on so many commits; their ids."""
    lab.write("upper.sh", UPPER)
    lab.pipeline(PIPELINE)
    made = []
    for number in range(count):
        made.append(lab.put("in", {"a": f"a{number}", f"b{number}": "b", "big": f"{number}" * 70_000}))
        lab.ok()
    return made


def test_nothing_that_is_used_goes(lab: Lab) -> None:
    steps(lab)
    trees = {name: lab.files(name) for name in ("in", "upper")}
    for _ in range(3):
        later(lab, 2 * GRACE)
        gc(lab.parts)
    gc(lab.parts, now=True)
    assert {name: lab.files(name) for name in trees} == trees
    assert lab.fsck() == []
    lab.put("in", {"a": "more"})
    lab.ok()
    assert lab.files("upper")["a"] == "MORE"


def test_what_was_dropped_goes(lab: Lab) -> None:
    lab.put("data", {"a": "1" * 100_000})
    lab.put("data", {"a": "2" * 100_000, "b": "small"})
    assert len(list(lab.parts.layout.objects.glob("blobs/*/*"))) == 2
    for cache in lab.parts.layout.scans.iterdir():
        cache.unlink()
    delete_repo(lab.parts, "data")
    first = gc(lab.parts).swept
    assert (first.waiting.blobs, first.deleted.bytes) == (2, 0) and first.since is not None
    assert gc(lab.parts).swept.deleted.bytes == 0
    later(lab, GRACE)
    assert gc(lab.parts, dry_run=True).swept.deleted == first.waiting
    assert gc(lab.parts).swept.deleted == first.waiting
    assert lab.fsck() == []


def test_now_needs_everything_else_to_rest(lab: Lab) -> None:
    lab.put("data", {"a": "1"})
    with engine_role(lab.parts.layout.lock) as mine, pytest.raises(Refused, match="the engine is pid"):
        assert mine
        gc(lab.parts, now=True)
    with pytest.MonkeyPatch.context() as patch, lab.parts.objects.session():
        patch.setattr("penstock.service.keeping.garbage.PATIENCE", 0.05)
        with pytest.raises(Refused, match="still storing"):
            gc(lab.parts, now=True)
    with lab.parts.objects.blobs.sessions.collecting(), pytest.raises(Refused, match="another `penstock gc`"):
        gc(lab.parts)
    with pytest.raises(UsageError, match="at least 1m"):
        gc(lab.parts, grace=1)
    assert gc(lab.parts, now=True).swept.kept.packs == 1


def test_what_is_looked_at_is_not_collected(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that goes while it is checked or measured is no damage."""
    monkeypatch.setattr(garbage, "PATIENCE", 0.1)
    lab.put("data", {"a": "1"})
    for look in (lambda: lab.fsck(), lambda: usage(lab.parts)):
        for module in (fsck_module, usage_module):
            real = module.roots

            def meanwhile(*args: Any, real: Any = real) -> Any:
                found = list(real(*args))
                if lab.parts.store.load(Repo, "repo", name="data"):
                    delete_repo(lab.parts, "data")
                with pytest.raises(Refused, match="still storing or checking something"):
                    gc(lab.parts, now=True)
                return found

            monkeypatch.setattr(module, "roots", meanwhile)
        assert not isinstance(look(), list) or look() == []
        monkeypatch.undo()
        monkeypatch.setattr(garbage, "PATIENCE", 0.1)
        lab.put("data", {"a": "2"})


def test_nobody_stores_while_something_is_repaired(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "PATIENCE", 0.1)
    with lab.parts.objects.writer(), pytest.raises(Refused, match="--repair: another command is still storing"):
        list(fsck(lab.parts, repair=True))
    with engine_role(lab.parts.layout.lock), pytest.raises(Refused, match="--repair: the engine is pid"):
        list(fsck(lab.parts, repair=True))
    assert list(fsck(lab.parts, repair=True)) == []


def test_what_cannot_be_read_stops_it(lab: Lab) -> None:
    lab.put("data", {f"{n:04}": str(n) for n in range(500)})
    lab.put("data", {"a": "1"})
    *_, large = sorted(lab.parts.layout.objects.glob("packs/*/*"), key=lambda path: path.stat().st_size)
    large.rename(lab.root / "away")
    before = sorted(lab.parts.layout.objects.rglob("*.pack"))
    with pytest.raises(PenstockError, match="commit data@.*nothing was deleted"):
        gc(lab.parts, now=True)
    assert sorted(lab.parts.layout.objects.rglob("*.pack")) == before
    (lab.root / "away").rename(large)
    assert lab.fsck() == []


def test_commits_beyond_the_rule_are_forgotten(lab: Lab) -> None:
    first, second, third, fourth = steps(lab, 4)
    assert gc(lab.parts).commits == 0
    repo = retention.keep(lab.parts, "in", 2, None)
    assert resolve.rule_of(repo) == "the newest 2 of each branch"
    assert gc(lab.parts, dry_run=True).commits == 2
    assert gc(lab.parts, now=True).commits == 2
    assert [view.forgotten is None for view in lab.project.log("in")] == [True, True, False, False]
    assert lab.files(f"in@{third}")["a"] == "a2"
    for read in (
        lambda: lab.project.read(f"in@{first}:/a"),
        lambda: list(lab.project.ls(f"in@{second}")),
        lambda: list(comparing.compare(lab.parts, parse_reference(f"in@{third}"))),
        lambda: trace(lab.parts, parse_reference(f"in@{first}:/a")),
    ):
        with pytest.raises(NotFound, match=r"given up at 20\d\d-.*keeps the newest 2 of each branch"):
            read()
    old = lab.project.log("upper")[-2].commit
    assert any("cannot be told" in line for line in explain(lab.parts, f"upper@{old}"))
    assert trace(lab.parts, parse_reference(f"upper@{old}:/a")).inputs[0].job is None
    assert lab.fsck() == []
    lab.put("in", {"a": "next"})
    lab.ok()
    assert lab.files("upper")["a"] == "NEXT"


def test_commits_younger_than_the_rule_stay(lab: Lab) -> None:
    for number in range(4):
        lab.put("data", {"a": str(number)})
        later(lab, 10 * DAY)
    retention.keep(lab.parts, "data", None, 25 * 86_400)
    assert gc(lab.parts).commits == 2
    retention.keep(lab.parts, "data", 3, 1)
    assert gc(lab.parts).commits == 0
    retention.keep(lab.parts, "data", None, 1)
    assert gc(lab.parts).commits == 1, "the head stays, however old it is"
    assert lab.project.read("data:/a") == b"3"


def test_a_published_repo_keeps_what_the_next_job_goes_on_from(lab: Lab) -> None:
    steps(lab, 3)
    retention.keep(lab.parts, "in", 1, 0)
    retention.keep(lab.parts, "upper", 1, 0)
    assert gc(lab.parts, now=True).commits > 0
    assert [view.forgotten is None for view in lab.project.log("upper")][:2] == [True, False]
    jobs = [job for job in lab.parts.store.load(Job, "jobs", before=1 << 62, limit=10) if job.step == "upper"]
    assert [bool(job.ledger) for job in jobs] == [True] + [False] * (len(jobs) - 1)
    assert lab.fsck() == []
    lab.put("in", {"a": "next"})
    lab.ok()
    assert lab.files("upper")["a"] == "NEXT"


def test_what_an_unfinished_job_reads_stays(lab: Lab) -> None:
    steps(lab, 1)
    read = lab.put("in", {"a": "for a run that is not done"})
    lab.put("in", {"a": "newer"})
    retention.keep(lab.parts, "in", 1, 0)
    assert gc(lab.parts, now=True).commits == 0
    assert lab.files(f"in@{read}")["a"] == "for a run that is not done"
    lab.ok()
    assert gc(lab.parts, now=True).commits == 2


def test_results_nobody_refers_to_are_forgotten(lab: Lab) -> None:
    steps(lab, 3)
    retention.keep(lab.parts, "in", 1, 0)
    retention.keep(lab.parts, "upper", 1, 0)
    assert gc(lab.parts, now=True).results == 0
    later(lab, 31 * DAY)
    assert gc(lab.parts, dry_run=True).results == 4
    assert gc(lab.parts, now=True).results == 4
    assert gc(lab.parts, now=True).results == 0
    assert lab.fsck() == []
    assert lab.ok()["upper"][1] == 0, "what the newest ledger names is remembered"


def test_a_rule_in_the_pipeline_file(lab: Lab) -> None:
    lab.write("upper.sh", UPPER)
    lab.pipeline(PIPELINE + "    repos: {in: {keep: {commits: 3, for: 30d}}}\n")
    lab.put("in", {"a": "1"})
    lab.ok()
    assert resolve.rule_of(resolve.repo(lab.parts, "in")) == "the newest 3 of each branch and all of the last 30d"
    lab.pipeline(PIPELINE)
    lab.ok()
    assert resolve.rule_of(resolve.repo(lab.parts, "in")) == "all commits"


def test_usage_adds_up(lab: Lab) -> None:
    steps(lab, 2)
    lab.put("copy", lab.files("in"))
    found = usage(lab.parts)
    on_disk = sum(path.stat().st_size for path in lab.parts.layout.home.rglob("*") if path.is_file())
    assert found.total == sum(item.alone for item in found.repos) + sum(found.others.values()) == on_disk
    names = {item.repo: item for item in found.repos}
    assert (names["in"].commits, names["in"].files) == (2, 4)
    assert names["in"].alone > 0 and found.others["shared by repos"] > 70_000
    assert found.freed_now == 0


def test_unused_code_and_caches_are_removed(lab: Lab) -> None:
    steps(lab, 1)
    layouts = lab.parts.layout.work / "code"
    old = layouts / "an-earlier-boot" / "ab"
    old.mkdir(parents=True)
    (old / "x").write_text("x")
    cache = lab.parts.layout.scans / "gone"
    cache.write_bytes((lab.parts.layout.scans / ".code").read_bytes())
    os.utime(cache, (1, 1))
    done = gc(lab.parts)
    assert (done.code, done.caches) == (1, 1)
    assert not old.parent.exists() and not cache.exists()
    lab.put("in", {"a": "again"})
    lab.ok()


def test_now_does_not_wait_for_caches(lab: Lab) -> None:
    lab.put("data", {"a": "1" * 100_000})
    delete_repo(lab.parts, "data")
    later(lab, 2 * GRACE)
    gc(lab.parts, now=True)
    assert list(lab.parts.layout.objects.glob("*/*/*")) == []
    lab.put("data", {"a": "1" * 100_000})
    assert lab.files("data") == {"a": "1" * 100_000}


KEEPER = """
import sys, time
from penstock import Project
from penstock.service.keeping import garbage

garbage.SHORTEST_GRACE = 0
with Project.open(sys.argv[1]) as project:
    while True:
        print(garbage.gc(project.parts, grace=2_000_000).swept.deleted.bytes, flush=True)
"""


def test_beside_puts_and_a_running_pipeline(lab: Lab) -> None:
    """One collection after the other by another process, with a grace of two seconds, until some garbage is gone."""
    steps(lab, 1)
    retention.keep(lab.parts, "in", 2, None)
    retention.keep(lab.parts, "upper", 2, None)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    deleted: list[int] = []
    with subprocess.Popen([sys.executable, "-c", KEEPER, lab.root], env=environment, stdout=subprocess.PIPE) as keeper:
        assert keeper.stdout is not None
        lines = keeper.stdout
        listener = threading.Thread(target=lambda: deleted.extend(int(line) for line in lines))
        listener.start()
        number = 0
        while number < 6 or not any(deleted):
            number += 1
            lab.put("in", {"a": f"again {number % 5}", "big": f"{number % 3}" * 70_000})
            lab.ok()
            assert lab.files("upper")["a"] == f"AGAIN {number % 5}"
            assert keeper.poll() is None
        keeper.kill()
        listener.join()
    assert lab.fsck() == []


def test_what_a_task_of_a_forgotten_job_wrote(lab: Lab) -> None:
    steps(lab, 2)
    *_, old = lab.parts.store.load(Job, "jobs", before=1 << 62, limit=10)
    (task, *_) = lab.parts.store.load(Task, "tasks_of_job", job=old.seq, after=0, limit=10)
    assert task_view(lab.parts, task, old).output
    retention.keep(lab.parts, "in", 1, 0)
    retention.keep(lab.parts, "upper", 1, 0)
    later(lab, 31 * DAY)
    gc(lab.parts, now=True)
    assert task_view(lab.parts, task, old).state == "success"


def test_every_root_is_known(lab: Lab) -> None:
    """A column that may hold a root has its place in `roots`, or is named here as none."""
    with sqlite3.connect(lab.parts.layout.database) as database:
        tables = [name for (name,) in database.execute("select name from sqlite_schema where type = 'table'")]
        blobs = {
            (table, row[1])
            for table in tables
            for row in database.execute(f'pragma table_info("{table}")')
            if row[2].lower() == "blob"
        }
    marked = {("commit", "root"), ("version", "code"), ("task", "output"), ("task", "reading")}
    marked |= {("job", name) for name in ("ledger", "owners", "keys", "tree", "reading", "layout")}
    digests = {("job", "recipe"), ("task", "fingerprint"), ("success", "fingerprint"), ("success", "reading")}
    # A task's inputs are parts of commits that its job reads.
    assert blobs == marked | digests | {("task", "inputs")}


def test_the_commands(lab: Lab) -> None:
    def penstock(*words: str, code: int = 0) -> str:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-m", "penstock", *words]
        done = subprocess.run(command, cwd=lab.root, env=environment, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    for number in range(3):
        lab.put("data", {"a": f"{number}" * 100_000})
    assert "keeps" in penstock("repo", "show", "data")
    assert json.loads(penstock("repo", "keep", "data", "--commits", "1", "--json"))["keeps"] == (
        "the newest 1 of each branch"
    )
    assert "would be given up: 2 old commits" in penstock("gc", "--dry-run")
    assert json.loads(penstock("gc", "--json"))["commits"] == 2
    said = penstock("gc")
    assert "condemned: " in said and "2 large blobs" in said and " on\n" in said
    found = json.loads(penstock("data", "usage", "--json"))
    assert found["total"] == found["repos"][0]["alone"] + sum(found["others"].values())
    assert "repo data" in penstock("data", "usage")
    assert "2 large blobs" in penstock("gc", "--now").partition("deleted: ")[2]
    assert penstock("gc", "--grace", "1s", code=2).count("\n") == 1
    assert penstock("repo", "keep", "data", code=2).count("\n") == 1
    assert penstock("repo", "keep", "nothing", "--all", code=3).count("\n") == 1
    with lab.parts.objects.blobs.sessions.collecting():
        assert penstock("gc", code=3).count("\n") == 1
    assert penstock("fsck", "--data") == ""


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        ("{}", "expected `commits`"),
        ("{commits: 0}", "1 to"),
        ("{commits: ten}", "expected"),
        ("{for: soon}", "no duration"),
        ("{commit: 1}", 'did you mean "commits"'),
        ("10", "expected a mapping"),
    ],
)
def test_nonsense_in_the_pipeline_file(lab: Lab, keep: str, said: str) -> None:
    lab.write("pipeline.yaml", f"repos: {{data: {{path: x, keep: {keep}}}}}\nsteps: {{a: {{run: [ls]}}}}\n")
    with pytest.raises(BadSpec) as raised:
        lab.run()
    assert said in str(raised.value) and raised.value.where.startswith("pipeline.yaml:1:")


def test_the_same_in_python(lab: Lab) -> None:
    lab.put("data", {"a": "1"})
    lab.put("data", {"a": "2"})
    lab.project.keep("data", commits=1)
    assert lab.project.collect_garbage(dry_run=True).commits == 1
    assert lab.project.collect_garbage(now=True).commits == 1
    assert lab.project.usage().repos[0].commits == 1
