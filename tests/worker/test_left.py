"""What tasks leave in their output, however strange: kept, or refused with a sentence; the worker goes on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

DIG = """
import os, sys
os.chdir(os.environ["PENSTOCK_OUT"])
for _ in range({levels}):
    os.mkdir("{name}")
    os.chdir("{name}")
open("file", "w").write("deep")
"""


def dig(levels: int, name: str) -> list[str]:
    return ["python3", "-c", DIG.format(levels=levels, name=name)]


def still_works(engine: Any) -> None:
    assert engine.run("echo x > $PENSTOCK_OUT/x").outcome == "succeeded"


@pytest.mark.parametrize("levels", [700, 1500])
def test_deep_directories_are_kept(engine: Any, levels: int) -> None:
    (told,) = engine.outcome(engine.give(dig(levels, "d")))
    assert (told.outcome, told.files, told.message) == ("succeeded", 1, "")
    still_works(engine)


@pytest.mark.parametrize(("levels", "name"), [(3000, "d"), (100, "x" * 200)])
def test_deeper_ones_are_refused(engine: Any, levels: int, name: str) -> None:
    (told,) = engine.outcome(engine.give(dig(levels, name)))
    assert (told.outcome, told.reason) == ("failed", "output")
    assert "bytes, at most 4096 are allowed" in told.message
    still_works(engine)
    assert not [path for path in os.listdir(engine.home / "work/w1/0") if path not in ("in", "out", "params.json")]


@pytest.mark.parametrize(
    ("script", "phrase"),
    [
        ("touch \"$PENSTOCK_OUT/$(printf 'a\\nb')\"", "control character U+000A"),
        ("touch $PENSTOCK_OUT/$(printf '\\377')", "not valid UTF-8"),
        ("ln -s $(printf '\\377') $PENSTOCK_OUT/l", "not valid UTF-8"),
        ("mkfifo $PENSTOCK_OUT/p", "neither a file, a directory nor a link"),
        ("ln -s /etc $PENSTOCK_OUT/l", "leads out"),
        ("ln -s l $PENSTOCK_OUT/l; mkdir $PENSTOCK_OUT/d; chmod 0 $PENSTOCK_OUT/d", ""),
        ("rm -r $PENSTOCK_OUT; ln -s / $PENSTOCK_OUT", "it changed 'out'"),
        ("truncate -s 8T $PENSTOCK_OUT/holes", "'holes' has"),
    ],
)
def test_what_no_tree_can_hold(engine: Any, script: str, phrase: str) -> None:
    told = engine.run(script)
    assert (told.outcome == "succeeded") == (not phrase), told
    assert phrase in told.message and told.message.isprintable()
    still_works(engine)


def test_user_data_that_is_a_link_leads_nowhere(engine: Any, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").write_text("x")
    script = f"rm -r $PENSTOCK_DATA_OUT; ln -s {tmp_path}/precious $PENSTOCK_DATA_OUT"
    engine.run(script, data=True)
    still_works(engine)
    assert (tmp_path / "precious/file").read_text() == "x"


def test_very_many_files(engine: Any) -> None:
    many = "import os\nos.chdir(os.environ['PENSTOCK_OUT'])\nfor n in range(5000): open(str(n), 'w').close()"
    (told,) = engine.outcome(engine.give(["python3", "-c", many]))
    assert (told.outcome, told.files) == ("succeeded", 5000)
    still_works(engine)
