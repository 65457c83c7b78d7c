"""Spans of logs, read beneath their directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penstock.model.errors import BadPath, NotFound
from penstock.objects import logs


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "logs/w1").mkdir(parents=True)
    (tmp_path / "logs/w1/slot0.log").write_bytes(b"first\nsecond\n")
    (tmp_path / "secret").write_bytes(b"secret")
    return tmp_path / "logs"


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [(0, 6, b"first\n"), (6, 7, b"second\n"), (6, 100, b"second\n"), (13, 5, b""), (99, 5, b""), (3, 0, b"")],
)
def test_a_span(top: Path, offset: int, length: int, expected: bytes) -> None:
    assert logs.read(top, "w1/slot0.log", offset, length) == expected


def test_what_leads_out_is_refused(top: Path) -> None:
    for name in ("../secret", "/etc/passwd", "w1/../../secret", ""):
        with pytest.raises(BadPath):
            logs.read(top, name, 0, 10)
    (top / "link").symlink_to(top.parent / "secret")
    (top / "up").symlink_to("..")
    for name in ("link", "up/secret", "none", "none/none", "w1/slot0.log/x"):
        with pytest.raises(NotFound, match=name):
            logs.read(top, name, 0, 10)


def test_no_file_stays_open(top: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    logs.read(top, "w1/slot0.log", 0, 5)
    with pytest.raises(NotFound):
        logs.read(top, "w1/none", 0, 5)
    assert len(os.listdir("/proc/self/fd")) == before
