"""Names of things: sortable ids for runs and commits, and references as people type them."""

from __future__ import annotations

import re

from msgspec import Struct

from penstock.model.errors import BadReference
from penstock.model.paths import clean

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
ID = re.compile(r"[0-9a-f]{32}")
_REFERENCE = re.compile(r"(?P<repo>[^@:]+)(@(?P<ref>[^:]*))?(:(?P<path>.*))?", re.DOTALL)
_ANCESTRY = re.compile(r"(?P<base>[^~^.]+)((?P<back>(\^\d*)+|(~\d*)+)|\.(?P<place>\d+))?")
#: No history is longer.
_FAR = 1 << 60


def uuid7(now: int, noise: bytes) -> str:
    """A UUIDv7 as 32 hex digits. `now` in UTC microseconds; `noise` at least 8 random bytes.

    The 12 bits after the milliseconds hold the microseconds, so that ids of one process sort by time.

    >>> uuid7(1_700_000_000_123_456, bytes(8))
    '018bcfe5687b774b8000000000000000'
    """
    millis, micros = divmod(now, 1000)
    low = int.from_bytes(noise[:8], "big") & ((1 << 62) - 1) | (1 << 63)
    high = (millis & ((1 << 48) - 1)) << 16 | 0x7000 | (micros * 4096 // 1000)
    return f"{high:016x}{low:016x}"


def check_name(name: str, what: str) -> str:
    """Return `name` if a repo, branch, pipeline or step may be called so; raise BadReference."""
    if not NAME.fullmatch(name):
        raise BadReference(
            f"{what} {name!r}: expected letters, digits, '-' and '_', at most 64, starting with a letter or digit"
        )
    if ID.fullmatch(name):
        raise BadReference(f"{what} {name!r}: looks like an id; choose another name")
    return name


class Reference(Struct, frozen=True):
    """`repo[@ref][:/path]`. `ref`: a branch, a commit or run id, with `^2` `~2` `.2` for others of its history; None:
    the default branch.
    """

    repo: str
    ref: str | None = None
    path: str | None = None  #: as trees spell it, "" for the root; None when no path was given
    directory: bool = False  #: the path ended in a slash

    def __str__(self) -> str:
        at = f"@{self.ref}" if self.ref is not None else ""
        return f"{self.repo}{at}" + (f":/{self.path}" if self.path is not None else "")


def parse_reference(text: str) -> Reference:
    """Read `repo[@ref][:/path]`; raise BadReference (or BadPath).

    >>> parse_reference("images@main^2:/a/b.jpg")
    Reference(repo='images', ref='main^2', path='a/b.jpg', directory=False)
    """
    match = _REFERENCE.fullmatch(text)
    if not match or not NAME.fullmatch(match["repo"]):
        raise BadReference(f"{text!r}: expected REPO[@BRANCH|@COMMIT][:/PATH], for example images@main:/cat.jpg")
    path = match["path"]
    if match["ref"] is not None and not match["ref"]:
        raise BadReference(f"{text!r}: a branch, commit or run id is missing after '@'")
    return Reference(
        match["repo"], match["ref"], None if path is None else clean(path), path is not None and path.endswith("/")
    )


def split_ancestry(ref: str) -> tuple[str, int, int | None]:
    """A ref without its suffix, how many parents back `^` or `~` go, and the place that `.N` counts from the start.

    >>> split_ancestry("main"), split_ancestry("main^^2"), split_ancestry("main~2"), split_ancestry("main.1")
    (('main', 0, None), ('main', 3, None), ('main', 2, None), ('main', 0, 1))
    """
    match = _ANCESTRY.fullmatch(ref)
    if not match:
        raise BadReference(
            f"{ref!r}: expected a branch or an id, then nothing or one of ^ ^^ ^3 ~3 (back) or .3 (from the start)"
        )
    place = None if match["place"] is None else min(int(match["place"][:20]), _FAR)
    if place == 0:
        raise BadReference(f"{ref!r}: the first commit is {match['base']}.1")
    steps = re.findall(r"[~^](\d*)", match["back"] or "")
    return match["base"], min(sum(int(step[:20] or 1) for step in steps), _FAR), place
