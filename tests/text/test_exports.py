"""`export` and `trigger` as people write them: what is understood, and what is refused where it stands."""

from __future__ import annotations

import pytest

from penstock.model.errors import BadSpec
from penstock.model.spec import Export, Watch
from penstock.text.canonical import pipeline_from_json, pipeline_to_json
from penstock.text.pipeline import read_pipeline

FILE = """\
repos: {{in: , photos: {{path: data/photos}}}}
steps:
  a:
    input: {input}
    run: "true"
    export: {export}
"""


def read(export: str, input: str = "in:/*") -> Export | None:
    found = read_pipeline(
        FILE.format(export=export, input=input),
        "pipeline.yaml",
        known_repos=(),
        has_file=lambda name: True,
        default_name="p",
    )
    assert pipeline_from_json(pipeline_to_json(found)).steps[0].env == found.steps[0].env
    return found.steps[0].export


@pytest.mark.parametrize(
    "text, to, kind",
    [
        ("out/dir/", "out/dir", "directory"),
        ("./out", "out", "directory"),
        ("/mnt//results/", "/mnt/results", "directory"),
        ("s3://bucket/a/b/", "s3://bucket/a/b", "s3"),
        ("s3://bucket", "s3://bucket", "s3"),
        ("postgresql://me@host:5432/db?sslmode=require", "postgresql://me@host:5432/db?sslmode=require", "postgresql"),
        ("postgres://host/db", "postgresql://host/db", "postgresql"),
        ("sqlite:///out/x.db", "sqlite:///out/x.db", "sqlite"),
        ("sqlite:////var/x.db", "sqlite:////var/x.db", "sqlite"),
    ],
)
def test_where_to(text: str, to: str, kind: str) -> None:
    found = read(f'"{text}"')
    assert found is not None
    assert (found.to, found.kind) == (to, kind)


@pytest.mark.parametrize(
    "text, why",
    [
        ("../out", "6:13: .*leads out of the project"),
        (".", "the project itself"),
        ('""', "found nothing"),
        (".penstock/x", "keeps its own data"),
        ("~/out", "relative to the project"),
        ("data/photos/x", 'repo "photos" is linked to'),
        ("data", 'repo "photos" is linked to'),
        ("mysql://host/db", '"mysql://…" cannot be exported to'),
        ("postgresql://host", "cannot be exported to as it stands"),
        ("postgresql://host:99999/db", "this URL cannot be read"),
        ("s3://b/x/../y", "cannot be exported to as it stands"),
        ("sqlite:///../x.db", "leads out of the project"),
        ("{to: out, table: t}", "6:23: .*`table` is for a database"),
        ("{to: s3://bucket/x, mode: append}", "`mode` is for a database"),
        ('{to: "sqlite:///x", mirror: true}', "`mirror` is for a directory or s3://"),
        ('{to: "sqlite:///x", format: parquet}', "parquet cannot be loaded into a table"),
        ('{to: "sqlite:///x", table: "a; drop"}', "is no name of a table"),
        ('{to: "sqlite:///x", columns: [a, a]}', '"a" stands there twice'),
        ("{table: t}", "`to` is missing"),
        ("{to: out, tries: 0}", "tries"),
        ("{to: out, tables: t}", 'unknown key "tables"'),
        ("[out]", "expected a directory or a URL"),
    ],
)
def test_what_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadSpec, match=why):
        read(text)


@pytest.mark.parametrize("text", ["postgresql://me:hunter2@host/db", "postgresql://host/db?password=hunter2"])
def test_a_password_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(BadSpec, match=r"pipeline\.yaml:6:13: .*a password has no place") as caught:
        read(f'"{text}"')
    assert "hunter2" not in str(caught.value)


def test_two_steps_cannot_fill_one_directory() -> None:
    text = FILE.format(export="out", input="in:/*") + "  b: {run: 'true', output: b, export: out/b}\n"
    with pytest.raises(BadSpec, match=r'7:\d+: step "b": export: out/b is, holds or lies in out, which step "a"'):
        read_pipeline(text, "pipeline.yaml", known_repos=(), has_file=lambda name: True, default_name="p")


def watch(input: str) -> tuple[str, Watch | None]:
    text = FILE.format(export="out", input=input)
    found = read_pipeline(text, "pipeline.yaml", known_repos=(), has_file=lambda name: True, default_name="p")
    source = found.steps[0].input
    assert source is not None
    return source.branch, source.trigger


def test_a_trigger_names_a_branch_of_its_own() -> None:
    assert watch("{repo: in, glob: /*, trigger: {commits: 10}}") == ("a-trigger", Watch(commits=10))
    assert watch(
        "{repo: in, glob: /*, branch: slow, trigger: {branch: dev, size: 1 kB, every: 1h, cron: '@daily', needs: all}}"
    ) == ("slow", Watch("dev", 1000, None, 3600.0, "0 0 * * *", "all"))


@pytest.mark.parametrize(
    "trigger, why",
    [
        ("{}", "expected `commits`"),
        ("{commits: 0}", "commits"),
        ("{size: big}", "size"),
        ("{cron: x}", "cron"),
        ("{commit: 1}", 'unknown key "commit"; did you mean "commits"'),
        ("{commits: 1, branch: slow}", "cannot follow itself"),
    ],
)
def test_triggers_that_are_refused(trigger: str, why: str) -> None:
    with pytest.raises(BadSpec, match=rf"pipeline\.yaml:4:\d+: .*{why}"):
        watch(f"{{repo: in, glob: /*, branch: slow, trigger: {trigger}}}")
