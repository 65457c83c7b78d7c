"""Code of the project that tasks reach by another way than the directory they run in, and what they do there."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.service.conftest import Lab

STEP = "steps: {read: {output: out, run: 'python3 tools/x.py > $PENSTOCK_OUT/x'}}"


def project(lab: Lab) -> None:
    lab.write("src/mypkg/__init__.py", "VALUE = 1")
    lab.write("tools/x.py", "import mypkg; print(mypkg.VALUE, mypkg.__file__)")
    lab.pipeline(STEP)


def check(lab: Lab) -> None:
    assert lab.ok() == {"read": (1, 1, 0)}
    value, _, file = lab.files("out")["x"].strip().partition(" ")
    assert value == "1" and not file.startswith(f"{lab.root}/src/")
    lab.write("src/mypkg/__init__.py", "VALUE = 22")
    assert lab.ok() == {"read": (1, 1, 0)}
    assert lab.files("out")["x"].startswith("22 ")


def test_an_inherited_pythonpath(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    project(lab)
    monkeypatch.setenv("PYTHONPATH", f"{lab.root}/src")
    check(lab)


def test_an_editable_install(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    project(lab)
    place = lab.root.parent / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", place], check=True)
    packages = Path(sysconfig.get_path("purelib", "posix_prefix", {"base": str(place), "platbase": str(place)}))
    (packages / "mypkg.pth").write_text(f"{lab.root}/src\n")
    monkeypatch.setenv("VIRTUAL_ENV", str(place))
    monkeypatch.setenv("PATH", f"{place}/bin:/usr/bin:/bin")
    check(lab)


@pytest.mark.parametrize("run", ["echo x > model.pkl", "echo x >> tools/x.py", "rm tools/x.py", "mkdir -p new/one"])
def test_what_a_task_writes_beside_its_output_is_told_and_the_next_one_does_not_find_it(lab: Lab, run: str) -> None:
    lab.write("tools/x.py", "1")
    lab.pipeline(f"""
        steps:
          bad: {{output: bad, run: '{run}'}}
          good: {{output: out, after: {{bad: end}}, run: 'find . -type f | sort > $PENSTOCK_OUT/x'}}
    """)
    bad, good = lab.run().jobs
    name = run.split()[-1].split("/")[0] if "new" in run else run.split()[-1]
    assert lab.failures(bad) == [f"it changed {name!r} outside its output; write into $PENSTOCK_OUT"]
    assert good.state == "success"
    assert lab.files("out") == {"x": "./pipeline.yaml\n./tools/x.py\n"}


def test_layouts_can_be_removed_by_their_owner(lab: Lab) -> None:
    project(lab)
    lab.run()
    folders = [path for path in (lab.parts.layout.work / "code").rglob("*") if path.is_dir()]
    assert folders and all(path.stat().st_mode & 0o700 == 0o700 for path in folders)
