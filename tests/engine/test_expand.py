"""`every` and `changed` against brute force, over leaves that are plain dicts and an index that is one."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from penstock.engine.expand import ALONE, NOTHING, Binding, Expansion, Key, LeftOut, Match, left_out
from penstock.model import captures
from penstock.model.glob import compile_glob
from penstock.model.spec import InputSpec
from penstock.model.wire import Input

Contents = dict[str, bytes]


class DictLeaf:
    """A glob over a dict path -> content; counts what it is asked."""

    def __init__(self, spec: InputSpec, contents: Contents) -> None:
        self.spec = spec
        self.contents = {path: content for path, content in contents.items() if compile_glob(spec.glob).matches(path)}
        self.listed = self.looked = 0

    @property
    def root(self) -> bytes:
        return repr(sorted(self.contents.items())).encode()

    def matches(self) -> Iterator[Match]:
        self.listed += 1
        return (self.match(path) for path in sorted(self.contents))

    def match(self, path: str) -> Match:
        return Match(path, self.contents[path], path.endswith("d"))

    def find(self, path: str) -> Match | None:
        self.looked += 1
        return self.match(path) if path in self.contents else None

    def touched(self, base: DictLeaf) -> list[str]:
        paths = {*self.contents, *base.contents}
        return sorted(path for path in paths if self.contents.get(path) != base.contents.get(path))


class DictIndex:
    """(node, part) -> value -> the keys that have it."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, int], dict[str, set[Key]]] = {}
        self.asked: list[str] = []

    def fill(self, node: int, part: int, entries: Iterable[tuple[str, Key]]) -> None:
        for value, key in entries:
            self.move(node, part, key, None, value)

    def move(self, node: int, part: int, key: Key, old: str | None, new: str | None) -> None:
        values = self.known.setdefault((node, part), {})
        if old is not None:
            values[old].remove(key)
        if new is not None:
            values.setdefault(new, set()).add(key)

    def every(self, node: int, parts: int) -> Iterator[tuple[str, list[list[Key]]]]:
        found = [self.known.get((node, part), {}) for part in range(parts)]
        for value in sorted({value for values in found for value, keys in values.items() if keys}):
            yield value, [sorted(values.get(value, ())) for values in found]

    def members(self, node: int, part: int, value: str) -> Iterator[Key]:
        self.asked.append(value)
        return iter(sorted(self.known.get((node, part), {}).get(value, ())))

    def copy(self) -> DictIndex:
        twin = DictIndex()
        twin.known = {
            at: {value: set(keys) for value, keys in values.items() if keys} for at, values in self.known.items()
        }
        return twin


GLOBS = ["/(*)-(*)", "/(*)-*", "/a-(*)", "/*-(?)"]


def leaves_of(keyed: Sequence[str]) -> st.SearchStrategy[InputSpec]:
    """Globs; those below a join or group mostly say which key they have."""
    key = st.sampled_from(["$1", "$1", "$1.", None])
    none = st.none()
    return st.builds(
        lambda repo, glob, on, by, outer, counts: InputSpec(
            "glob", repo=repo, glob=glob, name=repo, on=on, by=by, outer=outer and on is not None, counts=counts
        ),
        st.sampled_from(["r", "s", "t"]),
        st.sampled_from(GLOBS),
        key if "join" in keyed else none,
        key if "group" in keyed else none,
        st.booleans(),
        st.sampled_from([True, True, True, False]),
    )


def specs(depth: int = 3, keyed: tuple[str, ...] = ()) -> st.SearchStrategy[InputSpec]:
    leaf = leaves_of(keyed)
    if not depth:
        return leaf
    kinds = st.sampled_from(["cross", "all", "union", "join", "group"])
    nodes = kinds.flatmap(
        lambda kind: st.lists(
            specs(depth - 1, (*keyed, kind) if kind in ("join", "group") else keyed), min_size=1, max_size=3
        ).map(lambda parts: InputSpec(kind, parts=tuple(parts)))  # type: ignore[arg-type]
    )
    return leaf | nodes


CONTENTS = st.dictionaries(
    st.sampled_from(["a-1", "a-2", "b-1", "b-2", "c-1d"]), st.sampled_from([b"1", b"2"]), max_size=4
)
RANGES = {"1..3": [1, 2, 3], "4..0..-2": [4, 2, 0]}
EACH = st.dictionaries(
    st.sampled_from(["p", "q"]),
    st.sampled_from([["v"], ["v", "w"], [1, True, None], *RANGES, [{"k": [1]}]]),
    max_size=2,
)
Repos = dict[str, Contents]
REPOS = st.fixed_dictionaries({"r": CONTENTS, "s": CONTENTS, "t": CONTENTS})


