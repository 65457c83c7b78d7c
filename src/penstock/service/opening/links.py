"""Committing what changed in linked directories, of a pipeline that is run or of all in force."""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from penstock.model.run import Commit
from penstock.model.spec import RepoSpec
from penstock.service import resolve
from penstock.service.opening.freeze import link_drafts
from penstock.service.opening.launch import Draft, commit
from penstock.service.parts import Parts


def fresh(parts: Parts, draft: Draft) -> Draft | None:
    """A draft on the head as it is inside the transaction; None if somebody has committed the same meanwhile."""
    head = resolve.head(parts, draft.repo, draft.branch)
    if head is not None and head.root == draft.root:
        return None
    return replace(draft, parent=head.id if head else None)


class Links:
    """The linked directories of a project, looked at from time to time."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._seen: dict[str, bytes] = {}  # repo -> what it was going to hold when it was last looked at

    def look(self) -> list[Commit]:
        """Commit what changed and is now as it was at the last look: nobody is in the middle of writing it."""
        parts = self.parts
        with parts.objects.session():
            drafts = link_drafts(parts, self._linked())
            steady = [draft for draft in drafts if self._seen.get(draft.repo) == draft.root]
            self._seen = {draft.repo: draft.root for draft in drafts}
            if not steady:
                return []
            with parts.store.transaction(durable=True):
                left = [new for draft in steady if (new := fresh(parts, draft)) is not None]
                return commit(parts, left, parts.new_id())[0] if left else []

    def _linked(self) -> Collection[RepoSpec]:
        """Each once, though several pipelines may name it."""
        specs = [spec for _, spec in self.parts.pipelines().values()]
        return {repo.name: repo for spec in specs for repo in spec.repos if repo.path is not None}.values()
