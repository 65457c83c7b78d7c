"""run, plan, wait, status, logs and the nouns of execution: what they print, their documents and exit codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Penstock = Callable[..., Any]

COUNTS = ["total", "processed", "reused", "recovered", "failed", "cancelled", "left"]
FAILING = """\
pipeline: bad
steps:
  part:
    each: {i: [1, 2]}
    run: [sh, -c, 'for n in $(seq 20); do echo line $n; done; test $PENSTOCK_PARAM_I = 1']
  rest: {after: [part], run: ["true"]}
"""


def test_a_tour(penstock: Penstock, letters: Path) -> None:
    first = penstock("run")
    assert first.code == 0
    table = [line.split() for line in first.out.splitlines()]
    assert table[0] == ["STEP", "TASKS", "TIME", "STATE", "OUTPUT"]
    assert table[1][:6] == ["upper", "2", "+", "0", "/", "2"]
    assert table[2][:6] == ["all", "1", "+", "0", "/", "1"]
    assert [row[-2] for row in table[1:3]] == ["success", "success"]
    assert table[1][-1].startswith("upper@")
    assert table[3][0] == "run" and table[3][2:4] == ["success", "in"]
    assert "upper  2 + 0 / 2 tasks  success\n" in first.err
    assert first.err.endswith("why: penstock explain all   lineage: penstock trace all:/all\n")
    assert penstock("cat", "all:/all").out == "ONE\nTWO\n!"
    (letters / "c").write_text("three\n")
    put = penstock("put", "words", "c")
    assert "opened run " in put.err
    assert "(2 jobs); nothing drives it: `penstock wait " in put.err
    assert "nobody drives the project" in penstock("status").err
    waited = penstock("wait", put.out.strip().removeprefix("words@"), "--json").json
    assert [job["tasks"]["reused"] for job in waited["jobs"]] == [2, 0]
    again = penstock("run", "--json").json
    assert [job["tasks"]["processed"] for job in again["jobs"]] == [0, 0]
    assert penstock("wait").err == "nothing to wait for: every run is done\n"


def test_the_document_of_a_run(penstock: Penstock, letters: Path) -> None:
    run = penstock("run", "--json").json
    keys = "run state reason pipeline version origin params created started finished jobs"
    assert list(run) == keys.split()
    assert (run["state"], run["reason"], run["pipeline"], run["version"]) == ("success", None, "letters", 1)
    job = run["jobs"][0]
    keys = "job pipeline step state reason message tasks output created started finished stats restarts kept"
    assert list(job) == keys.split()
    assert (job["job"], job["output"]) == (f"upper@{run['run']}", f"upper@{run['run']}")
    assert list(job["tasks"]) == COUNTS
    assert job["tasks"]["total"] == sum(job["tasks"][name] for name in COUNTS[1:]) == 2
    times = [f"{what}_seconds" for what in ("process", "download", "upload", "cpu")]
    assert list(job["stats"]) == ["download_bytes", "upload_bytes", *times, "peak_memory"]
    assert job["created"].endswith("Z")
    wave = penstock("run", "show", "last", "--json").json
    made = [f"{commit['repo']}@{commit['commit']}" for commit in wave.pop("commits")]
    assert wave == run and made == [job["output"] for job in run["jobs"]]
    assert penstock("run", "show", run["run"][:12], "--json").json["jobs"] == run["jobs"]
    # The put before opened no run: nothing was downstream yet.
    assert penstock("run", "list", "--json").json == {"runs": [run], "next": None}
    assert penstock("run", "list", "letters", "--json").json["runs"] == [run]
    assert penstock("job", "show", "upper", "--json").json == job
    assert penstock("job", "list", "upper", "--json").json == {"jobs": [job], "next": None}
    assert penstock("job", "list", run["run"], "--json").json["jobs"] == run["jobs"]
    newest = penstock("job", "list", "--limit", "1", "--json").json
    assert newest["jobs"] == [run["jobs"][1]]
    older = penstock("job", "list", "--after", newest["next"], "--json").json
    assert older == {"jobs": [job], "next": None}


def test_tasks(penstock: Penstock, letters: Path) -> None:
    penstock("run")
    tasks = penstock("task", "list", "upper", "--json").json["tasks"]
    assert [task["binding"] for task in tasks] == [["a"], ["b"]]
    keys = "task job binding state outcome reason message reused inputs params output attempts fingerprint stats held"
    assert list(tasks[0]) == keys.split()
    assert tasks[0]["output"] == ["a"]
    shown = penstock("task", "show", tasks[0]["task"][:12], "--json").json
    assert shown == tasks[0]
    assert "exit" not in penstock("task", "show", tasks[0]["task"]).err
    assert penstock("logs", tasks[1]["task"]).out == "did b\n"
    heads = penstock("logs", "upper").out
    assert heads == f"==> {tasks[0]['task'][:12]} a <==\ndid a\n==> {tasks[1]['task'][:12]} b <==\ndid b\n"
    document = penstock("logs", "upper", "--json").json
    assert [item["text"] for item in document["logs"]] == ["did a\n", "did b\n"]
    followed = penstock("logs", "-f", "upper").out
    assert followed == heads
    trace = penstock("trace", "all:/all", "--json").json
    assert trace["params"] == {"end": "!"}
    assert "upper@" in penstock("trace", "all:/all").out
    explained = penstock("explain", "upper")
    assert "all 2 tasks had to run" in explained.out
    assert penstock("explain", "upper", "--json").json["lines"] == explained.out.splitlines()


def test_parameters(penstock: Penstock, letters: Path) -> None:
    run = penstock("run", "-p", "end=?", "--json").json
    assert run["params"] == {"end": "?"}
    assert penstock("cat", "all:/all").out == "ONE\nTWO\n?"
    unknown = penstock("run", "-p", "ende=1")
    assert unknown.code == 2
    assert "has no parameter 'ende'; did you mean 'end'?" in unknown.err
    assert penstock("run", "-p", "end").err == "penstock: -p end: expected NAME=VALUE\n"


def test_plan_changes_nothing(penstock: Penstock, letters: Path) -> None:
    plan = penstock("plan", "--json").json
    assert [(step["step"], step["tasks"]) for step in plan["steps"]] == [("upper", 2), ("all", None)]
    assert "STEP" in penstock("plan").out
    assert penstock("run", "list", "--json").json["runs"] == []
    assert penstock("pipeline", "list", "--json").json["pipelines"] == []


def test_a_failure_says_what_printed_and_what_to_ask(penstock: Penstock, tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text(FAILING)
    done = penstock("run")
    assert done.code == 1
    rows = [line.split() for line in done.out.splitlines()]
    assert "1 + 0 / 2, 1 failed" in done.out
    assert [row[-1] for row in rows[1:3]] == ["failure", "unrunnable"]
    assert "i=2: sh ended with exit code 1" in done.err
    assert "    | line 20\n" in done.err
    assert "| line 10\n" not in done.err
    assert "penstock explain part" in done.err
    task = done.err.split("all it printed: penstock logs ")[1].split()[0]
    assert penstock("logs", task).out.startswith("line 1\n")
    quiet = penstock("run", "--json")
    assert quiet.code == 1
    assert quiet.json["state"] == "failure"
    retried = penstock("retry", "last")
    assert retried.code == 0
    assert "opened run " in retried.err
    waited = penstock("wait", retried.out.strip())
    assert waited.code == 1
    assert penstock("wait", "part").code == 1
    assert penstock("stop", "last").code == 3


def test_bad_files_are_told_by_place(penstock: Penstock, tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text("steps:\n  one: {rum: ls}\n")
    penstock("init")
    done = penstock("run")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("penstock: pipeline.yaml:2:9: ")
    assert penstock("run", "nope.yaml").code == 3
    assert penstock("run", "list").code == 0
    # A file of that name is told from the verb by its path.
    assert "list: no such pipeline file" in penstock("run", "./list").err


def test_waiting_ends_at_its_time(penstock: Penstock, letters: Path) -> None:
    (letters / "pipeline.yaml").write_text("steps:\n  nap: {input: 'words:/*', run: [sleep, '60']}\n")
    assert penstock("pipeline", "create").err == f"pipeline {letters.name}, version 1\n"
    penstock("commit", "create", "words")
    done = penstock("wait", "--timeout", "0.2s")
    assert done.code == 124
    assert penstock("wait", "--timeout", "soon").code == 2
    assert penstock("hold", "last").err.endswith("is held\n")
    assert penstock("status", "--json").json["runs"][0]["state"] == "paused"
    assert penstock("release", "last").code == 0
    assert penstock("stop", "last").err.endswith("is stopped\n")
    assert penstock("wait", "last").code == 1
    assert penstock("pipeline", "delete", letters.name).code == 0


def test_status(penstock: Penstock, letters: Path) -> None:
    penstock("run")
    document = penstock("status", "--json").json
    assert list(document) == ["project", "engine", "pipelines", "repos", "runs", "notes"]
    assert [repo["repo"] for repo in document["repos"]] == ["all", "upper", "words"]
    assert (document["engine"], document["pipelines"][0]["state"]) == (None, "success")
    text = penstock("status").out
    assert "letters" in text and "run " in text
    shown = penstock("pipeline", "show", "letters", "--json").json
    assert shown == document["pipelines"][0]
    assert penstock("fsck", "--data").err == "no damage\n"
    assert penstock("fsck", "--json").json == {"damage": []}


def test_a_pipeline_file_between_here_and_the_project_is_not_passed_over(penstock: Penstock, tmp_path: Path) -> None:
    inner = tmp_path / "in" / "deep"
    inner.mkdir(parents=True)
    (tmp_path / "pipeline.yaml").write_text("pipeline: outer\nsteps: {a: {run: 'true'}}\n")
    (tmp_path / "in" / "pipeline.yaml").write_text("pipeline: inner\nsteps: {b: {run: 'true'}}\n")
    assert penstock("run").code == 0
    for words in (["run"], ["plan"], ["graph"], ["restart"], ["pipeline", "create"]):
        said = penstock("-C", str(inner), *words)
        assert (said.code, said.out) == (3, "")
        assert f"{tmp_path}/in/pipeline.yaml: lies in in/ of the project {tmp_path}" in said.err
    assert penstock("-C", str(tmp_path / "in"), "run", "pipeline.yaml").code == 0
    assert [p["pipeline"] for p in penstock("pipeline", "list", "--json").json["pipelines"]] == ["inner", "outer"]
    assert penstock("-C", str(tmp_path / "in"), "run", "--json", "../pipeline.yaml").json["jobs"][0]["step"] == "a"


def test_what_is_odd_about_a_success_is_said(penstock: Penstock, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name in "abc":
        (tmp_path / "d" / name).write_text(name)
    (tmp_path / "pipeline.yaml").write_text(
        "repos: {d: {path: d}}\n"
        "steps:\n"
        "  none: {input: 'd:/*.csv', run: 'true'}\n"
        "  some: {input: 'd:/*', run: 'cp $PENSTOCK_IN/d/a $PENSTOCK_OUT || true'}\n"
        "  one: {input: 'd:/', run: 'true'}\n"
        "  all: {input: 'd:/*', run: 'cp $PENSTOCK_IN/d/* $PENSTOCK_OUT'}\n"
    )
    said = penstock("run")
    assert said.code == 0
    notes = [line for line in said.err.splitlines() if line.startswith("note: ")]
    assert sorted(notes) == [
        "note: none: nothing matches d:/*.csv",
        "note: one: its task wrote nothing below $PENSTOCK_OUT",
        "note: some: 2 of 3 tasks that ran wrote nothing below $PENSTOCK_OUT",
    ]
    assert "its task wrote nothing" in penstock("explain", "one").out
    assert penstock("job", "show", "some", "--json").json["message"].startswith("2 of 3 tasks")
    assert "nothing matches d:/*.csv" in penstock("plan").out


def test_a_list_that_was_meant_for_a_shell_is_told(penstock: Penstock, tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text(
        'steps:\n  pipe: {run: [cat, nothing, "|", wc]}\n  cd: {run: [cd, data]}\n  well: {run: [sh, -c, "exit 1"]}\n'
    )
    said = penstock("run")
    assert said.code == 1
    hint = "no shell reads a list of words, so that {} is a word like any other: write the command as text"
    assert f"cat ended with exit code 1; {hint.format(repr('|'))}" in said.err
    assert hint.format(repr("cd")) in said.err
    assert "sh ended with exit code 1\n" in said.err


def test_who_looks_for_a_linked_directory_beside_the_code_is_told_where_it_is(
    penstock: Penstock, tmp_path: Path
) -> None:
    (tmp_path / "raw" / "more").mkdir(parents=True)
    (tmp_path / "raw" / "more" / "a.txt").write_text("a")
    (tmp_path / "pipeline.yaml").write_text(
        "repos: {texts: {path: raw/more}}\nsteps: {a: {input: 'texts:/', run: 'cat raw/more/a.txt'}}\n"
    )
    hint = "raw/more/ is linked as repo texts: read it by `input`, below $PENSTOCK_IN/texts\n"
    assert hint in penstock("run").err
    file = tmp_path / "pipeline.yaml"
    file.write_text(file.read_text().replace("cat raw/more/a.txt", "cat $PENSTOCK_IN/raw/more/a.txt"))
    said = penstock("run").err
    assert "/in/raw/more/a.txt: No such file" in said and hint not in said
