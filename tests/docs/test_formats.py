"""A project on disk, read as `docs/formats.md` says it is: with struct, msgspec, sqlite3, and hashes by their names."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import blake3
import msgspec
import pytest
import zstandard

from penstock.model import fingerprint
from penstock.service.project import Project

DOCUMENT = (Path(__file__).parents[2] / "docs/formats.md").read_text()
Read = Callable[[bytes], bytes]
Rows = Callable[[str], list[sqlite3.Row]]

PIPELINE = """\
pipeline: work
params: {size: 3, name: é}
repos: {files: {path: data}}
steps:
  copy:
    input: files:/*
    each: {times: [1, 2]}
    run: 'to=$PENSTOCK_OUT/$PENSTOCK_PARAM_TIMES; mkdir "$to" && cp -r "$PENSTOCK_IN"/files/* "$to" && echo said'
"""
FILES = {
    "empty": b"",
    "small.txt": b"small\n",
    "squeezed.txt": b"again and again, " * 1000,
    "large.bin": bytes(range(256)) * 400,
    **{f"many/{number:04}": str(number).encode() for number in range(400)},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `.penstock` of a project in which one run was made."""
    root = tmp_path_factory.mktemp("formats")
    for name, data in FILES.items():
        (root / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "data" / name).write_bytes(data)
    (root / "data/many/link").symlink_to("../small.txt")
    (root / "data/small.txt").chmod(0o755)
    (root / "pipeline.yaml").write_text(PIPELINE)
    with Project.create(root) as project:
        assert project.run().state == "success"
    return root / ".penstock"


@pytest.fixture(scope="module")
def rows(home: Path) -> Iterator[Rows]:
    database = sqlite3.connect(f"file:{home}/state.db?mode=ro", uri=True)
    database.row_factory = sqlite3.Row
    yield lambda query: database.execute(query).fetchall()
    database.close()


def records(pack: bytes) -> dict[bytes, bytes]:
    """The blobs of a pack, by the description alone."""
    size, check, magic = struct.unpack("<QI8s", pack[-20:])
    assert magic == b"PENPACK\x02"
    footer = pack[-20 - size : -20]
    assert zlib.crc32(footer) == check
    digest, listed = msgspec.msgpack.decode(footer)
    assert digest == blake3.blake3(pack[: -20 - size]).digest()
    assert listed == sorted(listed)
    assert sum(stored for _, _, stored, _ in listed) + size + 20 == len(pack)
    found = {}
    for blob, offset, stored, raw in listed:
        data = pack[offset : offset + stored]
        if stored < raw:
            assert raw >= 256 and stored < raw - raw // 8
            data = zstandard.ZstdDecompressor().decompress(data)
        assert len(data) == raw < 65536
        found[blob] = data
    return found


@pytest.fixture(scope="module")
def read(home: Path) -> Read:
    """The bytes of a blob, out of packs and files read without any code of ours."""
    known: dict[bytes, bytes] = {}
    for path in home.glob("objects/packs/*/*.pack"):
        assert re.fullmatch(r"[0-9a-f]{32}", path.stem) and path.parent.name == path.stem[:2]
        known |= records(path.read_bytes())
    for path in home.glob("objects/blobs/*/*"):
        assert path.parent.name == path.name[:2]
        data = path.read_bytes()
        assert len(data) >= 65536
        known[b"\x1e" + bytes.fromhex(path.name)] = data
    assert all(blob == b"\x1e" + blake3.blake3(data).digest() for blob, data in known.items())
    return known.__getitem__


def level(key: bytes) -> int:
    number = int.from_bytes(hashlib.blake2b(key).digest(), "little")
    return ((number & -number).bit_length() - 1) // 6


