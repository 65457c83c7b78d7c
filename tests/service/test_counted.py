"""`plan --code`: which files count for a step, and why."""

from __future__ import annotations

import pytest

from penstock.model.errors import NotFound
from penstock.model.views import CountedFile
from penstock.service.answers.counted import counted
from tests.service.conftest import Lab


def listed(lab: Lab, step: str) -> dict[str, tuple[str, str | None]]:
    return {item.path: (item.why, item.job) for item in counted(lab.parts, None, step)}


def test_each_file_has_its_reason(lab: Lab) -> None:
    lab.write("main.py", "import helper; open('conf/' + 'a.txt').read()")
    for name in ("helper.py", "conf/a.txt", "conf/b.txt", "named.txt", "other.txt"):
        lab.write(name, "")
    lab.pipeline("""
        steps:
          read: {output: out, code: {also: 'named.*'}, run: [python3, main.py]}
          plain: {run: [python3, main.py]}
    """)
    before = {"main.py": ("found", None), "helper.py": ("found", None), "named.txt": ("named", None)}
    assert listed(lab, "read") == before
    run = lab.run()
    seen = {**before, "conf/a.txt": ("read", f"read@{run.run}")}
    assert listed(lab, "read") == seen
    lab.write("other.txt", "new")
    lab.ok()
    assert listed(lab, "read") == seen, "the job that took the result over read nothing itself"
    assert listed(lab, "plain") == {}
    assert counted(lab.parts, None, "read")[0] == CountedFile("conf/a.txt", "read", f"read@{run.run}")
    with pytest.raises(NotFound, match="no step 'raed'; did you mean 'read'"):
        counted(lab.parts, None, "raed")
