"""An edit ends only jobs of unfinished runs that nobody asks for again; a new run does the rest beside the others."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.model.run import Edge, Job
from penstock.service.opening.given import Given, install, run_again

STEPS = """
    params: {{size: {size}}}
    repos: {{d: {{path: d}}}}
    steps:
      a: {{input: "d:/*", priority: {priority}, run: [sh, a.sh], params: {{size: 0}}}}
      b: {{input: "a:/*", run: [sh, b.sh], params: {{size: 0}}}}
      c: {{input: "d:/*", run: "{c}", params: {{size: 0}}}}
    """
COPY = 'cp "$PENSTOCK_IN"/*/* "$PENSTOCK_OUT/"'


@pytest.fixture
def tree(lab: Any) -> Any:
    lab.write("d/1", "one")
    lab.write("a.sh", COPY)
    lab.write("b.sh", COPY)

    def write(size: int = 1, priority: int = 0, c: str = "cp -r $PENSTOCK_IN/d/. $PENSTOCK_OUT") -> None:
        lab.pipeline(STEPS.format(size=size, priority=priority, c=c))

    lab.steps = write
    lab.steps()
    return lab


def jobs(lab: Any, run: str) -> dict[str, Job]:
    return {job.step: job for job in lab.parts.store.load(Job, "jobs_of_run", run=run)}


def ended(lab: Any, run: str) -> set[str]:
    return {step for step, job in jobs(lab, run).items() if job.stop == "superseded"}


def test_files_that_count_for_no_step_end_nothing(tree: Any) -> None:
    first = tree.project.begin()
    tree.write("run.log", "a line")
    tree.write("README.md", "new words")
    again = tree.project.begin()
    assert (again.run.id, again.continued, again.applied, again.given_up) == (first.run.id, True, True, {})
    assert tree.run().run == first.run.id and tree.runs[-1].state == "success"


def test_keys_that_count_in_no_fingerprint_hold_from_the_next_run_on(tree: Any) -> None:
    first = tree.project.begin()
    tree.steps(priority=7)
    again = tree.project.begin()
    assert (again.run.id, again.continued, again.later) == (first.run.id, True, ("a: priority",))


def test_a_new_run_is_over_what_changed_and_waits_for_what_goes_on(tree: Any) -> None:
    first = tree.project.begin()
    tree.write("b.sh", f"{COPY}; date > $PENSTOCK_OUT/more")
    again = tree.project.begin()
    assert (again.continued, again.given_up) == (False, {first.run.id: ("b",)})
    assert ended(tree, first.run.id) == {"b"} and again.beside == (first.run.id,)
    (b,) = jobs(tree, again.run.id).values()
    a = jobs(tree, first.run.id)["a"]
    assert tree.parts.store.load(Edge, "edges_to", job=b.seq) == [Edge(b.seq, a.seq, "success")]
    assert [item.commit for item in b.inputs] == [first.run.id]
    assert tree.project.begin().run.id == again.run.id, "the second run and what it waits for do all"
    assert tree.run().run == again.run.id and tree.runs[-1].state == "success"
    assert tree.files("b").keys() == {"1", "more"}


def test_what_a_job_that_went_on_read_and_somebody_edited_meanwhile_is_done_again(lab: Any) -> None:
    here = lab.root.parent
    read = f"touch {here}/there; until test -e {here}/go; do sleep 0.02; done"
    lab.write("a.py", "import os\nopen(os.environ['PENSTOCK_OUT'] + '/x', 'w').write(open('data' + '.txt').read())\n")
    lab.write("data.txt", "old")
    lab.pipeline(f"steps: {{a: {{run: 'python3 a.py; {read}', output: a}}}}")
    with lab.penstock("run") as first:
        lab.wait_for((here / "there").exists)
        lab.write("data.txt", "new")
        with lab.penstock("run") as second:
            lab.wait_for(lambda: len(lab.parts.store.fetch("versions", pipeline="lab")) == 2)
            (here / "go").touch()
            second.communicate(timeout=60)
        first.communicate(timeout=60)
    assert (first.returncode, second.returncode, lab.files("a")) == (0, 0, {"x": "new"})


def test_a_job_that_goes_on_and_fails_is_no_success_of_who_asked_again(lab: Any) -> None:
    here = lab.root.parent
    gate = f"touch {here}/there; until test -e {here}/go; do sleep 0.02; done"
    lab.pipeline(f"steps: {{a: {{run: '{gate}; false'}}, b: {{run: 'sleep 100'}}}}")
    with lab.penstock("run") as first:
        lab.wait_for((here / "there").exists)
        lab.pipeline(f"steps: {{a: {{run: '{gate}; false'}}, b: {{run: 'true'}}}}")
        with lab.penstock("run") as second:
            lab.wait_for(lambda: len(lab.parts.store.fetch("runs", limit=10, before=1 << 62)) == 2)
            (here / "go").touch()
            said, _ = second.communicate(timeout=60)
        first.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (1, 1)


def test_what_is_behind_a_changed_step_ends_with_it(tree: Any) -> None:
    first = tree.project.begin()
    tree.write("a.sh", f"{COPY}; :")
    again = tree.project.begin()
    assert ended(tree, first.run.id) == {"a", "b"} and jobs(tree, again.run.id).keys() == {"a", "b"}
    assert not jobs(tree, first.run.id)["c"].stop


def test_a_run_of_which_nothing_is_wanted_ends_whole(tree: Any) -> None:
    first = tree.project.begin()
    tree.write("a.sh", f"{COPY}; :")
    tree.steps(c="true")
    again = tree.project.begin()
    assert again.given_up == {first.run.id: ()} and jobs(tree, again.run.id).keys() == {"a", "b", "c"}


def test_a_step_that_is_gone_ends_and_a_new_one_is_all_of_the_new_run(lab: Any) -> None:
    lab.pipeline("steps: {a: {run: 'true'}, b: {run: 'true'}}")
    first = lab.project.begin()
    lab.pipeline("steps: {a: {run: 'true'}, c: {run: 'true'}}")
    again = lab.project.begin()
    assert again.given_up == {first.run.id: ("b",)} and jobs(lab, again.run.id).keys() == {"c"}


def test_a_default_parameter_that_changed_ends_what_is_given_it(lab: Any) -> None:
    lab.pipeline("params: {n: 1}\nsteps: {a: {run: 'true'}}")
    first = lab.project.begin()
    lab.pipeline("params: {n: 2}\nsteps: {a: {run: 'true'}}")
    assert lab.project.begin().given_up == {first.run.id: ()}


def test_a_run_for_other_parameters_goes_on_beside_a_file_that_appears(lab: Any) -> None:
    lab.pipeline("params: {n: 1}\nsteps: {a: {run: 'true', output: a}}")
    first = lab.project.begin(params={"n": 2})
    lab.write("run.log", "a line")
    again = lab.project.begin(params={"n": 3})
    assert not again.continued and not again.given_up and not jobs(lab, first.run.id)["a"].stop


def test_another_pipeline_is_left_alone(lab: Any) -> None:
    one = lab.pipeline("steps: {a: {run: 'true'}}", "one.yaml")
    other = lab.project.begin(lab.pipeline("steps: {z: {run: 'true'}}", "two.yaml"))
    lab.project.begin(one)
    lab.project.begin(lab.pipeline("steps: {a: {run: 'false'}}", "one.yaml"))
    assert not jobs(lab, other.run.id)["z"].stop


def test_a_pipeline_that_is_updated_ends_only_what_changed(tree: Any) -> None:
    first = tree.project.begin()
    spec = tree.parts.pipelines()
    ((_, pipeline),) = spec.values()
    tree.write("notes.txt", "counts for nothing")
    _, run = install(tree.parts, [Given(pipeline, "pipeline.yaml")], update=True)
    assert run is not None and run.id == first.run.id
    tree.write("b.sh", f"{COPY}; :")
    _, run = install(tree.parts, [Given(pipeline, "pipeline.yaml")], update=True)
    assert run is not None and jobs(tree, run.id).keys() == {"b"} and ended(tree, first.run.id) == {"b"}
    again = run_again(tree.parts, pipeline.name, reprocess=True)
    assert jobs(tree, again.id).keys() == {"a", "b", "c"}


def test_waiting_goes_on_with_the_runs_that_following_branches_open(lab: Any) -> None:
    slow = "sleep 0.5; cp $PENSTOCK_IN/a/1 $PENSTOCK_OUT"
    lab.pipeline(f"""
        repos: {{d: {{path: d}}}}
        steps:
          a: {{input: "d:/*", run: "cp $PENSTOCK_IN/d/1 $PENSTOCK_OUT"}}
          b:
            input: {{repo: a, branch: seldom, glob: "/*", trigger: {{commits: 1}}}}
            run: "{slow}"
        """)
    lab.write("d/1", "one")
    assert lab.run().state == "success"
    assert [run.state for run in lab.project.runs()] == ["success", "success"] and lab.files("b") == {"1": "one"}