def entries(read: Read, root: bytes, expected: int | None = None, first: bool = True) -> dict[bytes, bytes]:
    """The entries of a map; where its pages begin is checked on the way."""
    if not root:
        return {}
    height, keys, values = msgspec.msgpack.decode(read(root))
    assert expected in (None, height) and keys == sorted(keys)
    assert first or expected is None or level(keys[0]) > height
    assert all(level(key) <= height for key in keys[1:])
    if height == 0:
        return dict(zip(keys, values, strict=True))
    assert expected is not None or len(keys) > 1, "the root is the lowest page that stands alone"
    found: dict[bytes, bytes] = {}
    for place, (key, page) in enumerate(zip(keys, values, strict=True)):
        below = entries(read, page, height - 1, first and place == 0)
        assert min(below) == key
        found |= below
    return found


def content(read: Read, entry: bytes) -> tuple[bytes | str, bool]:
    """A file's bytes and whether it is executable, or a link's target."""
    decoded = msgspec.msgpack.decode(entry)
    if isinstance(decoded, str):
        return decoded, False
    size, executable, ids = decoded
    data = b"".join(read(ids[at : at + 33]) for at in range(0, len(ids), 33))
    assert len(data) == size
    return data, executable


def digest(tag: str, *values: Any) -> bytes:
    return hashlib.blake2b(encoded([tag, *values]), digest_size=32).digest()


def encoded(value: Any) -> bytes:
    match value:
        case None | True | False:
            return {None: b"n", True: b"t", False: b"f"}[value]
        case int():
            return b"i" + f"{value:x}".encode() + b";"
        case float():
            return b"d" + value.hex().encode() + b";"
        case str():
            return f"s{len(value.encode())}:".encode() + value.encode()
        case bytes():
            return f"b{len(value)}:".encode() + value
        case dict():
            return f"m{len(value)}:".encode() + b"".join(
                encoded(part) for key in sorted(value) for part in (key, value[key])
            )
        case _:
            return f"l{len(value)}:".encode() + b"".join(map(encoded, value))


def test_a_commit_is_read_by_the_description(read: Read, rows: Rows) -> None:
    (commit,) = rows("""select * from "commit" where repo = 'files'""")
    found = {path.decode(): content(read, entry) for path, entry in entries(read, commit["root"]).items()}
    assert found == {
        **{name: (data, name == "small.txt") for name, data in FILES.items()},
        "many/link": ("../small.txt", False),
    }
    assert (commit["files"], commit["size"]) == (len(found), sum(map(len, FILES.values())))


def test_a_large_map_has_pages_above_pages(read: Read, rows: Rows) -> None:
    (commit,) = rows("""select * from "commit" where repo = 'files'""")
    height, keys, _ = msgspec.msgpack.decode(read(commit["root"]))
    assert height >= 1 and len(keys) > 1


def test_the_ledger_says_what_every_binding_gave(read: Read, rows: Rows) -> None:
    (job,) = rows("select * from job")
    (pipeline,) = rows("select * from version")
    (commit,) = rows("""select * from "commit" where repo = 'files'""")
    tree = entries(read, job["tree"])
    ledger = {key.decode(): msgspec.msgpack.decode(value) for key, value in entries(read, job["ledger"]).items()}
    tops = {name.partition("/")[0] for name in FILES}
    assert set(ledger) == {f"{top}\ntimes={number}" for top in tops for number in (1, 2)}
    owned: dict[bytes, bytes] = {}
    for key, (_, output, files) in ledger.items():
        written = entries(read, output)
        assert files == len(written)
        assert written.items() <= tree.items()
        owned |= dict.fromkeys(written, key.encode())
    assert entries(read, job["owners"]) == owned
    assert owned.keys() == tree.keys()
    # The fingerprint of a binding that is one file, made by hand.
    inputs = entries(read, commit["root"])
    command = json.loads(pipeline["spec"])["steps"][0]["run"]
    recipe = digest("recipe/1", command, [], {}, "inherit", pipeline["salt"])
    assert recipe == job["recipe"]
    params = {"size": 3, "name": "é", "times": 2}
    read_file = [["files", "small.txt", inputs[b"small.txt"]]]
    assert ledger["small.txt\ntimes=2"][0] == digest("task/1", recipe, params, read_file)
    (task,) = rows("select * from task where key = 'small.txt' || char(10) || 'times=2'")
    owner = f"work.copy@{job['run']}"
    assert task["id"] == digest("task-id/1", owner, ["small.txt", "times=2"]).hex()[:32]
    (given,) = msgspec.msgpack.decode(task["inputs"])
    assert given == ["files", "small.txt", inputs[b"small.txt"], False, commit["root"]]


