"""What people can do about a task that failed, read from what it printed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from penstock.model.run import Repo
from penstock.service.parts import Parts

#: How programs say that a file is not there.
_MISSING = ("No such file", "FileNotFoundError", "does not exist", "cannot open")


def hint(parts: Parts, lines: Sequence[str]) -> str | None:
    """Where a linked directory is that a task looked for beside its code; None where none was missed."""
    missing = [line for line in lines if any(word in line for word in _MISSING)]
    if not missing:
        return None
    for repo in parts.store.load(Repo, "repos"):
        if repo.path is None:
            continue
        # As a path from the project, and not where the same name stands below $PENSTOCK_IN.
        named = re.compile(rf"""(?:^|[\s'"`=(]|{re.escape(str(parts.layout.root))}/)(?:\./)?{re.escape(repo.path)}/""")
        if any(named.search(line) for line in missing):
            return f"{repo.path}/ is linked as repo {repo.name}: read it by `input`, below $PENSTOCK_IN/{repo.name}"
    return None
