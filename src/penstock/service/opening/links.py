"""Committing what changed in linked directories, of a pipeline that is run or of all in force."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec.structs import replace

from penstock.model.errors import PenstockError
from penstock.model.run import Commit
from penstock.model.spec import RepoSpec
from penstock.service import resolve
from penstock.service.opening.feeding import Feeding
from penstock.service.opening.freeze import link_draft
from penstock.service.opening.launch import Draft, commit
from penstock.service.parts import Parts


def fresh(parts: Parts, draft: Draft) -> Draft | None:
    """A draft on the head as it is inside the transaction; None if somebody has committed the same meanwhile."""
    head = resolve.head(parts, draft.repo, draft.branch)
    if head is not None and head.root == draft.root:
        return None
    return replace(draft, parent=head.id if head else None)


def linked(parts: Parts) -> Collection[RepoSpec]:
    """The linked directories of pipelines in force, each once, though several may name it."""
    specs = [spec for _, spec in parts.pipelines().values()]
    return {repo.name: repo for spec in specs for repo in spec.repos if repo.path is not None}.values()


class Links:
    """The linked directories of a project, looked at from time to time. What cannot be taken in keeps none of the
    others back: `troubles` says why, by repo, as of the last look.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.troubles: Mapping[str, str] = {}
        self._seen: dict[str, bytes] = {}  # repo -> what it was going to hold when it was last looked at
        self._feeding = Feeding(parts)

    def look(self) -> list[Commit]:
        """Commit what changed and is now as it was at the last look: nobody is in the middle of writing it."""
        troubles: dict[str, str] = {}
        try:
            return self._look(troubles)
        except (PenstockError, OSError) as error:
            troubles |= {repo.name: f"repo {repo.name!r} cannot be looked at: {error}" for repo in linked(self.parts)}
            return []
        finally:
            self.troubles = troubles

    def _look(self, troubles: dict[str, str]) -> list[Commit]:
        parts = self.parts
        with parts.objects.session():
            drafts = [draft for repo in linked(parts) if (draft := self._draft(repo, troubles)) is not None]
            steady = [draft for draft in drafts if self._seen.get(draft.repo) == draft.root]
            self._seen = {draft.repo: draft.root for draft in drafts}
            if not steady:
                return []
            with parts.store.transaction(durable=True):
                left = [new for draft in steady if (new := fresh(parts, draft)) is not None]
                commits = commit(parts, left, parts.new_id())[0] if left else []
            for made in commits:
                self._feeding.committed(made)
            return commits

    def _draft(self, repo: RepoSpec, troubles: dict[str, str]) -> Draft | None:
        """What one directory holds that its head does not, if that can be taken in."""
        try:
            draft = link_draft(self.parts, repo)
            fed = draft is not None and self._feeding.feeds(repo, draft)
        except (PenstockError, OSError) as error:
            troubles[repo.name] = f"repo {repo.name!r} is not committed for now: {error}"
            return None
        if fed:
            troubles[repo.name] = (
                f"repo {repo.name!r}: what its commits start writes into {repo.path}/ each time, and would run for "
                "ever; nothing is committed there until something else changes it. Let the step write elsewhere, or "
                f"`penstock commit create {repo.name}`"
            )
            return None
        return draft
