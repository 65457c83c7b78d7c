"""Reading a tar file as a stream: headers in bounded memory, everything that does not fit the format refused.

Knows ustar, the long names of GNU and the extended headers of POSIX. What it does not know it does not guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from penstock.model.errors import UsageError

BLOCK = 512
PIECE = 1 << 20
#: How long the name in a long-name record, or all of an extended header, may be.
LONGEST = 1 << 16
_FILE, _HARD, _LINK, _DIRECTORY = b"0", b"1", b"2", b"5"
_SAME_AS_FILE = (b"0", b"\0", b"7")
_OTHERS = {
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    b"S": "a sparse file",
    b"M": "a part of a larger archive",
}

Read = Callable[[int], bytes]


class Header(NamedTuple):
    """One member. `kind` is file, hard, link or directory; `target` is what a link names. `size` in bytes."""

    path: bytes
    kind: str
    size: int
    executable: bool
    target: bytes


def members(read: Read, said: str) -> Iterator[tuple[Header, Iterator[bytes]]]:
    """Each member with the bytes of its file, which need not be read. `read(n)` gives n bytes, fewer at the end.

    Raises UsageError beginning with `said` for what is no tar file, or not a whole one.
    """
    told: dict[str, bytes] = {}  # what extended records say about the member that follows
    while True:
        block = read(BLOCK)
        if block == bytes(BLOCK):
            return
        if len(block) < BLOCK:
            raise UsageError(f"{said}: ends in the middle; it was cut short, or is no archive")
        _check_sum(block, said)
        kind, size = block[156:157], _number(block[124:136], said)
        if kind in (b"x", b"g", b"L", b"K"):
            if size > LONGEST:
                raise UsageError(f"{said}: has a header of {size:,} bytes")
            data = b"".join(_content(read, size, said))
            if kind == b"x":
                told.update(_records(data, said))
            elif kind != b"g":  # a global header says nothing about names
                told["path" if kind == b"L" else "linkpath"] = data.rstrip(b"\0")
            continue
        if any(key.startswith("GNU.sparse") for key in told):
            kind = b"S"
        if "size" in told and kind in _SAME_AS_FILE:
            size = _decimal(told["size"], said)
        header = _header(block, kind, size, told, said)
        told = {}
        content = _content(read, header.size, said)
        yield header, content
        for _ in content:
            pass


def _header(block: bytes, kind: bytes, size: int, told: dict[str, bytes], said: str) -> Header:
    path = told.get("path", _text(block[0:100]))
    if "path" not in told and block[257:263] == b"ustar\0" and (above := _text(block[345:500])):
        path = above + b"/" + path
    if kind in _OTHERS or kind not in (*_SAME_AS_FILE, _HARD, _LINK, _DIRECTORY):
        what = _OTHERS.get(kind, f"of a kind this Penstock does not know ({kind!r})")
        raise UsageError(f"{said}: member {path.decode(errors='backslashreplace')!r} is {what}, which no tree can hold")
    target = told.get("linkpath", _text(block[157:257]))
    executable = bool(_number(block[100:108], said) & 0o100)
    if kind == _DIRECTORY or (kind in _SAME_AS_FILE and path.endswith(b"/")):
        return Header(path, "directory", size, False, b"")
    if kind in _SAME_AS_FILE:
        return Header(path, "file", size, executable, b"")
    # Some write the size of what a link names; no bytes follow.
    return Header(path, "hard" if kind == _HARD else "link", 0, False, target)


def _content(read: Read, size: int, said: str) -> Iterator[bytes]:
    left = size
    while left:
        piece = read(min(left, PIECE))
        if not piece:
            raise UsageError(f"{said}: ends in the middle; it was cut short, or a size in it is wrong")
        left -= len(piece)
        yield piece
    padding = -size % BLOCK
    if len(read(padding) if padding else b"") != padding:
        raise UsageError(f"{said}: ends in the middle; it was cut short, or a size in it is wrong")


def _check_sum(block: bytes, said: str) -> None:
    plain = sum(block) - sum(block[148:156]) + 8 * 0x20
    # Long ago bytes were added as signed ones.
    signed = plain - 256 * sum(byte > 127 for byte in block[:148] + block[156:])
    if _number(block[148:156], said) not in (plain, signed):
        raise UsageError(f"{said}: is damaged, or no archive: a header in it does not add up")


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes, said: str) -> int:
    """A number in octal digits, or in binary where the first bit says so; a negative one is refused."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:])
    digits = _text(field).strip(b" ")
    try:
        return int(digits, 8) if digits.isdigit() or not digits else _wrong(said)
    except ValueError:
        return _wrong(said) if digits else 0


def _decimal(digits: bytes, said: str) -> int:
    return int(digits) if digits.isdigit() and len(digits) < 20 else _wrong(said)


def _wrong(said: str) -> int:
    raise UsageError(f"{said}: is damaged, or no archive: a number in a header is none")


def _records(data: bytes, said: str) -> dict[str, bytes]:
    """The `length key=value` records of an extended header."""
    found: dict[str, bytes] = {}
    while data.rstrip(b"\0"):
        digits, space, _ = data.partition(b" ")
        length = _decimal(digits, said) if space else _wrong(said)
        key, equals, value = data[len(digits) + 1 : length].partition(b"=")
        if length > len(data) or not equals or not value.endswith(b"\n"):
            raise UsageError(f"{said}: is damaged: an extended header in it cannot be read")
        found[key.decode(errors="backslashreplace")] = value[:-1]
        data = data[length:]
    return found
