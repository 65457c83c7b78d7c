"""Torc's definitions in our words: both generations, every field translated, left out or refused by name."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.compat.torc import fields
from penstock.compat.torc.names import Known
from penstock.compat.torc.spec import is_todays, pipeline_in, read_definition, translate
from penstock.model.errors import BadSpec
from penstock.model.glob import compile_glob
from penstock.model.spec import After, InPlace, Resources, Rule, Site
from penstock.text.marked import read_marked
from penstock.text.nodes import Node
from penstock.text.pipeline import pipeline_of

TODAYS = r"""
name: sweep.v2
description: a sweep
parameters: {lr: "[0.1, 0.01]", i: "1:3"}
jobs_sort_method: none
compute_node_expiration_buffer_seconds: 90
files:
  - {name: "in_{i}", path: "data/in{i:03d}.txt", use_parameters: [i]}
  - {name: "out_{i}", path: "work/out{i:03d}.txt", use_parameters: [i]}
user_data:
  - {name: best, data: {score: 0}}
  - {name: scratch, is_ephemeral: true}
resource_requirements:
  - {name: big, num_cpus: 2, num_gpus: 1, memory: 1g, runtime: PT1H}
failure_handlers:
  - name: again
    rules:
      - {exit_codes: [137], max_retries: 2, recovery_script: "echo more"}
      - {match_all_exit_codes: true}
resource_monitor: {enabled: true}
jobs:
  - name: "work.{i}"
    use_parameters: [i]
    command: "cat ${files.input.in_{i}} > ${files.output.out_{i}} && echo {i} {i:02d} {other}"
    resource_requirements: big
    failure_handler: again
  - {name: "train_{lr:.2f}", use_parameters: [lr], command: "train --lr {lr}", depends_on_regexes: ['^work\.'],
     supports_termination: true}
  - {name: end, command: "true", depends_on_regexes: [train], cancel_on_blocking_job_failure: false,
     output_user_data: [best], input_user_data: [scratch], invocation_script: nice}
"""

FULL = (
    TODAYS
    + """
slurm_schedulers:
  - {name: gpu, account: lab, nodes: 2, walltime: "1-02:00:00", mem: 180G, gres: "gpu:a100:4", extra: "--exclusive"}
slurm_defaults: {constraint: fast}
config: {prepare_jobs_sort_method: none}
"""
)


def todays(text: str = TODAYS) -> Any:
    root = read_marked(text, "w.yaml")
    assert is_todays(root, json=False)
    return translate(root, "w", shell=True)


def steps(text: str = TODAYS) -> dict[str, Any]:
    tree = todays(text).tree
    pipeline = pipeline_of(tree, known_repos=(), has_file=lambda _: False, default_name="w")
    return {step.name: step for step in pipeline.steps}


def test_todays_definitions_are_pipelines_of_ours() -> None:
    found = todays()
    pipeline = pipeline_of(found.tree, known_repos=(), has_file=lambda _: False, default_name="w")
    assert (pipeline.name, pipeline.description, pipeline.sort) == ("sweep-v2", "a sweep", "none")
    assert [step.name for step in pipeline.steps] == ["work-1", "work-2", "work-3", "train_0-10", "train_0-01", "end"]
    assert {item.name: (item.value, item.ephemeral) for item in pipeline.data} == {
        "best": ({"score": 0}, False),
        "scratch": (None, True),
    }
    by_name = steps()
    work, train, end = by_name["work-2"], by_name["train_0-10"], by_name["end"]
    command = "cat data/in002.txt > work/out002.txt && echo 2 02 {other}"
    assert work.run == ("bash", "-c", command)
    assert [file.path for file in (*work.reads, *work.outputs)] == ["data/in002.txt", "work/out002.txt"]
    assert work.resources == Resources(2, 1 << 30, 1, 3600.0)
    assert work.retry.rules == (Rule((137,), 3, between=("bash", "-c", "echo more")), Rule((), 4))
    assert train.run == ("bash", "-c", "train --lr 0.1")
    assert train.after == tuple(After(f"work-{place}") for place in (1, 2, 3))
    assert (train.supports_termination, train.grace) == (True, 90.0)
    assert end.run == ("bash", "-c", "nice true")
    assert (end.on_upstream_failure, end.inputs_data, end.outputs_data) == ("continue", ("scratch",), ("best",))
    notes = "\n".join(found.notes)
    assert "`resource_monitor` is left out" in notes and "job 'work.1' is called 'work-1'" in notes


def test_the_seeds_resources_are_read() -> None:
    """The block of the page the project was founded on."""
    asked = 'num_cpus: 36, num_gpus: 0, num_nodes: 1, memory: "80g", runtime: "P0DT12H"'
    text = f"""{{jobs: [{{name: "a", command: "true", resource_requirements: "r"}}],
        resource_requirements: [{{name: "r", {asked}}}]}}"""
    (step,) = pipeline_in(read_definition(text.encode(), "w.json5", "w"), "w").steps
    assert step.resources == Resources(36, 80 << 30, 0, 43200.0)


def test_the_python_torc_splits_commands_and_reads_lists_of_files() -> None:
    text = """{
        name: "old", key: "1", user: "me",
        jobs: [
            {name: "a", command: "echo 'x y' $HOME", input_files: ["f"], output_files: ["g"]},
            {name: "b", command: "true", blocked_by: ["a"], scheduler: "slurm_schedulers/x"},
        ],
        files: [{name: "f", path: "in.txt", st_mtime: 1.5}, {name: "g", path: "/out/g.txt"}],
        schedulers: {slurm_schedulers: [{name: "x", account: "y", nodes: 1}]},
        config: {prepare_jobs_sort_method: "gpus_memory_runtime", compute_node_expiration_buffer_seconds: 120},
    }"""
    pipeline = pipeline_in(read_definition(text.encode(), "w.json5", "w"), "w")
    first, second = pipeline.steps
    assert first.run == ("echo", "x y", "$HOME")
    places = [InPlace(file.path, file.hash) for file in (*first.reads, *first.outputs)]
    assert places == [InPlace("in.txt"), InPlace("/out/g.txt")]
    assert second.after == (After("a"),) and pipeline.sort == "gpus_memory_runtime"
    assert (first.site, second.site) == ("local", "x")
    assert pipeline.sites == (Site("x", "slurm", options=(("account", "y"),)),)
    root = read_marked(text, "w.json5", json=True)
    assert not is_todays(root, json=True)
    left_out = re.findall(r"`(\w+)` is left out", "\n".join(translate(root, "w", shell=False).notes))
    assert left_out == ["key", "user", "st_mtime", "compute_node_expiration_buffer_seconds"]


def test_todays_schedulers_are_sites() -> None:
    text = """
