"""Random edits of code that commands do not name: what is published is what a run from nothing would publish."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import settings

from tests.service.conftest import Lab

LONG = settings.default is not None and settings.default.max_examples > 1000

#: Reads a file per binding if it is there, all that a pattern names, and one through a link of its choice.
STEP = """
steps:
  read:
    output: out
    input: data:/*
    run: |
      key=$(basename $PENSTOCK_IN/data/*)
      { cat optional/$key 2>/dev/null; cat parts/*; cat now/value; } > "$PENSTOCK_OUT/$key"
"""
KEYS = ("a", "b", "c")


class Code:
    """The files of the project as they should be, and random edits of them."""

    def __init__(self, lab: Lab, dice: random.Random) -> None:
        self.lab, self.dice, self.count = lab, dice, 0
        self.files: dict[str, str] = {}
        self.gone: dict[str, str] = {}
        for name in ("parts/1", "parts/2", "one/value", "two/value", "unread", *(f"optional/{key}" for key in KEYS)):
            self.write(name)
        self.link("one")

    def write(self, name: str) -> None:
        """A content of its own, or one it had before: both of the same size."""
        self.count += self.dice.random() < 0.7
        self.files[name] = f"{self.dice.randrange(max(1, self.count - 2), self.count + 2):04}\n"
        self.lab.write(name, self.files[name])

    def link(self, target: str) -> None:
        (self.lab.root / "now").unlink(missing_ok=True)
        (self.lab.root / "now").symlink_to(target)
        self.now = target

    def blink(self) -> str:
        """Take a file away for a moment; what it holds. What was never there is not known to be looked for."""
        name = self.dice.choice(["parts/1", *(f"optional/{key}" for key in KEYS)])
        (self.lab.root / name).unlink()
        self.gone[name] = self.files.pop(name)
        return name

    def bring_back(self, name: str) -> None:
        self.files[name] = self.gone.pop(name)
        self.lab.write(name, self.files[name])

    def edit(self) -> None:
        edits: list[Callable[[], None]] = [
            lambda: self.write(self.dice.choice(list(self.files))),
            lambda: self.write(self.dice.choice(list(self.files))),
            lambda: self.link(self.dice.choice(["one", "two"])),
        ]
        self.dice.choice(edits)()

    def expected(self) -> dict[str, str]:
        parts = "".join(text for name, text in sorted(self.files.items()) if name.startswith("parts/"))
        rest = parts + self.files[f"{self.now}/value"]
        return {key: self.files.get(f"optional/{key}", "") + rest for key in KEYS}


@pytest.mark.parametrize("seed", range(50 if LONG else 1))
def test_what_was_read_decides(lab: Lab, seed: int) -> None:
    code = Code(lab, random.Random(seed))
    lab.pipeline(STEP)
    lab.put("data", dict.fromkeys(KEYS, ""))
    lab.ok()
    for _ in range(8):
        for _ in range(code.dice.randrange(3)):
            code.edit()
        lab.ok()
        assert lab.files("out") == code.expected(), f"seed {seed}"
        if code.dice.random() < 0.5:
            name = code.blink()
            lab.ok()
            assert lab.files("out") == code.expected(), f"seed {seed}, without {name}"
            code.bring_back(name)
            ran = lab.ok()["read"]
            assert lab.files("out") == code.expected(), f"seed {seed}, with {name} again"
            assert ran == (3, 0, 3), f"seed {seed}: the old results are found again"
