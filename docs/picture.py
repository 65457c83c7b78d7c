"""Draws the pictures of the README from a real run of the images example: `python docs/picture.py`.

Needs an environment with Penstock and what the example runs on (`make demo` leaves one in .venv).
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
from rich.console import Console
from rich.text import Text

from penstock import Project

HERE = Path(__file__).parent / "img"
TOUR = (
    "penstock new lab --example images && cd lab",
    "penstock run",
    "cp more/astronaut.png photos/ && penstock run",
    "sed -i 's/(5, 5), 0/(9, 9), 0/' edges.py && penstock run",
    "penstock explain edges",
)
WIDTH = 100


def tour(folder: str) -> str:
    """What the tour prints, commands included, as one shell saw it."""
    lines = ["set -e", f"cd {folder}"]
    for command in TOUR:
        shown = command.replace("'", "'\\''")
        lines += [f"printf '$ %s\\n' '{shown}'", f"{{ {command}; }} 2>&1", "echo"]
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": str(WIDTH)}
    done = subprocess.run(["bash", "-c", "\n".join(lines)], env=env, capture_output=True, text=True, check=True)
    return done.stdout.replace(folder, "~")


def main() -> None:
    HERE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        text = tour(folder)
        console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
        for line in text.rstrip().splitlines():
            style = "bold cyan" if line.startswith("$ ") else "green" if "success" in line else ""
            console.print(Text(line, style=style))
        drawn = console.export_svg(title="penstock")
        # The fonts are those of the reader's machine: the picture fetches nothing.
        (HERE / "run.svg").write_text(re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL))
        with Project.open(f"{folder}/lab") as project:
            project.get("montage:/montage.png", f"{folder}/montage.png")
        picture = cv2.imread(f"{folder}/montage.png")
        half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(HERE / "montage.jpg"), half, [cv2.IMWRITE_JPEG_QUALITY, 85])


if __name__ == "__main__":
    main()
