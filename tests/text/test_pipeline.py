"""A good pipeline file, key by key, and its canonical form."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from penstock.model.errors import BadSpec, Corrupt
from penstock.model.spec import After, Env, InputSpec, Pipeline, RepoSpec, Resources, Retry, Step
from penstock.text.canonical import pipeline_from_json, pipeline_to_json
from penstock.text.pipeline import read_pipeline

GOOD = """\
pipeline: edges
description: finds edges
params: {threshold: 100, sizes: [1, 2.5], deep: {no: null}}
repos:
  images: {path: ./photos/}            # linked directory
  spare:
steps:
  edges:
    input: images:/*                   # one binding per match
    run: [python3, edges.py, 010]
    env: {inherit: false, vars: {OMP_NUM_THREADS: 4, NAME: x y}}
    code: ["*.py", /lib/**]
    resources: {cpus: 2}
    retry: {tries: 3, timeout: 1h30m}
  montage:
    input: {cross: ["images@raw:/", {repo: edges, glob: a/, as: found}, [old:x]]}
    run: montage.sh
    reuse: false
    output: pictures
  report:
    after: {montage: end, edges: success}
    on_upstream_failure: continue
    params: {kind: short}
    each: {seed: "1..100", size: [s, m]}
    run: echo "$PENSTOCK_PARAM_SEED"; ls
    workdir: sub/dir
  last:
    after: [report, montage]
    run: ./last.py
    output: final
"""
FILES = frozenset({"edges.py", "montage.sh", "last.py", "sub/x.py"})


def read(text: str | bytes, file: str = "pipeline.yaml") -> Pipeline:
    return read_pipeline(text, file, known_repos={"old"}, has_file=FILES.__contains__, default_name="project")


def bare(value: Any) -> Any:
    """The same, with no place in it."""
    if isinstance(value, tuple):
        return tuple(bare(item) for item in value)
    if isinstance(value, (Pipeline, Step, InputSpec, RepoSpec)):
        fields = {field.name: bare(getattr(value, field.name)) for field in structs.fields(value)}
        return type(value)(**fields | ({"where": ""} if "where" in fields else {}))
    return value


EXPECTED = Pipeline(
    name="edges",
    description="finds edges",
    params={"threshold": 100, "sizes": [1, 2.5], "deep": {"no": None}},
    repos=(RepoSpec("images", "photos"), RepoSpec("spare")),
    steps=(
        Step(
            name="edges",
            run=("python3", "edges.py", "010"),
            input=InputSpec("glob", "images", "main", "/*", "images"),
            env=Env(False, {"OMP_NUM_THREADS": "4", "NAME": "x y"}),
            code=("/*.py", "/lib/**"),
            resources=Resources(2),
            retry=Retry(3, 5400.0),
            output="edges",
        ),
        Step(
            name="montage",
            run=("sh", "montage.sh"),
            input=InputSpec(
                "cross",
                parts=(
                    InputSpec("glob", "images", "raw", "/", "images"),
                    InputSpec("glob", "edges", "main", "/a", "found"),
                    InputSpec("all", parts=(InputSpec("glob", "old", "main", "/x", "old"),)),
                ),
            ),
            reuse=False,
            output="pictures",
        ),
        Step(
            name="report",
            run=("sh", "-c", 'echo "$PENSTOCK_PARAM_SEED"; ls'),
            after=(After("montage", "end"), After("edges", "success")),
            on_upstream_failure="continue",
            params={"kind": "short"},
            each={"seed": "1..100", "size": ["s", "m"]},
            workdir="sub/dir",
            reuse=False,
        ),
        Step(
            name="last",
            run=("python3", "last.py"),
            after=(After("report"), After("montage")),
            output="final",
        ),
    ),
)


def test_every_key() -> None:
    assert bare(read(GOOD)) == EXPECTED


def test_places_are_kept() -> None:
    pipeline = read(GOOD)
    assert [step.where for step in pipeline.steps] == [f"pipeline.yaml:{line}:3" for line in (8, 15, 20, 27)]
    assert [repo.where for repo in pipeline.repos] == ["pipeline.yaml:5:3", "pipeline.yaml:6:3"]
    source = pipeline.step("montage").input
    assert source is not None
    assert [leaf.where for leaf in source.leaves()] == [f"pipeline.yaml:16:{column}" for column in (21, 37, 74)]


@pytest.mark.parametrize("name", ["p.json", "p.json5"])
def test_json_says_the_same(name: str) -> None:
    import yaml

    data = yaml.safe_load(GOOD.replace("010", "'010'").replace("{no:", "{'no':"))
    assert bare(read(json.dumps(data), name)) == EXPECTED


def test_defaults() -> None:
    pipeline = read("steps: {only: {run: sleep 1}}")
    assert pipeline.name == "project"
    assert bare(pipeline.steps) == (Step("only", ("sh", "-c", "sleep 1"), reuse=False),)


@pytest.mark.parametrize(
    ("step", "output", "reuse"),
    [
        ("{run: x}", None, False),
        ("{run: x, reuse: true}", None, True),
        ("{run: x, input: old:/}", "s", True),
        ("{run: x, output: r}", "r", True),
        ("{run: x, input: old:/, output: r, reuse: false}", "r", False),
    ],
)
def test_a_step_publishes_if_it_has_an_input_or_says_so(step: str, output: str | None, reuse: bool) -> None:
    (found,) = read(f"steps: {{s: {step}}}").steps
    assert (found.output, found.reuse) == (output, reuse)
    assert found.publishes is (output is not None)


@pytest.mark.parametrize(
    ("run", "argv"),
    [
        ("last.py", ("python3", "last.py")),
        ("./montage.sh", ("sh", "montage.sh")),
        ("sub/x.py", ("python3", "sub/x.py")),
        ("last.py --fast", ("sh", "-c", "last.py --fast")),
        ("true", ("sh", "-c", "true")),
        ("'  ls  '", ("sh", "-c", "ls")),
        ("[ls, -l, 3, 1.50, '$(touch x);']", ("ls", "-l", "3", "1.50", "$(touch x);")),
        ("[work.R]", ("work.R",)),
    ],
)
def test_commands(run: str, argv: tuple[str, ...]) -> None:
    if run == "true":
        run = "'true'"
    assert read(f"steps: {{s: {{run: {run}}}}}").steps[0].run == argv


def test_thousands_of_steps_in_a_row_are_no_cycle() -> None:
    steps = "".join(f"  s{n}: {{run: [x], after: [s{n + 1}]}}\n" for n in range(3000))
    assert len(read(f"steps:\n{steps}  s3000: {{run: [x]}}\n").steps) == 3001


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,6}", fullmatch=True)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=3,
)
DATA = st.dictionaries(st.sampled_from(["a", "where", "b", "name"]), VALUES, max_size=2)
INPUTS: st.SearchStrategy[InputSpec] = st.recursive(
    st.builds(InputSpec, st.just("glob"), NAMES, NAMES, st.sampled_from(["/", "/*"]), NAMES),
    lambda inner: st.builds(
        lambda kind, parts: InputSpec(kind, parts=tuple(parts)),
        st.sampled_from(["cross", "all"]),
        st.lists(inner, min_size=1, max_size=2),
    ),
    max_leaves=3,
)
STEPS = st.builds(
    Step,
    name=NAMES,
    run=st.lists(st.text(max_size=4), min_size=1, max_size=2).map(tuple),
    input=st.none() | INPUTS,
    after=st.lists(st.builds(After, NAMES, st.sampled_from(["end", "success"])), max_size=2).map(tuple),
    on_upstream_failure=st.sampled_from(["cancel", "continue"]),
    params=DATA,
    each=st.dictionaries(NAMES, st.lists(VALUES, max_size=2) | st.just("1..3"), max_size=1),
    code=st.none() | st.lists(st.just("/*"), max_size=1).map(tuple),
    workdir=st.none() | st.just("sub"),
    env=st.builds(Env, st.booleans(), st.dictionaries(NAMES, st.text(max_size=3), max_size=1)),
    output=st.none() | NAMES,
    resources=st.builds(Resources, st.integers(1, 9)),
    retry=st.builds(Retry, st.integers(1, 9), st.none() | st.floats(1, 9)),
    reuse=st.booleans(),
)
REPOS = st.builds(RepoSpec, NAMES, st.none() | st.just("photos"))
PIPELINES = st.builds(
    Pipeline,
    NAMES,
    st.lists(STEPS, min_size=1, max_size=2).map(tuple),
    st.text(max_size=4),
    DATA,
    st.lists(REPOS, max_size=2).map(tuple),
)


@given(PIPELINES)
def test_the_canonical_text_reads_back(pipeline: Pipeline) -> None:
    text = pipeline_to_json(pipeline)
    assert pipeline_from_json(text) == pipeline
    assert pipeline_to_json(pipeline_from_json(text)) == text


def test_the_canonical_text_is_sorted_and_knows_no_places_or_defaults() -> None:
    pipeline = read("# moved\n\nsteps:\n  s: {run: [x], params: {where: 1, b: 2}}")
    expected = '{"name":"project","steps":[{"name":"s","params":{"b":2,"where":1},"reuse":false,"run":["x"]}]}'
    assert pipeline_to_json(pipeline) == expected
    assert pipeline_from_json(pipeline_to_json(read(GOOD))) == EXPECTED


@pytest.mark.parametrize(
    "text", ["", "1", "[]", "{}", '{"name": "x", "steps": [1]}', '{"name": "x", "steps": [], "later": 1}']
)
def test_a_spoilt_canonical_text_is_corrupt(text: str) -> None:
    with pytest.raises(Corrupt, match="a stored pipeline cannot be read"):
        pipeline_from_json(text)


def mutations(text: str, seed: int, count: int) -> list[str]:
    """`text` with a few pieces cut, doubled, swapped or replaced."""
    chance = random.Random(seed)
    pieces = [
        ":",
        "{",
        "}",
        "[",
        "]",
        "'",
        '"',
        "\n",
        "  ",
        "- ",
        "&a ",
        "*a",
        "!x ",
        "null",
        "\t",
        "\0",
        "é",
        "..",
        "9" * 30,
    ]
    words = text.replace(":", " ").replace(",", " ").split()
    made = []
    for _ in range(count):
        mutant = text
        for _ in range(chance.randint(1, 4)):
            start = chance.randrange(len(mutant))
            end = min(len(mutant), start + chance.choice([0, 1, 1, 3, 20]))
            other = chance.choice([chance.choice(pieces), chance.choice(words), mutant[start:end] * 2, ""])
            mutant = mutant[:start] + other + mutant[end:]
        made.append(mutant)
    return made


def test_mutants_are_read_or_refused_with_one_error() -> None:
    refused = 0
    as_json = json.dumps(json.loads(pipeline_to_json(read(GOOD))), indent=1)
    for file, text in (("m.yaml", GOOD), ("m.json", as_json)):
        for mutant in mutations(text, 7, 500):
            try:
                assert read(mutant, file).steps
            except BadSpec as error:
                refused += 1
                name, line, column = error.where.split(":")
                assert name == file
                assert 1 <= int(line) <= mutant.count("\n") + 2
                assert int(column) >= 1
                assert "\n" not in str(error)
    assert refused > 500


@given(st.binary(max_size=40) | st.text(max_size=40))
def test_any_bytes_are_read_or_refused(text: str | bytes) -> None:
    for file in ("m.yaml", "m.json"):
        with suppress(BadSpec):
            read(text, file)


def test_the_reader_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    read(GOOD)
    assert list(tmp_path.iterdir()) == []
