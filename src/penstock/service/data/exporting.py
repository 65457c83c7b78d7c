"""`get`: files out of the store, all of them or none: into a directory, or as a tar stream."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from typing import IO, NamedTuple

from msgspec.structs import replace

from penstock.model.errors import AlreadyExists, NotFound
from penstock.model.ids import Reference
from penstock.objects import checkout
from penstock.objects.deep import make
from penstock.objects.landing import land
from penstock.objects.links import way
from penstock.objects.reader import Reader, Stream
from penstock.service.data.reading import Found, locate
from penstock.service.parts import Parts


class Got(NamedTuple):
    """How many files, and how many bytes they have."""

    files: int
    size: int


def get(parts: Parts, source: Reference, destination: Path, *, link: bool = False, force: bool = False) -> Got:
    """Write a file, a directory's contents, or what fits a pattern to `destination`.

    A file becomes `destination`, or goes into it where that is a directory. A directory fills a new or empty one. What
    fits a pattern keeps its path below the pattern's fixed part, and goes into a directory where nothing has its path.
    With `force` files are replaced, and what else is there stays. With `link` large files are hard links to the store's
    own: unverified, and not to be written to. A failure leaves nothing behind. Raises NotFound, AlreadyExists, Corrupt.
    """
    found = locate(parts, source)
    blobs = parts.objects.blobs
    if found.entry is not None and found.entry.target is not None:
        led = way(parts.objects.pages, found.root, found.path)
        # A link to a directory is got as that directory, one to a file as that file; under its own name.
        found = replace(found, entry=led.entry) if led.entry is not None else found
    if found.entry is not None and found.entry.target is None:
        target = destination / os.path.basename(found.path) if destination.is_dir() else destination
        if os.path.lexists(target) and not force:
            raise AlreadyExists(f"{target}: exists already; remove it, name another destination, or use --force")
        with land(target, replace=force) as place:
            checkout.put_file(blobs, found.entry, place, link=link)
        return Got(1, found.entry.size)
    if os.path.lexists(destination) and not destination.is_dir():
        raise AlreadyExists(f"{destination}: is no directory, which several files need; name another destination")
    if found.glob is None and not force and destination.is_dir() and any(destination.iterdir()):
        raise AlreadyExists(
            f"{destination}: exists and is not an empty directory; name another destination, or use --force"
        )
    with land(destination, replace=force) as place:
        if found.glob is None:
            pages = parts.objects.pages
            return Got(*checkout.lay_out(blobs, pages, found.root, place, found.path, strip=True, link=link))
        return _lay_out_matches(parts, found, place, link)


def _lay_out_matches(parts: Parts, found: Found, place: Path, link: bool) -> Got:
    files = size = 0
    for path, entry in found.laid_out(parts.objects.pages):
        target = place / found.inside(path)
        make(target.parent)
        checkout.put_file(parts.objects.blobs, entry, target, link=link)
        files, size = files + 1, size + entry.size
    if not files:
        raise NotFound(f"{found.source}: no file fits the pattern")
    return Got(files, size)


def get_tar(parts: Parts, source: Reference, destination: Path, *, force: bool = False) -> Got:
    """The same as a tar file; compressed by gzip unless its name ends in `.tar`."""
    if os.path.lexists(destination) and not force:
        raise AlreadyExists(f"{destination}: exists already; remove it, name another destination, or use --force")
    with land(destination, replace=force) as place, open(place, "xb") as stream:
        return tar(parts, source, stream, compress=destination.suffix != ".tar")


def tar(parts: Parts, source: Reference, stream: IO[bytes], *, compress: bool = False) -> Got:
    """Write a tar of what a reference names, in order; the same tree gives the same bytes. Holds a piece at a time.

    Times are those of the commit, owners root. Raises NotFound, Corrupt; then the stream is cut off.
    """
    import gzip
    import tarfile

    found = locate(parts, source)
    moment = found.moment // 1_000_000
    files = size = 0
    with contextlib.ExitStack() as stack:
        target: IO[bytes] | gzip.GzipFile = stream
        if compress:
            target = stack.enter_context(gzip.GzipFile("", "wb", fileobj=stream, mtime=moment))
        archive = stack.enter_context(tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT))
        for path, entry in found.laid_out(parts.objects.pages):
            member = tarfile.TarInfo(found.inside(path))
            member.mtime = moment
            if entry.target is not None:
                member.type, member.linkname = tarfile.SYMTYPE, entry.target
                member.mode = 0o777
                archive.addfile(member)
            else:
                member.size, member.mode = entry.size, 0o755 if entry.executable else 0o644
                archive.addfile(member, io.BufferedReader(Stream(Reader(parts.objects.blobs, entry))))
            files, size = files + 1, size + entry.size
    if not files and found.glob is not None:
        raise NotFound(f"{source}: no file fits the pattern")
    return Got(files, size)
