"""Law 9: nothing a user types reaches a shell unasked. Values, names and keys stay text wherever they pass."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from penstock import Project
from penstock.model.ids import parse_reference
from penstock.model.run import Task
from penstock.service import resolve
from penstock.service.answers import lists
from penstock.service.answers.fsck import fsck
from penstock.service.answers.logs import logs
from penstock.service.answers.why import explain, trace

#: Each would leave a file called `touched` if a shell read it, or break what quotes badly.
NASTY = [
    "$(touch touched);",
    "`touch touched`",
    "; touch touched #",
    "| touch touched",
    "&& touch touched &&",
    "'; touch touched; '",
    '"; touch touched; "',
    "a\nb\ttouch touched\n",
    "> touched",
    "-rf",
    "--help",
    "*",
    "~",
    "%s %d {} {0} {x}",
    "\\",
    "\\n",
    "' or 1=1 --",
    "é\u202e\U0001f4a5",
    " leading and trailing ",
    "",
    "null",
    "[1, 2",
    "$HOME",
    "!!",
]
#: Those that can be the name of a file.
NAMES = [text for text in NASTY if text and "\n" not in text and text not in ("~",)]

#: Copies the parameter as each channel gives it.
TELL = """
import json, os, pathlib, sys
from penstock import task
out = pathlib.Path(os.environ["PENSTOCK_OUT"])
(source,) = [path for path in pathlib.Path(os.environ["PENSTOCK_IN"], "in").iterdir()]
with open(os.environ["PENSTOCK_PARAMS"], encoding="utf-8") as file:
    told = json.load(file)
