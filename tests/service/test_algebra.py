"""Every form of an input through a real project: what runs, what does not run again, and what people are told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from penstock.model.data import EMPTY
from penstock.model.errors import NotFound
from penstock.model.ids import parse_reference
from penstock.model.run import Clock, Job, Task
from penstock.service.answers.plan import plan
from penstock.service.answers.status import status
from penstock.service.answers.why import trace
from penstock.service.bindings import work
from penstock.service.driving import expanding
from penstock.service.driving.control import stop
from penstock.service.driving.local import LocalCrew, this_machine
from penstock.service.driving.loop import Engine
from penstock.worker import storage

#: Writes what a task sees, names and bytes, to a file whose name is made of the names.
SHOW = """cd "$PENSTOCK_IN" || exit 9
name=$(find . ! -type d | LC_ALL=C sort | cksum | cut -d ' ' -f 1)
for f in $(find . ! -type d | LC_ALL=C sort); do echo "$f=$(cat "$f")"; done > "$PENSTOCK_OUT/$name"
"""


def make(lab: Any, source: str, **files: dict[str, str]) -> None:
    """A pipeline of one step over repos that hold these files."""
    lab.write("show.sh", SHOW)
    lab.pipeline(
        f"pipeline: algebra\nrepos: {{{', '.join(f'{name}: {{path: {name}}}' for name in files)}}}\n"
        f"steps:\n  show:\n    input: {source}\n    run: [sh, show.sh]\n"
    )
    for name, contents in files.items():
        (lab.root / name).mkdir(exist_ok=True)
        for path, text in contents.items():
            lab.write(f"{name}/{path}", text)


def seen(lab: Any) -> list[str]:
    """What each task saw, one line each."""
    return sorted(text.strip().replace("./", "").replace("\n", " ") for text in lab.files("show").values())


JOIN = "{join: [{repo: a, glob: '/(*)-*', on: $1}, {repo: b, glob: '/(*)', on: $1}]}"


def test_a_join_runs_what_has_one_key(lab: Any) -> None:
    make(lab, JOIN, a={"x-1": "1", "x-2": "2", "y-1": "3", "z-1": "4"}, b={"x": "X", "y": "Y"})
    assert lab.ok() == {"show": (3, 3, 0)}
    assert seen(lab) == ["a/x-1=1 b/x=X", "a/x-2=2 b/x=X", "a/y-1=3 b/y=Y"]
    assert "join key 'z' has no partner in b:/(*)" in lab.explain("show")
    lab.write("b/x", "XX")
    assert lab.planned() == {"show": (3, 2)}
    assert lab.ok() == {"show": (3, 2, 1)}
    lab.write("b/z", "Z")
    (lab.root / "b/y").unlink()
    assert lab.ok() == {"show": (3, 1, 2)}
    assert seen(lab) == ["a/x-1=1 b/x=XX", "a/x-2=2 b/x=XX", "a/z-1=4 b/z=Z"]
    assert "join key 'y' has no partner in b:/(*)" in plan(lab.parts, None, {}).steps[0].why
    found = next(path for path in lab.files("show") if "z" in lab.files("show")[path])
    traced = trace(lab.parts, parse_reference(f"show:/{found}"))
    assert [view.file.partition(":")[2] for view in traced.inputs] == ["/z-1", "/z"]


def test_an_outer_join_and_a_union(lab: Any) -> None:
    outer = "{join: [{repo: a, glob: '/(*)', on: $1, outer: true}, {repo: b, glob: '/(*)', on: $1}]}"
    make(lab, f"{{union: [{outer}, {{repo: b, glob: /only*}}]}}", a={"x": "1", "y": "2"}, b={"x": "X", "only": "O"})
    assert lab.ok() == {"show": (3, 3, 0)}
    assert seen(lab) == ["a/x=1 b/x=X", "a/y=2", "b/only=O"]
    lab.write("b/y", "Y")
    assert lab.ok() == {"show": (3, 1, 2)}
    assert seen(lab) == ["a/x=1 b/x=X", "a/y=2 b/y=Y", "b/only=O"]
    (lab.root / "b/y").unlink()
    assert lab.ok() == {"show": (3, 0, 3)}, "what was done before is not done again"


def test_a_group_runs_what_its_members_make(lab: Any) -> None:
    source = "{group: [{repo: a, glob: '/(*)-*', group: $1}, {repo: b, glob: '/*-(*)', group: $1}]}"
    make(lab, source, a={"x-1": "1", "x-2": "2", "y-1": "3"}, b={"1-x": "4", "1-z": "5"})
    assert lab.ok() == {"show": (3, 3, 0)}
    assert seen(lab) == ["a/x-1=1 a/x-2=2 b/1-x=4", "a/y-1=3", "b/1-z=5"]
    (lab.root / "a/x-2").unlink()
    lab.write("a/z-9", "9")
    assert lab.ok() == {"show": (3, 2, 1)}
    assert seen(lab) == ["a/x-1=1 b/1-x=4", "a/y-1=3", "a/z-9=9 b/1-z=5"]
    tasks = lab.tasks(lab.runs[-1].jobs[0])
    assert [task.key for task in tasks] == [("x",), ("z",)], "a group is called by its key"


def test_a_failed_group_is_tried_again_and_nothing_else(lab: Any) -> None:
    make(lab, "{group: [{repo: a, glob: '/(*)-*', group: $1}]}", a={"x-1": "1", "y-1": "2", "y-2": "3"})
    lab.write("show.sh", f"test -e {lab.root}/good || ! ls $PENSTOCK_IN/a | grep -q y- || exit 1\n{SHOW}")
    assert lab.run().state == "failure"
    lab.write(".penstockignore", "good\n")
    lab.write("good", "")
    view = lab.run()
    assert (view.state, view.jobs[0].tasks.total) == ("success", 2)
    assert view.jobs[0].tasks.processed == 1


def test_nested_forms_and_one_repo_twice(lab: Any) -> None:
    source = (
        "{cross: [{union: ['a:/x*', 'a:/*1']}, "
        "{repo: a, glob: '/y*', as: other}, "
        "{group: [{join: [{repo: b, glob: '/(*)-(*)', on: $1, group: $2}, {repo: b, glob: '/(*)', on: $1, as: c}]}]}]}"
    )
    make(lab, source, a={"x1": "1", "y1": "2"}, b={"k-g": "3", "k": "4", "m-g": "5", "m": "6"})
    assert lab.ok() == {"show": (2, 2, 0)}
    inner = "b/k-g=3 b/m-g=5 c/k=4 c/m=6 other/y1=2"
    assert seen(lab) == [f"a/x1=1 {inner}", f"a/y1=2 {inner}"]
    lab.write("b/m", "7")
    assert lab.ok() == {"show": (2, 2, 0)}
    lab.write("a/z1", "8")
    assert lab.ok() == {"show": (3, 1, 2)}


def test_what_stands_in_a_reference_is_no_reason_to_run(lab: Any) -> None:
    make(lab, "{cross: ['a:/*', {repo: b, glob: /, reference: true}]}", a={"x": "1"}, b={"model": "old"})
    assert lab.ok() == {"show": (1, 1, 0)}
    lab.write("b/model", "new")
    assert lab.planned() == {"show": (1, 0)}
    assert lab.ok() == {"show": (1, 0, 1)}
    assert seen(lab) == ["a/x=1 b/model=old"]
    assert "b:/model was modified; it is a reference: what stands in it is no reason to run again" in lab.explain(
        "show"
    )
    lab.write("a/y", "2")
    assert lab.ok() == {"show": (2, 1, 1)}
    assert seen(lab) == ["a/x=1 b/model=old", "a/y=2 b/model=new"]


def test_empty_inputs_are_names_alone(lab: Any) -> None:
    source = "{cross: [{repo: a, glob: '/*', empty: true}, {repo: b, glob: /, empty: true}]}"
    make(lab, source, a={"x": "1", "d/y": "2"}, b={"p/q": "3"})
    assert lab.ok() == {"show": (2, 2, 0)}
    assert seen(lab) == ["a/d/y= b/p/q=", "a/x= b/p/q="]
    lab.write("a/x", "changed")
    lab.write("a/d/y", "changed")
    lab.write("b/p/q", "changed")
    assert lab.ok() == {"show": (2, 0, 2)}
    lab.write("a/d/z", "new")
    assert lab.ok() == {"show": (2, 1, 1)}


@pytest.mark.parametrize("root", [True, False])
def test_lazy_inputs_are_links_where_nobody_can_write_through(
    lab: Any, root: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from penstock.model.wire import Input
    from penstock.objects import map as maps

    lab.put("big", {"d/large": "x" * 100_000, "d/small": "y"})
    commit = lab.project.log("big")[0]
    tree = lab.parts.store.fetch("commit", repo="big", id=commit.commit)[0]["root"]
    content = maps.get(lab.parts.objects.pages, tree, b"d/large")
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    held = storage.Storage(str(lab.parts.layout.objects), str(tmp_path / "work"))
    inputs = [Input("one", "d/large", content, False, tree, "link"), Input("all", "d", tree, True, tree, "link")]
    for item in inputs:
        (tmp_path / item.name).mkdir()
    held.lay_out_inputs(inputs, str(tmp_path), ("p", "s"))
    held.close()
    for name in ("one", "all"):
        found = os.stat(tmp_path / name / "d/large")
        assert (found.st_nlink > 1, found.st_size) == (not root, 100_000)
        assert bool(found.st_mode & 0o200) == root, "a link cannot be written to"
    assert os.stat(tmp_path / "all/d/small").st_nlink == 1


def test_a_lazy_input_runs_like_any_other(lab: Any) -> None:
    make(lab, "{repo: a, glob: '/*', lazy: true}", a={"x": "1", "large": "2" * 70_000})
    assert lab.ok() == {"show": (2, 2, 0)}
    assert seen(lab) == [f"a/large={'2' * 70_000}", "a/x=1"]


CRON = "{cron: '0 2 * * *', tz: Europe/Berlin, as: night}"


def test_a_clock_ticks_while_time_goes_by(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_700_000_000_000_000  # 2023-11-14T22:13:20Z
    monkeypatch.setattr(lab.parts, "now", lambda: now)
    make(lab, CRON)
    assert lab.ok() == {"show": (0, 0, 0)}, "a new clock begins with its next time"
    assert "show-night ticks at 2023-11-15T01:00:00" in "\n".join(status(lab.parts).notes)
    now += 3 * 24 * 3600 * 1_000_000
    assert lab.ok() == {"show": (1, 0, 1)}, "the run of the tick went first"
    assert list(lab.files("show-night")) == ["2023-11-17T01:00:00Z"], "one catch-up, of the latest"
    assert seen(lab) == ["night/2023-11-17T01:00:00Z="]
    assert lab.project.tick("show-night") is not None
    with pytest.raises(NotFound, match="did you mean 'show-night'"):
        lab.project.tick("show-nihgt")
    assert len(lab.files("show-night")) == 2
    lab.project.wait("last")
    assert len(seen(lab)) == 2


@pytest.mark.parametrize("catchup, ticks", [("none", 0), ("latest", 1), ("all", 3)])
def test_missed_ticks(lab: Any, monkeypatch: pytest.MonkeyPatch, catchup: str, ticks: int) -> None:
    now = 1_700_000_000_000_000
    monkeypatch.setattr(lab.parts, "now", lambda: now)
    make(lab, CRON.replace("as: night", f"as: night, catchup: {catchup}"))
    lab.ok()
    now += 3 * 24 * 3600 * 1_000_000
    lab.ok()
    files = lab.files("show-night") if ticks else {}
    assert len(files) == ticks
    assert len(seen(lab)) == ticks
    (clock,) = lab.parts.store.load(Clock, "clocks")
    assert clock.ticked == 1_700_182_800_000_000, "up to the last time that was"


def test_overwriting_ticks_leave_one_file(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_700_000_000_000_000
    monkeypatch.setattr(lab.parts, "now", lambda: now)
    make(lab, CRON.replace("as: night", "as: night, overwrite: true, catchup: all"))
    lab.ok()
    now += 3 * 24 * 3600 * 1_000_000
    lab.ok()
    assert list(lab.files("show-night")) == ["2023-11-17T01:00:00Z"]
    assert len(lab.project.log("show-night")) == 3, "each was a commit"
    assert len(seen(lab)) == 1


def test_a_large_expansion_is_stored_as_it_is_found(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expanding, "CHUNK", 3)
    make(lab, "a:/*", a={f"{number}": str(number) for number in range(10)})
    assert lab.ok() == {"show": (10, 10, 0)}
    lab.write("show.sh", f"{SHOW}# other code")
    assert lab.ok() == {"show": (10, 10, 0)}
    lab.write("show.sh", SHOW)
    assert lab.ok() == {"show": (10, 0, 10)}, "results are taken over as they are found, too"
    lab.write("a/3", "new")
    assert lab.ok() == {"show": (10, 1, 9)}


def test_a_large_expansion_beside_a_small_one_numbers_its_tasks_apart(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expanding, "CHUNK", 2)
    lab.pipeline("steps: {few: {input: 'a:/', run: 'true'}, many: {input: 'a:/*', run: 'true'}}")
    lab.put("a", {str(number): "" for number in range(5)})
    assert lab.ok() == {"few": (1, 1, 0), "many": (5, 5, 0)}


@pytest.mark.parametrize("stopped", [False, True])
def test_what_a_dead_engine_stored_of_a_job_is_not_run_twice(
    lab: Any, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    make(lab, "a:/*", a={"1": "1", "2": "2", "3": "3"})
    rows = work.row
    made = 0

    def row(*args: Any) -> Task:
        nonlocal made
        made += 1
        if made == 3:
            raise RuntimeError("power cut")
        return rows(*args)

    with monkeypatch.context() as patch:
        patch.setattr(expanding, "CHUNK", 1)
        patch.setattr(work, "row", row)
        with pytest.raises(RuntimeError):
            lab.project.run()
    (job,) = lab.parts.store.load(Job, "jobs", before=1 << 62, limit=1)
    assert (job.state, job.total) == ("expanding", 0)
    assert len(lab.parts.store.load(Task, "tasks_of_job", job=job.seq, after=0, limit=9)) == 2
    if stopped:
        stop(lab.parts, "last")
        assert lab.project.wait("last").state == "killed"
    assert lab.ok() == {"show": (3, 3, 0)}


def test_an_engine_ticks_while_it_lives(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_700_000_000_000_000
    monkeypatch.setattr(lab.parts, "now", lambda: now)
    make(lab, CRON)
    lab.ok()
    engine = Engine(lab.parts, LocalCrew(lab.parts.layout, this_machine(1)))
    engine.turn()
    assert not engine.world.runs
    now += 24 * 3600 * 1_000_000
    engine.turn()
    assert len(engine.world.runs) == 1
    engine.drive(lambda world: not world.runs)
    engine.close()
    assert seen(lab) == ["night/2023-11-15T01:00:00Z="]


def test_the_index_of_keys_is_kept_and_checked(lab: Any) -> None:
    make(lab, JOIN, a={f"k{number}-1": "1" for number in range(300)}, b={f"k{number}": "2" for number in range(300)})
    lab.run()
    (job,) = lab.parts.store.load(Job, "jobs", before=1 << 62, limit=1)
    assert job.keys != EMPTY and job.total == 300
    lab.project.collect_garbage(now=True)
    assert lab.fsck() == []
    lab.write("b/k7", "new")
    assert lab.planned() == {"show": (300, 1)}
    assert lab.ok() == {"show": (300, 1, 299)}
