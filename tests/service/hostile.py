"""Archives as nobody means well makes them, written byte by byte: libraries would refuse to."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import zstandard

BODY = b"evil\n"
END = bytes(1024)


class Case(NamedTuple):
    """One row of the table, tried in one way."""

    way: str
    name: str
    ends: str


def table() -> Iterator[Case]:
    """The rows of `hostile.txt`."""
    for line in (Path(__file__).with_name("hostile.txt")).read_text().splitlines():
        if not line.startswith("#"):
            ways, name, ends = (line.split(" | ", 1)[0], *line.split(" | ", 1)[1].rsplit(" | ", 1))
            for way in ways.split():
                yield Case(way, name, ends)


def spelled(name: str, out: Path) -> str:
    """A name of the table as it is meant."""
    name = re.sub(r"\{(.+?)\*(\d+)\}", lambda found: found[1] * int(found[2]), name)
    name = name.encode("latin-1", "backslashreplace").decode("unicode_escape")
    return name.replace("{out}", str(out))


def header(
    name: bytes,
    size: int = 0,
    kind: bytes = b"0",
    target: bytes = b"",
    mode: bytes = b"0000644\0",
    magic: bytes = b"ustar\x0000",
) -> bytes:
    """One block of a tar file, adding up."""
    digits = b"%011o\0" % size if size < 8**11 else b"\x80" + size.to_bytes(11)
    block = struct.pack(
        "100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x",
        name, mode, b"0000000\0", b"0000000\0",
        digits, b"00000000000\0", b" " * 8, kind, target, magic, b"", b"", b"", b"", b"",
    )  # fmt: skip
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def padded(data: bytes) -> bytes:
    """Bytes up to the end of a block."""
    return data + bytes(-len(data) % 512)


def file(name: bytes, body: bytes = BODY) -> bytes:
    """A member with its bytes."""
    return header(name, len(body)) + padded(body)


def pax(records: dict[bytes, bytes], kind: bytes = b"x") -> bytes:
    """An extended header."""
    data = b""
    for key, value in records.items():
        length = len(key) + len(value) + 3
        while len(b"%d" % length) + len(key) + len(value) + 3 != length:
            length = len(b"%d" % length) + len(key) + len(value) + 3
        data += b"%d %s=%s\n" % (length, key, value)
    return header(b"pax", len(data), kind) + padded(data)


def gnu(name: bytes, kind: bytes = b"L") -> bytes:
    """A long-name record."""
    return header(b"././@LongLink", len(name) + 1, kind) + padded(name + b"\0")


def zipped(name: str, body: bytes = BODY, mode: int = 0o100644) -> bytes:
    """A zip file of one member."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        info = zipfile.ZipInfo("x")
        info.filename = info.orig_filename = name
        info.external_attr = mode << 16
        archive.writestr(info, body)
    return target.getvalue()


def archive(way: str, name: str) -> bytes:
    """What tries a name in one way."""
    raw = name.encode("latin-1") if way.endswith("-bytes") else name.encode(errors="surrogateescape")
    first = file(b"ok")
    made: dict[str, Callable[[], bytes]] = {
        "tar": lambda: first + file(raw),
        "pax": lambda: first + pax({b"path": raw}) + file(b"short"),
        "gnu": lambda: first + gnu(raw) + file(b"short"),
        "dir": lambda: first + header(raw.rstrip(b"/") + b"/", 0, b"5") + file(b"more"),
        "hard": lambda: first + pax({b"linkpath": raw}) + header(b"in/here", 0, b"1"),
        "link": lambda: first + pax({b"linkpath": raw}) + header(b"in/here", 0, b"2"),
    }
    way = way.removesuffix("-bytes")
    if way == "zip":
        return zipped(name)
    if way == "ziplink":
        return zipped("in/here", raw, 0o120777)
    return made[way]() + END


def _lying_zip(*changes: Callable[[bytearray], None]) -> bytes:
    data = bytearray(zipped("a", b"x" * 1000))
    for change in changes:
        change(data)
    return bytes(data)


def _patch(at: bytes, offset: int, value: bytes) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        place = data.index(at) + offset
        data[place : place + len(value)] = value

    return change