def brute(spec: InputSpec | None, each: Mapping[str, Any], repos: Repos) -> dict[Key, Binding]:
    """All bindings, as the words of the documents say it."""
    found = [Binding(ALONE)] if spec is None else nodes(spec, repos, iter(range(100)), False, defaultdict(count))
    axes = []
    for name in sorted(each):
        values = RANGES[each[name]] if isinstance(each[name], str) else each[name]
        axes.append([(name, value) for value in values])
    if not axes:
        return {binding.key: binding for binding in found}
    whole: dict[Key, Binding] = {}
    for binding, combination in product(found, product(*axes)):
        parts = tuple(f"{name}={json.dumps(value)}" for name, value in combination)
        key = parts if binding.key == ALONE else binding.key + parts
        whole[key] = Binding(key, binding.inputs, dict(combination))
    return whole


def one(values: Iterable[str | None]) -> str | None:
    """The value that all who have one share; "!" if they do not."""
    found = {value for value in values if value is not None}
    return "!" if len(found) > 1 or "!" in found else found.pop() if found else None


def width(spec: InputSpec) -> int:
    if spec.kind in ("cross", "join"):
        return sum(width(part) for part in spec.parts)
    return max(width(part) for part in spec.parts) if spec.kind == "union" else 1


def nodes(
    spec: InputSpec, repos: Repos, numbers: Iterator[int], labelled: bool, named: defaultdict[str, Iterator[int]]
) -> list[Binding]:
    number = next(numbers)
    label = f"#{number}:" if labelled else ""
    if spec.kind == "glob":
        leaf, glob = DictLeaf(spec, repos[spec.repo]), compile_glob(spec.glob)
        label = f"{spec.name}={spec.repo}@{spec.branch}:/" if labelled else ""
        nth = next(named[spec.name])

        def key_of(template: str | None, path: str) -> str | None:
            return template and captures.fill(captures.parse(template, glob.groups), glob.captures(path) or ())

        return [
            Binding(
                (label + match.path,),
                (Input(spec.name, match.path, match.content, match.directory, leaf.root, "copy", spec.counts, nth),),
                None,
                key_of(spec.on, match.path),
                key_of(spec.by, match.path),
            )
            for match in leaf.matches()
        ]
    parts = [nodes(part, repos, numbers, labelled or spec.kind == "union", named) for part in spec.parts]

    def side_by_side(*some: Binding) -> Binding:
        return Binding(
            tuple(piece for binding in some for piece in binding.key),
            tuple(item for binding in some for item in binding.inputs),
            None,
            one(binding.on for binding in some),
            one(binding.by for binding in some),
        )

    def together(key: Key, some: Iterable[Binding]) -> Binding:
        some = list(some)
        inputs = {(item.name, item.path): item for binding in reversed(some) for item in reversed(binding.inputs)}
        order = dict.fromkeys((item.name, item.path) for binding in some for item in binding.inputs)
        first = tuple(inputs[at] for at in order)
        return Binding(key, first, None, one(b.on for b in some), one(b.by for b in some))

    if spec.kind == "cross":
        return [side_by_side(*some) for some in product(*parts)]
    if spec.kind == "all":
        every = [binding for part in parts for binding in part]
        return [together((label,), every)] if every else []
    if spec.kind == "union":
        found: dict[Key, Binding] = {}
        for part in parts:
            for binding in part:
                key = binding.key + (NOTHING,) * (width(spec) - len(binding.key))
                found.setdefault(key, replace(binding, key=key))
        return list(found.values())
    if spec.kind == "group":
        values = sorted({b.by for part in parts for b in part if b.by not in (None, "!")})  # type: ignore[type-var]
        return [together((f"{label}{v}",), (b for part in parts for b in part if b.by == v)) for v in values]
    outer = [all(leaf.outer for leaf in part.leaves() if leaf.on is not None) for part in spec.parts]
    joins = []
    for value in sorted({b.on for part in parts for b in part if b.on not in (None, "!")}):  # type: ignore[type-var]
        own = [[b for b in part if b.on == value] for part in parts]
        chosen = [bool(some) and (all(own) or out) for some, out in zip(own, outer, strict=True)]
        if any(chosen):
            absent = [[Binding((NOTHING,) * width(part))] for part in spec.parts]
            columns = [o if here else gap for o, gap, here in zip(own, absent, chosen, strict=True)]
            joins += [side_by_side(*some) for some in product(*columns)]
    return joins


