"""Python processes of our own, started such that no file of a project stands in for a module.

`python -I isolated.py SEARCH_PATH MODULE [ARGUMENT...]` is one: it takes nothing from the directory it is started in,
nor from PYTHONPATH and its like, which stay as they are for the commands that it starts. It finds modules where the
process finds them that starts it, so installs by `pip --user` or by the PYTHONPATH of a module system are found.
"""

from __future__ import annotations

import os
import sys
from functools import cache

#: Where the package itself is found.
_HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_STANDARD = os.path.dirname(os.__file__)
_STANDARD_NAMES = ("lib-dynload", f"python{sys.version_info.major}{sys.version_info.minor}.zip")


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs a module of ours."""
    return (*interpreter(), module, *arguments)


@cache
def interpreter() -> tuple[str, ...]:
    """The first words of each such command; they hold for this host and this installation."""
    return sys.executable, "-I", os.path.abspath(__file__), os.pathsep.join(search_path(sys.path))


def settle() -> None:
    """Have this process find modules, and hand on its environment, as those do that it starts."""
    sys.path[:] = search_path(sys.path)
    _take_back()


def _take_back() -> None:
    """Take back what Python itself adds to the environment in a C locale, before it is handed on."""
    if "LC_CTYPE" in os.environ:
        with open("/proc/self/environ", "rb") as file:
            if not any(word.startswith(b"LC_CTYPE=") for word in file.read().split(b"\0")):
                del os.environ["LC_CTYPE"]


def search_path(entries: list[str]) -> list[str]:
    """Where modules are looked for: first those of Python, then ours, then as in `entries`. What lies around the
    directory of this process, where people have their files, comes last; that directory itself is left out.
    """
    try:
        work = os.getcwd()
    except OSError:  # it was removed
        work = ""

    def rank(entry: str) -> int:
        if entry == _STANDARD or os.path.basename(entry) in _STANDARD_NAMES:
            return 0
        if entry == _HOME:
            return 1
        return 3 if not _below(entry, sys.prefix) and (_below(entry, work) or _below(work, entry)) else 2

    absolute = [os.path.abspath(entry) for entry in entries if entry and (work or os.path.isabs(entry))]
    return sorted(dict.fromkeys(entry for entry in [*absolute, _HOME] if entry != work or entry == _HOME), key=rank)


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def main() -> None:
    """Run a module with the search path that was handed over."""
    import runpy

    _, path, module, *arguments = sys.argv
    sys.path[:] = path.split(os.pathsep)
    sys.argv = [module, *arguments]
    _take_back()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
