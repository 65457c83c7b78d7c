"""The collector of cycles, told to come rarely while very many objects are made that have none.

What an engine and the reader of a pipeline file hold is freed by its reference counts. Looking through all of it again
and again for cycles costs a third of their time at 100,000 jobs, and finds nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: How many more objects are made than freed between two looks at young ones, and how many looks make one at older ones.
RARELY = (50_000, 50, 50)


@contextmanager
def rarely_looked_for() -> Iterator[None]:
    """Look for cycles rarely while inside."""
    before = gc.get_threshold()
    gc.set_threshold(*RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)
