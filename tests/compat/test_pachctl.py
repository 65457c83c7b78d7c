"""`penstock pachctl`: the commands of Pachyderm's pages, and their family, on real projects."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from penstock.cli import examples
from penstock.compat.pachyderm.commands import pachctl as root
from penstock.model.errors import PenstockError
from penstock.runner import namespace

Command = Callable[..., Any]


def forbidden() -> str | None:
    try:
        namespace.try_out()
    except PenstockError as error:
        return str(error)
    return None


needs_views = pytest.mark.skipif(forbidden() is not None, reason=str(forbidden()))
ROW = re.compile(
    r"[0-9a-f]{32} \w+ +(\d+ \w+|Less than a second|About an? \w+) ago +(\d+ \w+|Less than a second|About a minute) +"
    r"\d+ +\d+ \+ \d+ / \d+ +[\d.]+[KM]?i?B +[\d.]+[KM]?i?B +\w+"
)


def spec(name: str, command: list[str], source: dict[str, Any], **more: Any) -> dict[str, Any]:
    transform = {"image": "pachyderm/opencv", "cmd": command}
    return {"pipeline": {"name": name}, "transform": transform, "input": source, **more}


def files(repo: str, glob: str) -> dict[str, Any]:
    return {"pfs": {"repo": repo, "glob": glob}}


UPPER = spec(
    "upper",
    ["sh", "-c", "for f in /pfs/words/*; do tr a-z A-Z < $f > /pfs/out/${f##*/}; echo did $f; done"],
    files("words", "/*"),
)
ALL = spec(
    "all",
    ["sh", "-c", "cat /pfs/words/* /pfs/upper/* > /pfs/out/all"],
    {"cross": [files("words", "/"), files("upper", "/")]},
)


@pytest.fixture
def words(pachctl: Command, tmp_path: Path) -> Command:
    """A repo `words`, and two pipelines over it that have done their first, empty job."""
    for name, said in (("upper", UPPER), ("all", ALL)):
        (tmp_path / f"{name}.json").write_text(json.dumps(said, indent=2))
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(f"{name}\n")
    assert pachctl("create", "repo", "words").code == 0
    made = pachctl("create", "pipeline", "-f", "upper.json", "-f", "all.json", "--env", "inherit")
    assert made.code == 0, made.err
    assert pachctl("wait", "job", re.findall("[0-9a-f]{32}", made.err)[0]).code == 0
    return pachctl


def put(pachctl: Command, *words: str) -> str:
    """The job that a put opens, seen through."""
    done = pachctl("put", "file", *words)
    assert done.code == 0, done.err
    (job,) = set(re.findall("[0-9a-f]{32}", done.err))
    waited = pachctl("wait", "job", job)
    assert waited.code == 0, waited.err
    return str(job)


def keys(value: Any, path: str = "") -> Iterator[tuple[str, type]]:
    """Every place in a JSON value with the type of what stands there."""
    yield path, type(value)
    for key, item in value.items() if isinstance(value, dict) else []:
        yield from keys(item, f"{path}.{key}")


@needs_views
def test_jobs(words: Command) -> None:
    first = put(words, "words@master", "-f", "a", "-f", "b")
    second = put(words, "words@master:/c", "-f", "c")
    table = words("list", "job", "-p", "upper")
    head, *rows = table.out.splitlines()
    assert head.split() == ["ID", "PIPELINE", "STARTED", "DURATION", "RESTART", "PROGRESS", "DL", "UL", "STATE"]
    assert all(ROW.fullmatch(row) for row in rows), table.out
    assert [row.split(" ")[0] for row in rows[:2]] == [second, first], "newest first"
    assert [re.findall(r"\d+ \+ \d+ / \d+", row)[0] for row in rows] == ["1 + 2 / 3", "2 + 0 / 2", "0 + 0 / 0"]
    assert [row.split()[1] for row in words("list", "job", second).rows] == ["upper", "all"]
    everything = words("list", "jobs")
    assert everything.out.split()[:5] == ["ID", "SUBJOBS", "PROGRESS", "CREATED", "MODIFIED"]
    assert len(everything.rows) == 3 and everything.rows[0].startswith(f"{second} 2       ▇▇▇▇▇▇▇▇")
    assert len(words("list", "job", "-x").rows) == 6
    assert len(words("list", "job", "-p", "all", "--state", "success", "-n", "2").rows) == 2
    assert words("list", "job", "-p", "all", "--state", "failure").rows == []
    assert words("get", "file", f"upper@{first}:/b").out == "B\n"
    for wrong, code in (
        (["list", "job", "-p", "uper"], 3),
        (["list", "job", second, "-p", "upper"], 2),
        (["list", "job", "--state", "success"], 2),
        (["inspect", "job", "upper@00000000000000000000000000000000"], 3),
        (["stop", "job", second], 3),
    ):
        assert words(*wrong).code == code, wrong


@needs_views
def test_one_job(words: Command) -> None:
    job = put(words, "words@master", "-f", "a", "-f", "b")
    text = words("inspect", "jobs", f"upper@{job}").out
    assert f"ID: {job}\nPipeline: upper\n" in text and "\nProcessed: 2\n" in text and '"cmd"' in text
    said = words("inspect", "job", f"upper@{job}", "--raw").json
    assert said["job"] == {"pipeline": {"name": "upper"}, "id": job}
    assert (said["data_processed"], said["data_skipped"], said["data_total"]) == ("2", "0", "2")
    assert said["output_commit"]["branch"] == {"repo": {"name": "upper", "type": "user"}, "name": "master"}
    assert said["details"]["transform"]["image"] == "pachyderm/opencv"
    assert said["details"]["input"]["pfs"]["commit"] == job
    assert said["state"] == "JOB_SUCCESS"
    assert re.fullmatch(r"[\d.]+s", said["stats"]["process_time"])
    stream = words("list", "job", job, "--raw").out
    documents = json.loads("[" + stream.replace("}\n{", "},{") + "]")
    assert [item["job"]["pipeline"]["name"] for item in documents] == ["upper", "all"]


@needs_views
def test_datums_and_logs(words: Command) -> None:
    put(words, "words@master", "-f", "a", "-f", "b")
    job = put(words, "words@master", "-f", "c")
    table = words("list", "datum", f"upper@{job}")
    assert table.out.split()[:4] == ["ID", "FILES", "STATUS", "TIME"]
    cells = [row.split() for row in table.rows]
    assert sorted((row[1].rpartition(":")[2], row[2]) for row in cells) == [
        ("/a", "skipped"),
        ("/b", "skipped"),
        ("/c", "success"),
    ]
    ran = next(row[0] for row in cells if row[2] == "success")
    assert "State: SUCCESS" in words("inspect", "datum", f"upper@{job}", ran).out
    said = words("inspect", "datum", f"upper@{job}", ran, "--raw").json
    assert said["data"][0]["file"]["path"] == "/c" and said["state"] == "SUCCESS"
    skipped = next(row[0] for row in cells if row[2] == "skipped")
    assert words("inspect", "datum", f"upper@{job}", skipped, "--raw").json["stats"] == {}
    assert words("inspect", "datum", f"upper@{job}", "0" * 32).code == 3
    assert words("logs", "-j", f"upper@{job}").out == "did /pfs/words/c\n"
    assert words("logs", "--datum", ran).out == "did /pfs/words/c\n"
    assert sorted(words("logs", "-p", "upper").out.split()) == sorted(
        ["did", "/pfs/words/a", "did", "/pfs/words/b"] + ["did", "/pfs/words/c"]
    )
    assert words("logs").code == words("logs", "-p", "upper", "-j", f"upper@{job}").code == 2


@needs_views
def test_a_failure(words: Command, tmp_path: Path) -> None:
    bad = spec(
        "upper", ["sh", "-c", "test ! -e /pfs/words/b && cp /pfs/words/* /pfs/out"], files("words", "/*"), datum_tries=1
    )
    (tmp_path / "upper.json").write_text(json.dumps(bad))
    updated = words("update", "pipeline", "-f", "upper.json", "--env", "inherit")
    assert words("wait", "job", re.findall("[0-9a-f]{32}", updated.err)[0]).code == 0
    done = words("put", "file", "words@master", "-f", "a", "-f", "b")
    job = re.findall("[0-9a-f]{32}", done.err)[0]
    waited = words("wait", "job", job)
    assert waited.code == 1
    assert [row.rpartition("B ")[2].split(":")[0] for row in waited.rows] == ["failure", "unrunnable"]
    said = words("inspect", "job", f"upper@{job}", "--raw").json
    assert (said["state"], said["data_failed"]) == ("JOB_FAILURE", "1")
    assert words("wait", "job", f"upper@{job}").code == 1
    assert words("inspect", "pipeline", "upper", "--raw").json["last_job_state"] == "JOB_FAILURE"
    assert words("inspect", "pipeline", "upper", "--raw").json["version"] == "2"


@needs_views
def test_pipelines(words: Command, tmp_path: Path) -> None:
    table = words("list", "pipeline")
    assert table.out.startswith("NAME  VERSION INPUT")
    assert [re.split(r"  +| (?=\d+ |Less)", row)[0].split()[0] for row in table.rows] == ["all", "upper"]
    assert "(words:/ ⨯ upper:/)" in table.rows[0] and "standby / success" in table.rows[1]
    assert words("create", "pipeline", "-f", "upper.json", "--env", "inherit").code == 3
    assert words("create", "pipeline", "-f", "nothing.json").code == 3
    # Stopped: what people put meanwhile waits for its start, and then is one job.
    assert words("stop", "pipeline", "upper").code == 0
    assert "paused / success" in words("list", "pipeline", "upper").rows[0]
    assert words("stop", "pipeline", "upper").code == words("run", "pipeline", "upper").code == 3
    for name in ("a", "b"):
        put(words, "words@master", "-f", name)
    assert len(words("list", "job", "-p", "upper").rows) == 1
    assert len(words("list", "job", "-p", "all").rows) == 3, "it reads the words, too"
    started = words("start", "pipeline", "upper")
    assert started.code == 0 and words("start", "pipeline", "upper").code == 3
    assert words("wait", "job", re.findall("[0-9a-f]{32}", started.err)[0]).code == 0
    assert "2 + 0 / 2" in words("list", "job", "-p", "upper").rows[0]
    again = words("run", "pipeline", "upper", "--raw").json["job"]["id"]
    assert words("wait", "job", again).code == 0
    assert "0 + 2 / 2" in words("list", "job", "-p", "upper").rows[0]
    again = words("run", "pipeline", "upper", "--reprocess", "--raw").json["job"]["id"]
    assert words("wait", "job", again).code == 0
    assert "2 + 0 / 2" in words("list", "job", "-p", "upper").rows[0]
    assert re.fullmatch("[0-9a-f]{32}", words("inspect", "job", f"upper@{again}", "--raw").json["details"]["salt"])
    assert words("run", "cron", "upper").code == 3
    assert words("delete", "repo", "upper").code == 3, "a pipeline publishes there"
    assert words("delete", "pipeline", "all").code == words("delete", "pipeline", "upper").code == 0
    assert words("list", "pipeline").rows == []
    assert words("delete", "repo", "all").code == words("delete", "repo", "upper").code == 0
    assert [row.split()[0] for row in words("list", "repo").rows] == ["words"]


@needs_views
def test_steps_of_ours_are_pipelines_too(pachctl: Command, penstock: Command, tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text(
        "pipeline: two\nsteps:\n  one: {input: words:/*, run: cp -r $PENSTOCK_IN/words/. $PENSTOCK_OUT}\n"
        "  other: {input: one:/, run: ls $PENSTOCK_IN/one > $PENSTOCK_OUT/list}\n"
    )
    (tmp_path / "a").write_text("a\n")
    assert penstock("put", "words", "a").code == 0
    assert penstock("run").code == 0
    assert "1 + 0 / 1" in pachctl("list", "job", "-p", "other").rows[0]
    refused = pachctl("delete", "pipeline", "one")
    assert refused.code == 3 and "'one' is a step of pipeline 'two'" in refused.err
    said = pachctl("list", "pipeline", "--raw").out
    assert '"name": "one"' in said and '"branch": "main"' in said
    # A spec that says `master` of a repo whose branch is `main` is told so, and nothing is done.
    (tmp_path / "more.json").write_text(json.dumps(spec("more", ["true"], files("one", "/"))))
    wrong = pachctl("create", "pipeline", "-f", "more.json", "--env", "inherit")
    assert wrong.code == 2 and "has the default branch 'main', not 'master'" in wrong.err
    assert wrong.err.startswith("penstock: more.json:1:")


def test_ticks(pachctl: Command, tmp_path: Path) -> None:
    clock = {"pipeline": {"name": "night"}, "transform": {"cmd": ["true"]}, "input": {}}
    clock["input"] = {"cron": {"name": "tick", "spec": "@yearly"}}
    (tmp_path / "night.yaml").write_text(json.dumps(clock))
    if forbidden() is None:
        assert pachctl("create", "pipeline", "-f", "night.yaml", "--env", "inherit").code == 0
        job = pachctl("run", "cron", "night", "--raw").json["job"]["id"]
        assert pachctl("wait", "job", job).code == 0
        assert "night:0 0 1 1 *" not in pachctl("list", "pipeline").out
        assert "tick:0 0 1 1 *" in pachctl("list", "pipeline").out


def test_repos_branches_and_commits(pachctl: Command, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"{name}\n")
    assert pachctl("put", "file", "words@master", "-f", "a").code == 3, "a repo is made first"
    assert pachctl("create", "repo", "words", "--raw").json == {"repo": {"name": "words", "type": "user"}}
    assert pachctl("create", "repo", "words").code == 3
    first = pachctl("put", "file", "words@master", "-f", "a", "--raw").json["commit"]["id"]
    opened = pachctl("start", "commit", "words@master", "-m", "two").out.strip()
    assert pachctl("put", "file", "words@master", "-f", "b").code == 0
    assert len(pachctl("list", "file", "words@master").rows) == 1
    assert pachctl("finish", "commit", "words@master").code == 0
    assert [row.split()[0] for row in pachctl("list", "files", "words@master").rows] == ["/a", "/b"]
    table = pachctl("list", "commit", "words")
    assert table.out.split()[:7] == ["REPO", "BRANCH", "COMMIT", "FINISHED", "SIZE", "ORIGIN", "DESCRIPTION"]
    assert [row.split()[2] for row in table.rows] == [opened, first]
    assert table.rows[0].split()[-2:] == ["USER", "two"]
    assert len(pachctl("list", "commit", opened).rows) == 1
    assert len(pachctl("list", "commit", "words@master^").rows) == 1
    assert pachctl("list", "commit", "-x", "-n", "1").rows[0].split()[2] == opened
    assert pachctl("inspect", "commit", "words@master", "--raw").json["parent_commit"]["id"] == first
    assert f"Parent: {first}" in pachctl("inspect", "commit", f"words@{opened}").out
    assert pachctl("wait", "commit", f"words@{opened}").rows[0].split()[2] == opened
    assert pachctl("create", "branch", "words@dev", "--head", first).code == 0
    assert [row.split() for row in pachctl("list", "branch", "words").rows] == [
        ["dev", first, "-"],
        ["master", opened, "-"],
    ]
    assert f"Head Commit: {first}" in pachctl("inspect", "branch", "words@dev").out
    assert pachctl("inspect", "branch", "words@no").code == 3
    assert pachctl("delete", "branch", "words@dev").code == 0
    assert pachctl("squash", "commit", f"words@{first}").code == 0
    assert [row.split()[2] for row in pachctl("list", "commit", "words").rows] == [opened]
    assert "Size of HEAD on master: 4B" in pachctl("inspect", "repo", "words").out
    assert pachctl("list", "repos").out.startswith("NAME  CREATED")
    assert pachctl("delete", "repo", "words").code == 0


def test_a_wait_for_one_job_ends_with_it(pachctl: Command, penstock: Command, tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text("""
steps:
  quick: {input: "words@master:/*", run: "cp $PENSTOCK_IN/words/* $PENSTOCK_OUT"}
  never: {input: "quick:/*", run: "sleep 600"}
