"""Claims against a plain list of who wrote what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.engine.claims import Claims, collision_message, parents

PATHS = st.sampled_from(["a", "b", "a/a", "a/b", "a/b/c", "a/b/d", "ab", "a0", "a-"])
#: A whole tree is bound to the empty key.
BINDINGS = ["", "x", "y", "z"]


def in_the_way(one: str, other: str) -> bool:
    """Whether two paths cannot both be files of one tree made by different tasks."""
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def consistent(paths: set[str]) -> bool:
    return not any(in_the_way(one, other) for one in paths for other in paths if one != other)


OUTPUTS = st.sets(PATHS, max_size=3).filter(consistent)


def over(owned: dict[str, str]) -> Claims:
    def below(directory: str) -> tuple[str, str] | None:
        return next(((path, owned[path]) for path in sorted(owned) if path.startswith(f"{directory}/")), None)

    return Claims(owned.get, below)


@given(st.permutations(BINDINGS), st.lists(OUTPUTS, min_size=4, max_size=4), st.integers(0, 3))
def test_two_tasks_never_share_a_path(bindings: list[str], outputs: list[set[str]], kept: int) -> None:
    owned: dict[str, str] = {}
    for binding, paths in zip(bindings[:kept], outputs, strict=False):
        if not any(in_the_way(path, taken) for path in paths for taken in owned):
            owned.update(dict.fromkeys(paths, binding))
    claims = over(dict(owned))
    for binding, paths in zip(bindings[kept:], outputs[kept:], strict=False):
        others = {(path, owned[taken]) for path in paths for taken in owned if in_the_way(path, taken)}
        found = claims.take(binding, sorted(paths))
        if not others:
            assert found is None
            owned.update(dict.fromkeys(paths, binding))
        else:
            assert found in others
        assert dict(claims.files).items() <= owned.items(), "a refused claim takes nothing"


@given(OUTPUTS)
def test_a_task_does_not_collide_with_itself(paths: set[str]) -> None:
    for binding in BINDINGS:
        claims = over({})
        assert claims.take(binding, paths) is None
        assert claims.take(binding, paths) is None


@pytest.mark.parametrize(
    ("kept", "new"), [("a", "a"), ("a", "a/b/c"), ("a/b", "a/b/c"), ("a/b/c", "a"), ("a/b/c", "a/b")]
)
def test_what_the_base_left_is_taken_too(kept: str, new: str) -> None:
    assert over({kept: ""}).take("x", ["ab", new]) == (new, "")
    assert over({kept: "x"}).take("x", [new]) is None
    claims = over({})
    assert claims.take("", [kept]) is None
    assert claims.take("x", ["ab", new]) == (new, "")
    assert claims.take("y", ["ab"]) is None, "who was refused has taken nothing"


def test_messages_name_both() -> None:
    assert parents("a") == []
    line = collision_message("out.csv", "x.csv\na", "")
    assert "out.csv: written by task / and by task x.csv × a;" in line
    assert "\n" not in line
