"""The standard streams of the command: as good as there, though who started it has closed them."""

from __future__ import annotations

import io
import os
import sys
from typing import NoReturn

from penstock.model.errors import UsageError


class _Closed(io.RawIOBase):
    """A standard input that is closed: to read nothing from it and go on would be wrong."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> NoReturn:
        raise UsageError("standard input is closed; give it what shall be read, or </dev/null for nothing")


def complete() -> None:
    """Open what is closed. Else what this process opens next would stand there, be written to, and be handed on."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest number that is free
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(_Closed()))
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
