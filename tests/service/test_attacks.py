"""What once gave wrong results without a word: each of these must stay right."""

from __future__ import annotations

import os
from typing import Any

import pytest

from penstock.model.errors import BadSpec, Refused
from penstock.service.data import repos
from penstock.service.driving import control
from penstock.service.opening import begin

UP = "[sh, -c, 'cp $PENSTOCK_IN/in/* $PENSTOCK_OUT']"


@pytest.mark.parametrize(
    "copy",
    ['cp -a "$PENSTOCK_IN/in/." "$PENSTOCK_OUT/"', 'cp x "$PENSTOCK_OUT"; touch -r "$PENSTOCK_IN" "$PENSTOCK_OUT"'],
)
def test_output_counts_whatever_its_times_say(lab: Any, copy: str) -> None:
    (lab.root / "x").write_text("x")
    lab.pipeline(
        f"steps: {{a: {{input: 'in:/*', run: [sh, -c, '{copy}; mv $PENSTOCK_OUT/* $PENSTOCK_OUT/$PENSTOCK_TASK']}}}}"
    )
    lab.put("in", {name: name for name in "abcd"})
    lab.ok()
    assert len(lab.files("a")) == 4


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write into frozen code")
@pytest.mark.parametrize("change", ["echo more >> conf.txt", "sed -i s/one/two/ conf.txt"])
def test_changed_code_fails_the_task_that_changed_it(lab: Any, change: str) -> None:
    (lab.root / "conf.txt").write_text("one\n")
    lab.pipeline(
        f"steps: {{a: {{input: 'in:/*', run: [sh, -c, 'cat conf.txt > $PENSTOCK_OUT/$PENSTOCK_TASK; {change}']}}}}"
    )
    lab.put("in", {name: name for name in "abc"})
    view = lab.run()
    assert view.jobs[0].tasks.failed == 3
    assert all("conf.txt" in message for message in lab.failures(view.jobs[0]))


def test_the_directory_a_step_runs_in_counts_with_its_code(lab: Any) -> None:
    for place in ("w1", "w2"):
        (lab.root / place).mkdir()
        (lab.root / place / "tool.sh").write_text(f"echo {place} > $PENSTOCK_OUT/x\n")
    step = "steps: {a: {input: 'in:/*', workdir: %s, run: [sh, tool.sh]}}"
    lab.pipeline(step % "w1")
    lab.put("in", {"f": "f"})
    lab.ok()
    lab.pipeline(step % "w2")
    assert lab.ok() == {"a": (1, 1, 0)} and lab.files("a") == {"x": "w2\n"}
    (lab.root / "w2" / "tool.sh").write_text("echo new > $PENSTOCK_OUT/x\n")
    assert lab.ok() == {"a": (1, 1, 0)} and lab.files("a") == {"x": "new\n"}


def test_a_repo_made_anew_is_compared_in_full(lab: Any) -> None:
    lab.pipeline(f"pipeline: p\nsteps: {{a: {{input: 'in:/*', run: {UP}}}}}")
    lab.put("in", {"0": "0", "1": "1"})
    lab.ok()
    begin.delete(lab.parts, "p")
    repos.delete_repo(lab.parts, "in")
    lab.put("in", {"0": "0"})
    assert lab.ok() == {"a": (1, 0, 1)} and lab.files("a") == {"0": "0"}


def test_an_old_run_is_not_tried_again_over_newer_data(lab: Any) -> None:
    lab.pipeline("pipeline: p\nsteps: {a: {input: 'in:/*', run: [sh, -c, '! grep bad $PENSTOCK_IN/in/x']}}")
    lab.put("in", {"x": "bad"})
    failed = lab.run()
    lab.put("in", {"x": "good"})
    lab.ok()
    with pytest.raises(Refused, match="has published newer data"):
        control.retry(lab.parts, failed.run)
    begin.delete(lab.parts, "p")
    with pytest.raises(Refused, match="does not publish to 'a' any more"):
        control.retry(lab.parts, failed.run)


def test_links_go_with_the_pipeline_that_made_them(lab: Any) -> None:
    (lab.root / "src").mkdir()
    (lab.root / "src" / "f").write_text("1")
    lab.pipeline(f"pipeline: p\nrepos: {{in: {{path: src}}}}\nsteps: {{a: {{input: 'in:/*', run: {UP}}}}}")
    lab.ok()
    lab.pipeline(
        "pipeline: q\nrepos: {in: {path: other}}\nsteps: {b: {input: 'in:/*', run: [sh, -c, 'true']}}", "q.yaml"
    )
    (lab.root / "other").mkdir()
    with pytest.raises(BadSpec, match=r"q.yaml:2:.*linked to src/ by pipeline 'p'"):
        lab.run("q.yaml")
    lab.pipeline(f"pipeline: p\nsteps: {{a: {{input: 'in:/*', run: {UP}}}}}")
    lab.ok()
    lab.put("in", {"f": "2"})
    lab.ok()
    assert lab.files("a") == {"f": "2"}


def test_a_second_file_without_a_name_is_another_pipeline(lab: Any) -> None:
    lab.pipeline(f"steps: {{a: {{input: 'in:/*', run: {UP}}}}}")
    lab.pipeline(f"steps: {{b: {{input: 'in:/*', run: {UP}}}}}", "more.yaml")
    lab.put("in", {"x": "1"})
    lab.ok()
    lab.ok("more.yaml")
    assert sorted(lab.parts.pipelines()) == sorted([lab.root.name, "more"])


def test_a_link_that_two_pipelines_share_stays_until_both_are_gone(lab: Any) -> None:
    (lab.root / "src").mkdir()
    (lab.root / "src" / "f").write_text("1")
    for name in "pq":
        steps = f"steps: {{{name}: {{input: 'in:/*', run: {UP}}}}}"
        lab.pipeline(f"pipeline: {name}\nrepos: {{in: {{path: src}}}}\n{steps}", f"{name}.yaml")
        lab.ok(f"{name}.yaml")
    begin.delete(lab.parts, "p")
    with pytest.raises(Refused, match="is linked to src/"):
        lab.put("in", {"f": "2"})
    begin.delete(lab.parts, "q")
    lab.put("in", {"f": "2"})
    assert lab.files("in") == {"f": "2"}