(out / source.name).write_text(json.dumps({
    "environment": os.environ["PENSTOCK_PARAM_VALUE"],
    "json": told["value"],
    "sdk": task.params["value"],
    "variable": os.environ["VALUE"],
    "argv": sys.argv[1:],
    "content": source.read_text(),
}))
print(told["value"])
"""


def make(root: Path, steps: dict[str, Any], params: dict[str, Any] | None = None) -> Project:
    project = Project.create(root)
    (root / "pipeline.json").write_text(json.dumps({"pipeline": "law", "params": params or {}, "steps": steps}))
    return project


def untouched(root: Path) -> None:
    for place in (root, Path.cwd()):
        assert not list(place.rglob("touched")), "a shell has read it"


def test_values_pass_every_channel_as_they_are(tmp_path: Path) -> None:
    """As a parameter, a variable, an argument and the content of a file: one step for each value."""
    root = tmp_path / "lab"
    steps = {
        f"s{number}": {
            "input": "in:/*",
            "params": {"value": value},
            "env": {"vars": {"VALUE": value}},
            "run": [sys.executable, "tell.py", value, f"x{value}"],
        }
        for number, value in enumerate(NASTY)
    }
    with make(root, steps) as project:
        (root / "tell.py").write_text(TELL)
        (root / "file").write_text(NASTY[0])
        project.put("in", root / "file")
        view = project.run()
        assert view.state == "success", [
            task for job in view.jobs for task in lists.failed_tasks(project.parts, job, 3)
        ]
        printed = {chunk.task: chunk.data.decode() for chunk in logs(project.parts, view.run)}
        for number, value in enumerate(NASTY):
            assert json.loads(project.read(f"s{number}:/file")) == {
                **dict.fromkeys(("environment", "json", "sdk", "variable"), value),
                "argv": [value, f"x{value}"],
                "content": NASTY[0],
            }
            (task,) = lists.tasks(project.parts, f"s{number}", 10, None).items
            assert printed[task.task] == f"{value}\n"
            assert task.params == {"value": value}
        assert list(fsck(project.parts)) == []
    untouched(tmp_path)


def test_values_given_to_a_run_and_on_the_command_line(tmp_path: Path) -> None:
    root = tmp_path / "lab"
    shell = 'printf %s "$PENSTOCK_PARAM_VALUE" > "$PENSTOCK_OUT/value"'
    with make(root, {"s": {"run": shell}}, {"value": ""}) as project:
        for value in NASTY:
            view = project.run(params={"value": value})
            assert view.state == "success"
            assert project.read(f"s@{view.run}:/value").decode() == value
        for value in (value for value in NASTY[:9] if not value.startswith('"')):  # that one is JSON
            done = subprocess.run(
                [sys.executable, "-m", "penstock", "run", "--json", "-p", f"value={value}"],
                cwd=root,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                capture_output=True,
                text=True,
                check=True,
            )
            answer = json.loads(done.stdout)
            assert answer["params"] == {"value": value}
            assert project.read(f"s@{answer['run']}:/value").decode() == value
    untouched(tmp_path)


def test_a_shell_step_gets_the_project_s_text_and_no_other(tmp_path: Path) -> None:
    """`sh -c` is asked for by the pipeline file; parameters are not pasted into it."""
    root = tmp_path / "lab"
    steps = {
        "s": {
            "params": {"value": "$(touch touched);"},
            "run": "echo $PENSTOCK_PARAM_VALUE '{other}' %s > $PENSTOCK_OUT/said",
        }
    }
    with make(root, steps) as project:
        project.run()
        assert project.read("s:/said") == b"$(touch touched); {other} %s\n"
    untouched(tmp_path)


def test_names_of_files_stay_names(tmp_path: Path) -> None:
    """Through put, globs, bindings, keys, the ledger, reports, answers and get."""
    root = tmp_path / "lab"
    files = tmp_path / "files"
    for name in NAMES:
        (files / "d" / name).mkdir(parents=True)
        (files / "d" / name / name).write_text(name)
        (files / name).write_text(name)
    tell = 'cd "$PENSTOCK_IN/in" && cp -r -- . "$PENSTOCK_OUT/"'
    steps = {"one": {"input": "in:/*", "run": tell}, "deep": {"input": "in:/d/*/*", "run": tell}}
    with make(root, steps) as project:
        project.put("in", f"{files}/")
        view = project.run()
        assert view.state == "success"
        assert [job.tasks.total for job in sorted(view.jobs, key=lambda job: job.step)] == [len(NAMES), len(NAMES) + 1]
        for name in NAMES:
            assert project.read(f"one:/{name}").decode() == name
            assert project.read(f"deep:/d/{name}/{name}").decode() == name
            assert trace(project.parts, parse_reference(f"one:/{name}")).inputs[0].file.endswith(f":/{name}")
        project.get("one", tmp_path / "got")
        done = subprocess.run(["diff", "-r", files, tmp_path / "got"], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
        row = resolve.job(project.parts, "one")
        for task in project.parts.store.load(Task, "tasks_of_job", job=row.seq, after=0, limit=100):
            assert explain(project.parts, task.id)
        for name in NAMES:
            project.remove(f"in:/{name}")
        assert project.run().state == "success"
        assert [item.path for item in project.ls("one")] == ["d"]
        assert list(fsck(project.parts)) == []
    untouched(tmp_path)


@pytest.mark.parametrize("name", ["$(touch touched)", "a b", "a'b", 'a"b', "-n", "ü"])
def test_a_project_in_an_odd_directory(tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    run = {"one": {"input": "in:/*", "run": 'cp "$PENSTOCK_IN"/in/* "$PENSTOCK_OUT"'}}
    with make(root, run) as project:
        (root / "x").write_text("x")
        project.put("in", root / "x")
        assert project.run().state == "success"
        assert project.read("one:/x") == b"x"
    untouched(tmp_path)


@pytest.mark.parametrize("value", [text for text in NASTY if text != "null"])
def test_names_of_things_are_refused_not_run(tmp_path: Path, value: str) -> None:
    """What is not a name gets a line that shows it, on one line."""
    from penstock.model.errors import PenstockError

    with make(tmp_path / "lab", {"s": {"run": "true"}}) as project:
        for ask in (
            lambda: project.read(f"{value}:/x"),
            lambda: project.put(value, tmp_path),
            lambda: project.read(f"in@{value}:/x"),
            lambda: project.wait(value),
            lambda: project.run(params={value: 1}),
            lambda: explain(project.parts, value),
            lambda: list(logs(project.parts, value)),
        ):
            with pytest.raises(PenstockError) as caught:
                ask()
            assert "\n" not in str(caught.value)
        assert project.runs() == []
    untouched(tmp_path)
