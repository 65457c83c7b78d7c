"""Archives, paths and links that mean harm: each is refused clearly or stored inside, none writes outside."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.model.errors import PenstockError
from penstock.model.ids import parse_reference
from penstock.objects.archives import Limits
from penstock.service.data import writing
from penstock.service.data.sources import Taking
from penstock.service.project import Project


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("hostile", Path(__file__).with_name("hostile.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["hostile"] = module
    spec.loader.exec_module(module)
    return module


hostile = _load()
CASES = list(hostile.table())
TRICKS = hostile.tricks()


class Ground:
    """A project among things that must stay as they are."""

    def __init__(self, root: Path) -> None:
        self.out = root
        self.lab = root / "lab"
        for name in ("sentinel", "evil.txt", "a/b/sentinel", "in/here"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("untouched")
        self.project = Project.create(self.lab)
        self.number = 0

    def seen(self) -> dict[str, tuple[int, int, int, bytes]]:
        """All that is around the project and in it, but for its own records."""
        found = {}
        for above, directories, files in os.walk(self.out):
            if ".penstock" in directories:
                directories.remove(".penstock")
            for name in (*directories, *files):
                told = os.lstat(path := os.path.join(above, name))
                text = Path(path).read_bytes() if name in files and not os.path.islink(path) else b""
                found[path] = (told.st_mode, told.st_size, told.st_ino, text)
        return found

    def put(self, target: str, source: str, data: bytes, extract: bool, limits: Limits | None = None) -> str:
        """Put into a new repo; its name."""
        self.number += 1
        repo = f"r{self.number}"
        taking = Taking(extract, limits or Limits(), None, io.BytesIO(data))
        writing.put(self.project.parts, parse_reference(repo + target), [source], taking=taking)
        return repo


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    made = Ground(tmp_path_factory.mktemp("outside"))
    yield made
    made.project.close()


def clear(error: PenstockError) -> bool:
    text = str(error)
    return 10 < len(text) < 1000 and text.isprintable() and "Traceback" not in text and error.exit_code in (2, 3)


def laid_out(ground: Ground, repo: str, *, fits: bool) -> None:
    """Lay a repo out: all of it stays below the directory, whatever links are in it."""
    into = ground.lab / "laid"
    try:
        with contextlib.nullcontext() if fits else contextlib.suppress(OSError, PenstockError):
            ground.project.get(repo, into)
        for path in into.rglob("*") if fits else ():
            assert Path(os.path.realpath(path)).is_relative_to(into) or not os.path.exists(path)
    finally:
        subprocess.run(["rm", "-rf", "--", into], check=True)  # deeper than Python can remove


@pytest.mark.parametrize("case", CASES, ids=[f"{case.way}-{number}" for number, case in enumerate(CASES)])
def test_the_table(ground: Ground, case: Any) -> None:
    name = hostile.spelled(case.name, ground.out)
    before = ground.seen()

    def attempt() -> str:
        if case.way == "put":
            return ground.put(f":/{name}", str(ground.out / "sentinel"), b"", False)
        if case.way == "stdin":
            return ground.put(f":/{name}", "-", hostile.BODY, False)
        if case.way == "get":
            repo = ground.put(":/ok", "-", hostile.BODY, False)
            ground.project.get(f"{repo}:/{name}", ground.lab / "got")
            return repo
        return ground.put("", "-", hostile.archive(case.way, name), True)

    if case.ends == "refused":
        with pytest.raises(PenstockError) as caught:
            attempt()
        assert clear(caught.value), str(caught.value)
    else:
        laid_out(ground, attempt(), fits=case.ends == "stored")
    assert ground.seen() == before


@pytest.mark.parametrize("name", TRICKS)
@pytest.mark.parametrize("piped", [True, False], ids=["piped", "file"])
def test_tricks(ground: Ground, name: str, piped: bool) -> None:
    data = TRICKS[name]()
    file = ground.lab / "archive"
    file.write_bytes(data)
    before = ground.seen()
    limits = Limits(members=10, size=1 << 40)
    with pytest.raises(PenstockError) as caught:
        ground.put("", "-" if piped else str(file), data, True, limits)
    assert clear(caught.value), str(caught.value)
    assert ground.seen() == before


def test_there_are_as_many_as_are_said() -> None:
    assert len(CASES) + 2 * len(TRICKS) >= 500


def test_nothing_half_done_stays(ground: Ground) -> None:
    with pytest.raises(PenstockError):
        ground.put("", "-", hostile.file(b"ok", bytes(100_000)) + hostile.file(b"../evil") + hostile.END, True)
    assert list(ground.project.parts.objects.backend.list("blobs/")) == []
    assert os.listdir(ground.lab / ".penstock/objects/.tmp") == []


@pytest.mark.parametrize(("limits", "option"), [(Limits(size=100), "--max-size"), (Limits(members=2), "--max-members")])
def test_limits(ground: Ground, limits: Limits, option: str) -> None:
    data = b"".join(hostile.file(b"%d" % number, bytes(60)) for number in range(3)) + hostile.END
    with pytest.raises(PenstockError, match=option):
        ground.put("", "-", data, True, limits)
