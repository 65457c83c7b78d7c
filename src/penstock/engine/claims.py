"""Who writes which path of a job. Two tasks with one path, or a file where another has a directory, collide."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping

from msgspec import Struct, field

from penstock.engine.matching import show_key


class Claims(Struct):
    """Paths taken so far in this job, over the paths that bindings kept from the base own already.

    `owner(path)` names the kept binding that wrote a path, `below(directory)` a path it has below a directory.
    """

    owner: Callable[[str], str | None]
    below: Callable[[str], tuple[str, str] | None]
    files: MutableMapping[str, str] = field(default_factory=dict)
    directories: MutableMapping[str, str] = field(default_factory=dict)

    def take(self, binding: str, paths: Iterable[str]) -> tuple[str, str] | None:
        """Claim all of `paths` for a binding; or change nothing and return (path, the other binding)."""
        paths = list(paths)
        for path in paths:
            other = self._other(path)
            if other is not None and other != binding:
                return path, other
        for path in paths:
            self.files[path] = binding
            for directory in parents(path):
                self.directories.setdefault(directory, binding)
        return None

    def _other(self, path: str) -> str | None:
        # The binding of a whole tree is called "": only None says that nobody has it.
        for taken in (self.files.get(path), self.directories.get(path), self.owner(path)):
            if taken is not None:
                return taken
        kept = self.below(path)
        if kept is not None:
            return kept[1]
        for directory in parents(path):
            for taken in (self.files.get(directory), self.owner(directory)):
                if taken is not None:
                    return taken
        return None


def parents(path: str) -> list[str]:
    """The directories a path lies in, outermost first.

    >>> parents("a/b/c")
    ['a', 'a/b']
    """
    parts = path.split("/")[:-1]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def collision_message(path: str, first: str, second: str) -> str:
    """One line that names both bindings, given as their keys in lines, and the path."""
    both = (show_key(key.split("\n")) for key in (second, first))
    return (
        f"{path}: written by task {' and by task '.join(both)}; "
        "give each task its own file name, or let one step gather them"
    )