name: far
slurm_schedulers:
  - {name: gpu nodes, account: lab, partition: gpu, nodes: 2, walltime: "1-02:00:00", mem: 180G, gres: "gpu:a100:4",
     ntasks_per_node: 1, extra: "--exclusive"}
  - {name: plain, account: lab, walltime: 90}
slurm_defaults: {constraint: fast, mail-user: me}
jobs:
  - {name: a, command: x, scheduler: gpu nodes}
  - {name: b, command: x, scheduler: plain}
  - {name: c, command: x}
"""
    found = translate(read_marked(text, "w.yaml"), "w", shell=True)
    pipeline = pipeline_of(found.tree, known_repos=(), has_file=lambda _: True, default_name="w")
    assert [step.site for step in pipeline.steps] == ["gpu-nodes", "plain", "local"]
    shared = (("account", "lab"), ("constraint", "fast"))
    first, second = pipeline.sites
    assert first == Site(
        *("gpu-nodes", "slurm", "gpu", 93600.0, 2),
        memory=180 << 30,
        gpus=4,
        options=(*shared, ("exclusive", ""), ("mail-user", "me")),
    )
    assert second == Site("plain", "slurm", walltime=5400.0, options=(*shared, ("mail-user", "me")))
    assert any("`ntasks_per_node` is left out" in note for note in found.notes)


def test_reading_takes_as_long_as_there_are_jobs() -> None:
    count = 8000
    said: list[dict[str, Any]] = [{"name": f"j.{i}", "command": "true", "blocked_by": ["j.0"]} for i in range(count)]
    del said[0]["blocked_by"]
    root = read_marked(json.dumps({"jobs": said}), "w.json")
    begun = time.process_time()
    steps = translate(root, "w", shell=False).tree.value["steps"].value
    assert len(steps) == count and steps["j-7"].value["after"].plain() == ["j-0"]
    assert time.process_time() - begun < 4, "some 0.5 s; more than 10 s if each job looks at all others"


@given(st.text("ab.^$*+?{1}|()]\\-", max_size=6), st.lists(st.text("ab1-", min_size=1, max_size=3), unique=True))
def test_expressions_find_what_they_find_one_by_one(expression: str, names: list[str]) -> None:
    try:
        wanted = [name for name in names if re.search(expression, name)]
    except re.error:
        wanted = []
    said = {"x_regexes": Node([Node(expression, "f", 1, 1)], "f", 1, 1)}
    try:
        assert Known("job", names).named(said, "x") == wanted != []
    except BadSpec:
        assert not wanted


def test_a_path_with_characters_of_patterns_is_that_path() -> None:
    text = """
files: [{name: f, path: "d/x[1]*.{csv}"}, {name: g, path: plain.csv}]
jobs: [{name: a, command: x, input_files: [f, g]}, {name: b, command: "cat ${files.input.f}"}]
"""
    by_name = steps(text)
    assert [file.path for file in by_name["a"].reads] == [r"d/x\[1\]\*.\{csv\}", "plain.csv"]
    glob = compile_glob(by_name["a"].reads[0].path)
    assert glob.literal and glob.matches("d/x[1]*.{csv}") and not glob.matches("d/x1.csv")
    assert by_name["b"].run[2] == "cat 'd/x[1]*.{csv}'"


def test_priorities_variables_and_expressions_for_files() -> None:
    text = """
