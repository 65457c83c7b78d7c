"""Outputs copied to where a step asks, before its commit is made."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from penstock.model.run import Job
from penstock.service import resolve
from penstock.testing.buckets import Server

COPY = """
steps:
  copy:
    input: in:/*
    run: cp -r "$PENSTOCK_IN"/in/. "$PENSTOCK_OUT"
    export: {export}
"""


def files(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}


def the_job(lab: Any) -> Job:
    return resolve.job(lab.parts, "copy")


def test_a_directory_is_filled_before_the_commit(lab: Any) -> None:
    lab.put("in", {"a": "1", "d/b": "22"})
    lab.pipeline(COPY.format(export="out/here"))
    lab.ok()
    out = lab.root / "out/here"
    assert files(out) == {"a": "1", "d/b": "22"}
    # What people add stays, and what is as it was is not written again.
    (out / "mine").write_text("x")
    before = (out / "a").stat().st_mtime_ns
    lab.put("in:/d", {"b": "33"})
    lab.ok()
    assert files(out) == {"a": "1", "d/b": "33", "mine": "x"}
    assert (out / "a").stat().st_mtime_ns == before
    # What somebody removed comes back.
    (out / "a").unlink()
    lab.ok()
    assert files(out)["a"] == "1"
    # The copy is no code of the project: nothing new was applied.
    assert lab.runs[-1].version == 1


def test_mirror_removes_what_was_exported_and_is_no_more(lab: Any) -> None:
    lab.put("in", {"a": "1", "d/b": "2", "d/c": "3"})
    lab.pipeline(COPY.format(export="{to: out, mirror: true}"))
    lab.ok()
    (lab.root / "out/mine").write_text("x")
    lab.project.remove("in:/d", recursive=True)
    lab.ok()
    assert files(lab.root / "out") == {"a": "1", "mine": "x"}
    assert not (lab.root / "out/d").exists()


def test_no_link_is_followed_on_the_way(lab: Any, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (lab.root / "out").mkdir()
    (lab.root / "out/d").symlink_to(tmp_path / "elsewhere")
    lab.put("in", {"d/b": "2"})
    lab.pipeline(COPY.format(export="out"))
    view = lab.run()
    (job,) = view.jobs
    assert (view.state, job.reason) == ("failure", "export")
    assert "is not a directory" in job.message
    assert files(tmp_path / "elsewhere") == {}


def test_a_failed_export_fails_the_job_and_moves_no_head(lab: Any) -> None:
    lab.put("in", {"a": "1", "b": "2"})
    lab.write("out", "a file in the way")
    lab.pipeline(COPY.format(export="{to: out, tries: 2, wait: 0.01}"))
    view = lab.run()
    (job,) = view.jobs
    assert (job.state, job.reason) == ("failure", "export")
    assert "out" in job.message and "after 2 tries" in job.message
    assert "could not be copied" in lab.explain("copy")
    assert resolve.head(lab.parts, "copy") is None
    (lab.root / "out").unlink()
    assert lab.ok() == {"copy": (2, 0, 2)}
    assert files(lab.root / "out") == {"a": "1", "b": "2"}


def test_a_target_that_comes_back_is_tried_again(lab: Any) -> None:
    lab.put("in", {"a": "1"})
    lab.write("out", "a file in the way")
    lab.pipeline(COPY.format(export="{to: out, tries: 1000, wait: 0.02}"))
    engine = lab.penstock("run")
    try:
        lab.wait_for(lambda: any(job.unexported for job in lab.parts.store.load(Job, "jobs", before=1 << 62, limit=1)))
        assert the_job(lab).state == "exporting"
        assert lab.project.run_view(the_job(lab).run).jobs[0].state == "egress"
        assert "try " in lab.explain("copy")
        (lab.root / "out").unlink()
        assert engine.wait(60) == 0
    finally:
        engine.kill()
        engine.communicate()
    assert files(lab.root / "out") == {"a": "1"}
    assert the_job(lab).unexported is None


def test_an_engine_killed_in_the_middle(lab: Any) -> None:
    lab.put("in", {"a": "1"})
    lab.write("out", "a file in the way")
    lab.pipeline(COPY.format(export="{to: out, tries: 1000, wait: 0.02}"))
    engine = lab.penstock("run")
    try:
        lab.wait_for(lambda: any(job.unexported for job in lab.parts.store.load(Job, "jobs", before=1 << 62, limit=1)))
        engine.send_signal(signal.SIGKILL)
    finally:
        engine.kill()
        engine.communicate()
    lab.wait_for(lambda: not lab.alive())
    (lab.root / "out").unlink()
    lab.ok()
    assert files(lab.root / "out") == {"a": "1"}
    assert the_job(lab).processed == 1


def test_a_stop_ends_the_copying(lab: Any) -> None:
    lab.put("in", {"a": "1"})
    lab.write("out", "a file in the way")
    lab.pipeline(COPY.format(export="{to: out, tries: 1000, wait: 0.02}"))
    engine = lab.penstock("run")
    try:
        lab.wait_for(lambda: any(job.unexported for job in lab.parts.store.load(Job, "jobs", before=1 << 62, limit=1)))
        lab.project.stop("copy")
        assert engine.wait(60) == 1
    finally:
        engine.kill()
        engine.communicate()
    assert (the_job(lab).outcome, the_job(lab).reason) == ("cancelled", "user")
    (lab.root / "out").unlink()
    assert lab.ok() == {"copy": (1, 0, 1)}
    assert files(lab.root / "out") == {"a": "1"}


def test_what_failed_is_not_exported(lab: Any) -> None:
    lab.put("in", {"a": "1", "b": "2"})
    lab.pipeline("""
        steps:
          copy:
            input: in:/*
            run: cp -r "$PENSTOCK_IN"/in/. "$PENSTOCK_OUT"; test ! -e "$PENSTOCK_IN/in/b"
            export: out
    """)
    assert lab.run().state == "failure"
    assert not (lab.root / "out").exists()


# tables --------------------------------------------------------------------------------------------------------------


CSV = {"one.csv": "id,name\n1,ada\n2,\n", "two.csv": 'name,id\n"b, c",3\n'}


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, lab: Any) -> Iterator[tuple[str, Callable[[str], list[Any]]]]:
    """The URL of an empty database, and a function that asks it."""
    if request.param == "sqlite":

        def ask(query: str) -> list[Any]:
            with closing(sqlite3.connect(lab.root / "db/out.sqlite", isolation_level=None)) as opened:
                return opened.execute(query).fetchall()

        (lab.root / "db").mkdir()
        yield "sqlite:///db/out.sqlite", ask
        return
    psycopg = pytest.importorskip("psycopg")
    address = request.getfixturevalue("service")("postgres")
    name = f"test_{os.urandom(6).hex()}"
    url = address.rpartition("/")[0] + f"/{name}"

    def ask_server(query: str, at: str = url) -> list[Any]:
        with psycopg.connect(at, autocommit=True) as opened:
            cursor = opened.execute(query)
            return cursor.fetchall() if cursor.description else []

    ask_server(f"create database {name}", address)
    try:
        yield url, ask_server
    finally:
        ask_server(f"drop database {name} with (force)", address)


def test_rows_of_all_files_in_one_table(lab: Any, database: Any) -> None:
    url, ask = database
    lab.put("in", CSV)
    lab.pipeline(COPY.format(export=f'{{to: "{url}", table: people}}'))
    lab.ok()
    people = "select id, name from people order by id"
    assert ask(people) == [("1", "ada"), ("2", None), ("3", "b, c")]
    # Rows of others stay; ours are replaced.
    ask("insert into people (id, name) values ('9', 'mine')")
    lab.put("in", {"one.csv": "id,name\n5,eve\n"})
    lab.ok()
    assert ask(people) == [("3", "b, c"), ("5", "eve"), ("9", "mine")]
    lab.ok()
    assert ask("select count(*) from people") == [(3,)]


def test_a_directory_names_its_table(lab: Any, database: Any) -> None:
    url, ask = database
    lab.put("in", {"t/a.json": '{"x": 1, "y": {"z": [true]}}\n{"x": null}\n', "u/b.json": '{"n": "q"}'})
    lab.pipeline(COPY.format(export=f'{{to: "{url}", format: json}}'))
    lab.ok()
    assert ask("select x, y from t order by y") in (
        [("1", '{"z": [true]}'), (None, None)],
        [(None, None), ("1", '{"z": [true]}')],
    )
    assert ask("select n from u") == [("q",)]
    # A table of which nothing is left is emptied of our rows.
    lab.project.remove("in:/u", recursive=True)
    lab.ok()
    assert ask("select n from u") == []


def test_append_loads_a_commit_once(lab: Any, database: Any) -> None:
    url, ask = database
    lab.put("in", {"a.csv": "1\n"})
    lab.pipeline(COPY.format(export=f'{{to: "{url}", table: log, mode: append, columns: [n]}}'))
    lab.ok()
    lab.put("in", {"a.csv": "2\n"})
    lab.ok()
    assert ask("select n from log order by n") == [("1",), ("2",)]


def test_a_bad_row_loads_nothing(lab: Any, database: Any) -> None:
    url, ask = database
    ask("create table people (id integer, name text, penstock text)")
    lab.put("in", {"a.csv": "id,name\n1,ada\n", "b.csv": "id,name\n2\n"})
    lab.pipeline(COPY.format(export=f'{{to: "{url}", table: people}}'))
    (job,) = lab.run().jobs
    assert job.reason == "export"
    assert "b.csv: line 2 has 1 fields, expected 2" in job.message
    assert ask("select * from people") == []


def test_a_table_that_cannot_tell_our_rows_is_refused(lab: Any, database: Any) -> None:
    url, ask = database
    ask("create table people (id integer, name text)")
    ask("insert into people values (1, 'mine')")
    lab.put("in", CSV)
    lab.pipeline(COPY.format(export=f'{{to: "{url}", table: people}}'))
    (job,) = lab.run().jobs
    assert job.reason == "export" and "ALTER TABLE people ADD COLUMN penstock text" in job.message
    assert ask("select * from people") == [(1, "mine")]


def test_a_server_that_is_not_there(lab: Any) -> None:
    pytest.importorskip("psycopg")
    lab.put("in", CSV)
    to = "postgresql://127.0.0.1:9/nothing"
    lab.pipeline(COPY.format(export=f'{{to: "{to}", table: people, tries: 2, wait: 0.01}}'))
    (job,) = lab.run().jobs
    assert job.reason == "export" and "after 2 tries" in job.message


# buckets -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def bucket(service: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Any]]:
    server = Server(service("moto"))
    for name, value in {**server.environment, "AWS_ENDPOINT_URL_S3": server.endpoint}.items():
        monkeypatch.setenv(name, value)
    with server.bucket() as name:
        yield name, server.client()


def test_objects_below_a_prefix(lab: Any, bucket: Any) -> None:
    name, client = bucket

    def there() -> dict[str, bytes]:
        found = client.list_objects_v2(Bucket=name).get("Contents", [])
        return {item["Key"]: client.get_object(Bucket=name, Key=item["Key"])["Body"].read() for item in found}

    lab.put("in", {"a b": "1", "d/é.txt": "2"})
    lab.pipeline(COPY.format(export=f"{{to: s3://{name}/out, mirror: true}}"))
    lab.ok()
    assert there() == {"out/a b": b"1", "out/d/é.txt": b"2"}
    client.put_object(Bucket=name, Key="out/mine", Body=b"x")
    lab.project.remove("in:/d", recursive=True)
    lab.ok()
    assert there() == {"out/a b": b"1", "out/mine": b"x"}


def test_a_bucket_that_is_not_there(lab: Any, bucket: Any) -> None:
    lab.put("in", {"a": "1"})
    lab.pipeline(COPY.format(export="{to: s3://no-such-bucket-here/x, tries: 2, wait: 0.01}"))
    (job,) = lab.run().jobs
    assert job.reason == "export" and "there is no bucket" in job.message
