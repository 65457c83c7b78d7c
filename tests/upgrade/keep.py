"""Keeps a small project as this version writes it: `python tests/upgrade/keep.py NAME` writes NAME.tar.gz beside it.

Run once for every change of a format on disk; what is kept is never written again.
"""

from __future__ import annotations

import sqlite3
import sys
import tarfile
import tempfile
from pathlib import Path

from penstock import Project
from penstock.model.ids import parse_reference
from penstock.service.data import commits, triggers

HERE = Path(__file__).parent

COUNT = """\
from penstock import task

for text in task.files("texts"):
    words = len(text.read_text().split())
    (task.out / text.name).write_text(f"{words}\\n")
"""

PIPELINE = """\
pipeline: words
params: {unit: words}
repos:
  texts: {path: texts}
steps:
  count:
    input: texts:/*
    run: [python3, count.py]
  total:
    input: count:/
    run: [sh, -c, 'cat "$PENSTOCK_IN"/count/* | sort > "$PENSTOCK_OUT"/total.txt']
  pair:
    input: {join: [{repo: texts, glob: /(*).txt, on: $1}, {repo: count, glob: /(*).txt, on: $1}]}
    run: [sh, -c, 'cat "$PENSTOCK_IN"/*/* > "$PENSTOCK_OUT/$(ls "$PENSTOCK_IN"/texts)"']
  greet:
    after: [total]
    each: {name: [Ada, Grace]}
    run: [sh, -c, 'echo "hello $PENSTOCK_PARAM_NAME"']
  fails:
    input: texts:/two.txt
    run: [sh, -c, 'echo no >&2; exit 3']
"""


def fill(lab: Path) -> None:
    """Two runs with linked data, parameters, a failure, a join, and a plain repo with an open commit and a trigger."""
    (lab / "texts").mkdir(parents=True)
    for text in ("one", "two three", "four five six"):
        (lab / "texts" / f"{text.split()[0]}.txt").write_text(f"{text}\n")
    (lab / "count.py").write_text(COUNT)
    (lab / "pipeline.yaml").write_text(PIPELINE)
    with Project.create(lab) as project:
        project.run()
        (lab / "texts" / "one.txt").write_text("one seven\n")
        project.run()
        project.put("notes", lab / "count.py", message="a note")
        triggers.set_trigger(project.parts, parse_reference("notes@stable"), "main", commits=2)
        commits.start(project.parts, [parse_reference("notes@draft")])
        project.put("notes@draft", lab / "pipeline.yaml")
    with sqlite3.connect(lab / ".penstock" / "state.db") as database:
        database.execute("pragma wal_checkpoint(truncate)")
    database.close()


def main(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder, "lab"))
        with tarfile.open(HERE / f"{name}.tar.gz", "x:gz") as kept:
            kept.add(Path(folder, "lab"), "lab")


if __name__ == "__main__":
    main(sys.argv[1])
