"""What tasks open of the frozen code counts, whatever their commands say."""

from __future__ import annotations

import pytest

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
