"""Law 3: the same inputs, code, parameters and environment give the same fingerprint on every machine.

A small project is run as a user would, in other directories, locales and hash seeds, by each Python there is; what its
tasks are known by must be what it always was.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import penstock

PIPELINE = """
pipeline: golden
params: {threshold: 100, word: "é", f: 0.1, list: [1, two, null, true]}
repos: {images: {path: photos}}
steps:
  edges:
    input: images:/*
    each: {seed: "1..2"}
    env: {inherit: false, vars: {LANG: C.UTF-8, B: ""}}
    run: [python3, edges.py]
  montage:
    input: {cross: ["images:/", "edges:/"]}
    code: ["montage.sh", "lib/**"]
    run: [sh, montage.sh]
"""
SCRIPT = """
import json, sys
from penstock import Project
from penstock.model.run import Task
from penstock.service import resolve
with Project.create(sys.argv[1]) as project:
    view = project.run()
    found = {}
    for job in view.jobs:
        row = resolve.job(project.parts, job.job)
        for task in project.parts.store.load(Task, "tasks_of_job", job=row.seq, after=0, limit=100):
            found[job.step + " " + " ".join(task.key)] = task.fingerprint.hex()
    found["tree"] = project.log("edges")[0].tree
print(json.dumps(found))
"""

# These must never change without a new number in a tag of `model.fingerprint`: every result would be forgotten.
GOLDEN = {
    "edges cat.jpg seed=1": "425b2f2c9da9e45f2ab11b17d7a45f045db5eeea15c79f75cec283dee315b4c7",
    "edges cat.jpg seed=2": "dd3c5f8a31ce8892abfff2f96e93d4fff3c830fb9896c3f10dffbe5a04805978",
    "edges été.jpg seed=1": "6c25965df44f5200299f153c855fe63bab700c88afdd995a810bf9abcbec45eb",
    "edges été.jpg seed=2": "a7e3319593b656b51fe78f62e08dbdcdf107a25fa2809dea668260c96bd8fcae",
    "edges İ i.jpg seed=1": "d9def6c2c6272496ae6620796de52f2de3d173bb382fc7214d742e24c496bc5f",
    "edges İ i.jpg seed=2": "5e487336166d73218f00a1524f359449a7c4ec84dc86cb05d61ab3c1fb1fe0fe",
    "montage  ": "5bf36af4e427b99e57463fe316f4382f4c623121269ccbd2327a28496f01396e",
    "tree": "b3:fc4c72d63c2b8a9ae70405cc170e801fbf861c17fc8bfe2ea9586f9784847416",
}


def make(root: Path) -> None:
    files = {
        "pipeline.yaml": PIPELINE,
        "edges.py": "import os, helper\nopen(os.environ['PENSTOCK_OUT'] + '/' + helper.name(), 'w').write('edge')\n",
        "helper.py": "import os\n\n\ndef name():\n"
        "    return os.listdir(os.environ['PENSTOCK_IN'] + '/images')[0] + os.environ['PENSTOCK_PARAM_SEED']\n",
        "montage.sh": "cat $PENSTOCK_IN/*/* > $PENSTOCK_OUT/all\n",
        "lib/words.txt": "words\n",
        "unrelated.txt": "not part of it\n",
        "photos/cat.jpg": "cat",
        "photos/été.jpg": "summer",
        "photos/İ i.jpg": "turkish",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def interpreters() -> list[str]:
    """This Python, and others that have what Penstock needs: name them in PENSTOCK_TEST_PYTHONS, colons between."""
    return [sys.executable, *filter(None, os.environ.get("PENSTOCK_TEST_PYTHONS", "").split(":"))]


@pytest.mark.parametrize(
    ("seed", "locale", "place"),
    [("0", "C.UTF-8", "lab"), ("4711", "tr_TR.UTF-8", "a dir/löb"), ("1", "POSIX", "x/y/z")],
)
@pytest.mark.parametrize("python", interpreters())
def test_fingerprints_end_to_end(tmp_path: Path, python: str, seed: str, locale: str, place: str) -> None:
    root = tmp_path / place
    make(root)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.path.dirname(os.path.dirname(penstock.__file__)),
        "PYTHONHASHSEED": seed,
        "LC_ALL": locale,
        "TZ": "Asia/Kolkata" if seed == "0" else "UTC",
        "NOISE": seed,
    }
    done = subprocess.run([python, "-c", SCRIPT, root], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == GOLDEN
