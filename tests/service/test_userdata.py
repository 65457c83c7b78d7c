"""User data: what people do with it, what applying and starting a pipeline does, what tasks get and leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from penstock.model.documents import DOCUMENT
from penstock.model.errors import AlreadyExists, NotFound, Refused, UsageError
from penstock.model.run import Job, Task
from penstock.service.opening.disabling import disable
from penstock.service.userdata.exchange import Exchange

if TYPE_CHECKING:
    from tests.service.conftest import Lab

FIT = "sed s/rate/best/ $PENSTOCK_DATA/start.json > $PENSTOCK_DATA_OUT/found.json"
PIPELINE = f"""
    pipeline: study
    data:
      start: {{value: {{rate: 0.5}}}}
      scratch: {{value: [1], ephemeral: true}}
    steps:
      fit:
        inputs_data: [start]
        outputs_data: [found]
        run: {FIT}
      use:
        inputs_data: [found]
        run: cat $PENSTOCK_DATA/found.json > got
"""


@pytest.fixture
def study(lab: Lab) -> Lab:
    """A project with the pipeline `study` in force, not run."""
    lab.pipeline(PIPELINE)
    return lab


def values(lab: Lab) -> dict[str, Any]:
    return {item.name: item.value for item in lab.project.data_list() if item.name}


def ended(lab: Lab) -> dict[str, str]:
    view = lab.project.run()
    return {job.step: job.state for job in view.jobs}


def test_what_a_task_leaves_the_next_one_is_given(study: Lab) -> None:
    assert ended(study) == {"fit": "success", "use": "success"}
    found = study.project.data_get("found")
    assert (found.value, found.run, found.revision) == ({"best": 0.5}, 1, 2)
    assert (study.root / "got").read_text() == '{"best":0.5}'
    start = study.project.data_get("start")
    assert (start.run, start.revision) == (None, 1)
    study.project.run()
    assert study.project.data_get("found").run == 2, "the run that wrote it last"


def test_applying_keeps_what_was_written_and_renews_what_was_not(study: Lab) -> None:
    study.project.run()
    study.project.data_set("scratch", "mine")
    study.pipeline(PIPELINE.replace("rate: 0.5", "rate: 0.7").replace("[1]", "[2]"))
    study.project.begin()
    assert values(study) == {"start": {"rate": 0.7}, "scratch": [2], "found": {"best": 0.5}}
    study.project.data_set("start", {"rate": 9})
    study.pipeline(PIPELINE.replace("rate: 0.5", "rate: 0.8"))
    study.project.begin()
    assert values(study)["start"] == {"rate": 9}, "somebody wrote it"


def test_what_a_step_may_not_write_fails_its_task_by_name(study: Lab) -> None:
    study.pipeline(PIPELINE.replace("outputs_data: [found]\n", "outputs_data: []\n"))
    assert ended(study)["fit"] == "failure"
    (job,) = study.parts.store.load(Job, "jobs_of_step", step="fit", pipeline=None, before=1 << 62, limit=1)
    assert job.reason == "output" and "'found'" in job.message and "outputs_data" in job.message
    assert "found" not in values(study)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("echo '{' > $PENSTOCK_DATA_OUT/found.json", "is no JSON"),
        ("echo NaN > $PENSTOCK_DATA_OUT/found.json", "NaN"),
        ("echo 1 > $PENSTOCK_DATA_OUT/found.txt", "expected NAME.json"),
        ("ln -s /etc/hostname $PENSTOCK_DATA_OUT/found.json", "found.json"),
        ("mkdir $PENSTOCK_DATA_OUT/found.json", "no file"),
        ("(echo '\"'; head -c 1100000 /dev/zero; echo '\"') > $PENSTOCK_DATA_OUT/found.json", "1,048,576 bytes"),
        ("for i in $(seq 70); do echo 1 > $PENSTOCK_DATA_OUT/a$i.json; done", "70 documents"),
    ],
)
def test_what_is_no_document_fails_its_task(study: Lab, command: str, message: str) -> None:
    study.write("leave.sh", command)
    study.pipeline(PIPELINE.replace(FIT, "sh leave.sh"))
    assert ended(study) == {"fit": "failure", "use": "unrunnable"}
    (job,) = study.parts.store.load(Job, "jobs_of_step", step="fit", pipeline=None, before=1 << 62, limit=1)
    assert message in job.message
    assert study.project.data_get("found").value is None


def test_a_task_adds_documents_to_its_step_and_is_given_them_next_time(lab: Lab) -> None:
    lab.pipeline("""
        pipeline: p
        steps:
          count:
            run: ls $PENSTOCK_DATA 2>/dev/null | wc -l > seen; mkdir -p $PENSTOCK_DATA_OUT;
              echo 7 > $PENSTOCK_DATA_OUT/_1.json
    """)
    for seen in ("0", "1", "2"):
        lab.project.run()
        assert (lab.root / "seen").read_text().strip() == seen
    assert [(item.step, item.value, item.run) for item in lab.project.data_list(step="count")] == [
        ("count", 7, 1),
        ("count", 7, 2),
        ("count", 7, 3),
    ]


def test_the_mark_changes_with_what_others_say(study: Lab) -> None:
    study.project.run()
    step = study.parts.pipelines()["study"][1].step
    mark = lambda name: Exchange(study.parts).mark("study", step(name))  # noqa: E731
    fit, use = mark("fit"), mark("use")
    study.project.run()
    assert (mark("fit"), mark("use")) == (fit, use), "the same was written again, by the step itself"
    study.project.data_set("start", 1)
    assert mark("fit") != fit and mark("use") == use
    study.project.data_set("found", 2)
    assert mark("use") != use
    assert Exchange(study.parts).mark("study", step("use")) != b""


def test_by_name_and_by_key(study: Lab) -> None:
    study.project.begin()
    project = study.project
    made = project.data_add([1, None], step="fit", name="more")
    assert project.data_get("more") == project.data_get(made.key) == made
    assert [item.name for item in project.data_list(step="fit")] == ["more"]
    with pytest.raises(AlreadyExists, match="more"):
        project.data_add(1, name="more")
    for wrong in ("7", "_1", "a/b", "a" * 129):
        with pytest.raises(UsageError):
            project.data_add(1, name=wrong)
    with pytest.raises(NotFound, match="did you mean"):
        project.data_get("mor")
    with pytest.raises(NotFound, match="fitt"):
        project.data_add(1, step="fitt")
    project.data_delete("more")
    again = project.data_add(1)
    assert int(again.key) > int(made.key), "a key is given once"


def test_a_document_has_a_largest_size(study: Lab) -> None:
    study.project.begin()
    study.project.data_add("x" * (DOCUMENT - 2), name="most")
    with pytest.raises(Refused, match="1,048,577 bytes"):
        study.project.data_set("most", "x" * (DOCUMENT - 1))
    with pytest.raises(UsageError, match="JSON"):
        study.project.data_set("most", float("nan"))


@pytest.mark.parametrize("value", [1 << 64, [-(1 << 63) - 1], {"a": "\ud800"}, {"\ud800": 1}])
def test_what_cannot_be_read_again_is_not_kept(study: Lab, value: Any) -> None:
    study.project.begin()
    with pytest.raises(UsageError, match=r"64 bits|surrogate"):
        study.project.data_set("start", value)
    assert study.project.data_get("start").value == {"rate": 0.5}


@pytest.mark.parametrize("left", ["9" * 4000, r'["\ud800"]', "[" * 900 + "]" * 900])
def test_a_task_that_leaves_such_a_value_fails_and_nothing_else(lab: Lab, left: str) -> None:
    lab.write("left", left)
    lab.pipeline("""
        steps:
          bad: {run: "cp left $PENSTOCK_DATA_OUT/d.json", outputs_data: [d]}
          good: {run: "true"}
        """)
    bad, good = sorted(lab.run().jobs, key=lambda job: job.step)
    assert (bad.state, good.state) == ("failure", "success")
    (task,) = lab.tasks(bad)
    assert (task.reason, task.crashes) == ("output", 0)


def test_a_parameter_beyond_64_bits_is_refused(lab: Lab) -> None:
    lab.pipeline("params: {q: 1}\nsteps: {a: {run: 'true'}}")
    with pytest.raises(UsageError, match="parameter 'q'.*64 bits"):
        lab.project.begin(params={"q": 1 << 64})
    assert lab.ok(q=(1 << 64) - 1) == {"a": (1, 1, 0)}


def test_runs_pass_by_a_disabled_step(study: Lab) -> None:
    study.project.begin()
    with pytest.raises(Refused, match="not done"):
        disable(study.parts, "fit")
    study.project.run()
    disable(study.parts, "fit")
    assert ended(study) == {"use": "success"}
    disable(study.parts, "use")
    with pytest.raises(Refused, match="every step"):
        study.project.begin()


def test_tasks_of_others_are_asked_nothing(study: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    study.pipeline("pipeline: plain\nsteps: {a: {run: 'true'}, b: {run: 'true'}}\n", "plain.yaml")
    asked: list[str] = []
    load = study.parts.store.load

    def seen(noun: type, query: str, /, **args: Any) -> list[Any]:
        asked.append(query)
        return load(noun, query, **args)

    monkeypatch.setattr(study.parts.store, "load", seen)
    study.project.run(study.root / "plain.yaml")
    assert "documents_for" not in asked
    assert load(Task, "active_tasks") == []
