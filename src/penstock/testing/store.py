"""What every back end of `store` must do. Inherit `StoreSuite` and give it the fixtures `store` and `other`."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from penstock.model.errors import AlreadyExists, Conflict, NotFound, PenstockError
from penstock.model.run import Attempt, Branch, Commit, Edge, Job, Repo, Run, Success, Task
from penstock.store.base import TABLES, Store
from penstock.store.queries import queries
from penstock.store.rows import columns
from penstock.testing.rows import (
    ARGUMENTS,
    ATTEMPTS,
    BIG,
    COMMIT,
    FORGETTING,
    IMPOSSIBLE,
    JOBS,
    ODD,
    READ,
    ROOT,
    ROWS,
    RUN,
    TASKS,
    VERSION,
    fill,
)


def by_age(rows: list[Any]) -> list[Any]:
    return sorted(rows, key=lambda row: (getattr(row, "seq", 0), str(row)))


class StoreSuite:
    """Tests of the ten verbs and of the law that the schema keeps."""

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        """An empty store of the kind under test, closed afterwards."""
        raise NotImplementedError("give the suite a fixture `store`")

    @pytest.fixture
    def other(self, store: Store) -> Iterator[Store]:
        """Another connection to the same rows, closed afterwards."""
        raise NotImplementedError("give the suite a fixture `other`")

    @pytest.fixture
    def full(self, store: Store) -> Store:
        """The store with rows of every noun."""
        fill(store)
        return store

    # Rows.

    @pytest.mark.parametrize("noun", READ, ids=lambda noun: noun.__name__)
    def test_rows_come_back_as_they_went(self, full: Store, noun: type) -> None:
        query, args = READ[noun]
        expected = [row for row in ROWS if type(row) is noun]
        found = by_age(full.load(noun, query, **args))
        assert found == by_age(expected)
        flags = [name for name in columns(noun) if isinstance(getattr(expected[0], name), bool)]
        assert all(isinstance(getattr(row, name), bool) for row in found for name in flags)

    def test_attempts_come_back_as_they_went(self, full: Store) -> None:
        assert [full.load(Attempt, "attempts", task=attempt.task) for attempt in ATTEMPTS] == [[a] for a in ATTEMPTS]

    @pytest.mark.parametrize("noun", TABLES, ids=lambda noun: noun.__name__)
    def test_columns_are_the_fields_in_their_order(self, full: Store, noun: type) -> None:
        query, args = ("attempts", {"task": 2}) if noun is Attempt else READ[noun]
        row = full.fetch(query, **args)[0]
        assert tuple(row) == columns(noun)

    def test_every_table_is_tried(self) -> None:
        assert {*READ, Attempt} == set(TABLES) == {type(row) for row in ROWS}

    def test_an_empty_store_is_empty(self, store: Store) -> None:
        assert store.load(Repo, "repos") == []
        assert store.fetch("active_runs") == []
        assert list(store.check()) == []

    def test_numbers_left_open_are_given_by_age(self, full: Store) -> None:
        for _ in range(2):
            with full.transaction():
                full.insert(replace(TASKS[0], seq=0, key=(str(place),)) for place in range(3))
        made = full.load(Task, "tasks_of_job", job=1, after=3, limit=9)
        assert [task.key for task in made] == [("0",), ("1",), ("2",)] * 2
        assert [task.seq for task in made] == sorted({task.seq for task in made})

    def test_reserved_numbers_are_free(self, store: Store) -> None:
        assert store.reserve(Job, 5) == 1
        fill(store)
        with store.transaction():
            first = store.reserve(Job, 2)
            assert first > 2
            store.insert(replace(JOBS[0], seq=first + place, step=f"s{place}") for place in range(2))
            assert store.reserve(Job, 1) > first + 1

    def test_an_update_replaces_what_may_change(self, full: Store) -> None:
        old, attempt, run = TASKS[1], ATTEMPTS[0], RUN
        task = replace(old, state="done", outcome="succeeded", output=ROOT, files=3, tries=1, finished=9, message=ODD)
        ended = replace(attempt, state="ended", outcome="succeeded", exit_code=0, ended=8, cpu_seconds=0.5)
        job = replace(
            JOBS[0], state="expanding", inputs=JOBS[1].inputs, parts={"a": [1]}, recipe=ROOT, reached="running"
        )
        moved = replace(run, started=4, left=1)
        with full.transaction():
            full.update([(old, task), (attempt, ended), (JOBS[0], job), (run, moved)])
        assert full.load(Task, "twin", fingerprint=old.fingerprint) == []
        assert full.load(Task, "tasks_of_job", job=1, after=1, limit=1) == [task]
        assert full.load(Attempt, "attempts", task=2) == [ended]
        assert full.load(Job, "job", seq=1) == [job]
        assert full.load(Run, "run", id=run.id) == [moved]

    def test_what_people_wrote_is_not_overwritten(self, full: Store) -> None:
        """The engine writes rows it read before somebody asked for a stop."""
        with full.transaction():
            full.execute("stop_run", id=RUN.id, reason="user")
            full.execute("hold_run", id=RUN.id, hold="user")
            full.execute("stop_job", seq=1, reason="user")
            full.execute("hold_job", seq=1, hold="user")
            full.update([(RUN, replace(RUN, started=3)), (JOBS[0], replace(JOBS[0], waits=3))])
        for row in (*full.fetch("run", id=RUN.id), *full.fetch("job", seq=1)):
            assert (row["stop"], row["hold"]) == ("user", "user")
        assert full.load(Job, "job", seq=1)[0].waits == 3

    # Conflicts.

    @pytest.mark.parametrize(
        "read",
        [
            replace(RUN, state="draft"),
            replace(JOBS[0], state="expanding"),
            replace(TASKS[0], state="active"),
            replace(ATTEMPTS[0], token=12),
            replace(ATTEMPTS[0], state="running"),
            Branch("edges", "main", "1" * 32, 1),
            Branch("edges", "empty", "1" * 32, 1),
            replace(JOBS[0], seq=77),
        ],
        ids=lambda row: f"{type(row).__name__}-{getattr(row, 'state', '')}",
    )
    def test_a_row_that_is_not_as_it_was_read(self, full: Store, read: Any) -> None:
        task = replace(TASKS[2], message="changed in the same transaction")
        with pytest.raises(Conflict, match=type(read).__name__.lower()), full.transaction():
            full.update([(TASKS[2], task)])
            full.update([(read, read)])
        assert TASKS[2] in full.load(Task, "tasks_of_job", job=1, after=0, limit=9)

    def test_one_conflict_of_many_undoes_all(self, full: Store) -> None:
        good, bad = TASKS[0], replace(TASKS[1], state="ready")
        with pytest.raises(Conflict, match="1 of 2"), full.transaction():
            full.insert([replace(RUN, seq=0, id="9" * 32)])
            full.update([(good, replace(good, message="x")), (bad, bad)])
        assert full.load(Run, "run", id="9" * 32) == []
        assert full.load(Task, "tasks_of_job", job=1, after=0, limit=1) == [good]

    def test_a_head_moves_from_where_it_was_read(self, full: Store, other: Store) -> None:
        old = Branch("edges", "main", "2" * 32, 1)
        with other.transaction():
            other.update([(old, replace(old, head="1" * 32))])
        with pytest.raises(Conflict), full.transaction():
            full.update([(old, replace(old, head=None))])
        assert full.load(Branch, "branch", repo="edges", name="main")[0].head == "1" * 32
        empty = Branch("edges", "empty", None, 1)
        with full.transaction():
            full.update([(empty, replace(empty, head="2" * 32))])
        assert full.load(Branch, "branch", repo="edges", name="empty")[0].head == "2" * 32

    # Transactions.

    @pytest.mark.parametrize("durable", [False, True])
    def test_all_or_nothing(self, full: Store, other: Store, durable: bool) -> None:
        with pytest.raises(ZeroDivisionError), full.transaction(durable=durable):
            full.insert([replace(RUN, seq=0, id="9" * 32)])
            full.execute("stop_run", id=RUN.id, reason="user")
            raise ZeroDivisionError
        for connection in (full, other):
            assert connection.load(Run, "active_runs") == [RUN]
        with full.transaction(durable=durable):
            full.insert([replace(RUN, seq=0, id="9" * 32)])
        assert len(other.load(Run, "active_runs")) == 2

    def test_nobody_sees_half_of_it(self, full: Store, other: Store) -> None:
        with full.transaction():
            full.insert([replace(RUN, seq=0, id="9" * 32)])
            assert len(full.load(Run, "active_runs")) == 2
            assert len(other.load(Run, "active_runs")) == 1
        assert len(other.load(Run, "active_runs")) == 2

    def test_writing_needs_a_transaction(self, full: Store) -> None:
        with pytest.raises(RuntimeError, match="transaction"):
            full.insert([replace(RUN, seq=0, id="9" * 32)])
        with pytest.raises(RuntimeError, match="transaction"):
            full.update([(RUN, RUN)])
        with pytest.raises(RuntimeError, match="transaction"):
            full.execute("stop_run", id=RUN.id, reason="user")

    def test_one_writer_at_a_time(self, full: Store, other: Store) -> None:
        story: list[str] = []
        begun = threading.Event()

        def write() -> None:
            begun.set()
            with other.transaction():
                story.append("second")

        with full.transaction():
            thread = threading.Thread(target=write)
            thread.start()
            begun.wait()
            thread.join(0.05)
            story.append("first")
        thread.join()
        assert story == ["first", "second"]

    def test_others_are_noticed_and_only_they(self, full: Store, other: Store) -> None:
        full.changed()
        with full.transaction():
            full.execute("stop_run", id=RUN.id, reason="user")
        assert not full.changed()
        other.changed()
        with other.transaction():
            other.execute("hold_run", id=RUN.id, hold="user")
        assert full.changed()
        assert not full.changed(), "it is told once"
        assert not other.changed()
        other.fetch("active_runs")
        assert not full.changed(), "reading is no change"

    # The law.

    @pytest.mark.parametrize(
        "row",
        [
            Repo(0, "default", "me", "edges", None, "main", 1),
            replace(COMMIT, seq=0),
            Branch("edges", "main", None, 1),
            VERSION,
            replace(RUN, seq=0),
            replace(RUN, id="9" * 32),
            replace(JOBS[0], seq=0),
            Edge(2, 1, "success"),
            replace(ATTEMPTS[0], token=99),
        ],
        ids=lambda row: type(row).__name__,
    )
    def test_what_is_there_already(self, full: Store, row: Any) -> None:
        with pytest.raises(AlreadyExists), full.transaction():
            full.insert([replace(RUN, seq=0, id="8" * 32), row])
        assert full.load(Run, "run", id="8" * 32) == []

    def test_a_fingerprint_has_a_success_per_reading_and_the_first_of_each_stays(self, full: Store) -> None:
        rows = [Success(b"f3", b"", 1, 9), Success(b"f4", b"", 1, 9), Success(b"f4", b"r", 2, 10)]
        with full.transaction():
            full.insert(rows)
        assert [task.seq for task in full.load(Task, "success", fingerprint=b"f3")] == [2]
        assert [task.seq for task in full.load(Task, "success", fingerprint=b"f4")] == [2, 1]

    def test_one_open_publisher_per_repo(self, full: Store) -> None:
        second = replace(JOBS[0], seq=5, step="again")
        with full.transaction():
            full.insert([second, replace(second, seq=6, step="plain", repo=None)])
        for state in ("expanding", "open", "exporting", "closing"):
            with full.transaction():
                full.update([(old, replace(old, state=state)) for old in full.load(Job, "job", seq=1)])
            with pytest.raises(AlreadyExists), full.transaction():
                full.update([(second, replace(second, state="expanding"))])
        with full.transaction():
            plain = full.load(Job, "job", seq=6)[0]
            full.update([(plain, replace(plain, state="expanding"))])
            first = full.load(Job, "job", seq=1)[0]
            full.update([(first, replace(first, state="done", outcome="succeeded"))])
            full.update([(second, replace(second, state="expanding"))])

    @pytest.mark.parametrize(
        "row",
        IMPOSSIBLE,
        ids=lambda row: type(row).__name__,
    )
    def test_rows_that_cannot_be(self, full: Store, row: Any) -> None:
        with pytest.raises(PenstockError), full.transaction():
            full.insert([row])
        assert list(full.check()) == []
        assert full.load(Run, "active_runs") == [RUN]

    def test_a_repo_goes_with_its_branches_and_commits(self, full: Store) -> None:
        with full.transaction():
            full.execute("unset_heads", repo="edges")
            assert full.execute("delete_repo", name="edges") == 1
        assert full.load(Branch, "branches", repo="edges") == []
        assert full.load(Commit, "commits_of_repo", repo="edges", before=BIG, limit=9) == []

    # Queries.

    @pytest.mark.parametrize("name", sorted(queries()))
    def test_every_query_can_be_asked(self, full: Store, name: str) -> None:
        text = re.sub(r"--[^\n]*", "", queries()[name])
        args = {argument: ARGUMENTS[argument] for argument in re.findall(r"(?<!:):(\w+)", text)}
        if name.startswith(("delete_repo", "delete_commit")):
            with full.transaction():
                full.execute("unset_heads", repo="edges")
        if name in FORGETTING:
            with full.transaction():
                for earlier in FORGETTING[: FORGETTING.index(name)]:
                    full.execute(earlier, run=RUN.id)
        if text.lstrip().startswith(("select", "with")):
            assert isinstance(full.fetch(name, **args), list)
        else:
            with full.transaction():
                assert full.execute(name, **args) >= 0
        assert list(full.check()) == []

    def test_a_query_that_is_not_there(self, store: Store) -> None:
        with pytest.raises(NotFound, match="'no_such_query'"):
            store.fetch("no_such_query")
        with pytest.raises(NotFound, match="'no_such_query'"), store.transaction():
            store.execute("no_such_query")

    def test_many_successes_are_found_at_once(self, full: Store) -> None:
        first, second = bytes(range(32)), bytes(range(1, 33))
        with full.transaction():
            full.insert(Success(mark, b"", place, 9) for place, mark in enumerate((first, second), start=1))
        for asked in ([first], [second, bytes(32), first], [bytes(32)], []):
            found = full.load(Task, "successes", marks=b"".join(asked))
            assert sorted(row.seq for row in found) == [seq for seq, mark in ((1, first), (2, second)) if mark in asked]

    def test_the_rows_touched_are_counted(self, full: Store) -> None:
        with full.transaction():
            assert full.execute("cancel_ready", job=1, reason="user", now=9) == 1
            assert full.execute("cancel_ready", job=1, reason="user", now=9) == 0
            assert full.execute("stop_run", id="9" * 32, reason="user") == 0
        (cancelled, *_) = full.load(Task, "tasks_of_job", job=1, after=0, limit=9)
        assert (cancelled.state, cancelled.outcome, cancelled.reason, cancelled.finished) == (
            "done",
            "cancelled",
            "user",
            9,
        )

    def test_the_first_stop_stays_and_what_is_done_is_left_alone(self, full: Store) -> None:
        with full.transaction():
            assert full.execute("stop_run", id=RUN.id, reason="user") == 1
            assert full.execute("stop_run", id=RUN.id, reason="superseded") == 0
            assert full.execute("stop_job", seq=2, reason="superseded") == 0
            assert full.execute("hold_job", seq=2, hold=None) == 0
        assert full.load(Run, "run", id=RUN.id)[0].stop == "user"
        assert full.load(Job, "job", seq=2) == [JOBS[1]]

    @pytest.mark.parametrize("size", [1, 2, 3, 100])
    def test_pages_join_without_gap_or_repeat(self, full: Store, size: int) -> None:
        with full.transaction():
            for number in range(4, 10):
                full.insert(
                    [replace(COMMIT, seq=number, id=f"{number:032}"), replace(RUN, seq=number, id=f"{number:032}")]
                )
                full.insert(
                    [replace(JOBS[0], seq=number, step=f"s{number}", pipeline="p"), replace(TASKS[0], seq=number + 10)]
                )
        args: dict[str, Any]
        for noun, query, args in (
            (Commit, "commits_of_repo", {"repo": "edges"}),
            (Commit, "commits_of_branch", {"repo": "edges", "branch": "main"}),
            (Run, "runs", {}),
            (Run, "runs_of", {"pipeline": "p"}),
            (Job, "jobs", {}),
        ):
            found: list[Any] = []
            while page := full.load(noun, query, before=found[-1].seq if found else BIG, limit=size, **args):
                assert len(page) <= size
                found += page
            ages = [row.seq for row in found]
            assert len(ages) >= 6
            assert ages == sorted(set(ages), reverse=True)
            assert found == full.load(noun, query, before=BIG, limit=100, **args)
        for query in ("tasks_of_job", "ready_tasks"):
            found = []
            while tasks := full.load(Task, query, job=1, after=found[-1].seq if found else 0, limit=size):
                found += tasks
            assert [task.seq for task in found] == ([1, 2, 3] if query == "tasks_of_job" else [1]) + list(range(14, 20))

    def test_what_is_left_is_counted_again(self, full: Store) -> None:
        """Job 1 says that nothing is left; it has a ready task and an active one."""
        assert full.fetch("counted") == [{"step": "edges", "run": RUN.id, "said": 0, "real": 2}]

    def test_the_law_is_checked(self, full: Store) -> None:
        assert list(full.check()) == []

    def test_what_was_closed_is_there_for_the_next(self, full: Store, other: Store) -> None:
        with full.transaction(durable=True):
            full.execute("hold_run", id=RUN.id, hold="user")
        full.close()
        assert other.load(Run, "active_runs") == [replace(RUN, hold="user")]
