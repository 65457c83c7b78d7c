"""Search paths of a task that lead into the live project, and what they are to be instead: the frozen copy.

That is entries of `PATH` and `PYTHONPATH`, and what a Python the task may start has installed for editing from the
project: a layout's directory that stands in `PYTHONPATH` is looked into before.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from penstock.runner.command import find

_VARIABLES = ("PATH", "PYTHONPATH")
_PYTHON = re.compile(r"python[0-9.]*")
#: Absolute paths in the file by which a package that is edited is found.
_PLACES = re.compile(r"""['"](/[^'"\n]+)['"]""")
#: Where a Python, or a system, has packages, below its prefix.
_PACKAGES = ("lib", "lib64", "local/lib")


class SearchPaths:
    """What is known of the search paths of tasks in one project; "": none, which no path leads into."""

    def __init__(self, project: str) -> None:
        self._tops = {top for top in (project, os.path.realpath(project)) if project}
        self._known: dict[tuple[str, ...], dict[str, str]] = {}
        self._installed: dict[str, list[str]] = {}  # Python -> directories of the project, relative

    def led(self, env: Mapping[str, str], program: str, layout: str) -> dict[str, str]:
        """The variables to change for a command that runs in a layout of the project's code."""
        if not self._tops:
            return {}
        key = (layout, program, env.get("HOME", ""), *(env.get(name, "") for name in _VARIABLES))
        if key not in self._known:
            self._known[key] = self._lead(env, program, layout)
        return self._known[key]

    def _lead(self, env: Mapping[str, str], program: str, layout: str) -> dict[str, str]:
        changed = {}
        for name in _VARIABLES:
            old = env.get(name, "")
            new = ":".join(self._entry(entry, layout) for entry in old.split(":"))
            if new != old:
                changed[name] = new
        edited = [os.path.join(layout, place) for place in self._edited({**env, **changed}, program)]
        own = changed.get("PYTHONPATH", env.get("PYTHONPATH", ""))
        before = [place for place in edited if os.path.isdir(place) and place not in own.split(":")]
        if before:
            changed["PYTHONPATH"] = ":".join([*([own] if own else []), *before])
        return changed

    def _entry(self, entry: str, layout: str) -> str:
        inside = self._inside(entry)
        place = None if inside is None else os.path.normpath(os.path.join(layout, inside))
        return place if place is not None and os.path.isdir(place) else entry

    def _inside(self, path: str) -> str | None:
        """An absolute path relative to the project, if it is in it and not among what Penstock keeps there."""
        for top in self._tops:
            if path == top or path.startswith(f"{top}/"):
                inside = os.path.normpath(path[len(top) + 1 :])
                return None if inside.split("/")[0] in ("..", ".penstock") else inside
        return None

    def _edited(self, env: Mapping[str, str], program: str) -> Iterator[str]:
        """Directories of the project from which a Python that a command may start takes packages."""
        names = [program] if _PYTHON.fullmatch(os.path.basename(program)) else [program, "python3", "python"]
        seen = set()
        for name in names:
            python = find(name, env)
            if python is not None and not _PYTHON.fullmatch(os.path.basename(python)):
                python = _interpreter(python)
            if python is None or python in seen:
                continue
            seen.add(python)
            if python not in self._installed:
                self._installed[python] = list(dict.fromkeys(self._installs(python, env.get("HOME", ""))))
            yield from self._installed[python]

    def _installs(self, python: str, home: str) -> Iterator[str]:
        for packages in _packages(python, home):
            try:
                names = os.listdir(packages)
            except OSError:
                continue
            for name in names:
                finder = name.startswith("__editable__") and name.endswith(".py")
                if not finder and not name.endswith(".pth"):
                    continue
                try:
                    with open(os.path.join(packages, name), errors="replace") as file:
                        text = file.read()
                except OSError:
                    continue
                places = map(os.path.dirname, _PLACES.findall(text)) if finder else text.splitlines()
                yield from (inside for place in places if (inside := self._inside(place.strip())) is not None)


def _packages(python: str, home: str) -> Iterator[str]:
    """The directories of packages that a Python may look into."""
    prefixes = [os.path.dirname(os.path.dirname(os.path.abspath(python)))]
    real = os.path.dirname(os.path.dirname(os.path.realpath(python)))
    prefixes += [real] if real not in prefixes else []
    for below in [*(os.path.join(prefix, name) for prefix in prefixes for name in _PACKAGES), f"{home}/.local/lib"]:
        try:
            versions = [name for name in os.listdir(below) if _PYTHON.fullmatch(name)]
        except OSError:
            continue
        for version in versions:
            yield from (os.path.join(below, version, name) for name in ("site-packages", "dist-packages"))


def _interpreter(script: str) -> str | None:
    """The Python that a script names in its first line."""
    try:
        with open(script, "rb") as file:
            first = file.readline(256)
    except OSError:
        return None
    words = first[2:].decode(errors="replace").split() if first.startswith(b"#!") else []
    named = words[0] if words else ""
    return named if _PYTHON.fullmatch(os.path.basename(named)) else None
