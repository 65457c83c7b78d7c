"""Which files of the project a command depends on, as far as they can be read off without running it.

Found are: the files its words name, the modules that `python -m` runs, what Python files import from the project, and
the files that shell scripts name. Not found: names computed while running; a step lists such files under `code`.
"""

from __future__ import annotations

import posixpath
import re
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence

_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh"})
_PYTHON = re.compile(r"(?:.*/)?python[0-9.]*")
#: What separates words in a shell command, and `--option=` from its value.
_BETWEEN = re.compile(r"[\s;&|<>()'\"`=,]+")

Read = Callable[[str], bytes]


def code_files(run: Sequence[str], files: Collection[str], read: Read) -> list[str]:
    """The paths among `files` that the command `run` depends on, sorted.

    `files` are all paths of the project, best a set or a mapping; `read(path)` gives the bytes of one. Python that
    cannot be parsed counts as the file alone. What is there twice, beside the script and in the project root, counts
    twice: one file too many only runs a task again.
    """
    return sorted(_Search(files, read).command(run))


class _Search:
    def __init__(self, files: Collection[str], read: Read) -> None:
        self.files, self.read = files, read
        self.found: set[str] = set()
        #: (file, directory of the script that is run): imports are looked up from there.
        self.todo: list[tuple[str, str]] = []
        self.seen: set[tuple[str, str]] = set()

    def command(self, run: Sequence[str]) -> set[str]:
        program = posixpath.basename(run[0])
        inline = run[run.index("-c") + 1 : run.index("-c") + 2] if "-c" in run else ()
        if program in _SHELLS:
            self.words([word for text in run for word in _BETWEEN.split(text)])
        else:
            self.words([word for text in run for word in (text, text.partition("=")[2])])
        if inline and _PYTHON.fullmatch(run[0]):
            self.python(inline[0].encode("utf-8", "replace"), "", "")
        while self.todo:
            path, base = self.todo.pop()
            if path.endswith(".py"):
                self.python(self.read(path), path, base)
            else:
                self.words(_BETWEEN.split(self.read(path).decode("utf-8", "replace")))
        return self.found

    def words(self, words: Sequence[str]) -> None:
        """Note the project files that stand among words as paths from the root, and the modules behind `-m`."""
        before = ""
        for word in words:
            path = posixpath.normpath(word) if word else ""
            if path in self.files:
                self.add(path, posixpath.dirname(path))
            elif before == "-m":
                self.module(word, "")
                self.module(word + ".__main__", "")
            before = word or before

    def add(self, path: str, base: str) -> None:
        self.found.add(path)
        if path.endswith((".py", ".sh")) and (path, base) not in self.seen:
            self.seen.add((path, base))
            self.todo.append((path, base))

    def python(self, source: bytes, path: str, base: str) -> None:
        """Note what the file at `path` imports, for a script in the directory `base`."""
        for level, module, names in _imports(source):
            if level:
                package = path.split("/")[:-1]
                if level - 1 > len(package):
                    continue
                top = "/".join(package[: len(package) - level + 1])
                tops = {top}
                self.package(top, base)
            else:
                tops = {base, ""}
            for top in tops:
                self.module(module, base, top)
                for name in names:
                    self.module(f"{module}.{name}" if module else name, base, top)

    def module(self, module: str, base: str, top: str = "") -> None:
        """Note the files of a module below the directory `top`, its packages first."""
        path = top
        for name in module.split(".") if module else ():
            path = posixpath.join(path, name)
            self.package(path, base)
        if module and path + ".py" in self.files:
            self.add(path + ".py", base)

    def package(self, directory: str, base: str) -> None:
        init = posixpath.join(directory, "__init__.py")
        if init in self.files:
            self.add(init, base)


def _imports(source: bytes) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Each import of a Python file as (dots before it, module, names taken from it)."""
    import ast

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the user's code, which its own run shows
            tree = ast.parse(source)
        nodes = list(ast.walk(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield 0, alias.name, ()
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or "", tuple(alias.name for alias in node.names)
