"""Looking up names by what they begin with. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence


def beginning(names: Sequence[str], prefix: str) -> Iterator[str]:
    """Those of sorted names that begin so.

    >>> list(beginning(["a", "ab", "abc", "b"], "ab"))
    ['ab', 'abc']
    """
    for place in range(bisect_left(names, prefix), len(names)):
        if not names[place].startswith(prefix):
            return
        yield names[place]