def plain(bindings: Mapping[Key, Binding]) -> dict[Key, tuple[Any, ...]]:
    """What a binding is: which whole tree a match was found in is no part of it, nor what it is called around it.

    Of a reference only the place counts. The order does not: a task finds its inputs by name.
    """
    return {
        key: (
            sorted(
                (item.name, item.path, item.content if item.counts else b"", item.directory) for item in binding.inputs
            ),
            binding.params,
        )
        for key, binding in bindings.items()
    }


def expansion(spec: InputSpec | None, each: Mapping[str, Any], repos: Repos, index: DictIndex) -> Expansion:
    leaves = [DictLeaf(leaf, repos[leaf.repo]) for leaf in (spec.leaves() if spec else ())]
    return Expansion(spec, each, leaves, index)


@given(specs() | st.none(), EACH, REPOS)
@settings(max_examples=300)
def test_every_is_what_the_words_say(spec: InputSpec | None, each: dict[str, Any], repos: Repos) -> None:
    whole = expansion(spec, each, repos, DictIndex())
    bindings = list(whole.every())
    expected = brute(spec, each, repos)
    assert len(bindings) == len(expected), "no key comes twice"
    assert plain({binding.key: binding for binding in bindings}) == plain(expected)
    for key in expected:
        found = whole.find(key)
        assert found is not None and plain({key: found}) == plain({key: expected[key]})
    width_of_all = {len(key) for key in expected}
    assert len(width_of_all) <= 1, "keys are equally wide"


@given(specs() | st.none(), EACH, REPOS, st.data())
@settings(max_examples=500)
def test_changes_lead_from_the_old_bindings_to_the_new(
    spec: InputSpec | None, each: dict[str, Any], before: Repos, data: st.DataObject
) -> None:
    index = DictIndex()
    bindings = {binding.key: binding for binding in expansion(spec, each, before, index).every()}
    for _ in range(2):
        now = {name: data.draw(st.just(old) | CONTENTS) for name, old in before.items()}
        again = data.draw(st.lists(st.sampled_from(sorted(bindings)), max_size=2)) if bindings else []
        moved = index.copy()
        changes = list(expansion(spec, each, now, moved).changed(expansion(spec, each, before, index), again))
        keys = [key for key, _ in changes]
        assert len(keys) == len(set(keys)), "no key comes twice"
        assert set(again) <= set(keys), "what is asked for is looked at"
        for key, binding in changes:
            if binding is None:
                bindings.pop(key, None)
            else:
                assert binding.key == key
                bindings[key] = binding
        assert plain(bindings) == plain(brute(spec, each, now))
        if now == before and not again:
            assert changes == [], "nothing changed"
        fresh = DictIndex()
        assert len(list(expansion(spec, each, now, fresh).every())) == len(bindings)
        assert moved.copy().known == {**dict.fromkeys(moved.copy().known, {}), **fresh.copy().known}
        before, index = now, moved


def glob(repo: str, pattern: str = "/*", **more: Any) -> InputSpec:
    return InputSpec("glob", repo=repo, glob=pattern, name=more.pop("name", repo), **more)


def changed(spec: InputSpec, now: Repos, before: Repos) -> tuple[list[Key], list[DictLeaf], DictIndex]:
    """The keys that a step from one state to the other touches, and who was asked for it."""
    old = DictIndex()
    list(expansion(spec, {}, before, old).every())
    leaves = [DictLeaf(leaf, now[leaf.repo]) for leaf in spec.leaves()]
    index = old.copy()
    found = Expansion(spec, {}, leaves, index).changed(expansion(spec, {}, before, old))
    return sorted(key for key, _ in found), leaves, index


def test_a_glob_looks_at_what_changed_and_at_nothing_else() -> None:
    before = {"a": {f"{number}": b"1" for number in range(1000)}}
    keys, (leaf,), _ = changed(glob("a"), {"a": {**before["a"], "7": b"2"}}, before)
    assert keys == [("7",)]
    assert (leaf.listed, leaf.looked) == (0, 1)


def test_a_cross_that_did_not_change_lists_nothing() -> None:
    still = {"a": {"x": b"1"}, "b": {"x": b"1"}}
    keys, leaves, _ = changed(InputSpec("cross", parts=(glob("a"), glob("b"))), still, still)
    assert keys == []
    assert [leaf.listed for leaf in leaves] == [0, 0]


