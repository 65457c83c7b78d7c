"""The forms in which specs of Pachyderm's pages and public pipelines are written, each taken or refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.compat.pachyderm.spec import read_specs
from penstock.model.errors import BadSpec
from penstock.model.spec import InputSpec, Pipeline, Resources, Retry
from penstock.text.canonical import pipeline_to_json

REPOS = ("shots", "notes", "sales", "shops", "model")


def read(text: str, file: str = "spec.yaml") -> list[Pipeline]:
    return read_specs([(text.encode(), file)], bare=True).pipelines(REPOS, lambda name: True)


def leaves(pipeline: Pipeline) -> list[InputSpec]:
    source = pipeline.steps[0].input
    return list(source.leaves()) if source is not None else []


HEAD = "pipeline: {name: p}\ntransform: {image: me/p, cmd: [python3, p.py]}\n"
SHOTS = "input: {pfs: {repo: shots, glob: /*}}\n"

#: A form -> the text, and what is asked of the pipelines it makes.
TAKEN: dict[str, tuple[str, Any]] = {
    "one input, a datum per entry": (HEAD + SHOTS, lambda p: leaves(p)[0].glob == "/*"),
    "a glob without its slash": (HEAD + "input: {pfs: {repo: shots, glob: '*'}}", lambda p: leaves(p)[0].glob == "/*"),
    "a glob with a slash too many": (
        HEAD + "input: {pfs: {repo: shots, glob: /*/}}",
        lambda p: leaves(p)[0].glob == "/*",
    ),
    "alternatives and classes": (
        HEAD + "input: {pfs: {repo: shots, glob: '/@(a|b)-[0-9]*.{jpg,png}'}}",
        lambda p: leaves(p)[0].glob.startswith("/@(a|b)"),
    ),
    "a shell that reads its script": (
        "pipeline: {name: p}\ntransform: {cmd: [bash], stdin: ['wc -l /pfs/shots/* > /pfs/out/n']}\n" + SHOTS,
        lambda p: p.steps[0].stdin == "wc -l /pfs/shots/* > /pfs/out/n\n",
    ),
    "a recovery": (
        "pipeline: {name: p}\ntransform: {cmd: [sh], stdin: ['false'], err_cmd: ['true'], accept_return_code: ['3']}\n"
        + SHOTS,
        lambda p: (p.steps[0].err_run, p.steps[0].accept_exit) == (("true",), (3,)),
    ),
    "everything with everything": (
        HEAD + "input: {cross: [{pfs: {repo: shots, glob: /}}, {pfs: {repo: model, glob: /, name: m}}]}",
        lambda p: [leaf.name for leaf in leaves(p)] == ["shots", "m"],
    ),
    "a union under one name": (
        HEAD + "input: {union: [{pfs: {repo: shots, glob: /*, name: x}}, {pfs: {repo: notes, glob: /*, name: x}}]}",
        lambda p: {leaf.name for leaf in leaves(p)} == {"x"},
    ),
    "an inner join": (
        HEAD + "input: {join: [{pfs: {repo: shops, glob: /S(*).txt, join_on: $1}},"
        " {pfs: {repo: sales, glob: '/*_S(*).txt', join_on: $1}}]}",
        lambda p: [leaf.on for leaf in leaves(p)] == ["$1", "$1"],
    ),
    "an outer join": (
        HEAD + "input: {join: [{pfs: {repo: shops, glob: /S(*).txt, join_on: $1, outer_join: true}},"
        " {pfs: {repo: sales, glob: '/*_S(*).txt', joinOn: $1, outerJoin: false}}]}",
        lambda p: [leaf.outer for leaf in leaves(p)] == [True, False],
    ),
    "an outer join without keys": (
        HEAD + "input: {join: [{pfs: {repo: shops, glob: /, outer_join: true}},"
        " {pfs: {repo: sales, glob: /, outer_join: true}}]}",
        lambda p: [(leaf.on, leaf.outer) for leaf in leaves(p)] == [("", True)] * 2,
    ),
    "a group": (
        HEAD + "input: {group: [{pfs: {repo: sales, glob: '/*-(*)-lab*', group_by: $1}}]}",
        lambda p: leaves(p)[0].by == "$1",
    ),
    "a group by two captures, and one of everything": (
        HEAD + "input: {group: [{pfs: {repo: sales, glob: /(*)-(*), group_by: $1-$2}}, {pfs: {repo: shops, glob: /}}]}",
        lambda p: [leaf.by for leaf in leaves(p)] == ["$1-$2", ""],
    ),
    "a group over a join": (
        HEAD + "input: {group: [{join: [{pfs: {repo: shops, glob: /(*), join_on: $1, group_by: $1}},"
        " {pfs: {repo: sales, glob: '/(*)_(*)', join_on: $1, group_by: $1}}]}]}",
        lambda p: [(leaf.on, leaf.by) for leaf in leaves(p)] == [("$1", "$1")] * 2,
    ),
    "a clock beside data": (
        HEAD
        + "input: {cross: [{cron: {name: t, spec: '@every 60s', overwrite: true}}, {pfs: {repo: shots, glob: /}}]}",
        lambda p: leaves(p)[0].cron.expression == "@every 60s" and leaves(p)[0].cron.overwrite,
    ),
    "a clock by fields": (
        HEAD + "input: {cron: {name: t, spec: '*/1 * * * *'}}",
        lambda p: leaves(p)[0].cron.expression == "*/1 * * * *",
    ),
    "a clock that never ticks": (
        HEAD + "input: {cron: {name: t, spec: '@never'}}",
        lambda p: leaves(p)[0].cron.expression == "@never",
    ),
    "a clock in a zone": (
        HEAD + "input: {cron: {name: t, spec: 'CRON_TZ=Asia/Tokyo 0 6 ? * MON-FRI'}}",
        lambda p: (leaves(p)[0].cron.expression, leaves(p)[0].cron.tz) == ("0 6 * * MON-FRI", "Asia/Tokyo"),
    ),
    "a trigger by size": (
        HEAD + "input: {pfs: {repo: shots, glob: /, branch: t, trigger: {branch: master, size: 1K}}}",
        lambda p: (leaves(p)[0].branch, leaves(p)[0].trigger.size) == ("t", 1000),
    ),
    "a trigger by count and time": (
        HEAD + "input: {pfs: {repo: shots, glob: /, trigger: {cronSpec: '@every 1h30m'}}}",
        lambda p: leaves(p)[0].trigger.every == 5400.0,
    ),
    "a field of no effect": (
        HEAD + SHOTS + "parallelism_spec: {constant: '4'}\nautoscaling: true\ndatum_set_spec: {size_bytes: '1000'}",
        lambda p: p.steps[0].resources == Resources(1),
    ),
    "parallelism of before 1.8": (
        HEAD + SHOTS + "parallelism_spec: {strategy: COEFFICIENT, coefficient: 1}\nenable_stats: true\nstandby: true",
        lambda p: True,
    ),
    "resources as Kubernetes has them": (
        HEAD + SHOTS + "resource_requests: {cpu: '1500m', memory: 1Gi, disk: 10G}\n"
        "resource_limits: {memory: '2Gi', gpu: {type: nvidia.com/gpu, number: '1'}}",
        lambda p: p.steps[0].resources == Resources(2, 2 << 30, 1),
    ),
    "resources of nothing": (
        HEAD + SHOTS + "resource_requests: {cpu: '0', memory: '0'}\nresource_limits: {gpu: {type: x, number: 0}}",
        lambda p: p.steps[0].resources == Resources(1),
    ),
    "durations of Go": (
        HEAD + SHOTS + "datum_timeout: 1m0.5s\njob_timeout: 24h0m0s\ndatum_tries: '2'",
        lambda p: (p.steps[0].retry, p.steps[0].timeout) == (Retry(2, 60.5), 86400.0),
    ),
    "work that is never skipped": (
        HEAD + SHOTS + "reprocess_spec: every_job\noutput_branch: dev",
        lambda p: not p.steps[0].reuse and "dev" in [repo.branch for repo in p.repos],
    ),
    "a copy elsewhere": (
        HEAD + SHOTS + "egress: {URL: 's3://bucket/dir'}",
        lambda p: p.steps[0].export.to == "s3://bucket/dir",
    ),
    "tables": (
        HEAD + SHOTS + "egress: {sql_database: {url: 'postgresql://h/d', file_format: {type: CSV, columns: [a]}}}",
        lambda p: p.steps[0].export.columns == ("a",),
    ),
    "no input": (HEAD, lambda p: p.steps[0].input is None),
    "a project that is this one": (
        "pipeline: {name: p, project: {name: default}}\ntransform: {cmd: [a]}\n"
        "input: {pfs: {repo: shots, glob: /, project: default}}",
        lambda p: True,
    ),
    "flags of the command": (HEAD + SHOTS + "update: true\nreprocess: true\ndry_run: false", lambda p: True),
    "a comma behind the last, comments, bare keys": (
        '// one\n{pipeline: {"name": "p"}, /* two */ "transform": {"cmd": ["a"],},}',
        lambda p: True,
    ),
    "what a list prints with --raw": (
        HEAD + "input: {pfs: {name: shots, repo: shots, repo_type: user, branch: master, glob: /}}\nsalt: abc\n",
        lambda p: True,
    ),
}


@pytest.mark.parametrize("form", TAKEN)
def test_taken(form: str) -> None:
    text, holds = TAKEN[form]
    (pipeline,) = read(text)
    assert holds(pipeline)
    (other,) = read(text, "spec.json")
    assert pipeline_to_json(other) == pipeline_to_json(pipeline), "whatever the file is called"


def secret(said: str) -> str:
    return f"pipeline: {{name: p}}\ntransform: {{cmd: [a], {said}}}\n"


#: A form -> the text, where it is refused, and how.
REFUSED: dict[str, tuple[str, str, str]] = {
    "inputs of before 1.9": (
        HEAD + "input: {atom: {repo: shots, glob: /}}",
        "3:9",
        "`atom` is refused: it is called `pfs`",
    ),
    "inputs of before 1.4": (
        HEAD + "inputs: [{repo: {name: shots}}]",
        "3:1",
        "`inputs` is refused: it is called `input`",
    ),
    "only what is new": (HEAD + SHOTS + "incremental: true", "4:1", "`incremental` is refused"),
    "skipping switched off": (HEAD + SHOTS + "no_skip: true", "4:1", "`reprocess_spec: every_job`"),
    "a repo of Git": (HEAD + "input: {git: {URL: 'https://h/r.git'}}", "3:9", "`git` is refused"),
    "a commit": (HEAD + "input: {pfs: {repo: shots, glob: /, commit: abc}}", "3:37", "`commit` is refused"),
    "an S3 input": (HEAD + "input: {pfs: {repo: shots, glob: /, s3: true}}", "3:37", "`s3` is refused"),
    "an S3 output": (HEAD + SHOTS + "s3_out: true", "4:1", "`s3_out` is refused"),
    "a spout": (HEAD + "spout: {}", "3:1", "`spout` is refused"),
    "a service": (HEAD + SHOTS + "service: {internal_port: 80, external_port: 30080}", "4:1", "`service` is refused"),
    "a service of a spout": (HEAD + "spout: {service: {internal_port: 80}}", "3:1", "`spout` is refused"),
    "a secret as a variable": (secret("secrets: [{name: s, env_var: E, key: k}]"), "2:23", "`secrets` is refused"),
    "a secret as a file": (secret("secrets: [{name: s, mountPath: /s}]"), "2:23", "`secrets` is refused"),
    "a program that asks for datums": (secret("datum_batching: true"), "2:23", "`datum_batching` is refused"),
    "an image to be built": (secret("build: {path: .}"), "2:23", "`build` is refused"),
    "an attempt of Determined": (HEAD + SHOTS + "determined: {workspaces: [w]}", "4:1", "`determined` is refused"),
    "another project": (HEAD + "input: {pfs: {repo: shots, glob: /, project: other}}", "3:46", "`project` is refused"),
    "records of datums": (HEAD + "input: {pfs: {repo: shots, glob: /, repo_type: meta}}", "3:48", 'expected "user"'),
    "a limit of how often": (
        HEAD + "input: {pfs: {repo: shots, glob: /, trigger: {rate_limit_spec: '@daily'}}}",
        "3:47",
        "`rate_limit_spec` is refused",
    ),
    "data that opens no job": (
        HEAD + "input: {pfs: {repo: shots, glob: /, propagation_spec: {never: true}}}",
        "3:37",
        "`propagation_spec` is refused",
    ),
    "a clock that began": (
        HEAD + "input: {cron: {name: t, spec: '@daily', start: '2020-01-01T00:00:00Z'}}",
        "3:41",
        "`start` is refused",
    ),
    "a clock in a join": (
        HEAD + "input: {join: [{cron: {name: t, spec: '@daily'}}, {pfs: {repo: shots, glob: /}}]}",
        "3:16",
        "`cron` is refused here",
    ),
    "a store of another cloud": (HEAD + SHOTS + "egress: {URL: 'gs://b/d'}", "4:15", "cannot be exported to"),
    "a directory of the image": (secret("working_dir: /app"), "2:36", "expected a path relative to the project"),
    "a misspelt field": (HEAD + SHOTS + "datum_trys: 3", "4:1", 'did you mean "datum_tries"?'),
    "no command": ("pipeline: {name: p}\ntransform: {image: x}", "2:12", "no command specified"),
}


@pytest.mark.parametrize("form", REFUSED)
def test_refused_by_name(form: str) -> None:
    text, place, phrase = REFUSED[form]
    with pytest.raises(BadSpec) as caught:
        read(text)
    assert (caught.value.where, phrase in caught.value.message) == (f"spec.yaml:{place}", True), str(caught.value)


def test_a_template_is_refused_by_name() -> None:
    with pytest.raises(BadSpec, match=r"^t\.jsonnet:1:1: a template of Jsonnet is not evaluated here"):
        read("function(suffix) {pipeline: {name: 'p' + suffix}}", "t.jsonnet")
