"""Branches that follow others because an input of a pipeline says so."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.model.errors import BadSpec, Refused
from penstock.model.ids import parse_reference
from penstock.service.data import triggers
from penstock.service.opening import begin, firing

PIPELINE = """
    pipeline: watch
    steps:
      slow:
        input: {repo: in, glob: /*, trigger: {commits: 3%s}}
        run: cp -r "$PENSTOCK_IN"/in/. "$PENSTOCK_OUT"
"""


def test_every_third_commit(lab: Any) -> None:
    lab.put("in", {"a": "1"})
    lab.pipeline(PIPELINE % "")
    assert lab.ok() == {"slow": (0, 0, 0)}
    lab.put("in", {"b": "1"})
    assert lab.files("slow") == {}
    lab.put("in", {"c": "1"})
    lab.project.wait("last")
    assert sorted(lab.files("slow")) == ["a", "b", "c"]
    # Applied again, it goes on counting; changed, it counts as it says now.
    fired = firing.trigger_of(lab.parts, "in", "slow-trigger")
    lab.ok()
    assert firing.trigger_of(lab.parts, "in", "slow-trigger") == fired
    lab.pipeline(PIPELINE % ", every: 1h")
    lab.ok()
    found = firing.trigger_of(lab.parts, "in", "slow-trigger")
    assert found is not None and found.every == 3_600_000_000


def test_it_goes_with_its_pipeline(lab: Any) -> None:
    lab.put("in", {"a": "1"})
    lab.pipeline(PIPELINE % "")
    lab.ok()
    target = parse_reference("in@slow-trigger")
    with pytest.raises(Refused, match="moves for an input of pipeline 'watch'"):
        triggers.unset_trigger(lab.parts, target)
    with pytest.raises(Refused, match="moves for an input of pipeline 'watch'"):
        triggers.set_trigger(lab.parts, target, "main", commits=1)
    begin.delete(lab.parts, "watch")
    assert firing.trigger_of(lab.parts, "in", "slow-trigger") is None
    triggers.set_trigger(lab.parts, target, "main", commits=1)
    lab.pipeline(PIPELINE % "")
    with pytest.raises(BadSpec, match=r"in@slow-trigger moves by another trigger already"):
        lab.run()


def test_no_circle(lab: Any) -> None:
    lab.put("in", {"a": "1"})
    triggers.set_trigger(lab.parts, parse_reference("in@x"), "slow-trigger", commits=1)
    lab.pipeline("""
        steps:
          slow:
            input: {repo: in, glob: /*, trigger: {branch: x, commits: 1}}
            run: "true"
    """)
    with pytest.raises(BadSpec, match=r"pipeline\.yaml:4:\d+: .*would follow itself"):
        lab.run()
    assert firing.trigger_of(lab.parts, "in", "slow-trigger") is None
