"""Parameters that inputs give, over leaves that are plain dicts: in all bindings, in those that changed, and found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.expand import Binding, Expansion, Key, Match
from penstock.model import captures
from penstock.model.glob import compile_glob
from penstock.model.spec import InputSpec

CONTENTS = st.dictionaries(st.sampled_from(["a-1", "a-2", "b-1", "b-2"]), st.sampled_from([b"1", b"2"]))


class Plain:
    """A glob over a dict path -> content."""

    root = b""

    def __init__(self, spec: InputSpec, contents: dict[str, bytes]) -> None:
        self.spec = spec
        self._contents = {path: found for path, found in contents.items() if compile_glob(spec.glob).matches(path)}

    def matches(self) -> list[Match]:
        return [Match(path, content, False) for path, content in sorted(self._contents.items())]

    def find(self, path: str) -> Match | None:
        return next((match for match in self.matches() if match.path == path), None)

    def touched(self, base: Plain) -> list[str]:
        paths = {*self._contents, *base._contents}
        return sorted(path for path in paths if self._contents.get(path) != base._contents.get(path))


def expansion(contents: dict[str, bytes]) -> Expansion:
    """Pairs of two globs of one name, one in a union with a third, beside an `each`."""
    first = InputSpec("glob", repo="r", glob="/(*)-1", name="r", params=(("n", "$1"), ("whole", "$0")))
    second = InputSpec("glob", repo="r", glob="/a-(*)", name="r", params=(("n", "$1"), ("whole", "x")))
    third = InputSpec("glob", repo="s", glob="/*", name="s", params=(("path", "$0!"),))
    spec = InputSpec("cross", parts=(InputSpec("union", parts=(first, second)), third))
    # Without joins and groups nothing asks the index.
    return Expansion(spec, {"i": [1, 2]}, [Plain(leaf, contents) for leaf in spec.leaves()], None)  # type: ignore[arg-type]


def every(contents: dict[str, bytes]) -> dict[Key, Binding]:
    return {binding.key: binding for binding in expansion(contents).every()}


@given(CONTENTS)
def test_each_binding_has_what_its_paths_give(contents: dict[str, bytes]) -> None:
    for binding in every(contents).values():
        pair, other = binding.inputs
        name, number = pair.path.split("-")
        own = {"n": name, "whole": pair.path} if pair.nth == 0 else {"n": number, "whole": "x"}
        assert binding.params is not None
        assert binding.params == {**own, "path": f"{other.path}!", "i": binding.params["i"]}
        assert expansion(contents).find(binding.key) == binding


@given(CONTENTS, CONTENTS)
def test_changes_bring_from_one_moment_to_the_other(old: dict[str, bytes], new: dict[str, bytes]) -> None:
    found = every(old)
    for key, binding in expansion(new).changed(expansion(old)):
        found.pop(key, None)
        if binding is not None:
            found[key] = binding
    assert found == every(new)


def test_a_template_of_a_parameter_has_the_whole_path() -> None:
    pattern = compile_glob("/(*)/(*).csv")
    assert captures.given([("a", "${2}0 $0"), ("b", "$$0")], pattern, "x/y.csv") == {"a": "y0 x/y.csv", "b": "$0"}
    assert captures.given([("a", "$0")], compile_glob("/"), "") == {"a": ""}
