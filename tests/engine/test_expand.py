"""`every` and `changed` against brute force, over leaves that are plain dicts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from penstock.engine.expand import ALONE, Binding, Key, Match, changed, every
from penstock.model.spec import InputSpec
from penstock.model.wire import Input

Contents = dict[str, bytes]


class DictLeaf:
    """A glob's matches as a dict path -> content, now and before; counts what it is asked."""

    def __init__(self, now: Contents, before: Contents, again: Sequence[str] = ()) -> None:
        self.now, self.before, self.again = now, before, again
        self.listed = self.compared = 0

    @property
    def root(self) -> bytes:
        return repr(sorted(self.now.items())).encode()

    def matches(self) -> Iterator[Match]:
        self.listed += 1
        return (self.match(path) for path in sorted(self.now))

    def match(self, path: str) -> Match:
        return Match(path, self.now[path], path.endswith("d"))

    def delta(self) -> Mapping[str, Match | None]:
        self.compared += 1
        touched = {path for path in {*self.now, *self.before} if self.now.get(path) != self.before.get(path)}
        return {path: self.match(path) if path in self.now else None for path in sorted({*touched, *self.again})}


def specs(depth: int = 2) -> st.SearchStrategy[InputSpec]:
    leaf = st.sampled_from(["a", "b", "c"]).map(lambda name: InputSpec("glob", repo=name, name=name))
    if not depth:
        return leaf
    parts = st.lists(specs(depth - 1), min_size=1, max_size=3).map(tuple)
    return leaf | st.builds(lambda kind, parts: InputSpec(kind, parts=parts), st.sampled_from(["cross", "all"]), parts)


CONTENTS = st.dictionaries(st.sampled_from(["x", "y", "zd", "é"]), st.sampled_from([b"1", b"2"]), max_size=3)
RANGES = {"1..3": [1, 2, 3], "4..0..-2": [4, 2, 0]}
EACH = st.dictionaries(
    st.sampled_from(["p", "q"]),
    st.sampled_from([["v"], ["v", "w"], [1, True, None], *RANGES, [{"k": [1]}]]),
    max_size=2,
)


def brute(spec: InputSpec | None, each: Mapping[str, Any], leaves: Iterator[DictLeaf]) -> dict[Key, Binding]:
    """All bindings, as the words of the spec say it."""
    found = nodes(spec, leaves)
    axes = []
    for name in sorted(each):
        values = RANGES[each[name]] if isinstance(each[name], str) else each[name]
        axes.append([(name, value) for value in values])
    if not axes:
        return dict(found)
    whole: dict[Key, Binding] = {}
    for (key, binding), combination in product(found, product(*axes)):
        parts = tuple(f"{name}={json.dumps(value)}" for name, value in combination)
        key = parts if key == ("",) else key + parts
        whole[key] = Binding(key, binding.inputs, dict(combination))
    return whole


def nodes(spec: InputSpec | None, leaves: Iterator[DictLeaf]) -> list[tuple[Key, Binding]]:
    if spec is None:
        return [(ALONE, Binding(ALONE))]
    if spec.kind == "glob":
        leaf = next(leaves)
        one = [(path, Input(spec.name, path, leaf.now[path], path.endswith("d"), leaf.root)) for path in leaf.now]
        return [((path,), Binding((path,), (item,))) for path, item in sorted(one)]
    parts = [nodes(part, leaves) for part in spec.parts]
    if spec.kind == "all":
        inputs = tuple(item for part in parts for _, binding in part for item in binding.inputs)
        return [(ALONE, Binding(ALONE, inputs))] if inputs else []
    found = []
    for combination in product(*parts):
        key = tuple(name for sub, _ in combination for name in sub)
        found.append((key, Binding(key, tuple(item for _, binding in combination for item in binding.inputs))))
    return found


def without_root(binding: Binding) -> Binding:
    """Which whole tree a match was found in is no part of what a binding is."""
    return replace(binding, inputs=tuple(replace(item, root=b"") for item in binding.inputs))


