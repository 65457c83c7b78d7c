"""The fsspec face: fsspec's own suite, pandas and pyarrow over it, and what a write that fails leaves."""

from __future__ import annotations

import importlib.metadata
import os
import pickle
import posixpath
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pandas
import pytest
from fsspec.tests import abstract

from penstock import Project
from penstock.fsspec import PenstockFileSystem

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True, scope="module")
def registered() -> Iterator[None]:
    """As the entry point does it, also where Penstock is not installed."""
    place = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["fsspec.specs"]["penstock"]
    assert importlib.metadata.EntryPoint("penstock", place, "fsspec.specs").load() is PenstockFileSystem
    fsspec.register_implementation("penstock", PenstockFileSystem, clobber=True)
    yield


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """An open project, which is the current directory."""
    with Project.create(tmp_path / "lab") as made:
        monkeypatch.chdir(made.root)
        yield made


@pytest.fixture
def fs(project: Project) -> PenstockFileSystem:
    return PenstockFileSystem(project.root)


def commits(project: Project, target: str) -> int:
    return len(project.log(target))


# fsspec's own suite, with a directory of a repo as its place.


class Fixtures(abstract.AbstractFixtures):
    @pytest.fixture
    def fs(self, project: Project) -> PenstockFileSystem:
        return PenstockFileSystem(project.root)

    @pytest.fixture
    def fs_path(self) -> str:
        return "repo/suite"

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return posixpath.join

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return False


class TestCopy(abstract.AbstractCopyTests, Fixtures):
    pass


class TestGet(abstract.AbstractGetTests, Fixtures):
    pass


class TestPut(abstract.AbstractPutTests, Fixtures):
    pass


class TestOpen(abstract.AbstractOpenTests, Fixtures):
    pass


class TestPipe(abstract.AbstractPipeTests, Fixtures):
    pass


# What is special here.


def test_pandas_needs_nothing_but_the_url(project: Project) -> None:
    table = pandas.DataFrame({"name": ["a", "b"], "size": [1, 2]})
    table.to_csv("penstock://tables/x.csv", index=False)
    assert commits(project, "tables") == 1
    assert project.read("tables:/x.csv") == b"name,size\na,1\nb,2\n"
    assert pandas.read_csv("penstock://tables/x.csv").equals(table)
    table.tail(1).to_csv("penstock://tables/x.csv", index=False)
    assert len(pandas.read_csv("penstock://tables/x.csv")) == 1, "the head as it is now"
    assert pandas.read_csv("penstock://tables@main^/x.csv").equals(table)


