"""`run --force`, and `--time-limit` of the verbs that go on with what is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock.cli.main import main

STEPS = """
steps:
  a: {run: 'echo a >> ran'}
  b: {after: [a], run: 'echo b >> ran'}
  c: {run: 'echo c >> ran; test -e fixed'}
  pub: {run: 'true', output: pub}
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: Any) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.yaml").write_text(STEPS)
    return tmp_path


def ran(lab: Path) -> list[str]:
    found = sorted((lab / "ran").read_text().split())
    (lab / "ran").unlink()
    return found


def test_a_good_step_runs_again_with_what_depends_on_it(lab: Path, capfd: Any) -> None:
    assert main(["run"]) == 1
    assert "what is left, without what is good: penstock restart" in capfd.readouterr().err
    assert ran(lab) == ["a", "b", "c"]
    (lab / "fixed").touch()
    assert main(["restart", "--time-limit", "60s"]) == 0 and ran(lab) == ["c"]
    assert main(["run", "--force", "a"]) == 0 and ran(lab) == ["a", "b"]
    assert main(["run", "--force", "b", "--force", "c"]) == 0 and ran(lab) == ["b", "c"]
    assert main(["wait", "--time-limit", "60s"]) == 0
    capfd.readouterr()


def test_what_force_cannot_do_is_said(lab: Path, capfd: Any) -> None:
    (lab / "fixed").touch()
    assert main(["run"]) == 0
    capfd.readouterr()
    assert main(["run", "--force", "aa"]) != 0 and "no step 'aa'" in capfd.readouterr().err
    assert main(["run", "--force", "pub"]) != 0 and "reuses what it did before" in capfd.readouterr().err
    assert main(["run", "--force", "a", "--watch"]) == 2 and "--force goes with" in capfd.readouterr().err


def test_a_retry_with_a_time_limit_is_seen_through(lab: Path, capfd: Any) -> None:
    assert main(["run"]) == 1
    (lab / "fixed").touch()
    ran(lab)
    assert main(["retry", "c", "--time-limit", "60s"]) == 0 and ran(lab) == ["c"]
    capfd.readouterr()
