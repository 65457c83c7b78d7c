"""What commands do, done by a program: the methods of `Project`."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.model.errors import Refused


def test_what_people_do_to_jobs(lab: Any) -> None:
    lab.put("in", {"a": "1", "b": "2"})
    lab.pipeline("""
        steps:
          copy:
            input: in:/*
            run: 'echo hello; cp -r "$PENSTOCK_IN"/in/. "$PENSTOCK_OUT"; test -e go || test ! -e "$PENSTOCK_IN/in/b"'
            workdir: .
    """)
    project = lab.project
    begun = project.begin()
    assert project.hold("copy").endswith("is held")
    assert project.release("copy").endswith("is released")
    assert project.wait(begun.run.id).state == "failure"
    lab.write("go", "")
    again = project.retry("copy")
    assert project.wait(again.run).state == "success"
    with pytest.raises(Refused, match="succeeded"):
        project.retry("copy")
    assert {chunk.data for chunk in project.logs(begun.run.id)} == {b"hello\n"}
    assert project.trace("copy:/a").file.endswith(":/a")
    assert all(check.same for check in project.verify("copy", sample=2).checked)
    with pytest.raises(Refused, match="done already"):
        project.stop("copy")