def test_the_canonical_encoding_is_the_one_described() -> None:
    value = {"b": [1, -255, 0.5, -0.0, None, True, False], "a": ("é", b"\x00:", {"": []})}
    assert encoded(value) == fingerprint.canonical(value)


def test_logs_are_spans_of_append_files(home: Path, rows: Rows) -> None:
    attempts = rows("select * from attempt where outcome <> 'cancelled'")  # not those given back unstarted
    for attempt in attempts:
        data = (home / "logs" / attempt["log_file"]).read_bytes()
        assert data[attempt["log_offset"] :][: attempt["log_length"]] == b"said\n"
        assert re.fullmatch(re.escape(attempt["worker"]) + r"-\d+(\.\d+)?\.log", attempt["log_file"])
    assert len(attempts) == 10


def test_a_stat_cache_is_read_by_the_description(home: Path, rows: Rows) -> None:
    data = (home / "scans/files").read_bytes()
    assert data[:8] == b"PENSCAN\x03"
    at, check, records = 8, 0, {}
    while at < len(data):
        size, told_check = struct.unpack_from("<QI", data, at)
        body = data[at + 12 : at + 12 + size]
        check = zlib.crc32(body, check)
        assert check == told_check
        root, changed = msgspec.msgpack.decode(body)
        records = {within: record for within, record in {**records, **changed}.items() if record is not None}
        at += 12 + size
    (commit,) = rows("""select * from "commit" where repo = 'files'""")
    assert root == commit["root"]
    stamps = {}
    for within, record in records.items():
        names, _, rows_of = record.partition(b"\0")
        here = dict(zip(names.decode().split("/"), struct.iter_unpack("<QqqQI", rows_of), strict=True))
        assert list(here) == sorted(here)
        stamps.update({within + name: stamp for name, stamp in here.items()})
    assert stamps.keys() == {*FILES, "many/link"}
    told = (home.parent / "data/small.txt").stat()
    size, mtime, ctime, inode, mode = stamps["small.txt"]
    assert (mode, size, mtime, inode) == (told.st_mode, told.st_size, told.st_mtime_ns, told.st_ino)
    assert ctime in (0, told.st_ctime_ns)


def test_everything_in_a_project_is_in_the_document(home: Path) -> None:
    """Each file of a real project has a line in the table of paths."""
    table = DOCUMENT.partition("## `.penstock/`")[2].partition("\n## ")[0]
    named = re.findall(r"^\| (.+?) \|", table, re.M)
    spelled = [spelling for cell in named for spelling in re.findall(r"`([^`]+)`", cell)]
    patterns = [re.sub(r"XX|NAME|HEX|HOST|PID|CHANCE|TIME|REPO|WORKER|SLOT|BOOT", "[^/]+", text) for text in spelled]
    extra = r"(-wal|-shm|\.lock)?"
    for path in home.rglob("*"):
        if path.is_file():
            name = str(path.relative_to(home))
            assert any(re.match(text if text.endswith("/") else f"{text}{extra}$", name) for text in patterns), name
    assert re.fullmatch(r"1 [0-9a-f]{32}\n", (home / "format").read_text())
    assert (home / "engine.lock").read_text() == ""


def test_every_table_has_its_sentence(rows: Rows) -> None:
    section = DOCUMENT.partition("## Database")[2].partition("\n## ")[0]
    described = re.findall(r"^\| `(\w+)` \|", section, re.M)
    assert sorted(described) == sorted(
        row["name"] for row in rows("select name from sqlite_schema where type = 'table' and name not glob 'sqlite_*'")
    )
    said = re.search(r"^\| the database \| `PRAGMA user_version`: (\d+) \|", DOCUMENT, re.M)
    assert said is not None and rows("pragma user_version")[0][0] == int(said[1])
