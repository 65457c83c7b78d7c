"""What a task is known by: one hash over everything that may change its result, the same on every machine.

A hash is taken over a type tag and a canonical encoding, in which every value says its type and its length, so that no
two different values share their bytes. Changing anything here makes every earlier result unknown: the tags carry a
number, and the golden values in the tests must not move without it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any


def canonical(value: Any) -> bytes:
    """The bytes of plain data: None, bool, int, float, str, bytes, lists, tuples and mappings with text keys.

    1, 1.0, True and "1" all differ; a list equals a tuple; mappings are sorted by key; -0.0 differs from 0.0; every NaN
    is the same NaN. Raises TypeError for any other type.
    """
    parts: list[bytes] = []
    _encode(value, parts.append)
    return b"".join(parts)


def digest(tag: str, *values: Any) -> bytes:
    """32 bytes that stand for `values`; `tag` says what they are, so that hashes of different things never meet."""
    return hashlib.blake2b(canonical((tag, *values)), digest_size=32).digest()


def recipe(
    argv: Sequence[str], code: Iterable[tuple[str, bytes]], vars: Mapping[str, str], environment: str, salt: str
) -> bytes:
    """What all tasks of a step share: its command, its code as (path, content id), `env.vars`, the lock of its
    environment, and the salt that `--reprocess` changes. The order of the code does not count."""
    return digest("recipe/1", argv, sorted(code), vars, environment, salt)


def task(
    recipe: bytes,
    params: Mapping[str, Any],
    inputs: Iterable[tuple[str, str, bytes]],
    told: Mapping[str, str] = MappingProxyType({}),
) -> bytes:
    """The fingerprint of one task: its recipe, its parameters, each input as (name, path, content id), and variables
    by which it is `told` more of them; where there are none, they are not said.

    The order of the inputs does not count: a task finds them by name.
    """
    return digest("task/1", recipe, params, sorted(inputs), *([told] if told else []))


def beside(known: bytes, files: Iterable[tuple[str, bytes]], data: str) -> bytes:
    """The fingerprint of a task that was `known` by all else, with its files in place as (path, what stands for what
    there is of it), and its user data. The order of the files does not count.
    """
    return digest("beside/1", known, sorted(files), data)


def reference(repo: str, branch: str, glob: str, empty: bool) -> bytes:
    """What counts of an input whose contents do not: where it comes from, and whether its files come without bytes."""
    return digest("reference/1", repo, branch, glob, empty)


def task_id(key: tuple[str, ...], job: str) -> str:
    """The id of a task, 32 hex digits: its binding key within its job."""
    return digest("task-id/1", job, key).hex()[:32]


def _encode(value: Any, put: Callable[[bytes], None]) -> None:
    kind = type(value)
    if kind is str:
        data = value.encode("utf-8", "surrogatepass")
        put(b"s%d:%b" % (len(data), data))
    elif kind is bytes:
        put(b"b%d:%b" % (len(value), value))
    elif kind is tuple or kind is list:
        put(b"l%d:" % len(value))
        for item in value:
            _encode(item, put)
    elif kind is dict:
        put(b"m%d:" % len(value))
        for key in sorted(value):
            _encode(key, put)
            _encode(value[key], put)
    elif value is None:
        put(b"n")
    elif kind is bool:
        put(b"t" if value else b"f")
    elif kind is int:
        put(b"i%x;" % value)
    elif kind is float:
        put(b"d%b;" % value.hex().encode())
    else:
        _encode(_plain(value), put)


def _plain(value: Any) -> Any:
    """A value of a derived or abstract type as the plain one it stands for."""
    plain: tuple[type[Any], ...] = (str, bytes, int, float)
    for kind in plain:
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return tuple(value)
    raise TypeError(f"cannot fingerprint a {type(value).__name__}")
