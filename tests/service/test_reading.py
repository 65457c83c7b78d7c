"""get, ls, cat, diff and file show: patterns, pages, ranges, tars, and that a failure leaves nothing."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from penstock.model.errors import AlreadyExists, Corrupt, NotFound, UsageError
from penstock.model.ids import parse_reference
from penstock.service.data import comparing, exporting, listing

FILES = {"a.txt": "A", "img/x.jpg": "X", "img/y.jpg": "YY", "img/old/z.jpg": "ZZZ", "notes": "n", "[1]": "one"}


@pytest.fixture
def data(lab: Any) -> Any:
    lab.put("in", FILES)
    return lab


def laid_out(top: Path) -> dict[str, str]:
    return {str(path.relative_to(top)): path.read_text() for path in sorted(top.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("*.txt", ["a.txt"]),
        ("img/*.jpg", ["x.jpg", "y.jpg"]),
        ("img/*", ["x.jpg", "y.jpg", "old/z.jpg"]),
        ("i*/**.jpg", ["img/x.jpg", "img/y.jpg", "img/old/z.jpg"]),
        ("{notes,img/old}", ["notes", "img/old/z.jpg"]),
        ("img/(x|y).jpg", ["x.jpg", "y.jpg"]),
    ],
)
def test_get_a_pattern(data: Any, tmp_path: Path, pattern: str, files: list[str]) -> None:
    got = data.project.get(f"in:/{pattern}", tmp_path / "out")
    there = laid_out(tmp_path / "out")
    assert sorted(there) == sorted(files)
    assert got == (len(files), sum(map(len, there.values())))
    assert [item.path for item in data.project.ls(f"in:/{pattern}", recursive=True)] == sorted(
        path for path in FILES if any(path.endswith(f"/{name}") or path == name for name in files)
    )


def test_what_exists_is_no_pattern(data: Any, tmp_path: Path) -> None:
    assert data.project.read("in:/[1]") == b"one"
    assert data.project.read("in:/\\[1\\]") == b"one"
    data.put("in", {"1": "by pattern"})
    assert data.project.read("in:/[1]") == b"one"
    assert data.project.read("in@main^:/[n]otes") == b"n"


def test_get_into_what_is_there(data: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("mine")
    data.project.get("in:/img/*.jpg", out)
    with pytest.raises(AlreadyExists, match="x.jpg: exists already"):
        data.project.get("in:/img/*.jpg", out)
    with pytest.raises(AlreadyExists, match="not an empty directory"):
        data.project.get("in:/img", out)
    (out / "x.jpg").write_text("changed")
    data.project.get("in:/img", out, force=True)
    assert laid_out(out) == {"mine": "mine", "x.jpg": "X", "y.jpg": "YY", "old/z.jpg": "ZZZ"}
    with pytest.raises(AlreadyExists, match="is no directory"):
        data.project.get("in:/img/*.jpg", out / "mine")
    data.project.get("in:/notes", out / "mine", force=True)
    assert (out / "mine").read_text() == "n"
    with pytest.raises(NotFound, match="no file fits"):
        data.project.get("in:/*.png", tmp_path / "none")
    assert sorted(os.listdir(out)) == ["mine", "old", "x.jpg", "y.jpg"]
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("target", ["in", "in:/b*", "in:/big"])
def test_a_damaged_blob_leaves_nothing(lab: Any, tmp_path: Path, target: str) -> None:
    lab.project.put("in", str(_file(tmp_path / "big", os.urandom(100_000))))
    lab.put("in", {"a": "good", "b": "good"})
    (whole,) = (path for path in (lab.root / ".penstock/objects/blobs").rglob("*") if path.is_file())
    sound = whole.read_bytes()
    whole.chmod(0o644)
    whole.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
    with pytest.raises(Corrupt):
        lab.project.get(target, tmp_path / "new/out")
    with pytest.raises(Corrupt):
        lab.project.read("in:/big", 0, 10)
    with pytest.raises(Corrupt):
        exporting.get_tar(lab.parts, parse_reference(target), tmp_path / "new/out.tar")
    assert sorted(os.listdir(tmp_path)) == ["big", "lab"]
    whole.write_bytes(sound)


def _file(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_tar_is_the_same_every_time(data: Any, tmp_path: Path) -> None:
    def made(compress: bool) -> bytes:
        stream = io.BytesIO()
        assert data.project.tar("in", stream, compress=compress) == (6, 11)
        return stream.getvalue()

    assert made(False) == made(False) == gzip.decompress(made(True))
    assert made(True) == made(True)
    with tarfile.open(fileobj=io.BytesIO(made(False))) as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == sorted(FILES)
        assert {(member.uid, member.gid, member.uname, member.mode) for member in members} == {(0, 0, "", 0o644)}
        assert len({member.mtime for member in members}) == 1
        found = {member.name: archive.extractfile(member) for member in members}
        assert {name: file.read().decode() for name, file in found.items() if file} == FILES
    exporting.get_tar(data.parts, parse_reference("in:/img/*.jpg"), tmp_path / "x.tar.gz")
    with tarfile.open(tmp_path / "x.tar.gz") as archive:
        assert archive.getnames() == ["x.jpg", "y.jpg"]
    with pytest.raises(AlreadyExists):
        exporting.get_tar(data.parts, parse_reference("in"), tmp_path / "x.tar.gz")


def test_a_tar_keeps_links_and_modes(lab: Any, tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    _file(top / "tool", b"#!").chmod(0o755)
    (top / "link").symlink_to("tool")
    lab.project.put("in", f"{top}/")
    stream = io.BytesIO()
    lab.project.tar("in", stream)
    with tarfile.open(fileobj=io.BytesIO(stream.getvalue())) as archive:
        assert [(item.name, item.issym(), item.linkname, item.mode) for item in archive.getmembers()] == [
            ("link", True, "tool", 0o777),
            ("tool", False, "", 0o755),
        ]


@pytest.mark.parametrize(
    ("offset", "length", "part"),
    [
        (0, None, "0123456789"),
        (3, 4, "3456"),
        (-3, None, "789"),
        (-3, 1, "7"),
        (-99, 2, "01"),
        (99, None, ""),
        (5, 0, ""),
    ],
)
def test_cat_a_range(lab: Any, offset: int, length: int | None, part: str) -> None:
    lab.put("in", {"x": "01234"})
    lab.put("in", {"x": "56789"}, append=True)
    assert lab.project.read("in:/x", offset, length) == part.encode()


def test_cat_wants_one_file(data: Any) -> None:
    assert data.project.read("in:/a*") == b"A"
    with pytest.raises(UsageError, match="several files"):
        data.project.read("in:/img/*")
    with pytest.raises(NotFound, match="no file fits"):
        data.project.read("in:/*.png")
    with pytest.raises(NotFound, match="is a directory"):
        data.project.read("in:/img")
    with pytest.raises(NotFound, match="as a pattern"):
        data.project.read("in:/a)")


@pytest.mark.parametrize("target", ["in", "in:/img", "in:/**", "in:/i*/*"])
@pytest.mark.parametrize("recursive", [False, True])
def test_ls_goes_on_after_any_line(data: Any, target: str, recursive: bool) -> None:
    whole = list(data.project.ls(target, recursive=recursive))
    assert whole
    for place, item in enumerate(whole):
        rest = list(data.project.ls(target, recursive=recursive, after=item.cursor))
        assert rest == whole[place + 1 :]


def test_ls_adds_up(data: Any) -> None:
    sizes = {item.path: item.size for item in data.project.ls("in", sizes=True)}
    assert sizes == {"[1]": 3, "a.txt": 1, "img": 6, "notes": 1}
    assert [item.cursor for item in data.project.ls("in:/img/**")] == [
        "img/old/",
        "img/old/z.jpg",
        "img/x.jpg",
        "img/y.jpg",
    ]


def test_show(data: Any) -> None:
    def show(target: str) -> listing.Shown:
        return listing.show(data.parts, parse_reference(target))

    before = show("in:/img")
    assert (before.directory, before.files, before.size) == (True, 3, 6)
    assert show("in").files == len(FILES)
    data.put("in", {"a.txt": "other"})
    assert show("in:/img").hash == before.hash
    data.put("in", {"one": "ab", "two": "a"})
    data.put("in", {"two": "b"}, append=True)
    assert show("in:/one").hash == show("in:/two").hash, "how it came about does not count"
    assert show("in:/img/x.*").path == "img/x.jpg"


def changes(lab: Any, *references: str, after: str = "") -> list[tuple[str, str]]:
    one, *rest = map(parse_reference, references)
    found = comparing.compare(lab.parts, one, rest[0] if rest else None, after)
    return [(item.difference.change, item.path) for item in found]


def test_diff_of_paths_and_patterns(data: Any) -> None:
    data.put("in", {"img/x.jpg": "new", "img/w.jpg": "w", "b.txt": "b"})
    data.project.remove("in:/notes")
    everything = [("added", "b.txt"), ("added", "img/w.jpg"), ("modified", "img/x.jpg"), ("removed", "notes")]
    assert changes(data, "in@main~2", "in") == everything
    for place, (_, path) in enumerate(everything):
        assert changes(data, "in@main~2", "in", after=path) == everything[place + 1 :]
    assert changes(data, "in") == everything[3:]
    assert changes(data, "in@main~2:/img", "in") == changes(data, "in@main~2", "in:/img/*") == everything[1:3]
    assert changes(data, "in@main~2:/**.txt", "in:/**.txt") == everything[:1]
    assert changes(data, "in@main~2:/notes", "in") == everything[3:], "only one of them has it"
    with pytest.raises(NotFound):
        changes(data, "in@main~2:/nothing", "in")
    assert list(data.project.diff("in")) == [comparing.Difference("notes", "removed", 1, None)]


def test_diff_of_two_different_places(lab: Any) -> None:
    lab.put("in", {"v1/a": "1", "v1/b": "2", "v2/b": "3", "v2/c/d": "4"})
    assert changes(lab, "in:/v1", "in:/v2") == [("removed", "a"), ("modified", "b"), ("added", "c/d")]
    assert changes(lab, "in:/v1", "in:/v2", after="a") == [("modified", "b"), ("added", "c/d")]
    assert changes(lab, "in:/v1/b", "in:/v2/b") == [("modified", "v2/b")]
    assert changes(lab, "in:/v1", "in:/v1") == []
    lab.put("other", {"a": "1", "b": "2"})
    assert changes(lab, "in:/v1", "other:/") == []


def test_the_text_of_a_difference(lab: Any) -> None:
    def text(reference: str) -> str:
        return "".join(
            comparing.text(lab.parts, item) for item in comparing.compare(lab.parts, parse_reference(reference))
        )

    lab.put("in", {"x": "one\ntwo\n"})
    assert text("in") == "--- /dev/null\n+++ b/x\n@@ -0,0 +1,2 @@\n+one\n+two\n"
    lab.put("in", {"x": "one\nzwei"})
    assert text("in") == "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n one\n-two\n+zwei\n\\ No newline at end of file\n"
    for content, says in {
        "nul\0": "is no text",
        "x" * (comparing.LARGEST + 1): "larger than 1 MiB, the text is not compared",
        "\n" * (comparing.MOST_LINES + 1): "more than 20,000 lines, the text is not compared",
    }.items():
        lab.put("in", {"x": "short"})
        lab.put("in", {"x": content})
        assert text("in") == f"x: {says}\n"


def test_links_are_the_stores_own(lab: Any, tmp_path: Path) -> None:
    lab.project.put("in", str(_file(tmp_path / "big", os.urandom(100_000))))
    lab.put("in", {"d/small": "s"})
    for target, place in {"in": "all/big", "in:/big": "one", "in:/b*": "some/big"}.items():
        lab.project.get(target, tmp_path / place.partition("/")[0], link=True)
        got = (tmp_path / place).stat()
        assert (got.st_nlink > 1, got.st_mode & 0o222) == (True, 0)
    assert (tmp_path / "all/d/small").read_text() == "s"