""")
    (tmp_path / "a").write_text("x")
    assert pachctl("create", "repo", "words").code == 0
    assert penstock("pipeline", "create", "pipeline.yaml").code == 0
    job = pachctl("put", "file", "words@master", "-f", "a", "--raw").json["commit"]["id"]
    waited = pachctl("wait", "job", f"quick@{job}")
    assert (waited.code, waited.rows[0].split()[-1]) == (0, "success"), waited.err
    assert pachctl("inspect", "job", f"never@{job}", "--raw").json["state"] in (
        "JOB_CREATED",
        "JOB_STARTING",
        "JOB_RUNNING",
    )
    assert pachctl("stop", "job", job).code == 0


def test_a_whole_set_is_squashed(pachctl: Command, penstock: Command, tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text(
        'steps:\n  copy: {input: "words@master:/*", run: "cp $PENSTOCK_IN/words/* $PENSTOCK_OUT"}\n'
    )
    assert pachctl("create", "repo", "words").code == 0
    assert penstock("pipeline", "create", "pipeline.yaml").code == 0
    ids = []
    for text in ("one", "two"):
        (tmp_path / "a").write_text(text)
        ids.append(pachctl("put", "file", "words@master", "-f", "a", "--raw").json["commit"]["id"])
        assert pachctl("wait", "job", ids[-1]).code == 0
    assert pachctl("squash", "commit", ids[1]).code == 3
    assert sorted(pachctl("squash", "commit", ids[0]).err.split()) == sorted(
        ["squashed", f"words@{ids[0]}", "squashed", f"copy@{ids[0]}"]
    )
    assert pachctl("list", "commit", ids[0]).rows == [] and pachctl("list", "job", ids[0]).code == 3
    assert pachctl("get", "file", "copy@main:/a").out == "two"


def test_files(pachctl: Command, tmp_path: Path) -> None:
    (tmp_path / "tree/deep").mkdir(parents=True)
    (tmp_path / "tree/x.txt").write_text("xx")
    (tmp_path / "tree/deep/y.txt").write_text("y")
    (tmp_path / "one").write_text("1")
    assert pachctl("create", "repo", "data").code == 0
    assert pachctl("put", "file", "data@master:/t", "-f", "tree").code == 2, "-r is missing"
    assert pachctl("put", "file", "data@master:/t", "-r", "-f", "tree").code == 0
    assert pachctl("put", "file", "data@master:number", "-f", "one").code == 0
    assert pachctl("put", "file", "data@master:number", "-a", "-f", "one").code == 0
    assert pachctl("get", "file", "data@master:/number").out == "11"
    assert [row.split() for row in pachctl("list", "file", "data@master").rows] == [
        ["/number", "file", "2B"],
        ["/t/", "dir", "3B"],
    ]
    assert [row.split()[0] for row in pachctl("glob", "file", "data@master:/t/**.txt").rows] == [
        "/t/deep/y.txt",
        "/t/x.txt",
    ]
    assert pachctl("inspect", "file", "data@master:/t/x.txt", "--raw").json["size_bytes"] == "2"
    assert "Type: dir" in pachctl("inspect", "file", "data@master:/t").out
    assert pachctl("copy", "file", "data@master:/t/x.txt", "data@master:/z").code == 0
    assert [row.split() for row in pachctl("diff", "file", "data@master").rows] == [
        ["-", "5B", "/"],
        ["+", "7B", "/"],
        ["+", "2B", "/z"],
    ]
    assert [row.split() for row in pachctl("diff", "file", "data@master", "data@master^2").rows] == [
        ["-", "4B", "/"],
        ["+", "7B", "/"],
        ["-", "1B", "/number"],
        ["+", "2B", "/number"],
        ["+", "2B", "/z"],
    ]
    assert pachctl("delete", "file", "data@master:/t").code == 2
    assert pachctl("delete", "file", "-r", "data@master:/t").code == 0
    assert [row.split()[0] for row in pachctl("list", "file", "data@master").rows] == ["/number", "/z"]
    assert pachctl("get", "file", "data@master:/", "-r", "-o", "out").code == 0
    assert (tmp_path / "out/z").read_text() == "xx"
    assert pachctl("get", "file", "data@master:/z", "-o", "z2").code == 0
    assert (tmp_path / "z2").read_text() == "xx"
    assert pachctl("get", "file", "data@master:/", "-o", "out2").code == 3
    assert pachctl("get", "file", "data@master:/z", "-r").code == 2


def test_importing(penstock: Command, tmp_path: Path) -> None:
    (tmp_path / "upper.json").write_text(json.dumps({**UPPER, "autoscaling": True}, indent=2))
    (tmp_path / "all.json").write_text(json.dumps(ALL))
    shown = penstock("import", "pachyderm", "upper.json", "--env", "inherit")
    assert shown.code == 0 and "upper.json:" in shown.err and "`autoscaling` is left out: " in shown.err
    assert shown.out.startswith("pipeline: upper\nrepos:\n") and "image" not in shown.out
    wrote = penstock("import", "pachyderm", "upper.json", "all.json", "--env", "inherit", "-o", "pipeline.yaml")
    assert wrote.code == 0, wrote.err
    assert penstock("import", "pachyderm", "all.json", "-o", "pipeline.yaml").code == 3
    said = penstock("import", "pachyderm", "all.json", "--json").json
    assert said["steps"]["all"]["env"] == {"image": "pachyderm/opencv"}
    (tmp_path / "bad.json").write_text(json.dumps({**UPPER, "spout": {"service": {}}}))
    bad = penstock("import", "pachyderm", "bad.json")
    assert bad.code == 2 and re.search(r"bad\.json:1:\d+: .*`spout` is refused", bad.err)
    if forbidden() is None:
        (tmp_path / "a").write_text("a\n")
        assert penstock("init").code == 0
        assert penstock("run").code == 0, "the file makes the repos it reads"
        assert penstock("put", "words@master", "a").code == 0
        assert penstock("wait").code == 0
        assert penstock("cat", "all:/all").out == "a\nA\n"


def test_every_command_has_raw_and_a_sentence() -> None:
    for verb in root.commands.values():
        for command in verb.commands.values() if isinstance(verb, click.Group) else [verb]:
            assert command.help
            assert "--raw" in [word for param in command.params for word in param.opts], command.name


EDGES = """\
import os
import cv2