def test_the_project_can_be_elsewhere(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    frame = pandas.DataFrame({"a": [1]})
    with pytest.raises(Exception, match="penstock init"):
        frame.to_csv("penstock://t/x.csv")
    frame.to_csv("penstock://t/x.csv", index=False, storage_options={"project": project.root})
    assert project.read("t:/x.csv") == b"a\n1\n"
    assert fsspec.filesystem("penstock", project=str(project.root)).cat("t/x.csv") == b"a\n1\n"


def test_parquet_datasets(project: Project) -> None:
    pytest.importorskip("pyarrow")
    import pyarrow.dataset
    import pyarrow.parquet

    table = pyarrow.table({"n": list(range(10_000)), "half": [n // 5000 for n in range(10_000)]})
    fs = PenstockFileSystem()
    pyarrow.parquet.write_to_dataset(table, "t/set", partition_cols=["half"], filesystem=fs)
    seen = pyarrow.dataset.dataset("t/set", filesystem=fs, format="parquet", partitioning="hive")
    assert seen.to_table(columns=["n"], filter=pyarrow.dataset.field("half") == 1)["n"].to_pylist() == [
        *range(5000, 10_000)
    ]
    assert pandas.read_parquet("penstock://t/set")["n"].sum() == sum(range(10_000))


OPENERS: list[tuple[Callable[[], Any], str | bytes]] = [
    (lambda: PenstockFileSystem().open("r/x", "wb"), b"half"),
    (lambda: PenstockFileSystem().open("r/x", "w"), "half"),
    (lambda: fsspec.open("penstock://r/x", "w"), "half"),
    (lambda: fsspec.open("penstock://r/x.gz", "wb", compression="gzip"), b"half"),
]


@pytest.mark.parametrize(("opener", "data"), OPENERS)
def test_an_error_commits_nothing(project: Project, opener: Callable[[], Any], data: str | bytes) -> None:
    with pytest.raises(KeyError), opener() as file:
        file.write(data)
        raise KeyError
    assert PenstockFileSystem().ls("") == []


def test_an_error_inside_pandas_commits_nothing(project: Project) -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise KeyError

    with pytest.raises(KeyError):
        pandas.DataFrame({"a": ["x"] * 10_000 + [Unprintable()]}).to_csv("penstock://r/x.csv", chunksize=100)
    assert PenstockFileSystem().ls("") == []


def test_an_error_that_is_over_does_not_count(fs: PenstockFileSystem) -> None:
    try:
        raise KeyError
    except KeyError:
        with fs.open("r/x", "w") as file:
            file.write("x")
    assert fs.cat("r/x") == b"x"


def test_a_file_that_nobody_closes_is_not_stored(fs: PenstockFileSystem) -> None:
    file = fs.open("r/x", "wb")
    file.write(b"half")
    del file
    assert not fs.exists("r")


def test_one_call_is_one_commit(project: Project, fs: PenstockFileSystem, tmp_path: Path) -> None:
    for name in ("a", "b/c"):
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / name).write_text(name)
    fs.put(f"{tmp_path}/d/", "r/d/", recursive=True)
    assert fs.find("r") == ["r/d/a", "r/d/b/c"]
    fs.copy("r/d/", "other/e/", recursive=True)
    fs.mv("r/d/b/c", "r/d/z")
    assert (commits(project, "r"), commits(project, "other")) == (2, 1)
    fs.pipe({"r/p": b"1", "r/q": b"2"})
    fs.rm("r/d", recursive=True)
    assert fs.find("r") == ["r/p", "r/q"]
    assert commits(project, "r") == 4
    with fs.transaction:
        for name in "xyz":
            with fs.open(f"r/{name}", "w") as file:
                file.write(name)
        assert not fs.exists("r/x")
    assert commits(project, "r") == 5
    with pytest.raises(KeyError), fs.transaction:
        fs.pipe("r/never", b"")
        raise KeyError
    assert not fs.exists("r/never")
    assert project.read("other:/e/b/c") == b"b/c"


def test_reading_ranges_reads_only_their_blobs(
    project: Project, fs: PenstockFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "part").write_bytes(bytes(range(250)) * 4)
    for _ in range(50):
        project.put("r:/x", tmp_path / "part", append=True)
    whole = bytes(range(250)) * 200
    assert fs.cat_file("r/x") == whole
    with fs._project() as parts:
        blobs, read = parts.objects.blobs, []
        get = blobs.get
        monkeypatch.setattr(blobs, "get", lambda blob: read.append(blob) or get(blob))
    assert fs.cat_file("r/x", 20_100, 20_300) == whole[20_100:20_300]
    assert fs.cat_file("r/x", -10) == whole[-10:]
    assert fs.cat_file("r/x", -10, -5) == whole[-10:-5]
    assert len(read) <= 3 + 3 * 3  # and a few pages
    with fs.open("r/x", block_size=16) as file:
        assert file.seek(-3, 2) == len(whole) - 3
        assert file.read() == whole[-3:]
        file.seek(12_345)
        assert (file.read(100), file.tell(), file.size) == (whole[12_345:12_445], 12_445, len(whole))
        fs.pipe("r/x", b"new")
        file.seek(0)
        assert file.read() == whole, "an open file stays what it was"


def test_what_is_not_there(project: Project, fs: PenstockFileSystem) -> None:
    fs.pipe("r/d/x", b"1")
    for path in ("r/y", "r/d/x/y", "q", "q/x", "r@dev", "r@dev/d/x", "r/*"):
        assert not fs.exists(path)
        with pytest.raises(FileNotFoundError):
            fs.info(path)
    with pytest.raises(IsADirectoryError):
        fs.open("r/d")
    with pytest.raises(IsADirectoryError):
        fs.rm("r/d")
    with pytest.raises(FileExistsError):
        fs.open("r/d/x", "xb")
    with pytest.raises(ValueError, match="mode 'ab'"):
        fs.open("r/d/x", "ab")
    with pytest.raises(Exception, match="control character"):
        fs.open("r/a\nb", "wb")
    assert commits(project, "r") == 1


def test_links_are_followed(project: Project, fs: PenstockFileSystem, tmp_path: Path) -> None:
    top = tmp_path / "links"
    (top / "v1").mkdir(parents=True)
    (top / "v1/x").write_text("one")
    (top / "latest").symlink_to("v1")
    (top / "v1/y").symlink_to("../latest/x")
    (top / "circle").symlink_to("circle")
    (top / "here").symlink_to(".")
    project.put("r", f"{top}/")
    assert fs.cat("r/latest/y") == fs.cat("r/here/here/v1/x") == b"one"
    assert {item["name"]: item["type"] for item in fs.ls("r")} == {
        "r/circle": "other",
        "r/here": "directory",
        "r/latest": "directory",
        "r/v1": "directory",
    }
    assert not fs.exists("r/circle")


def test_threads_and_pickles(fs: PenstockFileSystem, project: Project) -> None:
    fs.pipe({f"r/{number:03}": b"%d" % number for number in range(200)})
    copy = pickle.loads(pickle.dumps(fs))
    assert copy == fs
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(10):
                place = (number * 31 + step) % 200
                assert copy.cat(f"r/{place:03}") == b"%d" % place
            copy.pipe(f"r/new/{number}", b"")
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(fs.ls("r/new")) == 8
    assert commits(project, "r") == 9


def test_a_forked_child_reads_too(fs: PenstockFileSystem) -> None:
    fs.pipe("r/x", b"seen")
    code = """
import os, sys
from penstock.fsspec import PenstockFileSystem
fs = PenstockFileSystem()
assert fs.cat("r/x") == b"seen"
child = os.fork()
if not child:
    os._exit(fs.cat("r/x") != b"seen")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or fs.cat("r/x") != b"seen")
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == 0
