"""Bad input and a bad world: one clear line, nothing half-done, and the project works again."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock import Project
from penstock.model.errors import (
    AlreadyExists,
    BadSpec,
    Corrupt,
    NewerFormat,
    NoProject,
    NotFound,
    PenstockError,
    UsageError,
)
from penstock.service.answers.fsck import fsck

UP = "cp -r $PENSTOCK_IN/*/. $PENSTOCK_OUT"


def cli(root: Path, *words: str, prefix: tuple[str, ...] = ()) -> tuple[int, str]:
    """Exit code of a command, and the one line it said on stderr."""
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "penstock", *words],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr and "a defect in Penstock" not in done.stderr, done.stderr
    return done.returncode, done.stderr.strip()


def one_line(said: str) -> str:
    """The error, which is one line."""
    last = said.splitlines()[-1]
    assert last.startswith("penstock: "), said
    return last


# The pipeline file.


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("steps:\n  a: {after: [b], run: x}\n  b: {after: [a], run: x}", "pipeline.yaml:", "cycle"),
        ("steps:\n  a: {input: 'b:/', run: x}\n  b: {input: 'a:/', run: x}", "pipeline.yaml:", "cycle"),
        ("steps:\n  a: {inptu: 'in:/', run: x}", "pipeline.yaml:2:7", "did you mean"),
        ("setps:\n  a: {run: x}", "pipeline.yaml:1:1", "did you mean"),
        ("steps:\n  a: {input: 'im:/*', run: x}", "pipeline.yaml:2:14", "im"),
        ("steps:\n  a: {run: x, resources: {cpus: 99999999999999999999}}", "pipeline.yaml:2:", "cpus"),
        ("steps:\n  a: {run: x, retry: {tries: 1e300}}", "pipeline.yaml:2:", "tries"),
        ("steps:\n  a: {run: x, each: {n: '1..999999999999'}}", "pipeline.yaml:2:", "combinations"),
        ("repos: {p: {path: gone}}\nsteps:\n  a: {input: 'p:/*', run: x}", "pipeline.yaml:1:", "there is no directory"),
        ("repos: {p: {path: ../..}}\nsteps:\n  a: {input: 'p:/*', run: x}", "pipeline.yaml:1:", ""),
        ("- just\n- a list", "pipeline.yaml:1:1", ""),
        ("steps: {a: {run: 'x}}", "pipeline.yaml:1:", ""),
        ("\0", "pipeline.yaml:1:", ""),
        ("", "pipeline.yaml:1:", ""),
    ],
)
def test_a_bad_pipeline_file_is_told_by_line_and_column(lab: Any, text: str, where: str, message: str) -> None:
    lab.put("in", {"x": "1"})
    lab.pipeline(text)
    with pytest.raises(BadSpec) as caught:
        lab.run()
    assert str(caught.value).startswith(where) and message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert lab.project.runs() == [] and not lab.parts.pipelines()
    code, said = cli(lab.root, "run")
    assert (code, said.count("\n")) == (2, 0)
    lab.pipeline(f"steps: {{a: {{input: 'in:/*', run: {UP}}}}}")
    assert lab.ok() == {"a": (1, 1, 0)}


def test_a_file_that_spoils_a_good_pipeline_leaves_the_good_one(lab: Any) -> None:
    lab.pipeline(f"steps: {{a: {{input: 'in:/*', run: {UP}}}}}")
    lab.put("in", {"x": "1"})
    lab.ok()
    lab.pipeline("steps: {a: {input: 'in:/*', rnu: x}}")
    with pytest.raises(BadSpec):
        lab.run()
    with pytest.raises(BadSpec):
        lab.planned()
    commit = lab.put("in", {"x": "2"})
    assert lab.project.wait(commit).state == "success", "a put needs no file"
    assert lab.files("a") == {"x": "2"}


def test_no_file_no_project_no_parameter(lab: Any, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no pipeline.yaml"):
        lab.run()
    with pytest.raises(NotFound, match=r"gone.yaml: no such pipeline file"):
        lab.run("gone.yaml")
    with pytest.raises(NoProject, match="penstock init"):
        Project.open(tmp_path)
    with pytest.raises(AlreadyExists):
        Project.create(lab.root)
    lab.pipeline("params: {alpha: 1}\nsteps: {a: {run: 'true'}}")
    with pytest.raises(UsageError, match="no parameter 'alhpa'; did you mean 'alpha'"):
        lab.run(alhpa=1)
    for word in ("0123456", "last", "nope"):
        with pytest.raises(PenstockError):
            lab.project.wait(word)
    assert lab.project.runs() == []


def test_a_project_with_a_file_no_tree_can_hold_names_it_and_a_way_out(lab: Any) -> None:
    lab.pipeline("steps: {a: {run: 'true'}}")
    (lab.root / "bad\nname").touch()
    with pytest.raises(PenstockError, match=r"\.penstockignore") as caught:
        lab.run()
    assert "\n" not in str(caught.value)
    lab.write(".penstockignore", "bad*\n")
    lab.ok()
    (lab.root / "bad\nname").unlink()
    lab.pipeline("repos: {photos: {path: p}}\nsteps: {a: {run: 'true'}}")
    lab.write("p/good", "")
    (lab.root / "p/link").symlink_to("/etc")
    with pytest.raises(PenstockError, match=r"repo 'photos', linked to p/: link 'link' leads out"):
        lab.run()
    assert len(lab.project.runs()) == 1


# Sizes.


def test_absurd_sizes(lab: Any) -> None:
    """Megabytes where bytes are usual, and depths nobody needs."""
    huge = "x" * 3_000_000
    lab.pipeline("""
        params: {big: ""}
        steps:
          s: {input: "in:/*", run: "wc -c < $PENSTOCK_PARAMS > $PENSTOCK_OUT/size; test -z $PENSTOCK_PARAM_BIG"}
        """)
    lab.put("in", {"x": "1"})
    lab.ok(big=huge)
    assert int(lab.files("s")["size"]) > 3_000_000
    deep = "/".join(["d" * 100] * 30) + "/f"
    lab.put("in", {deep: "deep"})
    assert lab.project.read(f"in:/{deep}") == b"deep"
    with pytest.raises(PenstockError, match="4096"):
        lab.project.put("in:/" + "d/" * 3000, lab.write("f", ""))
    lab.pipeline(f"steps: {{s: {{input: 'in:/*', run: [echo, {'y' * 200_000}]}}}}")
    view = lab.run()
    assert all("at most 131072 can be passed" in message for message in lab.failures(view.jobs[0]))


def test_a_task_that_prints_without_end_is_cut(lab: Any) -> None:
    lab.pipeline("steps: {s: {run: 'yes | head -c 60000000; echo the end'}}")
    view = lab.run()
    assert view.state == "success"
    logs = sum(file.stat().st_size for file in (lab.root / ".penstock/logs").iterdir())
    assert logs < 40_000_000


# The disk.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A disk of so many kilobytes, and nothing else on it."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = []

    def make(kilobytes: int) -> Path:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", place], capture_output=True, text=True
        )
        if done.returncode != 0:
            pytest.skip(f"no small disk can be made: {done.stderr.strip()}")
        mounted.append(place)
        return place

    yield make
    for disk in mounted:
        subprocess.run(["umount", "-l", disk], check=True)


def fill(disk: Path, leave: int = 0) -> Path:
    """A file that takes all room but so many kilobytes."""
    ballast = disk / "ballast"
    free = shutil.disk_usage(disk).free - leave * 1024
    with open(ballast, "wb") as file:
        file.write(b"x" * max(0, free))
    return ballast


def sound(root: Path) -> None:
    with Project.open(root) as project:
        assert list(fsck(project.parts, data=True)) == []


def test_a_full_disk_during_put(small_disk: Callable[[int], Path], tmp_path: Path) -> None:
    root = small_disk(4000) / "lab"
    for name, size in (("small", 10_000), ("large", 6_000_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_bytes(os.urandom(size))
    (tmp_path / "many").mkdir()
    for number in range(400):
        (tmp_path / "many" / str(number)).write_bytes(os.urandom(20_000))
    with Project.create(root) as project:
        project.put("in", f"{tmp_path}/small/")
    used = shutil.disk_usage(root).used
    for name in ("large", "many"):
        code, said = cli(root, "put", "in", f"{tmp_path}/{name}/")
        assert code == 3 and "no space left" in one_line(said)
        assert shutil.disk_usage(root).used < used + 200_000, "what was half stored is gone"
    sound(root)
    with Project.open(root) as project:
        assert len(project.log("in")) == 1
        project.put("in:/more", f"{tmp_path}/small/")
        assert [item.path for item in project.ls("in", recursive=True)] == ["f", "more/f"]


def test_a_disk_with_no_room_at_all(small_disk: Callable[[int], Path], tmp_path: Path) -> None:
    disk = small_disk(4000)
    root = disk / "lab"
    (tmp_path / "f").write_bytes(os.urandom(1000))
    with Project.create(root) as project:
        project.put("in", tmp_path / "f")
        (root / "pipeline.yaml").write_text(f"steps: {{s: {{input: 'in:/*', run: {UP}}}}}")
        project.run()
    ballast = fill(disk)
    (tmp_path / "g").write_bytes(os.urandom(1000))
    for words in (["put", "in", f"{tmp_path}/g"], ["run"], ["rm", "in:/f"]):
        code, said = cli(root, *words)
        assert code in (1, 3) and one_line(said), (words, said)
        assert "no space" in said or "full" in said or "room" in said, said
    code, _ = cli(root, "cat", "in:/f")
    ballast.unlink()
    sound(root)
    with Project.open(root) as project:
        project.put("in", tmp_path / "g")
        assert project.run().state == "success"
        assert sorted(item.path for item in project.ls("s")) == ["f", "g"]


def test_a_disk_that_fills_while_tasks_run(small_disk: Callable[[int], Path], tmp_path: Path) -> None:
    """Tasks write more than there is room for: these fail by name, the others are kept."""
    disk = small_disk(16_000)
    root = disk / "lab"
    (tmp_path / "in").mkdir()
    for number in range(8):
        (tmp_path / "in" / str(number)).write_text(str(3_000_000 if number in (2, 3, 5, 6, 7) else 3000))
    with Project.create(root) as project:
        project.put("in", f"{tmp_path}/in/")
        write = "cd $PENSTOCK_IN/in; head -c $(cat *) /dev/urandom > $PENSTOCK_OUT/$(ls)"
        (root / "pipeline.yaml").write_text(f"steps: {{s: {{input: 'in:/*', run: '{write}'}}}}")
    fill(disk, leave=9000)
    code, said = cli(root, "run")
    assert code in (1, 3), said
    # Whoever meets the end of the disk first says so: a task, a pack or the database.
    assert any(words in said for words in ("No space left", "no space left", "tasks failed", "disk is full")), said
    (disk / "ballast").unlink()
    sound(root)
    cli(root, "run")
    with Project.open(root) as project:
        done = {item.path for item in project.ls(f"s@{project.runs()[0].run}")}
    assert {"0", "1", "4"} <= done
    sound(root)


def test_a_disk_that_is_full_when_a_job_closes(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tasks are done, their job cannot be written: the next run goes on from there."""
    from penstock.service.driving import closing

    lab.pipeline(f"steps: {{s: {{input: 'in:/*', run: {UP}}}}}")
    lab.put("in", {"x": "1", "y": "2"})

    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(closing, "totals", full)
        with pytest.raises(OSError, match="No space"):
            lab.run()
    assert lab.alive() == []
    (run,) = lab.project.runs()
    view = lab.run()
    assert (view.run, view.state, view.jobs[0].tasks.processed) == (run.run, "success", 2)
    assert lab.files("s") == {"x": "1", "y": "2"}


