"""The example projects that ship with Penstock, and the photographs they borrow from installed packages.

An example is a directory below `penstock/examples`. Its `example.json` says what it is about (`about`), which modules
it runs on (`needs`), and which files come out of installed packages (`borrows`: path here -> module, file there).
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.model.errors import AlreadyExists, NotFound, UsageError

_HOME = Path(__file__).parents[1] / "examples"
_ABOUT = "example.json"


@dataclass(frozen=True, slots=True)
class Example:
    """One example: its name, a sentence, what must be installed, and where its borrowed files come from."""

    name: str
    about: str
    needs: tuple[str, ...]
    borrows: dict[str, tuple[str, str]]


def every() -> list[Example]:
    """All examples by name."""
    return [_read(file) for file in sorted(_HOME.glob(f"*/{_ABOUT}"))]


def _read(file: Path) -> Example:
    said = json.loads(file.read_text())
    borrows = {path: (module, name) for path, (module, name) in said["borrows"].items()}
    return Example(file.parent.name, said["about"], tuple(said["needs"]), borrows)


def find(name: str | None) -> Example:
    """The example called so. Raises UsageError that names them all."""
    known = {example.name: example for example in every()}
    listed = "; ".join(f"--example {example.name} ({example.about})" for example in known.values())
    if name is None:
        raise UsageError(f"say which example: {listed}")
    if name not in known:
        raise UsageError(f"there is no example {name!r}; choose: {listed}")
    return known[name]


def copy(example: Example, into: Path) -> list[str]:
    """Write an example into a new or empty directory; the paths written. Raises AlreadyExists, NotFound."""
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise AlreadyExists(f"{into}: exists and is not an empty directory; name another one")
    missing = [module for module in example.needs if importlib.util.find_spec(module) is None]
    if missing:
        raise NotFound(
            f"example {example.name!r} needs {', '.join(missing)}: `pip install 'penstock[examples]'`, then repeat"
        )
    borrowed = {path: _in_package(*place) for path, place in example.borrows.items()}
    home = _HOME / example.name
    own = {
        str(file.relative_to(home)): file
        for file in sorted(home.rglob("*"))
        if file.is_file() and file.name != _ABOUT and "__pycache__" not in file.parts
    }
    for path, source in (own | borrowed).items():
        (into / path).parent.mkdir(parents=True, exist_ok=True)
        # The bytes alone: an installed package may be read-only.
        shutil.copyfile(source, into / path)
    return [*own, *borrowed]


def _in_package(module: str, name: str) -> Path:
    spec = importlib.util.find_spec(module)
    places = (spec.submodule_search_locations or []) if spec else []
    for place in places:
        if (Path(place) / name).is_file():
            return Path(place) / name
    raise NotFound(
        f"package {module} has no {name}: install the version that the examples were made for with "
        "`pip install -U 'penstock[examples]'` and repeat"
    )


def summary(paths: Sequence[str]) -> list[str]:
    """Files at the top by name, directories by how many files they hold.

    >>> summary(["run.py", "photos/a.png", "photos/b.png"])
    ['run.py', 'photos/ (2 files)']
    """
    inside = Counter(path.partition("/")[0] for path in paths if "/" in path)
    return [path for path in paths if "/" not in path] + [
        f"{name}/ ({count} file{'s' if count > 1 else ''})" for name, count in inside.items()
    ]