def test_a_cross_touches_the_new_row_and_no_other() -> None:
    left = {str(number): b"1" for number in range(10)}
    spec = InputSpec("cross", parts=(glob("a"), glob("b")))
    keys, leaves, _ = changed(spec, {"a": {**left, "new": b"1"}, "b": left}, {"a": left, "b": left})
    assert keys == sorted(("new", right) for right in left)
    assert [leaf.listed for leaf in leaves] == [0, 1]


def test_a_cross_may_be_as_wide_and_as_deep_as_a_file_may_say() -> None:
    spec = glob("a")
    for _ in range(20):  # 200 inputs in all
        spec = InputSpec("cross", parts=(spec, *[glob("a")] * 9, *[glob("b")] * (spec.kind == "cross")))
    assert len(list(spec.leaves())) == 200
    for whole in (spec, InputSpec("cross", parts=tuple(spec.leaves()))):
        keys, _, _ = changed(whole, {"a": {"x": b"2"}, "b": {"y": b"1"}}, {"a": {"x": b"1"}, "b": {"y": b"1"}})
        assert [len(key) for key in keys] == [200]


@pytest.mark.parametrize("kind", ["join", "group"])
def test_a_change_touches_its_own_key(kind: str) -> None:
    files = {f"{key}-{number}": b"1" for key in range(50) for number in range(2)}
    template = {"join": "on", "group": "by"}[kind]
    parts = tuple(glob(repo, "/(*)-*", **{template: "$1"}) for repo in "ab")
    spec = InputSpec(kind, parts=parts)  # type: ignore[arg-type]
    keys, leaves, index = changed(spec, {"a": {**files, "7-0": b"2"}, "b": files}, {"a": files, "b": files})
    assert keys == ([("7-0", "7-0"), ("7-0", "7-1")] if kind == "join" else [("7",)])
    assert [leaf.listed for leaf in leaves] == [0, 0]
    assert set(index.asked) == {"7"}


def test_a_file_of_a_union_that_two_globs_name_counts_once() -> None:
    spec = InputSpec("union", parts=(glob("a", "/x*"), glob("a", "/*y")))
    found = expansion(spec, {}, {"a": {"x": b"", "xy": b"", "y": b""}}, DictIndex()).every()
    assert [binding.key for binding in found] == [("a=a@main:/x",), ("a=a@main:/xy",), ("a=a@main:/y",)]


def test_an_outer_join_keeps_what_has_no_partner() -> None:
    parts = (glob("a", "/(*)", on="$1", outer=True), glob("b", "/(*)", on="$1"))
    spec = InputSpec("join", parts=parts)
    found = expansion(spec, {}, {"a": {"1": b"", "2": b""}, "b": {"2": b"", "3": b""}}, DictIndex()).every()
    assert [binding.key for binding in found] == [("1", NOTHING), ("2", "2")]


def test_what_a_join_leaves_out_is_told() -> None:
    spec = InputSpec("join", parts=(glob("a", "/(*)", on="$1"), glob("b", "/(*)", on="$1", outer=True)))
    index = DictIndex()
    list(expansion(spec, {}, {"a": {"1": b"", "2": b""}, "b": {"2": b"", "3": b""}}, index).every())
    found = left_out(spec, index, 9)
    assert ([(value, part.repo) for value, part in found.keys], found.looked_at, found.more) == ([("1", "b")], 3, False)
    assert left_out(spec, index, 2).more
    assert left_out(None, index, 2) == LeftOut()


def test_what_stands_in_a_reference_touches_nothing() -> None:
    spec = InputSpec("cross", parts=(glob("a"), glob("model", counts=False)))
    before = {"a": {"x": b"1", "y": b"1"}, "model": {"m": b"1"}}
    assert changed(spec, {**before, "model": {"m": b"2"}}, before)[0] == []
    assert changed(spec, {**before, "model": {"m": b"1", "n": b"1"}}, before)[0] == [("x", "n"), ("y", "n")]


def test_bindings_come_in_the_order_of_their_paths() -> None:
    files = {"b": b"", "a": b"", "c": b""}
    found = expansion(glob("a"), {"n": [2, 1]}, {"a": files}, DictIndex()).every()
    assert [binding.key for binding in found] == [(path, f"n={value}") for path in "abc" for value in (2, 1)]


def test_a_cross_of_many_is_never_held_in_memory() -> None:
    many = {str(number): b"" for number in range(300)}
    spec = InputSpec("cross", parts=(glob("a"), glob("b"), glob("c")))
    found = expansion(spec, {}, {"a": many, "b": many, "c": many}, DictIndex()).every()
    assert next(found).key == ("0", "0", "0")
