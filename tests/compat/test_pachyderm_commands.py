"""`penstock pachctl` where it is asked for odd things, without a job that runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Command = Callable[..., Any]


def test_more_than_any_list_has_is_refused(pachctl: Command) -> None:
    for noun in ("job", "commit"):
        assert pachctl("list", noun, "-n", "99999999999999999999").code == 2
