"""A file of commands as a step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Penstock = Callable[..., Any]

COMMANDS = """
# what to do
echo one > $PENSTOCK_OUT/a
echo "two  words" | tr a-z A-Z > $PENSTOCK_OUT/b; exit 0
echo '$HOME {x}' > $PENSTOCK_OUT/c
"""
PIPELINE = """
steps:
  work:
    each: {command: {lines: commands.txt}}
    run: eval "$PENSTOCK_PARAM_COMMAND"
    output: done
"""


@pytest.fixture
def commands(penstock: Penstock, tmp_path: Path) -> Penstock:
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    (tmp_path / "commands.txt").write_text(COMMANDS)
    assert penstock("init").code == 0
    return penstock


def test_each_line_is_a_task(commands: Penstock) -> None:
    assert commands("run").code == 0
    assert commands("cat", "done:/a").out == "one\n"
    assert commands("cat", "done:/b").out == "TWO  WORDS\n"
    assert commands("cat", "done:/c").out == "$HOME {x}\n"


def test_an_edited_line_is_the_only_one_that_runs_again(commands: Penstock, tmp_path: Path) -> None:
    commands("run")
    (tmp_path / "commands.txt").write_text(COMMANDS.replace("one", "eins") + "echo four > $PENSTOCK_OUT/d\n")
    assert commands("run").code == 0
    (job,) = commands("run", "show", "last", "--json").json["jobs"]
    assert (job["tasks"]["processed"], job["tasks"]["reused"]) == (2, 2)
    assert commands("cat", "done:/a").out == "eins\n"
    (tmp_path / "commands.txt").write_text(COMMANDS)
    commands("run")
    (job,) = commands("run", "show", "last", "--json").json["jobs"]
    assert (job["tasks"]["processed"], job["tasks"]["reused"]) == (0, 3), "as it was before"


def test_a_line_that_fails_is_named_and_the_others_are_done(commands: Penstock, tmp_path: Path) -> None:
    (tmp_path / "commands.txt").write_text(COMMANDS + "exit 7\n")
    said = commands("run")
    assert said.code == 1 and "exit code 7" in said.err
    (bad,) = commands("task", "list", "work", "--state", "failed", "--json").json["tasks"]
    assert bad["params"] == {"command": "exit 7"}


def test_a_file_that_is_gone_is_told(commands: Penstock, tmp_path: Path) -> None:
    commands("run")
    (tmp_path / "commands.txt").unlink()
    for verb in ("run", "plan", "restart"):
        said = commands(verb)
        assert said.code == 2 and "pipeline.yaml:4:" in said.err and 'no file "commands.txt"' in said.err
