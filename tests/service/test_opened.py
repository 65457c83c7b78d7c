"""What tasks open of the frozen code counts, whatever their commands say."""

from __future__ import annotations

import pytest

from penstock.service.answers.plan import plan
from tests.service.conftest import Lab

#: Reads a file whose name stands nowhere, with a tool that stands nowhere.
READER = """
steps:
  read:
    output: out
    input: data:/*
    run: |
      name=$(basename $PENSTOCK_IN/data/*)
      cat "conf/$name.txt" > "$PENSTOCK_OUT/$name"
"""


def reader(lab: Lab) -> None:
    lab.pipeline(READER)
    for name in "ab":
        lab.write(f"conf/{name}.txt", f"{name}1")
    lab.write("conf/other.txt", "x")
    lab.put("data", {"a": "", "b": ""})


def test_what_a_task_opened_counts_for_it_alone_and_a_revert_finds_the_old_result(lab: Lab) -> None:
    reader(lab)
    assert lab.ok() == {"read": (2, 2, 0)}
    lab.write("conf/other.txt", "y")
    assert lab.planned() == {"read": (2, 0)}
    assert lab.ok() == {"read": (2, 0, 2)}
    lab.write("conf/a.txt", "a2")
    assert lab.planned() == {"read": (2, 1)}
    assert lab.ok() == {"read": (2, 1, 1)}
    assert lab.files("out") == {"a": "a2", "b": "b1"}
    assert "code file conf/a.txt changed" in lab.explain("read")
    lab.write("conf/a.txt", "a1")
    assert lab.ok() == {"read": (2, 0, 2)}
    assert lab.files("out") == {"a": "a1", "b": "b1"}
    lab.write("conf/a.txt", "a2")
    lab.write("conf/b.txt", "b2")
    assert lab.ok() == {"read": (2, 1, 1)}
    assert lab.files("out") == {"a": "a2", "b": "b2"}


def test_new_data_takes_over_what_was_read_before(lab: Lab) -> None:
    reader(lab)
    lab.ok()
    lab.write("conf/c.txt", "c1")
    lab.put("data", {"c": ""})
    assert lab.ok() == {"read": (3, 1, 2)}
    lab.write("conf/b.txt", "b2")
    assert lab.ok() == {"read": (3, 1, 2)}
    assert lab.files("out") == {"a": "a1", "b": "b2", "c": "c1"}


@pytest.mark.parametrize(
    "run",
    [
        "cd scripts && python3 x.py",
        '. "$(dirname ./scripts)/scripts/y"; cat scripts/helper.py',
        "./scripts/exe",
        "find . -name 'help*.py' | xargs cat",
        "python3 -c 'import sys; sys.path.append(\"scripts\"); import x'",
        "cp -r scripts $PENSTOCK_OUT; cat $PENSTOCK_OUT/scripts/helper.py",
    ],
)
def test_common_ways_to_name_code(lab: Lab, run: str) -> None:
    lab.write("scripts/x.py", "import helper; print(helper.VALUE)")
    lab.write("scripts/y", ":")
    lab.write("scripts/helper.py", "VALUE = 1")
    lab.write("scripts/exe", "#!/bin/sh\ncd scripts && exec python3 x.py", 0o755)
    lab.write("run.sh", f"{{ {run}; }} > $PENSTOCK_OUT/x")
    lab.pipeline("steps: {read: {output: out, run: [sh, run.sh]}}")
    assert lab.ok() == {"read": (1, 1, 0)}
    assert "1" in lab.files("out")["x"]
    assert lab.ok() == {"read": (1, 0, 1)}
    lab.write("scripts/helper.py", "VALUE = 2")
    assert lab.ok() == {"read": (1, 1, 0)}
    assert "2" in lab.files("out")["x"]


def test_a_link_that_is_pointed_elsewhere_counts_with_what_it_led_to(lab: Lab) -> None:
    for name in ("one", "two"):
        lab.write(f"{name}/t.txt", name)
    (lab.root / "conf").symlink_to("one")
    lab.write("run.sh", "cat co*/t.txt > $PENSTOCK_OUT/x")
    lab.pipeline("steps: {read: {output: out, run: [sh, run.sh]}}")
    lab.ok()
    lab.write("one/t.txt", "new")
    assert lab.ok() == {"read": (1, 1, 0)}
    (lab.root / "conf").unlink()
    (lab.root / "conf").symlink_to("two")
    assert lab.ok() == {"read": (1, 1, 0)}
    assert lab.files("out") == {"x": "two"}


