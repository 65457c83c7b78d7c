"""Which files of a project are no code: Penstock's own, linked repos, and what ignore files name."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from penstock.service.layout import DIRECTORY

#: Directories and files that never are code.
NEVER = frozenset(
    {
        DIRECTORY,
        ".git",
        ".hg",
        ".svn",
        ".venv",
        "venv",
        "__pycache__",
        "node_modules",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".ipynb_checkpoints",
        ".DS_Store",
    }
)
IGNORE_FILES = (".gitignore", ".penstockignore")
#: Larger files count as data, not code, in bytes.
LARGEST = 10_000_000

Skip = Callable[[str, bool], bool]


def skipper(root: Path, linked: Collection[str]) -> Skip:
    """A function (path, is a directory) -> whether the code tree leaves it out."""
    outside = frozenset(linked)
    patterns = [line for name in IGNORE_FILES for line in _lines(root / name)]

    def named(path: str, directory: bool) -> bool:
        return path in outside or path.rpartition("/")[2] in NEVER or path.endswith(".pyc")

    if not patterns:
        return named
    from pathspec import GitIgnoreSpec

    spec = GitIgnoreSpec.from_lines(patterns)
    return lambda path, directory: named(path, directory) or spec.match_file(f"{path}/" if directory else path)


def _lines(file: Path) -> list[str]:
    try:
        text = file.read_text(errors="replace")
    except (FileNotFoundError, IsADirectoryError):
        return []
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
