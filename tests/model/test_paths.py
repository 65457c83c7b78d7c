"""What a path inside a tree may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.errors import BadPath
from penstock.model.paths import MAX_BYTES, check_path, clean, link_stays_inside

NAMES = st.text(
    st.characters(exclude_characters="/", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=8
)
PATHS = st.lists(NAMES.filter(lambda name: name not in (".", "..")), min_size=1, max_size=5).map("/".join)


@given(PATHS)
def test_good_paths_stay_as_they_are(path: str) -> None:
    assert check_path(path) == path
    assert clean(f"/{path}/") == path


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "expected a relative path"),
        ("/a", "expected a relative path"),
        ("a/", "expected a relative path"),
        ("a//b", "empty part"),
        (".", "'.' is not allowed"),
        ("a/./b", "'.' is not allowed"),
        ("../a", "'..' is not allowed"),
        ("a/..", "'..' is not allowed"),
        ("a\nb", "U+000A"),
        ("a\x00", "U+0000"),
        ("a\x7f", "U+007F"),
        ("a\u2028b", "U+2028"),
        ("a\udc80", "not valid UTF-8"),
        ("x" * (MAX_BYTES + 1), "at most 4096"),
        ("é" * (MAX_BYTES // 2 + 1), "4098 bytes"),
    ],
)
def test_bad_paths_say_why(path: str, why: str) -> None:
    with pytest.raises(BadPath) as caught:
        check_path(path)
    assert why in str(caught.value)


@pytest.mark.parametrize("path", ["...", "a/..b", ".hidden", "a b", "*?[", "a\\b", "x" * MAX_BYTES, "日本/語"])
def test_unusual_paths_are_fine(path: str) -> None:
    assert check_path(path) == path


def test_the_root_is_clean_as_the_empty_text() -> None:
    assert clean("/") == clean("") == ""


@pytest.mark.parametrize(
    ("path", "target", "inside"),
    [
        ("a", "b", True),
        ("a/b/c", "../../d", True),
        ("a/b/c", "../../../d", False),
        ("a/b", "./x/../../c", True),
        ("a/b", "x/../../../a", False),
        ("a", "", False),
        ("a", "/a", False),
        ("a", "..", False),
    ],
)
def test_links_may_not_lead_out(path: str, target: str, inside: bool) -> None:
    assert link_stays_inside(path, target) is inside
