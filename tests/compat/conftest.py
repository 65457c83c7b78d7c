"""`penstock pachctl` as tests call it: in this process, in a project of its own."""

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

    @property
    def rows(self) -> list[str]:
        """A table's lines without its head."""
        return self.out.splitlines()[1:]


Command = Callable[..., Done]


@pytest.fixture
def penstock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`penstock("ls", "words")` runs a command in `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PENSTOCK_DEBUG", raising=False)

    def run(*words: str) -> Done:
        capsys.readouterr()
        code = main(words)
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run


@pytest.fixture
def pachctl(penstock: Command) -> Command:
    """`pachctl("list", "job")` in a new project."""
    assert penstock("init").code == 0
    return lambda *words: penstock("pachctl", *words)


@pytest.fixture
def torc(penstock: Command) -> Command:
    """`torc("jobs", "list")` in a new project."""
    assert penstock("init").code == 0
    return lambda *words: penstock("torc", *words)
