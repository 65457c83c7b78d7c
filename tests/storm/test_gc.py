"""kill -9 at any point of a loop of puts and collections: every acknowledged commit is whole, no half one is seen.

The victim's clock is always hours ahead, so that each collection deletes what the one before condemned. The next one
goes on in the same project, over what the last one left. `make storm` tries 200 points, a normal run 5.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from penstock import Project
from penstock.model.run import Commit
from penstock.service.answers.fsck import fsck
from penstock.service.keeping.garbage import gc

VICTIM = """
import itertools, json, random, sys
from pathlib import Path
from penstock import Project
from penstock.service.keeping import retention
from penstock.service.keeping.garbage import GRACE, gc

root, seed = Path(sys.argv[1]), int(sys.argv[2])
chance = random.Random(seed)
source = root.with_name("source")
source.mkdir(exist_ok=True)
with Project.open(root) as project:
    clock = itertools.count(project.parts.now() + seed * 1000 * GRACE, 2 * GRACE)
    project.parts.now = lambda: next(clock)
    print("ready", flush=True)
    while True:
        names = {f"f{number}": chance.randrange(40) for number in chance.sample(range(12), 6)}
        for name, content in names.items():
            data = f"{content}\\n".encode() * (20_000 if content % 8 == 0 else 30)
            (source / name).write_bytes(data)
        put = project.put("in", *(source / name for name in names))
        print(json.dumps([put.commit, names]), flush=True)
        if chance.random() < 0.5:
            retention.keep(project.parts, "in", 3, None)
            gc(project.parts, now=chance.random() < 0.3)
            print("collected", flush=True)
"""


def content(number: int) -> bytes:
    return f"{number}\n".encode() * (20_000 if number % 8 == 0 else 30)


def strike(root: Path, seed: int, seconds: float) -> int:
    """Start a victim, kill it, look at what is left; how many commits it was told of."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-c", VICTIM, str(root), str(seed)]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None and victim.stderr is not None
        assert victim.stdout.readline() == "ready\n", victim.stderr.read()
        time.sleep(seconds)
        victim.kill()
        said = [json.loads(line) for line in victim.stdout.read().splitlines() if line.endswith("]")]
        assert victim.stderr.read() == ""
    told = dict(said)
    with Project.open(root) as project:
        assert list(fsck(project.parts, data=True)) == []
        log = project.log("in", limit=10_000) if project.parts.store.fetch("repos") else []
        assert told.keys() <= {view.commit for view in log}
        whole = {view.commit for view in log if view.forgotten is None}
        assert log == [] or log[0].commit in whole
        for commit in whole:
            files = {item.path: project.read(f"in@{commit}:/{item.path}") for item in project.ls(f"in@{commit}")}
            assert {name: content(number) for name, number in told.get(commit, {}).items()}.items() <= files.items()
    return len(told)


def settle(root: Path) -> None:
    """In the end all garbage goes, and what is kept is whole."""
    with Project.open(root) as project:
        gc(project.parts, now=True)
        kept = gc(project.parts, now=True).swept
        assert kept.deleted.bytes == kept.waiting.bytes == 0
        assert list(fsck(project.parts, data=True)) == []
        for commit in project.parts.store.load(Commit, "commits_of_repo", repo="in", before=1 << 62, limit=1000):
            if commit.forgotten is None:
                assert len(list(project.ls(f"in@{commit.id}"))) == commit.files


def campaign(root: Path, count: int) -> None:
    chance = random.Random(8)
    Project.create(root).close()
    told = sum(strike(root, seed, chance.random() * 0.6) for seed in range(count))
    assert told > count
    settle(root)


def test_a_few_points(tmp_path: Path) -> None:
    campaign(tmp_path / "lab", 5)


@pytest.mark.storm
def test_many_points(tmp_path: Path) -> None:
    campaign(tmp_path / "lab", 200)