for name in os.listdir("/pfs/images"):
    image = cv2.imread(f"/pfs/images/{name}")
    cv2.imwrite(f"/pfs/out/{os.path.splitext(name)[0]}.png", cv2.Canny(image, 100, 200))
"""
MONTAGE = """\
import os
import cv2

rows = []
for name in sorted(os.listdir("/pfs/edges")):
    rows.append(cv2.resize(cv2.imread(f"/pfs/edges/{name}"), (200, 150)))
if rows:
    cv2.imwrite("/pfs/out/montage.png", cv2.vconcat(rows))
"""
SEED = {
    ".job.pipeline.name",
    ".job.id",
    ".pipeline_version",
    ".output_commit.branch.repo.name",
    ".output_commit.branch.repo.type",
    ".output_commit.branch.name",
    ".output_commit.id",
    *(f".data_{name}" for name in ("processed", "skipped", "total")),
    *(f".stats.{name}_time" for name in ("download", "process", "upload")),
    *(f".stats.{name}_bytes" for name in ("download", "upload")),
    *(f".{name}" for name in ("state", "created", "started", "finished")),
    *(f".details.{name}" for name in ("transform.image", "salt", "datum_tries")),
    *(f".details.input.pfs.{name}" for name in ("name", "repo", "repo_type", "branch", "commit", "glob")),
}


@needs_views
@pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("cv2", "skimage")), reason="the examples' packages are missing"
)
def test_the_opencv_example(penstock: Command, pachctl: Command, tmp_path: Path) -> None:
    """images -> edges -> montage: three commits of real photographs, and the page's own answers."""
    examples.copy(examples.find("images"), tmp_path / "example")
    (tmp_path / "edges.py").write_text(EDGES)
    (tmp_path / "montage.py").write_text(MONTAGE)
    edges = spec("edges", ["python3", "edges.py"], files("images", "/*"))
    montage = spec("montage", ["python3", "montage.py"], {"cross": [files("images", "/"), files("edges", "/")]})
    (tmp_path / "edges.json").write_text(json.dumps(edges))
    (tmp_path / "montage.json").write_text(json.dumps(montage))
    (tmp_path / ".penstockignore").write_text("example\n")
    photos = tmp_path / "example/photos"
    assert pachctl("create", "repo", "images").code == 0
    for name in ("edges", "montage"):
        assert pachctl("create", "pipeline", "-f", f"{name}.json", "--env", "inherit").code == 0
    put(pachctl, "images@master:liberty.png", "-f", str(photos / "cat.png"))
    put(pachctl, "images@master", "-f", str(photos / "coffee.png"), "-f", str(photos / "rocket.jpg"))
    last = put(pachctl, "images@master:/coffee.png", "-f", str(tmp_path / "example/more/camera.png"))
    head, *rows = pachctl("list", "job", "-p", "edges").out.splitlines()
    assert head.split() == ["ID", "PIPELINE", "STARTED", "DURATION", "RESTART", "PROGRESS", "DL", "UL", "STATE"]
    assert all(ROW.fullmatch(row) for row in rows)
    progress = [re.findall(r"\d+ \+ \d+ / \d+", row)[0] for row in rows]
    assert progress == ["1 + 2 / 3", "2 + 1 / 3", "1 + 0 / 1", "0 + 0 / 0"]
    said = pachctl("inspect", "job", f"edges@{last}", "--raw").json
    found = dict(keys(said))
    assert {path: found.get(path) for path in SEED} == dict.fromkeys(SEED, str)
    assert found[".details.transform.cmd"] is list
    assert pachctl("get", "file", "montage@master:/montage.png", "-o", "montage.png").code == 0
    assert (tmp_path / "montage.png").read_bytes().startswith(b"\x89PNG")