def _twice(*names: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as made, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            made.writestr(name, BODY)
    return target.getvalue()


def _bomb() -> bytes:
    return header(b"zeros", 1 << 30) + bytes(80 << 20)


def _zip_bomb() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("zeros", bytes(1 << 27))
    return target.getvalue()


def _zeros(size: int) -> bytes:
    return header(b"zeros", size) + padded(bytes(size)) + END


def tricks() -> dict[str, Callable[[], bytes]]:
    """Archives that are refused for their shape, by what is wrong with them."""
    good = file(b"a") + file(b"b", b"y" * 2000)
    local, central, end = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
    found: dict[str, Callable[[], bytes]] = {
        "nothing": lambda: b"",
        "one byte": lambda: b"x",
        "text": lambda: b"hello world\n" * 100,
        "all ones": lambda: b"\xff" * 2048,
        "a header alone": lambda: header(b"a", 5),
        "half a header": lambda: header(b"a", 5)[:300],
        "no end": lambda: good,
        "cut in the bytes": lambda: good[:1800],
        "cut in the padding": lambda: file(b"a")[:600],
        "size larger than all": lambda: header(b"a", 10**6) + bytes(5000),
        "size of 8 EiB": lambda: header(b"a", 1 << 63) + bytes(5000),
        "size of all bits": lambda: header(b"a", (1 << 88) - 1) + bytes(5000),
        "size too small": lambda: header(b"a", 5) + padded(b"x" * 3000) + END,
        "sum wrong": lambda: header(b"a", 0)[:148] + b"000000\0 " + header(b"a", 0)[156:] + END,
        "sum no number": lambda: header(b"a", 0)[:148] + b"zzzzzz\0 " + header(b"a", 0)[156:] + END,
        "negative size": lambda: _resummed(header(b"a"), 124, b"\xff" * 12) + END,
        "size no number": lambda: _resummed(header(b"a"), 124, b"12x45678901\0") + END,
        "mode no number": lambda: header(b"a", mode=b"rwxr-xr\0") + END,
        "device": lambda: header(b"dev", 0, b"3") + END,
        "block device": lambda: header(b"dev", 0, b"4") + END,
        "pipe": lambda: header(b"pipe", 0, b"6") + END,
        "sparse": lambda: header(b"sparse", 0, b"S") + END,
        "sparse by header": lambda: pax({b"GNU.sparse.major": b"1", b"GNU.sparse.name": b"/evil"}) + file(b"a") + END,
        "more volumes": lambda: header(b"a", 0, b"M") + END,
        "unknown kind": lambda: header(b"a", 0, b"Z") + END,
        "volume label": lambda: header(b"a", 0, b"V") + END,
        "no name": lambda: file(b"") + END,
        "no name by header": lambda: pax({b"path": b""}) + file(b"a") + END,
        "hard link to itself": lambda: header(b"a", 0, b"1", b"a") + END,
        "hard link to a later one": lambda: header(b"a", 0, b"1", b"b") + file(b"b") + END,
        "link to nothing": lambda: header(b"a", 0, b"2", b"") + END,
        "twice": lambda: file(b"a") + file(b"a") + END,
        "twice, other spelling": lambda: file(b"a") + file(b"./a") + END,
        "twice, link and file": lambda: header(b"a", 0, b"2", b"b") + file(b"a") + END,
        "through a link": lambda: header(b"a", 0, b"2", b"b") + file(b"a/evil") + END,
        "through a link out": lambda: header(b"a", 0, b"2", b"/") + file(b"a/evil") + END,
        "file and directory": lambda: file(b"a") + file(b"a/b") + END,
        "directory and file": lambda: file(b"a/b") + file(b"a") + END,
        "extended header of 1 GiB": lambda: header(b"pax", 1 << 30, b"x") + bytes(4096),
        "name of 1 GiB": lambda: header(b"long", 1 << 30, b"L") + bytes(4096),
        "record without end": lambda: header(b"pax", 9, b"x") + padded(b"99 path=a") + file(b"a") + END,
        "record of no length": lambda: header(b"pax", 9, b"x") + padded(b"0 path=a\n") + file(b"a") + END,
        "record of short length": lambda: header(b"pax", 9, b"x") + padded(b"3 path=a\n") + file(b"a") + END,
        "record of huge length": lambda: header(b"pax", 30, b"x") + padded(b"9" * 29 + b"\n") + file(b"a") + END,
        "record of letters": lambda: header(b"pax", 9, b"x") + padded(b"xx path=a") + file(b"a") + END,
        "size by header too large": lambda: pax({b"size": b"99999"}) + file(b"a") + END,
        "size by header negative": lambda: pax({b"size": b"-1"}) + file(b"a") + END,
        "size by header of letters": lambda: pax({b"size": b"1e9"}) + file(b"a") + END,
        "name by header leads out": lambda: pax({b"path": b"ok", b"GNU.sparse.name": b"../evil"}) + file(b"a") + END,
        "last name counts": lambda: pax({b"path": b"ok"}) + gnu(b"../evil") + file(b"a") + END,
        "prefix leads out": lambda: _resummed(header(b"evil", 0), 345, b"../..") + END,
        "prefix is absolute": lambda: _resummed(header(b"evil", 0), 345, b"/etc") + END,
        "gzip cut": lambda: gzip.compress(good + END)[:-20],
        "gzip sum wrong": lambda: gzip.compress(good + END)[:-8] + bytes(8),
        "gzip of nothing": lambda: gzip.compress(b""),
        "gzip of text": lambda: gzip.compress(b"hello" * 500),
        "gzip in gzip": lambda: gzip.compress(gzip.compress(good + END)),
        "gzip head alone": lambda: b"\x1f\x8b",
        "gzip and garbage": lambda: gzip.compress(good + END) + b"garbage",
        "bzip2 cut": lambda: bz2.compress(good + END)[:-20],
        "bzip2 damaged": lambda: _flipped(bz2.compress(good + END), 40),
        "bzip2 head alone": lambda: b"BZh9",
        "xz cut": lambda: lzma.compress(good + END)[:-20],
        "xz damaged": lambda: _flipped(lzma.compress(good + END), 60),
        "xz head alone": lambda: b"\xfd7zXZ\0",
        "xz asks for 1 GiB": lambda: lzma.compress(good, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}]),
        "zstd cut": lambda: zstandard.compress(good + END)[:-20],
        "zstd head alone": lambda: b"\x28\xb5\x2f\xfd",
        "gzip bomb": lambda: gzip.compress(_bomb(), 9),
        "bzip2 bomb": lambda: bz2.compress(_bomb()),
        "xz bomb": lambda: lzma.compress(_bomb(), preset=0),
        "zstd bomb": lambda: zstandard.compress(_bomb()),
        "zip bomb": _zip_bomb,
        "zip end alone": lambda: end,
        "zip head alone": lambda: local,
        "zip cut": lambda: zipped("a")[:-10],
        "zip without directory": lambda: zipped("a")[: zipped("a").index(central)],
        "zip in front of zip, cut": lambda: zipped("a") + zipped("b")[:-30],
        "zip twice": lambda: _twice("a", "a"),
        "zip file and directory": lambda: _twice("a", "a/b"),
        "zip twice, other spelling": lambda: _twice("a", "./a"),
        "zip encrypted": lambda: _lying_zip(_patch(local, 6, b"\1\0"), _patch(central, 8, b"\1\0")),
        "zip size too small": lambda: _lying_zip(_patch(central, 24, struct.pack("<I", 10))),
        "zip size too large": lambda: _lying_zip(_patch(central, 24, struct.pack("<I", 10**6))),
        "zip packed size too small": lambda: _lying_zip(_patch(central, 20, struct.pack("<I", 10))),
        "zip packed size too large": lambda: _lying_zip(_patch(central, 20, struct.pack("<I", 10**6))),
        "zip sum wrong": lambda: _lying_zip(_patch(central, 16, b"\0\0\0\0")),
        "zip bytes changed": lambda: _lying_zip(_patch(b"x" * 1000, 7, b"y")),
        "zip two names": lambda: _lying_zip(_patch(local, 30, b"b")),
        "zip unknown method": lambda: _lying_zip(_patch(local, 8, b"\x63\0"), _patch(central, 10, b"\x63\0")),
        "zip offset beyond": lambda: _lying_zip(_patch(central, 42, struct.pack("<I", 10**6))),
        "zip directory beyond": lambda: _lying_zip(_patch(end, 16, struct.pack("<I", 10**6))),
        "zip directory of 4 GiB": lambda: _lying_zip(_patch(end, 12, b"\xfe\xff\xff\xff")),
        "zip many said": lambda: _lying_zip(_patch(central, 0, b"PK\x01\x03")),
        "zip device": lambda: zipped("dev", b"", 0o020666),
        "zip pipe": lambda: zipped("pipe", b"", 0o010666),
        "zip socket": lambda: zipped("socket", b"", 0o140666),
        "zip link to nothing": lambda: zipped("a", b"", 0o120777),
        "zip link of bytes": lambda: zipped("a", b"\xff\xfe", 0o120777),
        "zip link of 1 MiB": lambda: zipped("a", b"a/" * (1 << 19), 0o120777),
    }  # fmt: skip
    return found


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]


def _resummed(block: bytes, at: int, value: bytes) -> bytes:
    block = block[:at] + value + block[at + len(value) :]
    block = block[:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]
