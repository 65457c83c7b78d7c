"""Where the objects of a project are: in its own folder, or where `backend.json` in that folder says."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from penstock.model.errors import AlreadyExists, Corrupt, NewerFormat, Refused, UsageError
from penstock.objects.backend import Backend
from penstock.objects.cached import Cached
from penstock.objects.folder import Folder
from penstock.objects.s3 import S3, Bucket, Patience

FILE = "backend.json"
CACHE = "cache"
#: The object that says whose prefix it is.
MARKER = "penstock-project"
VERSION = 1
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class Honours(Struct, frozen=True):
    """Which conditions the server was seen to keep when the project was made."""

    put_if_none_match: bool
    put_if_match: bool


class Place(Struct, frozen=True, tag_field="kind", tag="s3", forbid_unknown_fields=True):
    """What `backend.json` holds. No credentials."""

    version: int
    where: Bucket
    honours: Honours


def parse_url(url: str, endpoint: str | None = None, region: str | None = None) -> Bucket:
    """The bucket and prefix an `s3://bucket/prefix` names. Raises UsageError."""
    parts = urlsplit(url)
    prefix = parts.path.strip("/")
    if parts.scheme != "s3" or parts.query or parts.fragment or not _BUCKET.fullmatch(parts.netloc):
        raise UsageError(f"{url}: expected s3://BUCKET/PREFIX")
    if any(part in ("", ".", "..") for part in prefix.split("/")) and prefix:
        raise UsageError(f"{url}: the prefix must be names joined by single slashes")
    if endpoint is not None:
        told = urlsplit(endpoint)
        if told.scheme not in ("http", "https") or not told.hostname or told.username or told.password:
            raise UsageError("the endpoint must be http(s)://HOST[:PORT], without a name or password in it")
    return Bucket(parts.netloc, prefix, endpoint, region or "us-east-1")


def set_up(root: Path, where: Bucket, project: str, patience: Patience | None = None) -> None:
    """Claim a prefix for a project, see what its server can do, and write `backend.json` below `root`.

    Raises AlreadyExists if the prefix holds anything else, Refused if its server cannot keep two projects apart.
    """
    if not where.prefix:
        raise UsageError(f"{where}: name a prefix too, for example s3://{where.bucket}/{root.parent.parent.name}")
    remote = S3(where, Folder(root), patience)
    mine = project.encode()
    if remote.has(MARKER):
        _check_owner(remote, mine)
    elif (found := next(remote.list(), None)) is not None:
        raise AlreadyExists(f"{where}: is not empty (it holds {found}); name an empty prefix")
    honours = probe(remote)
    if not honours.put_if_none_match:
        raise Refused(
            f"{where}: this server overwrites although it was told not to (If-None-Match), so two projects could take "
            "one prefix; use a server that honours conditional writes"
        )
    if not remote.claim(MARKER, mine):
        _check_owner(remote, mine)
    draft = root / f"{FILE}.new"
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(Place(VERSION, where, honours)), indent=2) + b"\n")
    os.replace(draft, root / FILE)


def probe(remote: S3) -> Honours:
    """Ask the server, with an object of no meaning, which conditions it honours."""
    name = f"probe-{os.urandom(8).hex()}"
    try:
        remote.put(name, b"1")
        create = not remote.claim(name, b"2") and remote.get(name) == b"1"
        old = remote.tag(name)
        remote.put(name, b"3")
        # Some servers know a tag only without its quotes.
        stale, right = (
            any(remote.replace(name, b"4", form) for form in (tag, tag.strip('"'))) for tag in (old, remote.tag(name))
        )
        return Honours(create, right and not stale)
    finally:
        remote.delete(name)


def open_backend(root: Path, patience: Patience | None = None, *, writable: bool = True) -> Backend:
    """The back end of the objects below `root`; of what is elsewhere no copies are kept if that is not `writable`.

    Raises NewerFormat, Corrupt.
    """
    file = root / FILE
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        return Folder(root, writable=writable)
    try:
        place = msgspec.json.decode(text, type=Place)
    except msgspec.MsgspecError as error:
        raise Corrupt(f"{file}: does not say where the objects are ({error}); restore it from a copy") from None
    if place.version > VERSION:
        raise NewerFormat(f"{file}: version {place.version} is newer than this Penstock knows ({VERSION}); upgrade it")
    remote = S3(place.where, Folder(root, writable=writable), patience)
    return Cached(remote, root / CACHE) if writable else remote


def _check_owner(remote: S3, mine: bytes) -> None:
    if (owner := remote.get(MARKER)) != mine:
        name = owner[:32].decode(errors="replace")
        raise AlreadyExists(f"{remote.where}: belongs to project {name} already; name another prefix")
