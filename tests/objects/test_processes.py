"""Several processes on one store, and one that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.objects.folder import ASIDE
from penstock.objects.store import Objects

#: Adds blobs, some of them large, seals, and only then says which; for ever, or as often as told.
WRITE = """
import itertools, os, pathlib, sys
from penstock.objects.store import Objects
objects = Objects(pathlib.Path(sys.argv[1]))
with objects.writer() as writer:
    for turn in range(int(sys.argv[2])) if sys.argv[2:] else itertools.count():
        ids = [writer.add(b"%d" % (turn * 7 + number)) for number in range(20)]
        ids += [writer.add(os.urandom(1000)), writer.add(os.urandom(70_000))]
        writer.seal()
        print(*(blob.hex() for blob in ids), flush=True)
"""


def start(root: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITE, str(root), *words], stdout=subprocess.PIPE, text=True)


def ids(line: str) -> list[bytes]:
    return [bytes.fromhex(word) for word in line.split()]


def test_many_write_at_once(tmp_path: Path) -> None:
    root = tmp_path / "objects"
    with Objects.create(root) as objects:
        # The processes also race for a new index.
        (root / "index.db").unlink()
        writers = [start(root, "8") for _ in range(3)]
        said = [blob for writer in writers for line in writer.communicate()[0].splitlines() for blob in ids(line)]
        assert [writer.returncode for writer in writers] == [0, 0, 0]
        assert len(said) == 3 * 8 * 22
        assert objects.blobs.has(said) == set(said)
        assert all(objects.blobs.get(blob) for blob in set(said))
    with Objects(root) as objects:
        assert list(objects.blobs.check(data=True)) == []


@pytest.mark.parametrize("lines", [0, 1, 5])
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, lines: int) -> None:
    root = tmp_path / "objects"
    Objects.create(root).close()
    with start(root) as writer:
        assert writer.stdout is not None
        said = [blob for _ in range(lines) for blob in ids(writer.stdout.readline())]
        writer.send_signal(signal.SIGKILL)
        # what it said before the signal came counts as well; the last line may be half a line
        rest = writer.stdout.read()
        said += [blob for line in rest.splitlines(keepends=True) if line.endswith("\n") for blob in ids(line)]
    with Objects(root) as objects:
        assert objects.blobs.has(said) == set(said)
        assert list(objects.blobs.check(data=True)) == []
        assert os.listdir(root / ASIDE) == []
