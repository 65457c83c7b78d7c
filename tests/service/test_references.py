"""Reference inputs: their place counts and what stands there does not, and traces name what was really read."""

from __future__ import annotations

from typing import Any

from penstock.model.ids import parse_reference
from penstock.model.run import Job
from penstock.model.views import UseView
from penstock.service.answers.downstream import trace_down
from penstock.service.answers.why import trace
from penstock.service.bindings.reading import Reader
from penstock.service.keeping import retention
from penstock.service.keeping.garbage import gc

#: Copies what each task finds under `model` to a file named like its other input.
COPY = "cat $PENSTOCK_IN/model/* > $PENSTOCK_OUT/$(ls $PENSTOCK_IN/t)"


def step(model: str) -> str:
    return f"{{input: {{cross: ['t:/*', {model}]}}, run: '{COPY}'}}"


def model(repo: str, **more: str) -> str:
    said = {"repo": repo, "glob": "/", "as": "model", "reference": "true", **more}
    return f"{{{', '.join(f'{key}: {value}' for key, value in said.items())}}}"


def pipeline(lab: Any, **models: str) -> None:
    lab.pipeline("steps:\n" + "".join(f"  {name}: {step(said)}\n" for name, said in models.items()))


def test_references_to_other_repos_are_other_work(lab: Any) -> None:
    lab.put("t", {"a": "1"})
    lab.put("ma", {"m": "of a"})
    lab.put("mb", {"m": "of b"})
    pipeline(lab, one=model("ma"), two=model("mb"))
    assert lab.ok() == {"one": (1, 1, 0), "two": (1, 1, 0)}
    assert (lab.files("one"), lab.files("two")) == ({"a": "of a"}, {"a": "of b"})
    lab.put("ma", {"m": "newer"})
    assert lab.ok() == {"one": (1, 0, 1), "two": (1, 0, 1)}, "what stands there is no reason"
    pipeline(lab, one=model("ma"), two=model("ma"))
    assert lab.ok() == {"one": (1, 0, 1), "two": (1, 0, 1)}, "what one made is the other's"
    assert lab.files("two") == {"a": "of a"}


def test_another_repo_branch_glob_or_look_of_a_reference_is_a_reason(lab: Any) -> None:
    lab.put("t", {"a": "1"})
    for target, text in (("ma", "a"), ("mb", "b"), ("mb@dev", "dev")):
        lab.put(target, {"m": text})
    said = [
        (model("ma"), "a"),
        (model("mb"), "b"),
        (model("mb", branch="dev"), "dev"),
        (model("mb", glob="/m"), "b"),
        (model("mb", empty="true"), ""),
    ]
    for source, text in said:
        pipeline(lab, show=source)
        assert lab.planned() == {"show": (1, 1)}
        assert lab.ok() == {"show": (1, 1, 0)}
        assert lab.files("show") == {"a": text}
    pipeline(lab, show=model("mb", lazy="true"))
    assert lab.ok() == {"show": (1, 0, 1)}, "a link has the same bytes"


def test_parts_of_a_union_have_references_of_their_own(lab: Any) -> None:
    lab.put("t", {"a": "1"})
    lab.put("ma", {"m": "of a"})
    lab.put("mb", {"m": "of b"})
    lab.pipeline(f"""
        steps:
          show:
            input: {{cross: ['t:/*', {{union: [{model("ma")}, {model("mb")}]}}]}}
            run: cat $PENSTOCK_IN/model/m > "$PENSTOCK_OUT/$(tr ' ' - < $PENSTOCK_IN/model/m)"
        """)
    assert lab.ok() == {"show": (2, 2, 0)}
    assert lab.files("show") == {"of-a": "of a", "of-b": "of b"}
    lab.put("mb", {"m": "new"})
    lab.pipeline((lab.root / "pipeline.yaml").read_text().replace("tr ' ' -", "tr ' ' _"))
    lab.ok()
    for path, repo in (("of_a", "ma"), ("new", "mb")):
        (view, *_) = [item for item in trace(lab.parts, parse_reference(f"show:/{path}")).inputs if "/m" in item.file]
        assert view.file.startswith(f"{repo}@")


def test_a_trace_names_the_reference_that_was_read(lab: Any) -> None:
    first = lab.put("m", {"model": "1"})
    lab.put("t", {"a": "1"})
    lab.pipeline(f"steps:\n  r: {step(model('m'))}\n  other: {step(model('m'))}\n")
    lab.ok()
    second = lab.put("m", {"model": "2"})
    lab.put("t", {"b": "2"})
    lab.ok()
    assert lab.files("r") == {"a": "1", "b": "2"}
    for name in ("r", "other"):
        for path, commit in (("a", first), ("b", second)):
            inputs = trace(lab.parts, parse_reference(f"{name}:/{path}")).inputs
            assert [view.file for view in inputs if view.file.startswith("m@")] == [f"m@{commit}:/model"]
    made = trace_down(lab.parts, parse_reference("m:/model"))
    assert files(made) == {"r:/b", "other:/b"}
    assert files(trace_down(lab.parts, parse_reference(f"m@{first}:/model"))) == {"r:/a", "other:/a"}


def test_a_trace_names_it_where_what_a_job_read_was_given_up(lab: Any) -> None:
    first = lab.put("m", {"model": "1"})
    lab.put("t", {"a": "1"})
    pipeline(lab, r=model("m"))
    lab.ok()
    lab.put("m", {"model": "2"})
    run = lab.run().run
    lab.put("m", {"model": "3"})
    retention.keep(lab.parts, "m", 1, None)
    gc(lab.parts, now=True)
    inputs = trace(lab.parts, parse_reference(f"r@{run}:/a")).inputs
    assert {view.file.partition(":")[0] for view in inputs if view.file.startswith("m@")} == {f"m@{first}"}
    assert any(view.file.endswith(":/a") for view in inputs)


def files(view: UseView) -> set[str]:
    """What was made of a file at first hand, as `REPO:PATH`."""
    return {file.name.partition("@")[0] + ":" + file.name.partition(":")[2] for use in view.used for file in use.used}


def test_equal_files_of_two_repos_under_one_name_are_told_apart(lab: Any) -> None:
    ids = {repo: lab.put(repo, {"f": "same"}) for repo in ("t", "q")}
    lab.pipeline("""
        steps:
          show:
            input: {union: [{repo: t, glob: "/*", as: in}, {repo: q, glob: "/*", as: in}]}
            run: cp $PENSTOCK_IN/in/f $PENSTOCK_OUT/$PENSTOCK_TASK
            reuse: false
        """)
    lab.run()
    (job,) = lab.parts.store.load(Job, "jobs", before=1 << 62, limit=1)
    reader = Reader(lab.parts, job)
    read = {
        (item.repo, item.commit, path)
        for task in lab.tasks(lab.runs[-1].jobs[0])
        for item, path in reader.read("\n".join(task.key), task.fingerprint)
    }
    assert read == {("t", ids["t"], "f"), ("q", ids["q"], "f")}
    for repo in ("t", "q"):
        uses = trace_down(lab.parts, parse_reference(f"{repo}:/f")).used
        assert [use.binding for use in uses] == [(f"in={repo}@main:/f",)]