@given(specs() | st.none(), EACH, st.data())
@settings(max_examples=150)
def test_every_is_what_the_words_say(spec: InputSpec | None, each: dict[str, Any], data: st.DataObject) -> None:
    leaves = [DictLeaf(data.draw(CONTENTS), {}) for _ in (spec.leaves() if spec else ())]
    bindings = list(every(spec, each, leaves))
    expected = brute(spec, each, iter(leaves))
    assert len(bindings) == len(expected), "no key comes twice"
    assert {binding.key: binding for binding in bindings} == expected
    assert list(every(spec, each, leaves)) == bindings


@given(specs() | st.none(), EACH, st.data())
@settings(max_examples=250)
def test_changes_lead_from_the_old_bindings_to_the_new(
    spec: InputSpec | None, each: dict[str, Any], data: st.DataObject
) -> None:
    count = len(list(spec.leaves())) if spec else 0
    before = [data.draw(CONTENTS) for _ in range(count)]
    now = [data.draw(st.just(old) | CONTENTS) for old in before]
    again = data.draw(st.lists(st.sampled_from(["x", "y", "none"]), max_size=1))
    leaves = [DictLeaf(new, old, again) for new, old in zip(now, before, strict=True)]
    changes = list(changed(spec, each, leaves))
    keys = [key for key, _ in changes]
    assert len(keys) == len(set(keys)), "no key comes twice"

    bindings = brute(spec, each, iter(DictLeaf(old, {}) for old in before))
    old = dict(bindings)
    for key, binding in changes:
        if binding is None:
            bindings.pop(key, None)
        else:
            assert binding.key == key
            bindings[key] = binding
    new = brute(spec, each, iter(leaves))
    assert {key: without_root(binding) for key, binding in bindings.items()} == {
        key: without_root(binding) for key, binding in new.items()
    }
    if now == before and not again:
        assert changes == [], "nothing changed"
    if not again and spec is not None and spec.kind == "glob":
        touched = {key for key, binding in changes if old.get(key) is None or binding is None}
        touched |= {key for key, binding in changes if binding and old.get(key) and differ(old[key], binding)}
        assert touched == set(keys), "only what is new, different or gone"


def differ(one: Binding, other: Binding) -> bool:
    return without_root(one) != without_root(other)


def test_a_glob_looks_at_what_changed_and_at_nothing_else() -> None:
    spec = InputSpec("glob", repo="a", name="a")
    before = {f"{number}": b"1" for number in range(1000)}
    leaf = DictLeaf({**before, "7": b"2"}, before)
    assert [key for key, _ in changed(spec, {}, [leaf])] == [("7",)]
    assert (leaf.listed, leaf.compared) == (0, 1)


def test_a_cross_that_did_not_change_lists_nothing() -> None:
    part = InputSpec("glob", repo="a", name="a")
    spec = InputSpec("cross", parts=(part, part))
    still = {"x": b"1"}
    leaves = [DictLeaf(still, still), DictLeaf(still, still)]
    assert list(changed(spec, {}, leaves)) == []
    assert [leaf.listed for leaf in leaves] == [0, 0]


def test_a_cross_touches_the_new_row_and_no_other() -> None:
    part = InputSpec("glob", repo="a", name="a")
    spec = InputSpec("cross", parts=(part, part))
    left = {str(number): b"1" for number in range(10)}
    leaves = [DictLeaf({**left, "new": b"1"}, left), DictLeaf(left, left)]
    assert sorted(key for key, _ in changed(spec, {}, leaves)) == sorted(("new", right) for right in left)


def test_bindings_come_in_the_order_of_their_paths() -> None:
    part = InputSpec("glob", repo="a", name="a")
    leaf = DictLeaf({"b": b"", "a": b"", "c": b""}, {})
    assert [binding.key for binding in every(part, {"n": [2, 1]}, [leaf])] == [
        (path, f"n={value}") for path in "abc" for value in (2, 1)
    ]
    whole = DictLeaf({"": b"root"}, {})
    assert [binding.key for binding in every(part, {"n": "1..2"}, [whole])] == [("n=1",), ("n=2",)]
