"""Globs: what they match, what they capture, where a walk looks, and that no pattern makes them slow."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.errors import UsageError
from penstock.model.glob import REMEMBERED, Glob, compile_glob, touched, walk
from penstock.model.globsyntax import But, Capture, Chars, Choice, Part, Repeat, Sequence, parse

MATCHES = [
    # pattern, what it matches, what it does not
    ("/", [""], ["a", "a/b"]),
    ("/*", ["a", "a.png", "*"], ["", "a/b"]),
    ("/*/*", ["a/b"], ["a", "a/b/c"]),
    ("/**", ["a", "a/b", "a/b/c"], [""]),
    ("*.png", ["x.png", ".png"], ["x.jpg", "d/x.png"]),
    ("/photos/*.jpg", ["photos/a.jpg"], ["photos/b/a.jpg", "photos"]),
    ("/photos/", ["photos"], ["photos/a"]),
    ("/a/**", ["a/b", "a/b/c"], ["a", "ab"]),
    ("/**/x", ["x", "a/x", "a/b/x"], ["ax", "a/bx", "x/a"]),
    ("/a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb"]),
    ("/**.png", ["a.png", "d/e/a.png"], ["a.pn"]),
    ("/a**z", ["az", "a/b/z", "abz"], ["a/b"]),
    ("/?", ["a", "é"], ["", "ab", "a/"]),
    ("/a?c", ["abc"], ["a/c", "ac"]),
    ("/[a-c]x", ["ax", "cx"], ["dx", "x"]),
    ("/[!a-c]x", ["dx"], ["ax", "/x"]),
    ("/[a-c-]", ["a", "-"], ["d"]),
    ("/[\\]\\-]", ["]", "-"], ["\\"]),
    ("/{a,b}.txt", ["a.txt", "b.txt"], ["c.txt", "{a,b}.txt"]),
    ("/{a,b/c}/d", ["a/d", "b/c/d"], ["b/d"]),
    ("/a{,b}", ["a", "ab"], ["b"]),
    ("/{x{1,2},y}", ["x1", "x2", "y"], ["x"]),
    ("/(a|b)", ["a", "b"], ["ab", "(a|b)"]),
    ("/?(a)b", ["b", "ab"], ["aab"]),
    ("/*(ab)c", ["c", "abc", "ababc"], ["abac"]),
    ("/+(ab)c", ["abc", "ababc"], ["c"]),
    ("/@(a|b)c", ["ac", "bc"], ["c", "abc"]),
    ("/!(a|b)", ["c", "ab"], ["a", "b"]),
    ("/!(a|b).txt", ["c.txt", ".txt"], ["a.txt", "b.txt"]),
    ("/x!(*.png)", ["x", "xa", "x.jpg"], ["x.png", "xa.png"]),
    ("/!(!(a))", ["a"], ["b", "aa"]),
    ("/**(x)", ["x", "axx", "a"], ["a/x"]),
    ("/a\\*", ["a*"], ["ab"]),
    ("/\\(a\\)", ["(a)"], ["a"]),
    ("/a,b|c!d@e+f", ["a,b|c!d@e+f"], []),
    ("/***", ["a/b"], [""]),
    ("/?(a)", ["a"], [""]),
]


@pytest.mark.parametrize(("pattern", "good", "bad"), MATCHES)
def test_matches(pattern: str, good: list[str], bad: list[str]) -> None:
    glob = compile_glob(pattern)
    assert [path for path in good if not glob.matches(path)] == []
    assert [path for path in bad if glob.matches(path)] == []
    assert all(path.startswith(glob.literal_prefix) for path in good)
    assert all(glob.captures(path) is None for path in bad)


@pytest.mark.parametrize(
    ("pattern", "path", "captures"),
    [
        ("/(*)-(*).csv", "berlin-2024.csv", ("berlin", "2024")),
        ("/(*)-(*).csv", "a-b-c.csv", ("a-b", "c")),
        ("/(*)/", "a", ("a",)),
        ("/(**)/x", "a/b/x", ("a/b",)),
        ("/*(ab)?(c)@(x|y)", "ababy", ("abab", "", "y")),
        ("/+(a)!(b)", "aac", ("aa", "c")),
        ("/((a)|(b))c", "bc", ("b", "", "b")),
        ("/!(x(y)z)", "q", ("q", "")),
        ("/a*", "ab", ()),
        ("/", "", ()),
    ],
)
def test_captures(pattern: str, path: str, captures: tuple[str, ...]) -> None:
    assert compile_glob(pattern).captures(path) == captures


@pytest.mark.parametrize(
    ("pattern", "offset", "phrase"),
    [
        ("/a[b", 2, '"[" is never closed'),
        ("/a[]", 2, "matches nothing"),
        ("/[b-a]", 2, "is empty"),
        ("/[a/b]", 3, "cannot stand inside"),
        ("/{a,b", 1, '"{" is never closed'),
        ("/x+(a", 2, '"(" is never closed'),
        ("/(a", 1, '"(" is never closed'),
        ("/a)", 2, "closes nothing"),
        ("a}", 1, "closes nothing"),
        ("/a]", 2, "closes nothing"),
        ("/a\\", 2, "nothing follows"),
        ("/a\\/b", 2, "cannot be escaped"),
        ("/a//b", 3, "empty name"),
        ("/a/../b", 3, "never matches"),
        ("./a", 0, "never matches"),
        ("/" + "(" * 60 + ")" * 60, 51, "groups inside each other"),
        ("/" + "a" * 1025, 1025, "at most 1024"),
    ],
)
def test_bad_patterns_name_the_offset(pattern: str, offset: int, phrase: str) -> None:
    with pytest.raises(UsageError) as caught:
        compile_glob(pattern)
    assert f"offset {offset}: " in str(caught.value)
    assert phrase in str(caught.value)


def test_an_empty_pattern_is_refused() -> None:
    with pytest.raises(UsageError, match="is empty"):
        compile_glob("")


def test_patterns_are_read_once_and_normal() -> None:
    assert compile_glob("a/*") is compile_glob("a/*")
    assert compile_glob("a/*/").text == "/a/*"
    assert compile_glob("/").whole
    assert not compile_glob("/*").whole
    assert compile_glob("/photos/a*b").literal_prefix == "photos/a"
    assert compile_glob("/photos/\\*b[x]").literal_prefix == "photos/*bx"


@pytest.mark.parametrize(
    "pattern",
    [
        "*a" * 400 + "b",
        "+(*(a)+(a))" * 20 + "b",
        "**/" * 300 + "x",
        "+(+(+(+(a))))b",
        "!(*a*a*a)" * 10 + "b",
        "*!(*!(*a)b)c",
    ]
    + ["*" + "?" * 200 + "b", "{a,aa}" * 100 + "b", "?(a)" * 200 + "b"],
)
def test_no_pattern_explodes(pattern: str) -> None:
    glob = Glob(pattern)
    assert not glob.matches("a" * 1500)
    assert not glob.matches("a/" * 700 + "a")


def test_capturing_does_not_explode_either() -> None:
    assert compile_glob("/" + "*(a)" * 30).captures("a" * 300) == ("a" * 300, *[""] * 29)


def test_what_a_glob_remembers_is_bounded() -> None:
    glob = Glob("/*a????????????")  # 2**12 states, were they all kept
    for number in range(2**12):
        path = f"{number:012b}".replace("0", "a").replace("1", "b") + "aaab"
        assert glob.matches(path) is (path[-13] == "a")
    assert len(glob._states) <= REMEMBERED


# An oracle that follows the tree by going back, for patterns too small to explode.


def ends(part: Part, path: str, at: int) -> Iterator[int]:
    if isinstance(part, Chars):
        if at < len(path) and part.has(path[at]):
            yield at + 1
    elif isinstance(part, Sequence):
        reached = {at}
        for inner in part.parts:
            reached = {end for start in reached for end in ends(inner, path, start)}
        yield from reached
    elif isinstance(part, Choice):
        for option in part.options:
            yield from ends(option, path, at)
    elif isinstance(part, Capture):
        yield from ends(part.inner, path, at)
    elif isinstance(part, Repeat):
        reached, new = set[int](), {at}
        if part.least == 0:
            reached.add(at)
        for _ in range(len(path) + 1 if part.many else 1):
            new = {end for start in new for end in ends(part.inner, path, start)}
            reached |= new
        yield from reached
    else:
        assert isinstance(part, But)
        refused = set(ends(part.inner, path, at))
        for end in range(at, len(path) + 1):
            if "/" in path[at:end]:
                break
            if end not in refused:
                yield end


PIECES = st.sampled_from(["a", "b", "/", "*", "**", "?", "[a]", "[!a]", "/**/"])
PATTERNS = st.recursive(
    st.lists(PIECES, min_size=1, max_size=4).map("".join),
    lambda inner: st.builds(
        lambda kind, options, before: before + kind[0] + kind[1].join(options) + kind[2],
        st.sampled_from(
            [("(", "|", ")"), ("{", ",", "}"), ("?(", "|", ")"), ("*(", "|", ")"), ("+(", "|", ")"), ("!(", "|", ")")]
        ),
        st.lists(inner, min_size=1, max_size=2),
        st.sampled_from(["", "a", "*"]),
    ),
    max_leaves=4,
)
PATHS = st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=3).map("/".join)


@given(PATTERNS, st.lists(PATHS, min_size=1, max_size=6))
def test_matches_as_the_oracle_says(pattern: str, paths: list[str]) -> None:
    try:
        glob = compile_glob(pattern)
    except UsageError:
        return
    if glob.whole:
        return
    tree, groups, prefix = parse(glob.text[1:], glob.text)
    for path in paths:
        matched = len(path) in ends(tree, path, 0)
        assert glob.matches(path) is matched
        captures = glob.captures(path)
        assert (captures is not None) is matched
        if captures is not None:
            assert len(captures) == groups
            assert all(part in path for part in captures)
            assert path.startswith(prefix)
        if matched:
            assert all(reaches(glob, path[:cut]) for cut in range(len(path)) if path[cut] == "/")


def reaches(glob: Glob, directory: str) -> bool:
    """Whether something below `directory` can match."""
    return glob.after(glob.start(), directory + "/" if directory else "") is not None


def tree_of(files: list[str]) -> dict[str, set[tuple[str, bool]]]:
    """Directory -> its (name, is it a directory)."""
    tree: dict[str, set[tuple[str, bool]]] = {"": set()}
    for file in files:
        parts = file.split("/")
        for depth in range(1, len(parts)):
            tree.setdefault("/".join(parts[:depth]), set())
            tree["/".join(parts[: depth - 1])].add((parts[depth - 1], True))
        tree["/".join(parts[:-1])].add((parts[-1], False))
    return tree


def all_paths(files: list[str]) -> dict[str, bool]:
    found = dict.fromkeys(files, False)
    for file in files:
        found |= {file[:cut]: True for cut in range(len(file)) if file[cut] == "/"}
    return found


# Every name ends in "x" in files and never in directories, so that no path is both.
FILES = st.lists(
    st.builds(
        lambda dirs, name: "/".join([*dirs, name + "x"]),
        st.lists(st.text("ab.-", min_size=1, max_size=2), max_size=3),
        st.text("ab.-", max_size=2),
    ),
    unique=True,
    max_size=12,
).map(lambda files: [file for file in files if not {".", ".."} & set(file.split("/"))])
GLOBS = PATTERNS | st.sampled_from(["/", "/*", "/**", "/a/*", "/**/*x", "/*/*", "/a/b/**", "/{a,b}/*", "/ax"])


@given(GLOBS, FILES)
def test_a_walk_finds_what_matches_in_order_and_looks_nowhere_else(pattern: str, files: list[str]) -> None:
    try:
        glob = compile_glob(pattern)
    except UsageError:
        return
    tree, looked = tree_of(files), []

    def listing(directory: str) -> set[tuple[str, bool]]:
        looked.append(directory)
        return tree.get(directory, set())

    found = list(walk(glob, listing))
    paths = {"": True} | all_paths(files)
    assert found == sorted((path, is_directory) for path, is_directory in paths.items() if glob.matches(path))
    assert len(looked) == len(set(looked))
    assert all(reaches(glob, directory) for directory in looked)


def test_a_walk_starts_where_the_literal_text_ends() -> None:
    looked: list[str] = []

    def listing(directory: str) -> list[tuple[str, bool]]:
        looked.append(directory)
        return [("c.jpg", False), ("d", True)]

    assert list(walk(compile_glob("/a/b/*.jpg"), listing)) == [("a/b/c.jpg", False)]
    assert looked == ["a/b"]


def test_a_walk_goes_as_deep_as_a_path_can() -> None:
    deep = "/".join(["d"] * 2048)
    tree = tree_of([deep])
    assert len(list(walk(compile_glob("/**"), lambda directory: tree.get(directory, ())))) == 2048


@given(GLOBS, FILES)
def test_touched_are_the_matches_among_the_changed_and_above(pattern: str, files: list[str]) -> None:
    try:
        glob = compile_glob(pattern)
    except UsageError:
        return
    found = list(touched(glob, iter(sorted(files))))
    expected = {path for path in all_paths(files) | ({"": True} if files else {}) if glob.matches(path)}
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_touched_names_a_path_once_that_was_a_file_and_is_a_directory() -> None:
    assert list(touched(compile_glob("/**"), ["a", "a.txt", "a/b", "a/b/c"])) == ["a", "a.txt", "a/b", "a/b/c"]


@given(PATTERNS, st.lists(PATHS, min_size=1, max_size=6))
def test_the_quick_way_captures_what_the_machine_does(pattern: str, paths: list[str]) -> None:
    try:
        glob = compile_glob(pattern)
    except UsageError:
        return
    for path in paths:
        if glob.groups and glob.matches(path):
            assert glob.captures(path) == glob._machine.captures(path, glob.groups)
