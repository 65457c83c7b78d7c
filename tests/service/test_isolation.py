"""A project runs the same wherever Penstock is installed and whatever its files are called."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import penstock

HOME = str(Path(penstock.__file__).parents[1])
#: Names of modules that engines and workers import, of Python, of others and of ours.
NAMES = ("signal", "json", "queue", "select", "runpy", "contextlib", "msgspec", "click", "zstandard", "penstock")
Started = tuple[list[str], dict[str, str]]


def packages() -> list[str]:
    """Where Penstock and what it needs are found now."""
    return [HOME, *(entry for entry in sys.path if "-packages" in entry)]


def by_the_user(tmp_path: Path) -> Started:
    """`pip install --user`: a directory of the user's that the interpreter itself looks into."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = tmp_path / "user/lib" / version / "site-packages"
    site.mkdir(parents=True)
    (site / "penstock-and-others.pth").write_text("".join(f"{entry}\n" for entry in packages()))
    return [], {"PYTHONUSERBASE": str(tmp_path / "user")}


def by_a_module_system(tmp_path: Path) -> Started:
    """A variable names the directories."""
    return ["-s"], {"PYTHONPATH": os.pathsep.join(packages())}


@pytest.mark.parametrize("install", [by_the_user, by_a_module_system])
def test_files_called_like_modules(install: Callable[[Path], Started], tmp_path: Path) -> None:
    options, variables = install(tmp_path)
    root = tmp_path / "lab"
    root.mkdir()
    (root / "pipeline.yaml").write_text("steps:\n  told: {run: [sh, -c, 'echo \"$PYTHONPATH|$PYTHONUSERBASE\"']}\n")
    start = tmp_path / "penstock"
    start.write_text("import sys\nfrom penstock.cli.main import main\nsys.exit(main())\n")
    base = getattr(sys, "_base_executable", sys.executable)

    def run(*words: str) -> str:
        done = subprocess.run(
            [base, *options, str(start), *words],
            cwd=root,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    for name in NAMES:
        (root / f"{name}.py").write_text("raise SystemExit('a file of the project was run')\n")
    run("run")
    told = f"{variables.get('PYTHONPATH', '')}|{variables.get('PYTHONUSERBASE', '')}\n"
    assert run("logs", "told").endswith(told)
    run("run", "--detach")
    run("wait", "--timeout", "60")


def test_the_directory_of_the_project_on_the_search_path(tmp_path: Path) -> None:
    """As people set it for the modules of their own tasks."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of the project was run')\n")
    for name in ("contextlib", "runpy", "penstock"):  # these are read before anything of ours is
        (tmp_path / f"{name}.py").unlink()
    (tmp_path / "pipeline.yaml").write_text("steps:\n  mine: {run: [sh, -c, 'echo \"$PYTHONPATH\"']}\n")
    for words in ("run", "wait", "logs mine"):
        done = subprocess.run(
            [sys.executable, "-m", "penstock", *words.split()],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.endswith(f"{tmp_path}\n")
