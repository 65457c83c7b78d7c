"""Fingerprints: the same on every machine, and different for whatever differs."""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import penstock.model.fingerprint as fingerprint
from penstock.model.fingerprint import canonical, digest, recipe, reference, task, task_id
from penstock.model.moves import Outcome

BLOB = b"\x1e" + bytes(range(32))
VALUE: Any = {"b": [1, 1.0, True, None, "é", b"\xff", -0.0, 1e300], "a": {"": ()}, "ä": -(2**80)}


def golden() -> list[str]:
    """Fixed inputs through every function; a script runs this in other interpreters."""
    shared = recipe(
        ["python3", "edges.py"], [("edges.py", BLOB), ("a.py", BLOB)], {"LANG": "ä", "B": ""}, "env", "salt"
    )
    return [
        canonical(VALUE).hex(),
        digest("x", VALUE).hex(),
        shared.hex(),
        task(
            shared, {"threshold": 100, "名": "é", "f": 0.1}, [("images", "b.jpg", BLOB), ("images", "a.jpg", BLOB)]
        ).hex(),
        task_id(("images", "photos/cat.jpg"), "edges@" + "0" * 32),
        reference("models", "main", "/", False).hex(),
        task(shared, {}, [("images", "a.jpg", BLOB)], {"PACH_DATUM_images_JOIN_ON": "é"}).hex(),
    ]


# These must never change without a new number in a tag: every result ever kept would be forgotten.
GOLDEN = [
    "6d333a73313a616d313a73303a6c303a73313a626c383a69313b643078312e30303030303030303030303030702b303b746e73323ac3a962313aff642d3078302e30702b303b643078312e37653433633838303037353963702b3939363b73323ac3a4692d3130303030303030303030303030303030303030303b",
    "8610665113684f7b3c67d4519318400946a46d3f38b827c259c32bcc5c922df9",
    "f32495dc2daec4b01d47f8b6d0241b936a1c462f6f8b071b67677ab28ff9a417",
    "eeab8e66f8f5dd2c8a1ff7a801c6358de7ede46bfe83309282b0a49ea5c3fa92",
    "f2b847c2d996c7ef0c6407ae5cf8de89",
    "01698a9fd491fb048f651eac28d4de15963751a293a8b1e0b89b668fe229d5f8",
    "fa391e1fe3268cd0f4e8fd28d4d925c7d1f2b56ae606fc84e5adbd19fbb06196",
]


def test_golden_values() -> None:
    assert golden() == GOLDEN


def interpreters() -> list[str]:
    """This one, and the other versions we promise to run on, where they are."""
    found = [sys.executable]
    for version in ("3.11", "3.12", "3.13"):
        if version != f"{sys.version_info[0]}.{sys.version_info[1]}":
            kept = sorted(Path.home().glob(f".pyenv/versions/{version}*/bin/python"))
            there = str(kept[-1]) if kept else shutil.which(f"python{version}")
            # A name on PATH may stand for a version that is not installed.
            starts = there is not None and subprocess.run([there, "-c", ""], capture_output=True, check=False)
            found.append(str(there) if starts and starts.returncode == 0 else version)
    return found


