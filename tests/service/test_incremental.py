"""What runs again, and what does not: one task for one change."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from penstock import Project
from penstock.model.ids import parse_reference
from penstock.service.answers import lists
from penstock.service.answers.why import trace

EDGES = """
pipeline: edges
params: {loud: 1}
repos:
  images: {path: photos}
steps:
  edges:
    input: images:/*
    run: [python3, edges.py]
  montage:
    input: {cross: ["images:/", "edges:/"]}
    run: [sh, montage.sh]
"""
EDGES_PY = """
import os, pathlib
from shout import shout
source = pathlib.Path(os.environ["PENSTOCK_IN"], "images")
for file in source.rglob("*"):
    if file.is_file():
        target = pathlib.Path(os.environ["PENSTOCK_OUT"], file.relative_to(source))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(shout(file.read_text()) * int(os.environ["PENSTOCK_PARAM_LOUD"]))
"""
MONTAGE_SH = 'cd "$PENSTOCK_IN" && cat $(find images edges -type f | sort -r) > "$PENSTOCK_OUT/all"\n'


@pytest.fixture
def edges(lab: Any) -> Any:
    lab.pipeline(EDGES)
    lab.write("edges.py", EDGES_PY)
    lab.write("shout.py", "def shout(text):\n    return text.upper()\n")
    lab.write("montage.sh", MONTAGE_SH)
    for name in "abc":
        lab.write(f"photos/{name}", name)
    return lab


def test_one_change_costs_one_task(edges: Any) -> None:
    assert edges.ok() == {"edges": (3, 3, 0), "montage": (1, 1, 0)}
    assert edges.files("edges") == {"a": "A", "b": "B", "c": "C"}
    assert edges.files("montage") == {"all": "cbaCBA"}
    assert edges.ok() == {"edges": (3, 0, 3), "montage": (1, 0, 1)}

    edges.write("photos/d", "d")
    assert edges.ok() == {"edges": (4, 1, 3), "montage": (1, 1, 0)}
    assert edges.files("montage") == {"all": "dcbaDCBA"}
    assert "input images:/d was added" in edges.explain("edges")

    edges.write("photos/b", "bee")
    assert edges.ok() == {"edges": (4, 1, 3), "montage": (1, 1, 0)}
    assert edges.files("edges")["b"] == "BEE"
    assert "input images:/b was modified" in edges.explain("edges")

    (edges.root / "photos/a").unlink()
    assert edges.ok() == {"edges": (3, 0, 3), "montage": (1, 1, 0)}
    assert edges.files("edges") == {"b": "BEE", "c": "C", "d": "D"}

    os.rename(edges.root / "photos/c", edges.root / "photos/e")
    assert edges.ok() == {"edges": (3, 1, 2), "montage": (1, 1, 0)}
    assert edges.files("edges") == {"b": "BEE", "d": "D", "e": "C"}

    edges.write("photos/b", "b")
    assert edges.ok()["edges"] == (3, 0, 3), "it was so before: its result is known"
    assert edges.files("edges")["b"] == "B"


def test_a_file_becomes_a_directory_and_back(edges: Any) -> None:
    edges.ok()
    (edges.root / "photos/a").unlink()
    edges.write("photos/a/one", "x")
    assert edges.ok()["edges"] == (3, 1, 2)
    assert edges.files("edges") == {"a/one": "X", "b": "B", "c": "C"}
    (edges.root / "photos/a/one").unlink()
    (edges.root / "photos/a").rmdir()
    edges.write("photos/a", "a")
    assert edges.ok()["edges"] == (3, 0, 3)
    assert edges.files("edges") == {"a": "A", "b": "B", "c": "C"}


def test_an_emptied_directory_gives_an_empty_output(edges: Any) -> None:
    edges.ok()
    for name in "abc":
        (edges.root / "photos" / name).unlink()
    assert edges.planned()["edges"] == (0, 0)
    assert edges.ok()["edges"] == (0, 0, 0)
    assert edges.files("edges") == {}


def test_code_that_is_imported_counts_and_other_code_does_not(edges: Any) -> None:
    edges.ok()
    edges.write("other.py", "print('new')\n")
    assert edges.ok()["edges"] == (3, 0, 3)
    edges.write("shout.py", "def shout(text):\n    return text.upper() + '!'\n")
    assert edges.ok() == {"edges": (3, 3, 0), "montage": (1, 1, 0)}
    assert edges.files("edges")["a"] == "A!"
    assert "code file shout.py changed" in edges.explain("edges")
    edges.write("montage.sh", MONTAGE_SH + "# a word\n")
    assert edges.ok() == {"edges": (3, 0, 3), "montage": (1, 1, 0)}


def test_parameters_and_variables_count(edges: Any) -> None:
    edges.ok()
    assert edges.ok(loud=2) == {"edges": (3, 3, 0), "montage": (1, 1, 0)}
    assert edges.files("edges")["a"] == "AA"
    assert "parameter loud changed: 1 became 2" in edges.explain("edges")
    assert edges.ok()["edges"] == (3, 0, 3)
    edges.pipeline(EDGES.replace("run: [python3, edges.py]", "run: [python3, edges.py]\n    env: {vars: {TONE: x}}"))
    assert edges.ok()["edges"] == (3, 3, 0)
    assert "variable TONE is new" in edges.explain("edges")


def test_an_edit_during_a_run_changes_nothing_in_it(lab: Any) -> None:
    """The first task edits the code of the second one, in the project, while the run goes on."""
    lab.pipeline("""
        steps:
          one:
            input: in:/*
            run: [sh, one.sh]
          two:
            input: one:/*
            run: [sh, two.sh]
        """)
    lab.write("one.sh", f'echo "echo edited > \\$PENSTOCK_OUT/x" > "{lab.root}/two.sh"; echo 1 > $PENSTOCK_OUT/x\n')
    lab.write("two.sh", "echo frozen > $PENSTOCK_OUT/x\n")
    lab.put("in", {"x": "x"})
    assert lab.ok() == {"one": (1, 1, 0), "two": (1, 1, 0)}
    assert lab.files("two") == {"x": "frozen\n"}
    assert lab.ok() == {"one": (1, 0, 1), "two": (1, 1, 0)}
    assert lab.files("two") == {"x": "edited\n"}


@pytest.mark.parametrize("ignored", ["pipeline.yaml\n", "*.yaml\n"])
def test_an_ignored_pipeline_file_is_still_read(lab: Any, ignored: str) -> None:
    lab.write(".penstockignore", ignored)
    text = "steps: {s: {input: 'in:/*', run: echo WORD > $PENSTOCK_OUT/x}}"
    lab.put("in", {"x": "x"})
    lab.pipeline(text)
    lab.ok()
    lab.pipeline(text.replace("WORD", "other"))
    assert lab.ok()["s"] == (1, 1, 0)
    assert lab.files("s") == {"x": "other\n"}


def test_a_moved_project_is_the_same_project(make_lab: Any, tmp_path: Any) -> None:
    """Its pipeline has no name of its own; that of the directory it was made in stays."""
    lab = make_lab("before")
    lab.pipeline("steps: {s: {input: 'in:/*', run: echo > $PENSTOCK_OUT/x}}")
    lab.put("in", {"x": "x"})
    lab.ok()
    lab.project.close()
    os.rename(lab.root, tmp_path / "after")
    lab.root = tmp_path / "after"
    lab.project = Project.open(lab.root)
    assert lab.ok() == {"s": (1, 0, 1)}
    lab.pipeline("steps: {s: {input: 'in:/*', run: echo >> $PENSTOCK_OUT/x}}")
    assert lab.ok() == {"s": (1, 1, 0)}
    assert lab.runs[-1].pipeline == "before"


def test_each_makes_a_binding_per_value(lab: Any) -> None:
    text = """
        steps:
          grid:
            input: in:/*
            each: {seed: "1..2", mode: [fast, slow]}
            run: echo > $PENSTOCK_OUT/$(ls $PENSTOCK_IN/in)-$PENSTOCK_PARAM_SEED-$PENSTOCK_PARAM_MODE
        """
    lab.pipeline(text)
    lab.put("in", {"x": "x"})
    assert lab.ok() == {"grid": (4, 4, 0)}
    assert sorted(lab.files("grid")) == ["x-1-fast", "x-1-slow", "x-2-fast", "x-2-slow"]
    lab.pipeline(text.replace("1..2", "1..3"))
    assert lab.planned() == {"grid": (6, 2)}
    assert lab.ok() == {"grid": (6, 2, 4)}
    lab.pipeline(text.replace("1..2", "2..3"))
    assert lab.ok() == {"grid": (4, 0, 4)}
    assert sorted(lab.files("grid")) == ["x-2-fast", "x-2-slow", "x-3-fast", "x-3-slow"]


def test_a_whole_repo_in_one_binding(lab: Any) -> None:
    lab.pipeline("steps: {sum: {input: 'in:/', run: cat $PENSTOCK_IN/in/* > $PENSTOCK_OUT/sum}}")
    lab.put("in", {"a": "1", "b": "2"})
    assert lab.ok() == {"sum": (1, 1, 0)}
    lab.put("in", {"c": "3"})
    assert lab.ok() == {"sum": (1, 0, 1)}, "the run that the put opened came first and did it"
    assert lab.project.runs()[1].state == "success"
    assert lab.files("sum") == {"sum": "123"}


def test_a_cross_runs_only_what_has_a_new_part(lab: Any) -> None:
    lab.pipeline("""
        steps:
          pairs:
            input: {cross: ["l:/*", "r:/*"]}
            run: cat $PENSTOCK_IN/*/* > $PENSTOCK_OUT/$(ls $PENSTOCK_IN/l)$(ls $PENSTOCK_IN/r)
        """)
    lab.put("l", {"a": "1", "b": "2"})
    lab.put("r", {"x": "8", "y": "9"})
    assert lab.ok() == {"pairs": (4, 4, 0)}
    lab.put("l", {"c": "3"})
    lab.put("r", {"y": "7"})
    assert lab.run().state == "success"
    assert lab.files("pairs") == {"ax": "18", "ay": "17", "bx": "28", "by": "27", "cx": "38", "cy": "37"}
    lab.project.remove("l:/a")
    assert lab.run().state == "success"
    assert sorted(lab.files("pairs")) == ["bx", "by", "cx", "cy"]


def test_the_plan_is_what_the_run_then_does(edges: Any) -> None:
    def changes() -> list[Callable[[], Any]]:
        return [
            lambda: None,
            lambda: edges.write("photos/d", "d"),
            lambda: edges.write("photos/a", "other"),
            lambda: (edges.root / "photos/b").unlink(),
            lambda: edges.write("shout.py", "def shout(text):\n    return text * 2\n"),
            lambda: edges.write("montage.sh", MONTAGE_SH + "true\n"),
            lambda: edges.pipeline(EDGES.replace("loud: 1", "loud: 3")),
            lambda: None,
        ]

    for change in changes():
        change()
        before = len(edges.project.runs(1000))
        planned = edges.planned()
        assert len(edges.project.runs(1000)) == before, "a plan makes no run"
        done = edges.ok()
        for step, (total, tasks) in planned.items():
            if tasks is None:
                continue  # it depends on what runs upstream
            assert (total, tasks) == done[step][:2]


def test_a_file_is_traced_back_to_what_was_put(edges: Any) -> None:
    edges.ok()
    edges.write("photos/d", "d")
    last = edges.run()
    view = trace(edges.parts, parse_reference("montage:/all"))
    assert view.job == f"montage@{last.run}"
    assert view.command == ("sh", "montage.sh")
    assert view.code == ("montage.sh",)
    by_file = {item.file.partition("@")[0] + item.file.partition(":")[2]: item for item in view.inputs}
    assert set(by_file) == {f"{repo}/{name}" for repo in ("images", "edges") for name in "abcd"}
    made = by_file["edges/a"]
    assert made.made_by == f"edges@{edges.runs[0].run}", "reused: made by the first run"
    assert made.code == ("edges.py", "shout.py")
    assert made.params == {"loud": 1}
    (source,) = made.inputs
    assert source.origin == "link" and source.file.endswith(":/a") and source.inputs == ()


def test_a_task_tells_what_it_was_given_and_what_it_wrote(edges: Any) -> None:
    view = edges.run()
    tasks = lists.tasks(edges.parts, view.jobs[0].job, 10, None).items
    assert [task.binding for task in tasks] == [("a",), ("b",), ("c",)]
    assert tasks[0].inputs[0]["name"] == "images" and tasks[0].inputs[0]["path"] == "/a"
    assert tasks[0].output == ("a",)
    assert tasks[0].params == {"loud": 1}
    assert [attempt.exit_code for attempt in tasks[0].attempts] == [0]
