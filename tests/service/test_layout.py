"""Making a project: all of it or nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock import Project
from penstock.model.errors import AlreadyExists, NotWritable
from penstock.service import layout

STEPS = "sites: {far: {kind: slurm}}\nrepos: {in: {path: files}}\nsteps:\n  s: {input: in:/*, run: [sh, s.sh]}\n"


def names(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def penstock(where: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "penstock", *words], cwd=where, capture_output=True, text=True, check=False, timeout=120
    )


def fill(where: Path) -> set[str]:
    """A directory with a pipeline file and more code than a small disk has room for."""
    (where / "files").mkdir(parents=True)
    (where / "files/a").write_text("a")
    (where / "s.sh").write_text("cp $PENSTOCK_IN/*/a $PENSTOCK_OUT\n")
    (where / "pipeline.yaml").write_text(STEPS)
    return names(where)


@pytest.mark.parametrize("where", ["", "deep/er"])
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt(), NotWritable("no")])
def test_what_fails_meanwhile_leaves_nothing(tmp_path: Path, where: str, failure: BaseException) -> None:
    def fail(made: layout.Layout) -> None:
        (made.objects / "half").write_text("x")
        raise failure

    with pytest.raises((NotWritable, KeyboardInterrupt)):
        layout.create(tmp_path / where, fail)
    assert names(tmp_path) == set()


def test_what_is_there_stays(tmp_path: Path) -> None:
    Project.create(tmp_path).close()
    with pytest.raises(AlreadyExists, match="is a project already"):
        Project.create(tmp_path)
    (tmp_path / ".penstock/format").unlink()
    with pytest.raises(AlreadyExists, match="is not a Penstock project"):
        Project.create(tmp_path)
    assert (tmp_path / ".penstock/state.db").exists()


@pytest.mark.parametrize(
    "words", [("run", "--site", "nope"), ("run", "-p", "nope=1"), ("run", "--site", "nope", "--detach")]
)
def test_a_first_run_that_is_refused_leaves_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    before = fill(tmp_path)
    done = penstock(tmp_path, *words)
    assert done.returncode in (2, 3) and "has no" in done.stderr
    assert names(tmp_path) == before


def test_a_site_that_is_not_there_leaves_a_project_as_it_was(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "pipeline.yaml").write_text(f"pipeline: pipeline\n{STEPS}")
    Project.create(tmp_path).close()
    done = penstock(tmp_path, "run", "--site", "nope")
    assert (done.returncode, done.stderr) == (
        3,
        "penstock: pipeline 'pipeline' has no site 'nope'; it knows local, far\n",
    )
    with Project.open(tmp_path) as project:
        store = project.parts.store
        assert not store.fetch("pipelines") and not store.fetch("active_runs") and not store.fetch("repos")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Any]:
    """Makes a file system of so many KiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting is for root")
    made: list[Path] = []

    def mount(kib: int) -> Path:
        place = tmp_path / f"disk-{kib}"
        place.mkdir()
        options = f"size={kib}k,mode=700"
        if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=False).returncode:
            pytest.skip("mounting is not allowed here")
        made.append(place)
        return place

    yield mount
    for place in made:
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("command", ["init", "run"])
def test_a_full_disk_leaves_nothing(small: Any, command: str) -> None:
    sizes = [16, 24, 32, 64, 128, 256, 384, 512, 640, 768]
    for size in sizes:
        disk = small(size)
        before = fill(disk)
        done = penstock(disk, command)
        if done.returncode == 0 or (disk / ".penstock/format").exists():
            break
        assert names(disk) == before, (size, done.stderr)
        assert done.returncode in (1, 3) and done.stderr.count("\n") == 1
        assert "defect" not in done.stderr
    assert size > sizes[2]
    with Project.open(disk) as project:
        assert command == "init" or project.parts.store.fetch("pipelines")
