"""Rules of the house that no tool knows: what a layer may import, how long a file may be, what the package holds."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src/penstock"
EXAMPLES = PACKAGE / "examples"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if not path.is_relative_to(EXAMPLES))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

#: Standard modules that reach for a disk, a clock, chance, a process or the net.
IMPURE = frozenset(
    {"asyncio", "concurrent", "ctypes", "fcntl", "getpass", "glob", "http", "io", "locale", "logging", "mmap"}
    | {"multiprocessing", "os", "pathlib", "platform", "queue", "random", "resource", "secrets", "select", "selectors"}
    | {"shutil", "signal", "socket", "sqlite3", "ssl", "stat", "subprocess", "sys", "tempfile", "threading", "time"}
    | {"urllib", "uuid", "warnings"}
)
#: The same, behind names that need no import of their own.
IMPURE_CALLS = frozenset({"open", "print", "input", "now", "utcnow", "today"})


def label(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def layer(name: str) -> list[Path]:
    """The files of one layer, be it a package or a module."""
    return [path for path in MODULES if label(path).split("/")[0] in (name, f"{name}.py")]


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, at any depth of the code; typing-only imports count."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{label(path)}:{node.lineno} imports relatively; write the full name"
            yield node.module or ""


def calls(path: Path) -> Iterator[str]:
    """The last word of the name of everything a file calls."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr


@pytest.mark.parametrize("path", layer("model") + layer("task") + layer("engine"), ids=label)
def test_the_bottom_needs_next_to_nothing(path: Path) -> None:
    """The standard library; in `model` and `engine` msgspec, whose structs the records are; in one place cronsim."""
    allowed = {"penstock"} if label(path).startswith("task/") else {"penstock", "msgspec"}
    allowed |= {"cronsim"} if label(path) == "engine/clock.py" else set()
    foreign = {name for name in imports(path) if name.split(".")[0] not in sys.stdlib_module_names | allowed}
    assert not foreign, f"the bottom layers import the standard library and {sorted(allowed)} only"


@pytest.mark.parametrize("path", layer("model") + layer("engine"), ids=label)
def test_pure_layers_touch_nothing(path: Path) -> None:
    why = "time, ids, chance and I/O are arguments"
    assert not {name for name in imports(path) if name.split(".")[0] in IMPURE}, why
    assert not set(calls(path)) & IMPURE_CALLS, why


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400, "a file that passes 400 lines wants to be two"


@pytest.mark.parametrize("path", [path for path in MODULES if path.name != "__init__.py"], ids=label)
def test_sql_stays_in_sql_files(path: Path) -> None:
    """Statements made from the nouns themselves, as f-strings with the table's name, may stand in the code."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    made = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and id(node) not in made]
    statement = re.compile(r"\s*(select\s.+\sfrom\s|insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s)", re.I | re.S)
    assert not [text for text in texts if isinstance(text, str) and statement.match(text)]


def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("penstock/")}
    files = {path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert held == {f"penstock/{label(path)}" for path in files}
    assert "penstock/py.typed" in held


def test_the_start_path_stays_light() -> None:
    """Importing the library must not pay for what most commands never use."""
    code = "import sys, penstock; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    heavy = {"asyncio", "click", "ctypes", "hypothesis", "pathspec", "pyjson5", "rich", "yaml", "zstandard"}
    assert not heavy & set(loaded)


def test_dependencies_are_bounded_few_and_used() -> None:
    extras = {name: lines for name, lines in PROJECT["project"]["optional-dependencies"].items() if name != "examples"}
    wanted = [*PROJECT["project"]["dependencies"], *(line for lines in extras.values() for line in lines)]
    assert all(">=" in line and ",<" in line for line in wanted)
    modules = {"pyyaml": "yaml"}
    names = [re.split(r"[><=\[]", line)[0].lower() for line in wanted]
    # `testing` is for those who write another back end; they bring the test tools themselves.
    shipped = set(MODULES) - set(layer("testing"))
    used = {name.split(".")[0] for path in shipped for name in imports(path)}
    assert {modules.get(name, name) for name in names} == used - sys.stdlib_module_names - {"penstock"}
    locked = re.findall(r"^[a-z0-9_.-]+==", (ROOT / "requirements/run.txt").read_text(), re.M)
    assert len(set(locked)) <= 34, "pip install penstock stays at 35 packages or fewer, itself among them"


@pytest.mark.parametrize("lock", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_locks_pin_every_package_by_hash(lock: Path) -> None:
    entries = [entry for entry in re.split(r"\n(?! )", lock.read_text().rstrip()) if entry]
    assert entries
    assert [entry.split()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


def test_a_package_host_in_a_file_is_found(tmp_path: Path) -> None:
    """The check of `make check`, over a small tree that has one bad line."""
    (tmp_path / "ci").mkdir()
    script = tmp_path / "ci/hosts.sh"
    script.write_bytes((ROOT / "ci/hosts.sh").read_bytes())
    (tmp_path / "good.txt").write_text("click==8.1.8 --hash=sha256:00\n")
    assert subprocess.run(["bash", script], check=False).returncode == 0
    (tmp_path / "bad.txt").write_text("--index-url https://example.org/packages\nclick==8.1.8\n")
    done = subprocess.run(["bash", script], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "bad.txt:1:" in done.stderr
