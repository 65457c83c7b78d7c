"""The commands of `docs/data.md` say what the page says they do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/data.md"


def commands(page: str) -> list[tuple[str, str]]:
    """(command, what it prints) of all `console` blocks, in order."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"^```console\n(.*?)^```$", page, re.M | re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, said = part.partition("\n")
            found.append((command, said))
    return found


def test_the_page_shows_what_happens(tmp_path: Path) -> None:
    """Both streams together, blanks counted as one, `…` for anything."""
    shim = tmp_path / "bin/penstock"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m penstock "$@"\n')
    shim.chmod(0o755)
    where = tmp_path / "page"
    where.mkdir()
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PATH": f"{shim.parent}:{os.environ['PATH']}"}
    for command, said in commands(PAGE.read_text()):
        done = subprocess.run(
            command,
            shell=True,
            cwd=where,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        expected = re.sub(r"\s+", " ", said).strip()
        pattern = ".*?".join(re.escape(part) for part in expected.split("…"))
        assert re.fullmatch(pattern, re.sub(r"\s+", " ", done.stdout).strip()), f"$ {command}\n{done.stdout}"
