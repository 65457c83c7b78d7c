"""What `put` is given, as people type it, and the tree that all of it makes together."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import IO

from msgspec import Struct

from penstock.model.data import Entry
from penstock.model.errors import Collision, NotFound, PenstockError, UsageError
from penstock.model.ids import Reference
from penstock.objects import tree
from penstock.objects.archives import PIECE, Limits
from penstock.objects.layer import Layer
from penstock.objects.scan import scan
from penstock.objects.writer import Writer
from penstock.service.data.extracting import extract
from penstock.service.parts import Parts

#: The addresses that `fetching` knows.
SCHEMES = ("http", "https", "s3")


class Taking(Struct, frozen=True):
    """How sources are taken that are not simply files: archives taken apart, addresses fetched, `-` read."""

    extract: bool = False
    limits: Limits = Limits()
    most: int | None = None  #: bytes one fetched file may have
    stdin: IO[bytes] | None = None


def gather(parts: Parts, target: Reference, sources: Sequence[str], writer: Writer, taking: Taking) -> bytes:
    """Add all sources; the root of their tree, by the paths they shall have.

    One that ends in a slash stands for its contents; one may be an address, a pipe, or `-`.

    Raises NotFound; UsageError where two sources have one path; BadOutput naming what no tree can hold, or what changes
    while it is read.
    """
    prefix = f"{target.path}/" if target.path else ""
    if len(sources) == 1 and not taking.extract and Path(sources[0]).is_dir():
        return _directory(parts, prefix, sources[0])
    exact = target.path if len(sources) == 1 and not target.directory else None
    layer = Layer(parts.objects.writing(writer))
    try:
        for source in sources:
            place = Path(source)
            if taking.extract:
                with _opened(source, taking) as file:
                    extract(writer, layer, file, source, prefix, taking.limits, parts.objects.backend.aside)
            elif source == "-" or place.is_fifo():
                if exact is None or (source == "-" and taking.stdin is None):
                    raise UsageError(f"{source}: say what it shall be called: {target.repo}:/name")
                with _opened(source, taking) as file:
                    ids, size = writer.add_stream(iter(partial(file.read, PIECE), b""))
                layer.add(exact, Entry(ids, size))
            elif _is_url(source):
                from penstock.service.data.fetching import fetch  # costs 20 ms, and most sources are files

                for path, entry in fetch(writer, parts.objects.backend, source, prefix, exact, taking.most):
                    layer.add(path, entry)
            elif place.is_dir():
                for path, entry in tree.files(parts.objects.pages, _directory(parts, prefix, source)):
                    layer.add(path, entry)
            elif place.is_file():
                status = place.stat()
                blobs = writer.add_file(place.resolve(), status.st_size)
                layer.add(exact or prefix + place.name, Entry(blobs, status.st_size, bool(status.st_mode & 0o100)))
            else:
                raise no_file(place, "no such file or directory")
        return layer.finish()
    except Collision as error:
        raise UsageError(f"{error} in the sources; put them into different directories") from None


def _is_url(source: str) -> bool:
    """Whether a source is to be fetched; `a:b` may be a file."""
    return source.partition("://")[0].lower() in SCHEMES and "://" in source


@contextmanager
def _opened(source: str, taking: Taking) -> Iterator[IO[bytes]]:
    """The bytes of a file, a pipe or standard input."""
    if source == "-" and taking.stdin is not None:
        yield taking.stdin
    elif _is_url(source):
        raise UsageError(f"{source}: --extract takes files and -; download it first, or pipe it: curl URL | … -")
    elif Path(source).is_file() or Path(source).is_fifo():
        with open(source, "rb") as file:
            yield file
    else:
        raise no_file(Path(source), "no such file")


def no_file(place: Path, missing: str) -> PenstockError:
    """Why what stands at a path is neither file nor pipe; `missing` where nothing does."""
    kinds = (("a directory", place.is_dir), ("a device", place.is_char_device), ("a device", place.is_block_device))
    kind = next((kind for kind, is_it in kinds if is_it()), "a socket" if place.exists() else None)
    if kind is None:
        return NotFound(f"{place}: {missing}")
    return UsageError(f"{place}: is {kind}; expected a file or a pipe")


def _directory(parts: Parts, prefix: str, source: str) -> bytes:
    """Store what a directory holds and remember how it looked: putting it there again reads only what changed.

    Penstock's own records are left out, should it be the project that is put.
    """
    directory = Path(source).resolve()
    if not source.endswith("/"):
        prefix += f"{directory.name}/"
    key = blake2b(os.fsencode(f"{directory}\0{prefix}"), digest_size=16).hexdigest()
    cache = parts.layout.scans / f".put-{key}"
    home = parts.layout.home.resolve()
    own = str(home.relative_to(directory)) if home.is_relative_to(directory) else None
    return scan(directory, cache, lambda path, is_directory: path == own, prefix).commit(parts.objects.blobs)