def test_what_a_process_opened_that_serves_many_counts_for_all_after_it(lab: Lab) -> None:
    lab.write(
        "serve.py",
        """
import json, os, shutil, sys
fixed = open("con" + "f/all.txt").read()
for line in sys.stdin:
    task = json.loads(line)
    name = os.listdir(task["in"] + "/data")[0]
    with open(task["out"] + "/" + name, "w") as file:
        file.write(fixed)
    os.write(3, json.dumps({"attempt": task["attempt"]}).encode() + b"\\n")
""",
    )
    lab.write("conf/all.txt", "1")
    lab.put("data", dict.fromkeys("abc", ""))
    lab.pipeline("steps: {read: {output: out, input: 'data:/*', batch: {}, run: [python3, serve.py]}}")
    assert lab.ok() == {"read": (3, 3, 0)}
    lab.write("conf/all.txt", "2")
    assert lab.ok() == {"read": (3, 3, 0)}
    assert set(lab.files("out").values()) == {"2"}


def test_links_count_by_what_they_lead_to_where_nothing_is_watched(lab: Lab) -> None:
    lab.write("real/a.py", "import m; print(m.VALUE)")
    lab.write("real/pkg/__init__.py", "VALUE = 1")
    (lab.root / "m").symlink_to("again")
    (lab.root / "again").symlink_to("real/pkg")
    (lab.root / "a.py").symlink_to(lab.root / "real/a.py")
    (lab.root / "ring").symlink_to("ring")
    lab.pipeline("steps: {live: {reuse: true, run: [sh, -c, 'PYTHONPATH=. python3 a.py ring']}}")
    assert lab.ok() == {"live": (1, 1, 0)}
    assert lab.ok() == {"live": (1, 0, 1)}
    lab.write("real/pkg/__init__.py", "VALUE = 2")
    assert lab.ok() == {"live": (1, 1, 0)}
    lab.write("real/a.py", "import m; print(m.VALUE + 1)")
    assert lab.ok() == {"live": (1, 1, 0)}


def test_a_link_out_of_the_project_leads_there_and_is_told_once(lab: Lab) -> None:
    (lab.root.parent / "shared").mkdir()
    (lab.root.parent / "shared/x").write_text("x1")
    (lab.root / "sub").mkdir()
    (lab.root / "sub/far").symlink_to("../../shared")
    lab.pipeline("steps: {read: {output: out, run: 'cat sub/far/x > $PENSTOCK_OUT/x'}}")
    told = plan(lab.parts, None, {}).warnings
    assert told == (
        f"sub/far: leads out of the project, to {lab.root.parent}/shared; what is there does not count as code",
    )
    assert lab.ok() == {"read": (1, 1, 0)}
    assert lab.files("out") == {"x": "x1"}
    assert plan(lab.parts, None, {}).warnings == ()


def test_code_narrows_what_its_tasks_find_and_also_adds(lab: Lab) -> None:
    lab.write("a.py", "import os; print(sorted(os.listdir('.')))")
    lab.write("b.txt", "1")
    text = "steps: {read: {output: out, code: CODE, run: 'python3 a.py > $PENSTOCK_OUT/x'}}"
    lab.pipeline(text.replace("CODE", "a.py"))
    lab.ok()
    assert lab.files("out") == {"x": "['a.py']\n"}
    lab.write("b.txt", "2")
    assert lab.ok() == {"read": (1, 0, 1)}
    lab.pipeline(text.replace("CODE", "{also: '*.txt'}"))
    assert lab.ok() == {"read": (1, 1, 0)}
    assert lab.files("out") == {"x": "['a.py', 'b.txt', 'pipeline.yaml']\n"}
    lab.write("b.txt", "3")
    assert lab.ok() == {"read": (1, 1, 0)}


def test_what_counts_of_a_step_that_runs_live_is_told_once_per_version(lab: Lab) -> None:
    lab.write("a.py", "")
    lab.pipeline("steps: {live: {reuse: true, run: [python3, a.py]}, quiet: {run: [python3, a.py]}}")
    (told,) = plan(lab.parts, None, {}).warnings
    assert "of its files a.py counts" in told and '"live"' in told
    lab.ok()
    assert plan(lab.parts, None, {}).warnings == ()
    lab.pipeline("steps: {read: {output: out, code: 'b*', run: [python3, a.py]}}")
    assert any("a.py stands in `run`, but `code` leaves it out" in line for line in plan(lab.parts, None, {}).warnings)
