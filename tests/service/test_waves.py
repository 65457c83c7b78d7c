"""Runs, waves and turns: what a commit opens, what waits for what, which run goes first."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.model.errors import BadReference, BadSpec, NotFound, Refused
from penstock.service.answers import lists
from penstock.service.data import repos
from penstock.service.opening import begin

UP = "cp -r $PENSTOCK_IN/*/. $PENSTOCK_OUT"


def order(lab: Any) -> list[str]:
    """Runs as they ended, by the text of the file `x` that their `last` step made."""
    done = sorted(lab.project.runs(100), key=lambda run: run.finished)
    return [run.run for run in done]


def test_a_put_opens_one_run_over_everything_downstream(lab: Any) -> None:
    lab.pipeline(f"pipeline: one\nsteps: {{a: {{input: 'in:/*', run: {UP}}}, b: {{input: 'a:/*', run: {UP}}}}}")
    lab.pipeline(f"pipeline: two\nsteps: {{c: {{input: 'b:/*', run: {UP}}}}}", "two.yaml")
    lab.put("in", {"x": "1"})
    lab.ok()
    lab.ok("two.yaml")
    commit = lab.put("in", {"x": "2"})
    opened = lab.project.run_view(commit)
    assert [(job.step, job.state) for job in opened.jobs] == [("a", "created"), ("b", "created"), ("c", "created")]
    assert opened.origin == "put" and opened.pipeline is None
    assert "waits for" in lab.explain(opened.jobs[1].job)
    assert "nobody drives" in lab.explain(opened.jobs[0].job)
    done = lab.project.wait(commit)
    assert [(job.step, job.tasks.processed) for job in done.jobs] == [("a", 1), ("b", 1), ("c", 1)]
    for repo in "abc":
        assert lab.files(repo) == lab.files(f"{repo}@{commit}") == {"x": "2"}


def test_a_put_with_nothing_downstream_opens_no_run(lab: Any) -> None:
    lab.pipeline(f"steps: {{a: {{input: 'in:/*', run: {UP}}}}}")
    lab.put("in", {"x": "1"})
    lab.ok()
    before = len(lab.project.runs(100))
    lab.put("elsewhere", {"x": "2"})
    lab.put("in@dev", {"x": "2"})
    assert len(lab.project.runs(100)) == before


def test_runs_opened_by_puts_go_first_and_in_order(lab: Any) -> None:
    lab.pipeline(f"steps: {{a: {{input: 'in:/*', run: {UP}}}}}")
    lab.put("in", {"x": "0"})
    lab.ok()
    puts = [lab.put("in", {"x": str(number)}) for number in (1, 2, 3)]
    last = lab.run().run
    assert order(lab)[-4:] == [*puts, last]
    assert [lab.files(f"a@{run}") for run in puts] == [{"x": "1"}, {"x": "2"}, {"x": "3"}]
    assert [view.commit for view in lab.project.log("a")][:4] == [last, *reversed(puts)]


def test_a_run_of_one_pipeline_sees_the_puts_of_another_through(lab: Any) -> None:
    lab.pipeline(f"pipeline: one\nsteps: {{a: {{input: 'in:/*', run: {UP}}}}}")
    lab.pipeline(f"pipeline: two\nsteps: {{b: {{input: 'other:/*', run: {UP}}}}}", "two.yaml")
    lab.put("in", {"x": "1"})
    lab.put("other", {"x": "1"})
    lab.ok()
    lab.ok("two.yaml")
    put = lab.put("other", {"x": "2"})
    lab.ok()
    assert lab.project.run_view(put).state == "success"
    assert lab.files("b") == {"x": "2"}


def test_a_put_after_an_unfinished_run_is_not_forgotten(lab: Any) -> None:
    lab.pipeline(f"steps: {{a: {{input: 'in:/*', run: {UP}}}}}")
    lab.put("in", {"x": "1"})
    first = lab.project.begin().run.id
    lab.put("in", {"x": "2"})
    last = lab.run()
    assert last.run != first
    assert lab.files("a") == lab.files(f"a@{last.run}") == {"x": "2"}
    assert not lab.parts.store.fetch("active_runs")


def test_an_unfinished_run_is_continued_under_its_id(lab: Any) -> None:
    lab.pipeline(f"params: {{n: 1}}\nsteps: {{a: {{input: 'in:/*', run: {UP}}}}}")
    lab.put("in", {"x": "1"})
    first = lab.project.begin(params={"n": 2})
    again = lab.project.begin(params={"n": 2})
    assert again.continued and again.run.id == first.run.id
    other = lab.project.begin(params={"n": 3})
    assert not other.continued, "another question"
    assert lab.run(n=3).run == other.run.id
    assert lab.project.run_view(first.run.id).state == "success", "both were asked"


def test_runs_of_an_older_version_are_superseded(lab: Any) -> None:
    lab.pipeline(f"steps: {{a: {{input: 'in:/*', run: {UP}}}}}")
    lab.put("in", {"x": "1"})
    old = lab.project.begin().run.id
    lab.pipeline(f"steps: {{a: {{input: 'in:/*', run: true && {UP}}}}}")
    new = lab.run()
    assert new.state == "success" and new.run != old
    view = lab.project.run_view(old)
    assert (view.state, view.reason) == ("killed", "superseded")
    assert "newer version" in lab.explain(old)


def test_a_run_with_nothing_to_do_is_a_run(lab: Any) -> None:
    lab.pipeline(f"steps: {{a: {{input: 'in:/*', run: {UP}}}}}")
    lab.put("in", {"x": "1"})
    first, second = lab.run(), lab.run()
    assert first.run != second.run
    trees = [view.tree for view in lab.project.log("a")]
    assert len(trees) == 2 and len(set(trees)) == 1


def test_plain_steps_keep_their_files_on_the_job(lab: Any) -> None:
    lab.pipeline("""
        steps:
          first: {run: echo one > $PENSTOCK_OUT/x}
          second: {after: [first], run: "echo second; echo two > $PENSTOCK_OUT/x"}
        """)
    view = lab.run()
    assert [(job.step, job.state, job.output) for job in view.jobs] == [
        ("first", "success", None),
        ("second", "success", None),
    ]
    assert lab.project.read(f"first@{view.run}:/x") == b"one\n"
    assert lab.project.read("second:/x") == b"two\n"
    assert lab.ok() == {"first": (1, 1, 0), "second": (1, 1, 0)}, "plain commands run every time"


def test_what_happens_below_a_failure(lab: Any) -> None:
    lab.pipeline("""
        steps:
          bad: {run: exit 3}
          needs: {after: [bad], run: touch needs}
          below: {after: [needs], run: touch below}
          end: {after: {bad: end}, run: touch end}
          anyway: {after: [bad, end], on_upstream_failure: continue, run: touch anyway}
          other: {run: touch other}
        """)
    view = lab.run()
    assert view.state == "failure"
    assert {job.step: job.state for job in view.jobs} == {
        "bad": "failure",
        "needs": "unrunnable",
        "below": "unrunnable",
        "end": "success",
        "anyway": "success",
        "other": "success",
    }
    assert {path.name for path in lab.root.iterdir()} >= {"end", "anyway", "other"}
    assert not (lab.root / "needs").exists()
    assert "bad@" in lab.explain("needs") and "did not succeed" in lab.explain("needs")


def test_a_failed_step_keeps_its_readers_from_running(lab: Any) -> None:
    lab.pipeline(f"""
        steps:
          a: {{input: "in:/*", run: "exit 1"}}
          b: {{input: "a:/*", on_upstream_failure: continue, run: {UP}}}
        """)
    lab.put("in", {"x": "1"})
    view = lab.run()
    assert [job.state for job in view.jobs] == ["failure", "unrunnable"], "there is nothing it could read"
    assert lab.project.commit(f"a@{view.run}").error


def test_the_same_work_in_two_steps_is_done_once(lab: Any) -> None:
    lab.pipeline(
        """
        steps:
          one: {input: "in:/*", run: "echo done >> HERE; cp $PENSTOCK_IN/in/* $PENSTOCK_OUT"}
          two: {input: "in:/*", run: "echo done >> HERE; cp $PENSTOCK_IN/in/* $PENSTOCK_OUT"}
        """.replace("HERE", str(lab.root.parent / "mark"))
    )
    lab.put("in", {name: name for name in "abcdefgh"})
    view = lab.run()
    assert view.state == "success"
    assert (lab.root.parent / "mark").read_text().count("done") == 8
    assert sum(job.tasks.processed for job in view.jobs) == 8
    assert sum(job.tasks.reused for job in view.jobs) == 8
    assert lab.files("one") == lab.files("two") == {name: name for name in "abcdefgh"}


def test_two_steps_cannot_publish_to_one_repo(lab: Any) -> None:
    lab.pipeline(f"pipeline: one\nsteps: {{a: {{input: 'in:/*', run: {UP}}}}}")
    lab.put("in", {"x": "1"})
    lab.ok()
    lab.pipeline(f"pipeline: two\nsteps: {{b: {{input: 'in:/*', output: a, run: {UP}}}}}", "two.yaml")
    with pytest.raises(BadSpec, match=r"two.yaml:2:.*publishes to 'a', as step 'a' does \(pipeline.yaml:2"):
        lab.run("two.yaml")
    lab.pipeline(f"pipeline: two\nsteps: {{b: {{input: 'a:/*', output: in, run: {UP}}}}}", "two.yaml")
    with pytest.raises(BadSpec, match="a cycle across pipelines"):
        lab.run("two.yaml")
    assert [view.pipeline for view in lists.pipelines(lab.parts, 10, None).items] == ["one"]
    assert lab.ok() == {"a": (1, 0, 1)}


def test_a_repo_that_a_waiting_job_needs_is_not_deleted(lab: Any) -> None:
    lab.pipeline(f"pipeline: work\nsteps: {{a: {{input: 'in:/*', run: {UP}}}}}")
    lab.put("in", {"x": "1"})
    lab.ok()
    put = lab.put("in", {"x": "2"})
    with pytest.raises(Refused, match="pipeline 'work' is not done: a@"):
        begin.delete(lab.parts, "work")
    begin.delete(lab.parts, "work", force=True)
    for repo in ("a", "in"):
        with pytest.raises(Refused, match=f"repo '{repo}' is used by job a@{put}"):
            repos.delete_repo(lab.parts, repo)
    assert lab.project.wait(put).state == "killed"
    assert lab.files("a") == {"x": "1"}
    repos.delete_repo(lab.parts, "a")
    repos.delete_repo(lab.parts, "in")
    assert list(lists.repos(lab.parts, 10, None).items) == []


def test_a_deleted_pipeline_comes_back_with_what_it_knew(lab: Any) -> None:
    lab.pipeline(f"pipeline: work\nsteps: {{a: {{input: 'in:/*', run: {UP}}}}}")
    lab.put("in", {"x": "1"})
    lab.ok()
    begin.delete(lab.parts, "work")
    before = len(lab.project.runs(100))
    lab.put("in", {"y": "1"})
    assert len(lab.project.runs(100)) == before, "nothing is triggered any more"
    assert lab.ok() == {"a": (2, 1, 1)}
    with pytest.raises(NotFound, match="no pipeline 'wrok'; did you mean 'work'"):
        begin.delete(lab.parts, "wrok")


def test_a_step_may_publish_under_another_name_and_change_it(lab: Any) -> None:
    lab.pipeline(f"steps: {{a: {{input: 'in:/*', output: first, run: {UP}}}}}")
    lab.put("in", {"x": "1"})
    lab.ok()
    lab.pipeline(f"steps: {{a: {{input: 'in:/*', output: second, run: {UP}}}}}")
    assert lab.ok() == {"a": (1, 0, 1)}
    assert lab.files("first") == lab.files("second") == {"x": "1"}
    lab.put("first", {"mine": "now"})
    lab.pipeline(f"steps: {{a: {{input: 'in:/*', output: first, run: {UP}}}}}")
    with pytest.raises(BadSpec, match="publishes to 'first', which holds what people put there"):
        lab.run()
    assert lab.files("first") == {"x": "1", "mine": "now"}


def test_steps_of_one_name_in_two_pipelines(lab: Any) -> None:
    lab.pipeline(f"pipeline: one\nsteps: {{s: {{input: 'in:/*', output: o1, run: {UP}}}}}")
    lab.pipeline(f"pipeline: two\nsteps: {{s: {{input: 'in:/*', output: o2, run: {UP}}}}}", "two.yaml")
    lab.put("in", {"x": "1"})
    lab.ok()
    lab.ok("two.yaml")
    put = lab.put("in", {"x": "2"})
    view = lab.project.wait(put)
    assert sorted((job.pipeline, job.step, job.state) for job in view.jobs) == [
        ("one", "s", "success"),
        ("two", "s", "success"),
    ]
    with pytest.raises(BadReference, match="names 2 jobs; write PIPELINE.STEP@RUN"):
        lab.explain(f"s@{put}")
    assert lab.explain(f"two.s@{put}")
