"""Tasks run again aside, and files followed on to what was made of them."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.model.errors import BadReference, NotFound, Refused
from penstock.model.ids import parse_reference
from penstock.service.answers.downstream import trace_down
from penstock.service.driving.verifying import verify


def test_what_gives_the_same_bytes_is_the_same(lab: Any) -> None:
    lab.put("in", {name: name for name in "abcde"})
    lab.pipeline("""
        params: {p: 1}
        steps:
          work:
            input: in:/*
            run: cat $PENSTOCK_IN/in/* > $PENSTOCK_OUT/$(ls $PENSTOCK_IN/in)
        """)
    lab.ok()
    before = lab.project.log("work"), lab.project.runs(), lab.files("work")
    view = verify(lab.parts, "work", 3)
    assert (view.bindings, len(view.checked), view.skipped) == (5, 3, 0)
    assert all(check.same for check in view.checked)
    assert len({check.binding for check in view.checked}) == 3
    assert (lab.project.log("work"), lab.project.runs(), lab.files("work")) == before
    lab.put("in", {"f": "f"})
    lab.ok()
    assert len(verify(lab.parts, "work", 99).checked) == 6, "what was reused counts, too"


def test_what_depends_on_something_else_is_named(lab: Any) -> None:
    lab.put("in", {name: name for name in "abc"})
    lab.pipeline(
        """
        steps:
          work:
            input: in:/*
            run: |
              cd $PENSTOCK_OUT; n=$(ls $PENSTOCK_IN/in)
              test $n != a || date +%N > random-$n
              test $n != b || test ! -e HERE/broken || exit 4
              echo same > same-$n
        """.replace("HERE", str(lab.root.parent))
    )
    lab.ok()
    (lab.root.parent / "broken").touch()
    view = verify(lab.parts, "work", 10)
    found = {check.binding: (check.same, check.differs, check.message) for check in view.checked}
    assert found == {
        ("a",): (False, ("random-a",), ""),
        ("b",): (False, (), "it failed this time: sh ended with exit code 4"),
        ("c",): (True, (), ""),
    }
    command = lab.penstock("verify", "work", "--sample", "10")
    said, talk = command.communicate(timeout=60)
    assert command.returncode == 1 and "random-a" in said and "2 differ" in talk


def test_what_cannot_be_compared_is_refused(lab: Any) -> None:
    lab.pipeline("steps: {plain: {run: 'true'}, broken: {run: 'exit 1', output: x}}")
    lab.run()
    with pytest.raises(Refused, match="`reuse` off"):
        verify(lab.parts, "plain", 1)
    assert verify(lab.parts, "broken", 1).checked == ()
    with pytest.raises(NotFound):
        verify(lab.parts, "gone", 1)


def test_down_from_a_file(lab: Any) -> None:
    lab.put("in", {"a": "1", "b": "2"})
    lab.pipeline("""
        steps:
          up: {input: in:/*, run: "cp $PENSTOCK_IN/in/* $PENSTOCK_OUT"}
          all: {input: up:/, run: "cat $PENSTOCK_IN/up/* > $PENSTOCK_OUT/all"}
          pairs: {input: {cross: ["in:/*", {repo: up, glob: /*, as: other}]}, run: "touch $PENSTOCK_OUT/$PENSTOCK_TASK"}
        """)
    lab.ok()
    tree = trace_down(lab.parts, parse_reference("in:/a"))
    uses = {(use.name.partition("@")[0], use.binding) for use in tree.used}
    assert uses == {("up", ("a",)), ("pairs", ("a", "a")), ("pairs", ("a", "b"))}
    (up,) = [use for use in tree.used if use.name.startswith("up@")]
    (copy,) = up.used
    assert copy.name.endswith(":/a") and copy.name.startswith("up@")
    made = {use.name.partition("@")[0]: [file.name.partition(":")[2] for file in use.used] for use in copy.used}
    assert made["all"] == ["/all"]
    with pytest.raises(BadReference):
        trace_down(lab.parts, parse_reference("in"))
    with pytest.raises(NotFound):
        trace_down(lab.parts, parse_reference("in:/gone"))
