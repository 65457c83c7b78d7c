"""Pachyderm's specs: every field is translated, left out with a sentence, or refused by name at its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.compat.pachyderm import inputs, spec
from penstock.compat.pachyderm.infos import input_json
from penstock.compat.pachyderm.spec import Read, read_specs
from penstock.model.errors import BadSpec
from penstock.model.spec import Env, Export, InputSpec, Pipeline, Resources, Retry, Step, Watch
from penstock.text.marked import read_marked, read_marked_stream
from penstock.text.written import write_yaml

#: Every field that our reader knows how to say.
WHOLE: dict[str, Any] = {
    "pipeline": {"name": "edges", "project": {"name": "default"}},
    "description": "Outlines.",
    "transform": {
        "image": "pachyderm/opencv",
        "cmd": ["python3", "edges.py"],
        "stdin": ["one", "two"],
        "err_cmd": ["sh"],
        "err_stdin": ["test -e ok"],
        "accept_return_code": [2, 1],
        "env": {"LEVEL": "3"},
        "working_dir": "src",
    },
    "input": {"pfs": {"repo": "images", "glob": "/*"}},
    "resource_requests": {"cpu": 1.5},
    "resource_limits": {"cpu": 4},
    "datum_timeout": "1m30s",
    "datum_tries": 5,
    "job_timeout": "1h",
    "reprocess_spec": "every_job",
    "output_branch": "out",
    "egress": {"URL": "s3://bucket/edges"},
}


def read(*specs: dict[str, Any], bare: bool = False) -> Read:
    return read_specs([(json.dumps(list(specs)).encode(), "specs.json")], bare=bare)


def pipelines(*specs: dict[str, Any], bare: bool = False) -> list[Pipeline]:
    return read(*specs, bare=bare).pipelines(["images", "labels"], lambda name: True)


def step(changes: dict[str, Any], bare: bool = True) -> Step:
    base = {"pipeline": {"name": "edges"}, "transform": {"cmd": ["true"]}}
    (pipeline,) = pipelines({**base, "input": {"pfs": {"repo": "images", "glob": "/*"}}, **changes}, bare=bare)
    return pipeline.steps[0]


def refused(text: str, file: str = "edges.json") -> BadSpec:
    with pytest.raises(BadSpec) as caught:
        read_specs([(text.encode(), file)]).pipelines(["images"], lambda name: True)
    return caught.value


def test_every_field_that_can_be_said() -> None:
    (pipeline,) = pipelines(WHOLE)
    (edges,) = pipeline.steps
    assert (pipeline.name, pipeline.description) == ("edges", "Outlines.")
    assert {repo.name: repo.branch for repo in pipeline.repos} == {"images": "master", "edges": "out"}
    source = edges.input
    assert source is not None
    assert (source.kind, source.repo, source.branch, source.glob) == ("glob", "images", "master", "/*")
    assert edges.run == ("python3", "edges.py")
    assert edges.stdin == "one\ntwo\n"
    assert edges.err_run[:2] == ("sh", "-c") and edges.err_run[-2:] == ("test -e ok", "sh")
    assert edges.accept_exit == (1, 2)
    assert edges.env == Env(False, {"LEVEL": "3"}, "pachyderm/opencv")
    assert (edges.workdir, edges.output, edges.pfs, edges.reuse) == ("src", "edges", True, False)
    assert edges.resources == Resources(2)
    assert edges.retry == Retry(5, 90.0)
    assert edges.timeout == 3600.0
    assert isinstance(edges.export, Export) and edges.export.to == "s3://bucket/edges"


def test_what_is_not_said() -> None:
    plain = step({})
    assert plain.env == Env() and plain.retry == Retry(3) and plain.resources == Resources(1)
    assert plain.reuse and plain.pfs and plain.export is None and plain.timeout is None
    assert step({}, bare=False).env.image == spec.IMAGE
    assert step({"datum_tries": 0, "job_timeout": "", "egress": {}, "output_branch": None}) == plain
    (pipeline,) = pipelines({"pipeline": {"name": "a"}, "transform": {"cmd": ["true"]}}, bare=True)
    assert pipeline.steps[0].input is None and pipeline.steps[0].output == "a"


def test_numbers_of_64_bits_may_be_text() -> None:
    transform = {"cmd": ["true"], "accept_return_code": ["1", 2]}
    found = step({"datumTries": "2", "transform": transform})
    assert (found.retry.tries, found.accept_exit) == (2, (1, 2))
    assert step({"datum_tries": "0"}).retry.tries == 3
    assert step({"datum_tries": "1e1"}).retry.tries == step({"datum_tries": 10.0}).retry.tries == 10


def test_what_refuses_by_its_presence_may_be_absent() -> None:
    for nothing in (None, False, 0):
        assert step(dict.fromkeys(("spout", "service", "tf_job", "determined"), nothing)) == step({})


def test_tables() -> None:
    url = {"url": "postgresql://db/flowers", "file_format": {"type": "CSV", "columns": ["a", "b"]}}
    found = step({"egress": {"sql_database": url}}).export
    assert found is not None
    assert (found.to, found.format, found.columns) == ("postgresql://db/flowers", "csv", ("a", "b"))
    assert step({"egress": {"object_storage": {"url": "s3://bucket"}}}).export is not None


def test_inputs_of_all_kinds() -> None:
    left = {"pfs": {"name": "a", "repo": "images", "branch": "dev", "glob": "/(*).png", "joinOn": "$1"}}
    right = {"pfs": {"repo": "labels", "glob": "/(*).txt", "join_on": "$1", "outer_join": True, "lazy": True}}
    grouped = {"pfs": {"name": "g", "repo": "images", "glob": "/(*)-*", "group_by": "$1", "empty_files": True}}
    told = {"pfs": {"name": "r", "repo": "labels", "glob": "/", "reference": True}}
    tree = {"cross": [{"join": [left, right]}, {"union": [{"group": [grouped]}, told]}]}
    found = step({"input": tree}).input
    assert found is not None and found.kind == "cross"
    assert [part.kind for part in found.parts] == ["join", "union"]
    one, two, three, four = found.leaves()
    assert (one.name, one.branch, one.on) == ("a", "dev", "$1")
    assert (two.name, two.branch, two.outer, two.layout) == ("labels", "master", True, "link")
    assert (three.by, three.layout) == ("$1", "empty")
    assert not four.counts
    ticks = step({"input": {"cron": {"name": "tick", "spec": "@daily", "overwrite": True}}}).input
    assert isinstance(ticks, InputSpec) and ticks.cron is not None
    assert (ticks.repo, ticks.cron.expression, ticks.cron.overwrite) == ("edges-tick", "0 0 * * *", True)


@pytest.mark.parametrize(
    ("said", "expression", "zone"),
    [
        ("@every 10m", "@every 600s", "UTC"),
        ("@never", "@never", "UTC"),
        ("0 0 ? * MON", "0 0 * * MON", "UTC"),
        ("TZ=Europe/Berlin 0 2 * * *", "0 2 * * *", "Europe/Berlin"),
        ("CRON_TZ=UTC @hourly", "0 * * * *", "UTC"),
    ],
)
def test_times_as_they_are_written_elsewhere(said: str, expression: str, zone: str) -> None:
    found = step({"input": {"cron": {"name": "tick", "spec": said}}}).input
    assert found is not None and found.cron is not None
    assert (found.cron.expression, found.cron.tz) == (expression, zone)
    assert step({"input": input_json(found)}).input == found


def test_a_trigger_is_one_of_ours() -> None:
    def leaf(trigger: dict[str, Any], **more: Any) -> InputSpec:
        found = step({"input": {"pfs": {"repo": "images", "glob": "/*", "trigger": trigger, **more}}}).input
        assert found is not None
        return found

    assert leaf({"size": "1K"}).trigger == Watch("master", 1000)
    assert leaf({"size": "1K"}).branch == "edges-trigger"
    both = leaf({"branch": "staging", "size": "100MB", "commits": 3, "all": True}, branch="ready")
    assert (both.branch, both.trigger) == ("ready", Watch("staging", 100_000_000, 3, needs="all"))
    assert leaf({"cronSpec": "0 2 * * *"}).trigger == Watch("master", cron="0 2 * * *")
    assert leaf({"cronSpec": "TZ=Asia/Tokyo @daily"}).trigger == Watch("master", cron="TZ=Asia/Tokyo 0 0 * * *")
    often = leaf({"cron_spec": "@every 10m"})
    assert often.trigger == Watch("master", every=600.0)
    assert step({"input": input_json(often)}).input == often
    said = input_json(both)
    again = step({"input": said}).input
    assert again is not None and input_json(again) == said
    with pytest.raises(BadSpec, match="`cron_spec` stands alone"):
        leaf({"cron_spec": "@daily", "size": "1K"})


def test_a_group_without_a_key_is_one_of_everything() -> None:
    part = {"pfs": {"repo": "images", "glob": "/*", "group_by": ""}}
    found = step(
        {"input": {"group": [part, {"union": [{"pfs": {"repo": "labels", "glob": "/*", "groupBy": ""}}]}]}}
    ).input
    assert found is not None and [leaf.by for leaf in found.leaves()] == ["", ""]
    assert step({"input": part}) == step({})


def test_an_input_without_a_key_has_the_empty_one() -> None:
    def said(tree: dict[str, Any]) -> list[tuple[str | None, str | None, bool]]:
        found = step({"input": tree}).input
        assert found is not None and input_json(found) is not None
        again = step({"input": input_json(found)}).input
        assert again is not None and [leaf.on for leaf in again.leaves()] == [leaf.on for leaf in found.leaves()]
        return [(leaf.on, leaf.by, leaf.outer) for leaf in found.leaves()]

    one: dict[str, Any] = {"repo": "images", "glob": "/(*)"}
    two: dict[str, Any] = {"repo": "labels", "glob": "/"}
    keyed = {**one, "join_on": "$1"}
    assert said({"join": [{"pfs": one}, {"pfs": {**two, "joinOn": ""}}]}) == [("", None, False)] * 2
    assert said({"join": [{"pfs": {**one, "outer_join": True}}, {"pfs": keyed | {"name": "b"}}]}) == [
        ("", None, True),
        ("$1", None, False),
    ]
    assert said({"join": [{"union": [{"pfs": one}]}, {"pfs": two}]}) == [("", None, False)] * 2
    assert said({"join": [{"cross": [{"pfs": one}, {"pfs": two}]}]}) == [("", None, False)] * 2
    # What is one input beside others for a task has the key that they name.
    assert said({"join": [{"cross": [{"pfs": keyed}, {"pfs": two}]}]}) == [("$1", None, False), (None, None, False)]
    assert said({"group": [{"join": [{"pfs": keyed}, {"pfs": two}]}]}) == [("$1", "", False), ("", "", False)]
    assert said({"group": [{"pfs": {**one, "group_by": "$1"}}, {"pfs": two}]}) == [
        (None, "$1", False),
        (None, "", False),
    ]
    assert said({"cross": [{"pfs": one}, {"pfs": two}]}) == [(None, None, False)] * 2


def test_the_repo_of_ticks_may_be_named_as_it_is_called() -> None:
    for name in ("edges-x", "edges_x"):
        found = step({"input": {"cron": {"name": "x", "spec": "@daily", "repo": name}}}).input
        assert found is not None and found.repo == "edges-x"


def test_several_in_a_file_in_every_form() -> None:
    named = {"pipeline": {"name": "one"}, "transform": {"cmd": ["true"]}}
    one = {**named, "input": {"pfs": {"repo": "images", "glob": "/"}}}
    two = {**one, "pipeline": {"name": "two"}, "input": {"pfs": {"repo": "one", "glob": "/"}}}
    forms = {
        "list.json": json.dumps([one, two]),
        "stream.json": json.dumps(one) + "\n\n" + json.dumps(two, indent=2),
        "documents.yaml": "# both\n---\n" + write_yaml(one) + "---\n" + write_yaml(two) + "---\n",
        "list.yml": write_yaml([one, two]),
        "stdin": json.dumps(one) + json.dumps(two),
        "dashes.json": json.dumps(one) + "\n---\n" + json.dumps(two, indent=2) + "\n---\n",
        "dashes.yaml": "---\n" + json.dumps(one) + "\n--- # two\n" + json.dumps(two, indent=1) + "\n...\n",
        "mixed.yaml": "// JSON5\n" + json.dumps(one) + "\n---\n" + write_yaml(two),
        "yaml.json": write_yaml(one) + "---\n" + write_yaml(two),
        "flow.yaml": "{pipeline: {name: one}, transform: {cmd: [a]}, input: {pfs: {repo: images, glob: /*}}}\n"
        "---\n{pipeline: {name: two}, transform: {cmd: [b]}}\n",
    }
    for file, text in forms.items():
        found = read_specs([(text.encode(), file)], bare=True).pipelines(["images"], lambda name: True)
        assert [pipeline.name for pipeline in found] == ["one", "two"], file
    lines = forms["documents.yaml"].splitlines()
    second = read_marked_stream(forms["documents.yaml"], "documents.yaml")[1]
    assert lines[second.line - 1].startswith("pipeline:") and second.line > 5
    second = read_marked_stream(forms["dashes.json"], "dashes.json")[1]
    assert (second.line, second.column) == (3, 1)
    with pytest.raises(BadSpec, match=r"x\.json:3:5: .*is no value; put text in quotes"):
        read_marked_stream("{}\n---\n{a: nope, : b}", "x.json")
    with pytest.raises(BadSpec, match=r'x\.json:.* pipeline "one" was given before, at x\.json:1:'):
        read_specs([((json.dumps(one) * 2).encode(), "x.json")])


LEFT_OUT = [
    *((f"spec.{field}", {field: {"x": 1}}) for field in spec._SPEC.left_out),
    *((f"transform.{field}", {"transform": {"cmd": ["true"], field: True}}) for field in spec._TRANSFORM.left_out),
    *((f"requests.{field}", {"resource_requests": {field: "1G"}}) for field in spec._REQUESTS.left_out),
    *((f"limits.{field}", {"resource_limits": {field: "1G"}}) for field in spec._LIMITS.left_out),
    *((f"gpu.{field}", {"resource_limits": {"gpu": {field: "x"}}}) for field in spec._GPU.left_out),
]
REFUSED = [
    *((field, {field: {"x": 1}}) for field in spec._SPEC.refused),
    *((field, {field: {}}) for field in sorted(spec._SPEC.marks)),
    *((field, {"transform": {"cmd": ["true"], field: [1]}}) for field in spec._TRANSFORM.refused),
    *((field, {"input": {"pfs": {"repo": "images", "glob": "/", field: {"x": 1}}}}) for field in inputs._PFS.refused),
    *((field, {"input": {field: {"x": 1}}}) for field in inputs._NODE.refused),
    ("secret", {"egress": {"sql_database": {"url": "postgresql://h/d", "secret": {"name": "x"}}}}),
    ("rate_limit_spec", {"input": {"pfs": {"repo": "images", "glob": "/", "trigger": {"rate_limit_spec": "@daily"}}}}),
    *(
        (field, {"input": {"cron": {"name": "x", "spec": "@daily", field: "2020-01-01T00:00:00Z"}}})
        for field in ("start", "repo")
    ),
    ("project", {"pipeline": {"name": "edges", "project": {"name": "other"}}}),
    ("project", {"input": {"pfs": {"repo": "images", "glob": "/", "project": "other"}}}),
]


@pytest.mark.parametrize(("name", "changes"), LEFT_OUT, ids=[name for name, _ in LEFT_OUT])
def test_what_is_left_out_is_told(name: str, changes: dict[str, Any]) -> None:
    base = {"pipeline": {"name": "edges"}, "transform": {"cmd": ["true"]}}
    (note,) = read({**base, **changes}).notes
    assert note.startswith("specs.json:1:") and f"`{name.partition('.')[2]}` is left out: " in note


@pytest.mark.parametrize(("name", "changes"), REFUSED)
def test_what_is_refused_is_named(name: str, changes: dict[str, Any]) -> None:
    base = {"pipeline": {"name": "edges"}, "transform": {"cmd": ["true"]}}
    error = refused(json.dumps({**base, **changes}, indent=1))
    assert f"`{name}` is refused: " in error.message
    line = int(error.where.split(":")[1])
    key = json.dumps({**base, **changes}, indent=1).splitlines()[line - 1]
    assert name in key or "other" in key


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"transform": None}, "`transform` is missing"),
        ({"transform": {"image": "x"}}, "no command specified"),
        ({"transform": {"cmd": "ls"}}, "expected a list of words"),
        ({"transform": {"cmd": ["true"], "err_stdin": ["x"]}}, "`err_stdin` is what `err_cmd` reads"),
        ({"pipeline": {}}, "`pipeline` is missing"),
        ({"pipeline": {"name": "a b"}}, "is no name"),
        ({"parallelismSpecs": {}}, 'unknown field "parallelismSpecs"; did you mean "parallelism_spec"?'),
        ({"input": {"pfs": {"glob": "/"}}}, "`repo` is missing"),
        ({"input": {"pfs": {"repo": "images"}}}, "`glob` is missing"),
        ({"input": {"pfs": {"repo": "imags", "glob": "/"}}}, 'there is no repo "imags"; did you mean "images"?'),
        ({"input": {"pfs": {"repo": "images", "glob": "/["}}}, "glob"),
        ({"input": {"pfs": {"repo": "images", "glob": "/"}, "cron": {"name": "x", "spec": "@daily"}}}, "exactly one"),
        ({"input": {"pfs": {"repo": "images", "glob": "/", "repo_type": "meta"}}}, 'expected "user"'),
        ({"input": {"pfs": {"repo": "images", "glob": "/", "name": "out"}}}, 'cannot be named "out"'),
        ({"input": {"pfs": {"repo": "edges", "glob": "/"}}}, "it cannot read what it writes"),
        ({"input": {"cron": {"name": "x", "spec": "@hour"}}}, "expected five fields"),
        ({"input": {"join": [{"cron": {"name": "x", "spec": "@daily"}}]}}, "`cron` is refused here"),
        ({"datum_tries": -1}, "expected a number from 1"),
        ({"datum_timeout": "soon"}, "is no duration"),
        ({"reprocess_spec": "never"}, 'expected "until_success" or "every_job"'),
        ({"resource_limits": {"cpu": "many"}}, "cpu: expected a quantity such as 2, 0.5 or 500m"),
        ({"resource_limits": {"memory": "1GB"}}, "memory: expected a quantity such as 512Mi or 2G"),
        ({"resource_limits": {"memory": "9" * 400 + "Gi"}}, "memory: expected a quantity such as 512Mi or 2G"),
        ({"resource_limits": {"memory": "9" * 30 + "Gi"}}, "memory: is more than 9.2 EB"),
        ({"resource_limits": {"memory": "1e99"}}, "memory: is more than 9.2 EB"),
        ({"datum_tries": "1" * 20}, "expected a whole number, found text"),
        ({"datum_tries": "٣"}, "expected a whole number, found text"),
        ({"egress": {"URL": "gs://bucket"}}, "cannot be exported to"),
        ({"egress": {"URL": "s3://b", "sql_database": {"url": "x"}}}, "exactly one"),
    ],
)
def test_what_is_wrong_has_a_place(changes: dict[str, Any], message: str) -> None:
    base = {"pipeline": {"name": "edges"}, "transform": {"cmd": ["true"], "image": "x"}}
    error = refused(json.dumps({**base, **changes}, indent=2))
    assert message in error.message
    assert error.where.startswith("edges.json:") and len(error.where.split(":")) == 3


@pytest.mark.parametrize("text", ["", "[]", "7", '"x"', "{", "---\n---\n", "a: [", "[[]]", "null"])
def test_what_is_no_spec(text: str) -> None:
    assert refused(text, "x.yaml").where.startswith("x.yaml:")


def test_a_file_of_ours_says_the_same() -> None:
    from penstock.text.pipeline import read_pipeline

    montage = {
        "pipeline": {"name": "montage"},
        "description": "All.",
        "transform": {"cmd": ["sh"], "stdin": ["echo 1e3: no"]},
        "input": {"cross": [{"pfs": {"repo": "images", "glob": "/"}}, {"pfs": {"repo": "edges", "glob": "/"}}]},
    }
    found = read({**WHOLE, "output_branch": "master"}, montage)
    tree = found.tree(found.specs, "both")
    text = write_yaml(tree.plain())
    again = read_pipeline(text, "pipeline.yaml", known_repos=(), has_file=lambda name: True, default_name="x")
    assert again.description == "edges: Outlines.\nmontage: All."
    assert [step.name for step in again.steps] == ["edges", "montage"]
    assert again.step("montage").stdin == "echo 1e3: no\n"
    assert "input: images@master:/*" in text


leaf = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6) | st.text(max_size=12)
word = st.from_regex(r"[-+.0-9eExo_a-z:~]{0,8}", fullmatch=True)
values = st.recursive(leaf | word, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(word, inner, max_size=4))


@given(st.dictionaries(word, values, max_size=4))
def test_what_is_written_reads_back(value: dict[str, Any]) -> None:
    try:
        text = write_yaml(value)
        found = read_marked(text, "x.yaml").plain()
    except BadSpec as error:
        assert "cannot stand in a file" in error.message or "is not UTF-8" in error.message
        return
    assert found == value and json.dumps(found) == json.dumps(value)


fields = st.sampled_from(sorted(spec._SPEC.taken | spec._TRANSFORM.taken | inputs._PFS.taken | inputs._NODE.taken))
anything = st.recursive(
    leaf | st.sampled_from(["edges", "/*", "images"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(fields, inner, max_size=5),
    max_leaves=20,
)


@given(anything)
def test_nothing_else_than_a_bad_spec(value: Any) -> None:
    try:
        read_specs([(json.dumps(value).encode(), "x.json")]).pipelines(["images"], lambda name: False)
    except BadSpec as error:
        assert error.where.startswith("x.json:")
