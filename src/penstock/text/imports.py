"""Which files of the project a command depends on, as far as they can be read off without running it.

Found are: the files its words name, the modules that `python -m` runs, what Python files import from the project, and
the files that shell scripts name. Not found: names computed while running. What a publishing step opens is seen then.
"""

from __future__ import annotations

import posixpath
import re
import warnings
from collections.abc import Callable, Container, Iterator, Sequence

_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh"})
_PYTHON = re.compile(r"(?:.*/)?python[0-9.]*")
#: What separates words in a shell command, and `--option=` from its value.
_BETWEEN = re.compile(r"[\s;&|<>()'\"`=,]+")
#: A shell text that goes into a directory first.
_GOES = re.compile(r"""\s*cd\s+["']?([^\s"';&|$]+)["']?\s*(?:&&|;|\n)""")

#: Where a shell command sends what is printed, and the word that names it.
_SENT = re.compile(r"(?:&>>?|>>?[|&]?)\s*([^\s;&|<>()'\"`]+|'[^']*'|\"[^\"]*\")")

Read = Callable[[str], bytes]


def code_files(
    run: Sequence[str],
    files: Container[str],
    read: Read,
    real: Callable[[str], str] = str,
    path: str = "",
) -> list[str]:
    """The paths among `files` that the command `run` depends on, sorted.

    `files` are all paths of the project, best a set or a mapping; `read(path)` gives the bytes of one, `real(path)`
    where it leads. `path` is the `PYTHONPATH` the command gets. Python that cannot be parsed counts as the file alone.
    What is there twice, beside the script and in the project root, counts twice: one file too many only runs a task
    again.
    """
    tops = {posixpath.normpath(top) for top in path.split(":") if top and not top.startswith("/")} - {"."}
    return sorted(_Search(files, read, real, tops).command(run))


class _Search:
    def __init__(self, files: Container[str], read: Read, real: Callable[[str], str], tops: set[str]) -> None:
        self.files, self.read, self.real = files, read, real
        self.tops = {"", *tops}  #: where modules are looked for, beside the script
        self.found: set[str] = set()
        #: (file, directory of the script that is run): imports are looked up from there.
        self.todo: list[tuple[str, str]] = []
        self.seen: set[tuple[str, str]] = set()

    def command(self, run: Sequence[str]) -> set[str]:
        program = posixpath.basename(run[0])
        inline = run[run.index("-c") + 1 : run.index("-c") + 2] if "-c" in run else ()
        if program in _SHELLS:
            for text in run:
                words = _shell_words(text)
                self.words(words)
                if goes := _GOES.match(text):
                    self.words(words, posixpath.normpath(goes[1]))
        else:
            self.words([word for text in run for word in (text, text.partition("=")[2])])
        if inline and _PYTHON.fullmatch(run[0]):
            self.python(inline[0].encode("utf-8", "replace"), "", "")
        while self.todo:
            path, base = self.todo.pop()
            if path.endswith(".py"):
                self.python(self.read(path), path, base)
            else:
                self.words(_shell_words(self.read(path).decode("utf-8", "replace")))
        return self.found

    def words(self, words: Sequence[str], within: str = "") -> None:
        """Note the project files that stand among words as paths from a directory, and the modules behind `-m`."""
        before = ""
        for word in words:
            path = posixpath.normpath(posixpath.join(within, word)) if word else ""
            if path in self.files:
                for place in {path, self.real(path)}:
                    self.add(place, posixpath.dirname(place))
            elif before == "-m":
                for top in {within, *self.tops}:
                    self.module(word, top, top)
                    self.module(word + ".__main__", top, top)
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
                tops = {base, *self.tops}
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


def _shell_words(text: str) -> list[str]:
    """The words of a shell command, but for the files that it writes, wherever it names them.

    >>> _shell_words("sort a > 'b'; cat b c")
    ['sort', 'a', 'cat', 'c']
    """
    written = {match[1].strip("'\"") for match in _SENT.finditer(text)}
    return [word for word in _BETWEEN.split(_SENT.sub(" ", text)) if word not in written]


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