def test_a_job_that_could_not_be_closed_is_no_base(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its ledger lacks what its tasks gave: the next job must not believe it whole."""
    from penstock.service.driving import closing

    lab.pipeline(f"steps: {{s: {{input: 'in:/*', run: {UP}}}}}")
    lab.put("in", {"x": "1", "y": "2"})

    def damaged(*_: Any) -> Any:
        raise Corrupt("a page is damaged")

    with monkeypatch.context() as patch:
        patch.setattr(closing, "totals", damaged)
        view = lab.run()
    assert view.state == "failure" and "a page is damaged" in view.jobs[0].message
    assert "a page is damaged" in lab.explain("s")
    assert lab.ok() == {"s": (2, 0, 2)}
    assert lab.files("s") == {"x": "1", "y": "2"}


# Permissions.

AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")


def test_a_project_that_cannot_be_written(lab: Any, tmp_path: Path) -> None:
    """By another user; root may write anywhere, so somebody else has to try."""
    prefix: tuple[str, ...] = ()
    lab.pipeline(f"steps: {{s: {{input: 'in:/*', run: {UP}}}}}")
    lab.put("in", {"x": "1"})
    before = sorted(str(path) for path in lab.root.rglob("*"))
    for directory in (lab.root, *lab.root.rglob("*")):
        directory.chmod(0o555 if directory.is_dir() else 0o444)
    if os.geteuid() == 0:
        prefix = AS_NOBODY
        if shutil.which("setpriv") is None:
            pytest.skip("needs setpriv to be somebody else")
        for directory in tmp_path.parents:
            if not directory.stat().st_mode & 0o001:
                directory.chmod(directory.stat().st_mode | 0o011)
        tmp_path.chmod(0o755)
        reach = subprocess.run([*prefix, sys.executable, "-c", "import click, msgspec"], cwd=lab.root)
        if reach.returncode != 0:
            pytest.skip("another user cannot reach this Python")
    for words in (["run"], ["put", "in", "pipeline.yaml"], ["init"]):
        code, said = cli(lab.root, *words, prefix=prefix)
        assert code == 3 and said.count("\n") == 0, said
        assert "permission" in said or "is a project already" in said
    (tmp_path / "closed").mkdir(mode=0o555)
    code, said = cli(tmp_path / "closed", "init", prefix=prefix)
    assert code == 3 and "cannot make a project here" in said
    assert os.listdir(tmp_path / "closed") == []
    assert sorted(str(path) for path in lab.root.rglob("*")) == before
    for directory in (lab.root, *lab.root.rglob("*")):
        directory.chmod(0o755 if directory.is_dir() else 0o644)


# What lies on disk is not what was written.


@pytest.fixture
def stored(lab: Any) -> Any:
    """A project with two runs, small and large files; closed, so that its files can be spoilt."""
    lab.pipeline(f"steps: {{s: {{input: 'in:/*', run: {UP}}}}}")
    lab.put("in", {"small": "s" * 1000, "large": "l" * 100_000})
    lab.ok()
    lab.home = lab.root / ".penstock"
    return lab


def damage(root: Path) -> list[str]:
    with Project.open(root) as project:
        return list(fsck(project.parts, data=True))


def files_below(folder: Path, end: str = "") -> list[Path]:
    return sorted(path for path in folder.rglob(f"*{end}") if path.is_file())


def flip(path: Path, at: int) -> bytes:
    """Change one byte; returns the file as it was."""
    before = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(before[:at] + bytes([before[at] ^ 255]) + before[at + 1 :])
    return before


def test_a_damaged_blob_is_named_and_never_given_out(stored: Any, tmp_path: Path) -> None:
    (large,) = files_below(stored.home / "objects/blobs")
    before = flip(large, 5000)
    assert any(large.name in line for line in damage(stored.root))
    with pytest.raises(Corrupt):
        stored.project.read("in:/large")
    code, said = cli(stored.root, "get", "in:/large", str(tmp_path / "copy"))
    assert code == 1 and large.name[:16] in one_line(said)
    assert not (tmp_path / "copy").exists()
    assert stored.project.read("in:/small") == b"s" * 1000
    stored.pipeline(f"steps: {{s: {{input: 'in:/*', run: true && {UP}}}}}")
    view = stored.run()
    assert view.state == "failure"
    assert [task.reason for task in stored.tasks(view.jobs[0])] == ["input", None]
    large.write_bytes(before)
    assert stored.ok() == {"s": (2, 1, 1)}


def test_a_damaged_pack_is_named(stored: Any) -> None:
    stored.project.close()
    for pack in files_below(stored.home / "objects", ".pack"):
        for at in (0, pack.stat().st_size // 2, pack.stat().st_size - 4):
            before = flip(pack, at)
            found = damage(stored.root)
            assert found, f"byte {at} of {pack.name}"
            assert all("\n" not in line for line in found)
            for words in (["cat", "in:/small"], ["run"], ["log", "s"]):
                code, said = cli(stored.root, *words)
                assert code in (0, 1, 3), (words, said)
                if code == 3:
                    assert "damage" in said or "pack" in said or "missing" in said or "no pack" in said, said
            pack.write_bytes(before)
            assert damage(stored.root) == []
    stored.project = Project.open(stored.root)


def test_a_missing_pack_is_named(stored: Any) -> None:
    stored.project.close()
    for pack in files_below(stored.home / "objects", ".pack"):
        pack.rename(stored.root / "aside")
        assert damage(stored.root)
        code, said = cli(stored.root, "fsck")
        assert code == 1
        (stored.root / "aside").rename(pack)
        assert damage(stored.root) == []
    stored.project = Project.open(stored.root)


@pytest.mark.parametrize("spoil", ["delete", "empty", "noise", "cut"])
def test_the_index_of_blobs_is_made_again(stored: Any, spoil: str) -> None:
    stored.project.close()
    for index in (stored.home / "objects").glob("index*"):
        if spoil == "delete":
            index.unlink()
        elif index.suffix in (".db", ".sqlite", "") and not index.name.endswith((".lock", "-wal", "-shm")):
            data = index.read_bytes()
            index.write_bytes({"empty": b"", "noise": os.urandom(5000), "cut": data[: len(data) // 2]}[spoil])
    stored.project = Project.open(stored.root)
    assert stored.files("s") == {"small": "s" * 1000, "large": "l" * 100_000}
    stored.put("in", {"more": "m"})
    assert stored.ok() == {"s": (3, 0, 3)}


@pytest.mark.parametrize("spoil", ["delete", "noise"])
def test_the_scans_are_made_again(stored: Any, spoil: str) -> None:
    for cache in files_below(stored.home / "scans"):
        cache.unlink() if spoil == "delete" else cache.write_bytes(os.urandom(300))
    assert stored.ok() == {"s": (2, 0, 2)}


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 1000])
def test_a_database_that_is_none(lab: Any, content: bytes) -> None:
    lab.project.close()
    database = lab.root / ".penstock/state.db"
    before = database.read_bytes()
    database.write_bytes(content)
    code, said = cli(lab.root, "fsck")
    if content:
        assert code != 0 and "state.db" in one_line(said)
        with pytest.raises(PenstockError, match="state.db"):
            Project.open(lab.root)
    database.write_bytes(before)
    lab.project = Project.open(lab.root)


def test_rows_that_lie_are_found(stored: Any) -> None:
    stored.project.close()
    with sqlite3.connect(stored.home / "state.db") as db:
        db.execute("update \"commit\" set root = cast(x'1e' || randomblob(32) as blob) where repo = 'in'")
    db.close()
    assert any("commit in@" in line for line in damage(stored.root))
    code, said = cli(stored.root, "ls", "in")
    assert code in (1, 3) and one_line(said)
    with sqlite3.connect(stored.home / "state.db") as db:
        db.execute("update \"commit\" set root = (select root from \"commit\" where repo = 's') where repo = 'in'")
    db.close()
    stored.project = Project.open(stored.root)


def test_a_newer_format_is_refused(lab: Any) -> None:
    lab.project.close()
    mark = lab.root / ".penstock/format"
    before = mark.read_text()
    for text, error in (("99 x", NewerFormat), ("", NoProject), ("what is this", NoProject)):
        mark.write_text(text)
        with pytest.raises(error) as caught:
            Project.open(lab.root)
        assert "\n" not in str(caught.value)
        code, said = cli(lab.root, "status")
        assert code == 3 and said.count("\n") == 0
    mark.write_text(before)
    with sqlite3.connect(lab.root / ".penstock/state.db") as db:
        (version,) = db.execute("pragma user_version").fetchone()
        db.execute("pragma user_version = 999")
    with pytest.raises(NewerFormat):
        Project.open(lab.root)
    with sqlite3.connect(lab.root / ".penstock/state.db") as db:
        db.execute(f"pragma user_version = {version}")
    db.close()
    lab.project = Project.open(lab.root)