@pytest.mark.parametrize("python", interpreters())
@pytest.mark.parametrize("seed", ["0", "12345"])
def test_other_interpreters_seeds_locales_and_directories_agree(python: str, seed: str, tmp_path: Path) -> None:
    if not Path(python).is_absolute():
        pytest.skip(f"no Python {python} on this machine")
    script = f"""
import importlib.util, sys
def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
fingerprint = load("fingerprint", {fingerprint.__file__!r})
BLOB = {BLOB!r}
VALUE = {VALUE!r}
from fingerprint import canonical, digest, recipe, reference, task, task_id
{inspect.getsource(golden)}
print(*golden())
"""
    file = tmp_path / "script.py"
    file.write_text(script, encoding="utf-8")
    locale = "C" if seed == "0" else "tr_TR.UTF-8"
    environment = {"PYTHONHASHSEED": seed, "LC_ALL": locale, "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [python, str(file)], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == GOLDEN


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def typed(value: Any) -> Any:
    """A value that is equal exactly if the encoding should be."""
    if isinstance(value, list | tuple):
        return ("list", tuple(typed(item) for item in value))
    if isinstance(value, dict):
        return ("dict", frozenset((key, typed(item)) for key, item in value.items()))
    return (type(value).__name__, value.hex() if isinstance(value, float) else value)


@given(PLAIN, PLAIN)
def test_the_encoding_tells_values_apart_and_nothing_else(one: Any, other: Any) -> None:
    assert (canonical(one) == canonical(other)) is (typed(one) == typed(other))


@given(st.lists(st.text(max_size=3), max_size=4), st.lists(st.text(max_size=3), max_size=4))
def test_lengths_keep_neighbours_apart(one: list[str], other: list[str]) -> None:
    assert (canonical(one) == canonical(other)) is (one == other)


def test_types_and_zeros_differ_and_nans_do_not() -> None:
    values = [None, False, 0, 0.0, -0.0, "", b"", (), {}, "0", float("nan"), float("inf"), "nan", [[]], [()] * 2]
    assert len({canonical(value) for value in values}) == len(values)
    assert canonical(float("nan")) == canonical(-float("nan"))
    assert canonical([1]) == canonical((1,))
    assert canonical({"a": 1, "b": 2}) == canonical({"b": 2, "a": 1})
    assert canonical("\udc80") != canonical("?")


def test_derived_types_are_what_they_derive_from() -> None:
    assert canonical(Outcome.SUCCEEDED) == canonical("succeeded")
    assert canonical(MappingProxyType({"a": range(2)})) == canonical({"a": [0, 1]})


@pytest.mark.parametrize("value", [object(), {1, 2}, [object()], 1j])
def test_other_types_are_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot fingerprint a"):
        canonical(value)


def test_every_part_of_a_recipe_counts_and_the_order_of_code_does_not() -> None:
    parts: list[Any] = [["a"], [("a.py", BLOB), ("b.py", BLOB)], {"K": "V"}, "env", "salt"]
    changes: list[Any] = [["a", ""], [("a.py", BLOB)], {"K": "W"}, "", "other"]
    all_recipes = {recipe(*parts)}
    for place, change in enumerate(changes):
        all_recipes.add(recipe(*parts[:place], change, *parts[place + 1 :]))
    assert len(all_recipes) == len(parts) + 1
    assert recipe(*parts[:1], parts[1][::-1], *parts[2:]) == recipe(*parts)


def test_every_part_of_a_task_counts_and_the_order_of_inputs_does_not() -> None:
    inputs = [("in", "a", BLOB), ("in", "b", BLOB)]
    shared = recipe(["a"], [], {}, "", "")
    tasks = [
        task(shared, {"p": 1}, inputs),
        task(shared, {"p": 1.0}, inputs),
        task(shared, {"p": 1}, inputs[:1]),
        task(shared, {"p": 1}, [("in", "a", BLOB), ("other", "b", BLOB)]),
        task(shared, {"p": 1}, [("in", "a", BLOB), ("in", "c", BLOB)]),
        task(shared, {"p": 1}, [("in", "a", BLOB), ("in", "b", BLOB[::-1])]),
        task(shared[::-1], {"p": 1}, inputs),
    ]
    assert len(set(tasks)) == len(tasks)
    assert task(shared, {"p": 1}, inputs[::-1]) == tasks[0]


def test_a_task_id_is_of_one_key_in_one_job() -> None:
    ids = {task_id(("a",), "s@r"), task_id(("a", ""), "s@r"), task_id(("b",), "s@r"), task_id(("a",), "t@r")}
    assert len(ids) == 4
    assert all(len(task) == 32 and int(task, 16) >= 0 for task in ids)
