"""All verbs that write history, in any order, beside a model of plain dictionaries."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from penstock import Project
from penstock.model.data import Entry
from penstock.model.errors import NotFound, Refused, UsageError
from penstock.model.ids import parse_reference as ref
from penstock.model.run import Branch, Commit
from penstock.objects import tree
from penstock.objects.blobs import Pages
from penstock.service.answers.fsck import fsck
from penstock.service.data import branches, commits, merging, purging, removing, triggers
from penstock.service.data.committing import Change, measured, write

BRANCHES = ["main", "dev", "late"]
Files = dict[str, str]

names = st.sampled_from(BRANCHES)
paths = st.sampled_from(["a", "b", "c", "d/a", "d/b"])
edits = st.dictionaries(paths, st.none() | st.sampled_from(["", "1", "22"]), min_size=1, max_size=3)


class History(RuleBasedStateMachine):
    """One repo; what it holds and what each verb refuses is known from the model alone."""

    def __init__(self) -> None:
        super().__init__()
        self.place = tempfile.TemporaryDirectory()
        self.project = Project.create(Path(self.place.name) / "lab")
        self.parts = self.project.parts
        self.commits: dict[str, tuple[str | None, Files]] = {}  # id -> parent and files, oldest first
        self.merged: dict[str, str | None] = {}  #: commit -> the one it merged
        self.heads: dict[str, str | None] = {}
        self.opened: dict[str, str] = {}  # branch -> id
        self.follows: dict[str, tuple[str, int]] = {}  # branch -> which, after how many commits

    def teardown(self) -> None:
        assert list(fsck(self.parts, data=True)) == []
        self.project.close()
        self.place.cleanup()

    # The model.

    def files(self, commit: str | None) -> Files:
        return dict(self.commits[commit][1]) if commit else {}

    def line(self, commit: str | None) -> list[str]:
        found = []
        while commit is not None:
            found.append(commit)
            commit = self.commits[commit][0]
        return found

    def moved(self, branch: str, commit: str) -> None:
        """A commit was made on a branch: those that follow it may move too."""
        self.heads[branch] = commit
        for name, (watches, count) in sorted(self.follows.items()):
            own = self.heads.get(name)
            line = self.line(commit)
            since = line[: line.index(own)] if own in line else line
            if watches == branch and own != commit and len(since) >= count:
                self.moved(name, commit)

    def refused(self, act: Any, *args: Any, **more: Any) -> None:
        try:
            act(*args, **more)
        except (Refused, UsageError):
            return
        raise AssertionError(f"{act.__name__} {args} should have been refused")

    def busy(self, branch: str) -> bool:
        return branch in self.follows or branch in self.opened

    def finished(self, place: int) -> str | None:
        known = [id for id in self.commits if id not in self.opened.values()]
        return known[place % len(known)] if known else None

    # The verbs.

    @rule(branch=names, given=edits)
    def put(self, branch: str, given: dict[str, str | None]) -> None:
        def act() -> Commit:
            with self.parts.objects.writer() as writer:
                found = {path: _entry(writer, text) for path, text in given.items()}

                def edit(pages: Pages, root: bytes) -> Change:
                    return measured(pages, root, tree.edit(pages, root, found))

                return write(self.parts, ref(f"r@{branch}"), edit, writer, "").commit

        if branch in self.follows:
            self.refused(act)
            return
        base = self.opened.get(branch, self.heads.get(branch))
        new = {path: text for path, text in {**self.files(base), **given}.items() if text is not None}
        made = act()
        if branch in self.opened:
            assert made.id == base
            self.commits[made.id] = (self.commits[made.id][0], new)
        else:
            self.commits[made.id] = (base, new)
            self.heads.setdefault("main", None)
            self.moved(branch, made.id)

    @rule(branch=names)
    def start(self, branch: str) -> None:
        if self.busy(branch):
            self.refused(commits.start, self.parts, [ref(f"r@{branch}")])
            return
        head = self.heads.get(branch)
        (made,) = commits.start(self.parts, [ref(f"r@{branch}")])
        self.heads.setdefault("main", None)
        self.heads.setdefault(branch, None)
        self.opened[branch] = made.id
        self.commits[made.id] = (head, self.files(head))

    @precondition(lambda self: self.opened)
    @rule(place=st.integers(0, 9), keep=st.booleans())
    def end(self, place: int, keep: bool) -> None:
        branch, id = list(self.opened.items())[place % len(self.opened)]
        del self.opened[branch]
        if keep:
            commits.finish(self.parts, id)
            self.moved(branch, id)
        else:
            commits.abandon(self.parts, f"r@{branch}")
            del self.commits[id]

    @rule(branch=names, place=st.integers(0, 99))
    def move(self, branch: str, place: int) -> None:
        target = self.finished(place)
        if target is None:
            return
        if self.busy(branch):
            self.refused(branches.create_branch, self.parts, "r", branch, ref(f"r@{target}"))
            return
        branches.create_branch(self.parts, "r", branch, ref(f"r@{target}"))
        self.heads[branch] = target

    def children(self, target: str) -> list[str]:
        return [id for id, (parent, _) in self.commits.items() if parent == target]

    def forget(self, target: str) -> None:
        parent, _ = self.commits.pop(target)
        self.merged.pop(target, None)
        self.merged = {id: parent if second == target else second for id, second in self.merged.items()}
        for id, (before, files) in self.commits.items():
            if before == target:
                self.commits[id] = (parent, files)
        for branch, head in self.heads.items():
            if head == target:
                self.heads[branch] = parent

    @rule(place=st.integers(0, 99))
    def squash(self, place: int) -> None:
        target = self.finished(place)
        if target is None:
            return
        after = {*self.children(target), *(id for id, second in self.merged.items() if second == target)}
        whole = len(after) == 1 and not after & set(self.opened.values())
        if target in self.heads.values() or not whole:
            self.refused(removing.squash, self.parts, ref(f"r@{target}"))
            return
        removing.squash(self.parts, ref(f"r@{target}"))
        self.forget(target)

    @rule(place=st.integers(0, 99))
    def drop(self, place: int) -> None:
        target = self.finished(place)
        if target is None:
            return
        if self.children(target):
            self.refused(removing.drop, self.parts, ref(f"r@{target}"))
            return
        removing.drop(self.parts, ref(f"r@{target}"))
        self.forget(target)

    @precondition(lambda self: self.heads)
    @rule(branch=names, watches=names, count=st.integers(1, 3))
    def trigger(self, branch: str, watches: str, count: int) -> None:
        def act() -> None:
            triggers.set_trigger(self.parts, ref(f"r@{branch}"), watches, commits=count)

        chain, follows = [branch], {**{name: after for name, (after, _) in self.follows.items()}, branch: watches}
        while chain[-1] in follows and follows[chain[-1]] not in chain:
            chain.append(follows[chain[-1]])
        if branch in self.opened or chain[-1] in follows:
            self.refused(act)
            return
        act()
        self.heads.setdefault(branch, None)
        self.heads.setdefault(watches, None)
        self.follows[branch] = (watches, count)

    @precondition(lambda self: self.follows)
    @rule(place=st.integers(0, 9))
    def untrigger(self, place: int) -> None:
        branch = list(self.follows)[place % len(self.follows)]
        triggers.unset_trigger(self.parts, ref(f"r@{branch}"))
        del self.follows[branch]

    @precondition(lambda self: self.commits)
    @rule(source=names, into=names, prefer=st.sampled_from([None, "ours", "theirs"]))
    def merge(self, source: str, into: str, prefer: str | None) -> None:
        theirs = self.heads.get(source)
        if theirs is None:
            return
        ours = self.heads.get(into)
        if self.busy(into):
            self.refused(merging.merge, self.parts, ref(f"r@{source}"), into, prefer or "ours")
            return
        try:
            done = merging.merge(self.parts, ref(f"r@{source}"), into, prefer)
        except Refused:
            assert prefer is None
            return
        if done.how == "nothing":
            assert ours is not None
        elif done.how == "forward":
            assert done.commit.id == theirs
            self.moved(into, theirs)
        else:
            mine, other = self.files(ours), self.files(theirs)
            merged = dict(self.read(done.commit))
            # What a merge brings is told by the tests of `objects.merge`: each path is one side's.
            assert all(merged.get(path) in (mine.get(path), other.get(path)) for path in {*mine, *other, *merged})
            self.commits[done.commit.id] = (ours, merged)
            self.merged[done.commit.id] = theirs
            self.moved(into, done.commit.id)

    @precondition(lambda self: self.commits)
    @rule(path=st.sampled_from(["a", "b", "d", "d/a"]))
    def purge(self, path: str) -> None:
        def left(files: Files) -> Files:
            return {name: text for name, text in files.items() if name != path and not name.startswith(f"{path}/")}

        had = {id for id, (_, files) in self.commits.items() if left(files) != files}
        if self.opened:
            self.refused(purging.purge, self.parts, ref(f"r:/{path}"))
            return
        try:
            purging.purge(self.parts, ref(f"r:/{path}"))
        except NotFound:
            assert not had
            return
        assert had
        self.commits = {id: (parent, left(files)) for id, (parent, files) in self.commits.items()}
        rows = self.parts.store.load(Commit, "commits_of_repo", repo="r", before=1 << 62, limit=1000)
        renewed = {row.parent: row.id for row in rows if row.id not in self.commits}
        made = list(self.commits)
        for head in sorted(had.intersection(head for head in self.heads.values() if head), key=made.index):
            branches = [name for name, at in self.heads.items() if at == head]
            if not branches:
                continue  # they followed another one, before it was the turn of this
            new = renewed.pop(head)
            self.commits[new] = (head, self.files(head))
            for branch in branches:
                self.heads[branch] = new
            for branch in [name for name, at in self.heads.items() if at == new]:
                self.moved(branch, new)
        assert not renewed

    # What must be true.

    def read(self, commit: Commit) -> Files:
        blobs = self.parts.objects.blobs
        return {
            path: b"".join(blobs.get(blob) for blob in entry.blobs).decode()
            for path, entry in tree.files(self.parts.objects.pages, commit.root)
        }

    @invariant()
    def same(self) -> None:
        store = self.parts.store
        found = {row.id: row for row in store.load(Commit, "commits_of_repo", repo="r", before=1 << 62, limit=1000)}
        assert {id: (row.parent, self.read(row)) for id, row in found.items()} == self.commits
        assert {row.name: row.head for row in store.load(Branch, "branches", repo="r")} == self.heads
        assert {row.branch: row.id for row in found.values() if row.finished is None} == self.opened
        for id, row in found.items():
            assert (row.files, row.size) == (len(self.commits[id][1]), sum(map(len, self.commits[id][1].values())))
            assert row.parent is None or found[row.parent].seq < row.seq


def _entry(writer: Any, text: str | None) -> Entry | None:
    if text is None:
        return None
    return Entry((writer.add(text.encode()),), len(text)) if text else Entry()


TestHistory = History.TestCase
LONG = settings.default is not None and settings.default.max_examples > 1000
TestHistory.settings = settings(max_examples=500 if LONG else 15, stateful_step_count=25, deadline=None)
