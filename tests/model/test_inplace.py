"""Who makes what another step reads where it is."""

from __future__ import annotations

import time

import pytest

from penstock.model.inplace import Makers, escaped, is_pattern
from penstock.model.spec import InPlace, Step


def makers(reads: str, *outputs: str) -> list[str]:
    """Which of some outputs a step waits for, each of which another step makes."""
    steps = [Step(path, ("true",), outputs=(InPlace(path),)) for path in outputs]
    reader = Step("reader", ("true",), reads=(InPlace(reads),))
    return [maker for maker, _ in Makers([*steps, reader]).upstream(reader)]


@pytest.mark.parametrize(
    ("reads", "waits", "others"),
    [
        ("d/x", ["d", "d/x", "d/x/y"], ["d/xx", "d/y", "x", "/d/x"]),
        ("/d/x", ["/d", "/d/x", "/d/x/y"], ["d/x", "/d/xx"]),
        ("d", ["d", "d/x", "d/y/z"], ["d.csv", "d-1", "e/d"]),
        ("d/x-1.*", ["d", "d/x-1.csv"], ["d/x-10.csv", "d/x-1", "x-1.csv", "/d/x-1.csv"]),
        ("d/*", ["d", "d/x", "d/y/z"], ["d.csv", "e/x"]),
        ("/d/*.csv", ["/d", "/d/x.csv"], ["d/x.csv", "/d/x.txt"]),
        ("*.csv", ["x.csv"], ["x", "d/x.csv", "/x.csv"]),
        ("**/*.csv", ["d/x.csv", "x.csv"], ["d", "d/x.txt", "/x.csv"]),
        ("d*", ["d1/x", "d2"], ["e/d1"]),
        (r"a\[1\]", ["a[1]", "a[1]/x"], ["a1", "a"]),
    ],
)
def test_a_step_waits_for_what_it_reads_what_is_in_it_and_what_it_is_in(
    reads: str, waits: list[str], others: list[str]
) -> None:
    assert sorted(makers(reads, *waits, *others)) == sorted(waits)


def test_no_step_waits_for_itself() -> None:
    step = Step("s", ("true",), reads=(InPlace("d"),), outputs=(InPlace("d/x"),))
    assert list(Makers([step]).upstream(step)) == []


def test_an_escaped_path_means_itself_alone() -> None:
    for path in ("a", "a[1]", "x/{b}(c)?", "a\\*"):
        assert makers(escaped(path), path, "a1", "b") == [path]
        assert is_pattern(escaped(path)) == (escaped(path) != path)


def test_patterns_do_not_look_at_all_that_is_made() -> None:
    count = 3000
    steps = [Step(f"m{i}", ("true",), outputs=(InPlace(f"d/x-{i}.csv"),)) for i in range(count)]
    steps += [Step(f"r{i}", ("true",), reads=(InPlace(f"d/x-{i}.*"),)) for i in range(count)]
    begun = time.process_time()
    found = Makers(steps)
    assert [maker for step in steps for maker, _ in found.upstream(step)] == [f"m{i}" for i in range(count)]
    assert time.process_time() - begun < 4, "some 0.3 s; 10 s if each looks at all"
