"""The command as tests call it: in this process, in a directory of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from penstock.cli.main import main


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)


Penstock = Callable[..., Done]

PIPELINE = """\
pipeline: letters
params: {end: "!"}
steps:
  upper:
    input: words:/*
    run: [sh, -c, 'for f in $PENSTOCK_IN/words/*; do tr a-z A-Z < $f > $PENSTOCK_OUT/${f##*/}; echo did ${f##*/}; done']
  all:
    input: {cross: ["words:/", "upper:/"]}
    run: [sh, -c, 'cat $PENSTOCK_IN/upper/* > $PENSTOCK_OUT/all; printf "$PENSTOCK_PARAM_END" >> $PENSTOCK_OUT/all']
"""


@pytest.fixture
def penstock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Penstock:
    """`penstock("ls", "words")` runs a command in `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("PENSTOCK_DEBUG", raising=False)

    def run(*words: str) -> Done:
        capsys.readouterr()
        code = main(words)
        monkeypatch.chdir(tmp_path)
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run


@pytest.fixture
def letters(penstock: Penstock, tmp_path: Path) -> Path:
    """A project with two words and a pipeline over them, not run yet."""
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    (tmp_path / "words").mkdir()
    (tmp_path / "words/a").write_text("one\n")
    (tmp_path / "words/b").write_text("two\n")
    assert penstock("init").code == 0
    assert penstock("put", "words", "words/").code == 0
    return tmp_path