env: {A: "1", B: x}
files: [{name: in1, path: i1}, {name: in2, path: i2}, {name: out, path: o}]
jobs:
  - {name: a, command: x, priority: 7, env: {B: y, C: 3}, input_file_regexes: [^in], output_files_regexes: [out]}
  - {name: b, command: x}
project: p
metadata: {a: 1}
"""
    by_name = steps(text)
    assert (by_name["a"].priority, by_name["b"].priority) == (7, 0)
    assert by_name["a"].env.vars == {"A": "1", "B": "y", "C": "3"}
    assert by_name["b"].env.vars == {"A": "1", "B": "x"}
    assert [file.path for file in (*by_name["a"].reads, *by_name["a"].outputs)] == ["i1", "i2", "o"]
    assert len(todays(text).notes) == 2


@pytest.mark.parametrize(("gres", "gpus"), [("gpu:2", 2), ("gpu:3090:8", 8), ("gpu:1g.5gb:7", 7)])
def test_a_type_of_gpus_may_begin_with_a_digit(gres: str, gpus: int) -> None:
    text = f"{{slurm_schedulers: [{{name: s, gres: '{gres}'}}], jobs: [{{command: x, scheduler: s}}]}}"
    pipeline = pipeline_of(todays(text).tree, known_repos=(), has_file=lambda _: False, default_name="w")
    assert [site.gpus for site in pipeline.sites] == [gpus]


def test_jobs_of_several_nodes_are_batch_jobs_of_their_own() -> None:
    text = """
resource_requirements: [{name: two, num_nodes: 2}, {name: three, num_nodes: 3}]
slurm_schedulers: [{name: both, nodes: 7}, {name: large, nodes: 2, walltime: 90}, {name: both-nodes}, {name: idle}]
jobs:
  - {name: a, command: x, scheduler: both}
  - {name: b, command: x, scheduler: both, resource_requirements: two}
  - {name: c, command: x, scheduler: both, resource_requirements: three}
  - {name: d, command: x, scheduler: large, resource_requirements: three}
  - {name: e, command: x, scheduler: both-nodes}
"""
    found = todays(text)
    pipeline = pipeline_of(found.tree, known_repos=(), has_file=lambda _: False, default_name="w")
    assert [step.site for step in pipeline.steps] == ["both", "both-nodes", "both-nodes", "large", "both-nodes-2"]
    assert pipeline.sites == (
        Site("both", "slurm", nodes=7),
        Site("both-nodes", "slurm", nodes=2, per="task"),
        Site("large", "slurm", walltime=5400.0, nodes=1, per="task"),
        Site("both-nodes-2", "slurm"),
        Site("idle", "slurm"),
    )
    assert found.notes == [
        "w.yaml: scheduler 'both' is two sites, 'both', and 'both-nodes' for jobs of several nodes",
        "w.yaml: scheduler 'both-nodes' is called 'both-nodes-2'",
    ]


def test_no_two_things_are_called_alike() -> None:
    text = """
slurm_schedulers: [{name: a b, nodes: 1}, {name: a-b, nodes: 2}]
resource_requirements: [{name: r 1, num_cpus: 1}, {name: r-1, num_cpus: 2}]
jobs: [{name: x, command: x, scheduler: a-b, resource_requirements: r-1}]
"""
    (step,) = steps(text).values()
    assert (step.site, step.resources.cpus) == ("a-b-2", 2)


def test_no_field_is_in_two_places() -> None:
    messages = (fields.TOP, fields.CONFIG, fields.JOB, fields.FILE, fields.USER_DATA, fields.RESOURCES, fields.RULE)
    for message in messages:
        assert not message.taken & message.left_out.keys() and not message.taken & message.refused.keys()
        assert not message.left_out.keys() & message.refused.keys()


def test_import_writes_a_file_that_runs(penstock: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text("jobs:\n  - {name: 'j{i}', command: 'echo {i} >> told', parameters: {i: '1:3'}}\n")
    said = penstock("import", "torc", "w.yaml", "-o", "pipeline.yaml")
    assert (said.code, said.out) == (0, "wrote pipeline.yaml with 3 steps\n")
    assert penstock("import", "torc", "w.yaml", "-o", "pipeline.yaml").code == 3
    assert list(penstock("import", "torc", "w.yaml", "--json").json["steps"]) == ["j1", "j2", "j3"]
    assert penstock("import", "torc", "none.yaml").code == 3
    assert penstock("init").code == 0 and penstock("run").code == 0
    assert sorted((tmp_path / "told").read_text().split()) == ["1", "2", "3"]
