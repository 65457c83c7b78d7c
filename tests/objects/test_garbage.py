"""What is needed is never lost, whatever happens in whichever order; what is not goes in the end."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from penstock.model.data import Entry
from penstock.model.errors import Corrupt, NotFound
from penstock.objects import blobs, garbage, tree
from penstock.objects.copies import blob_id
from penstock.objects.garbage import Mark, Swept, heal, sweep
from penstock.objects.packs import MAGIC_1, TRAILER, read_end
from penstock.objects.store import Objects
from penstock.objects.writer import LARGE, Writer

HOUR = 3_600_000_000
#: Small and large ones, some alike, so that trees share what they are made of.
CONTENTS = [bytes([n]) * size for n in range(6) for size in (10, 3000, LARGE + n)] + [os.urandom(40_000) for _ in "ab"]
Files = dict[str, bytes]


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[Objects]:
    with Objects.create(tmp_path / "objects") as store:
        yield store


def store_tree(objects: Objects, writer: Writer, files: Files) -> bytes:
    entries = [(name, Entry((writer.add(data),) if data else (), len(data))) for name, data in files.items()]
    return tree.build(objects.writing(writer), entries)


def put(objects: Objects, files: Files) -> bytes:
    with objects.writer() as writer:
        return store_tree(objects, writer, files)


def load(objects: Objects, root: bytes) -> Files:
    pages = objects.writing(objects.writer())  # one that remembers nothing yet
    return {name: b"".join(objects.blobs.get(blob) for blob in entry.blobs) for name, entry in tree.files(pages, root)}


def collect(objects: Objects, roots: list[bytes] | Callable[[], list[bytes]], now: int, alone: bool = False) -> Swept:
    heal(objects.blobs)
    busy = not alone and objects.blobs.sessions.older()
    mark = Mark(objects.writing(objects.writer()))
    for root in roots if isinstance(roots, list) else roots():
        mark.tree(root)
    return sweep(objects.blobs, mark, now, 0 if busy else now - HOUR, alone=alone)


def stored(objects: Objects) -> list[str]:
    return sorted([*objects.backend.list("packs/"), *objects.backend.list("blobs/")])


class Keeping(RuleBasedStateMachine):
    """Puts, puts that take long, deletions, collections and steps of the clock, by several processes."""

    @initialize()
    def begin(self) -> None:
        self.after = ExitStack()
        self.root = Path(self.after.enter_context(tempfile.TemporaryDirectory()))
        self.objects = self.after.enter_context(Objects.create(self.root))
        self.other = self.after.enter_context(Objects(self.root))
        self.now = 100 * HOUR
        self.live: list[tuple[bytes, Files]] = []
        self.open: tuple[ExitStack, Writer, bytes, Files] | None = None

    files = st.dictionaries(st.sampled_from(["a", "b/c", "b/d", "e"]), st.integers(0, len(CONTENTS) - 1), min_size=1)

    @rule(files=files, second=st.booleans())
    def put(self, files: dict[str, int], second: bool) -> None:
        chosen = {name: CONTENTS[number] for name, number in files.items()}
        self.live.append((put(self.other if second else self.objects, chosen), chosen))

    @precondition(lambda self: self.open is None)
    @rule(files=files, seal=st.booleans())
    def begin_put(self, files: dict[str, int], seal: bool) -> None:
        chosen = {name: CONTENTS[number] for name, number in files.items()}
        stack = ExitStack()
        writer = stack.enter_context(self.other.writer())
        root = store_tree(self.other, writer, chosen)
        if seal:
            writer.seal()
        self.open = stack, writer, root, chosen

    @precondition(lambda self: self.open is not None)
    @rule()
    def end_put(self) -> None:
        assert self.open is not None
        stack, writer, root, files = self.open
        writer.seal()
        self.live.append((root, files))
        stack.close()
        self.open = None

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        self.live.pop(data.draw(st.integers(0, len(self.live) - 1)))

    @rule(hours=st.sampled_from([-2, 0.5, 2, 50]))
    def pass_time(self, hours: float) -> None:
        self.now += int(hours * HOUR)

    @rule(second=st.booleans())
    def collect(self, second: bool) -> None:
        collect(self.other if second else self.objects, [root for root, _ in self.live], self.now)

    @rule()
    def lose_the_index(self) -> None:
        for end in ("", "-wal", "-shm"):
            (self.root / f"index.db{end}").unlink(missing_ok=True)

    @invariant()
    def nothing_is_lost(self) -> None:
        for root, files in getattr(self, "live", ()):
            assert load(self.objects, root) == files

    def teardown(self) -> None:
        if self.open is not None:
            self.end_put()
        self.nothing_is_lost()
        assert list(self.objects.blobs.check(data=True)) == []
        for _ in range(3):
            collect(self.objects, [root for root, _ in self.live], self.now)
            self.now += 60 * HOUR
        mark = Mark(self.objects.pages)
        for root, _ in self.live:
            mark.tree(root)
        for name in self.objects.backend.list("packs/"):
            sizes = [(stored, blob in mark) for blob, _, stored, _ in read_end(self.objects.backend, name).rows]
            assert 2 * sum(size for size, needed in sizes if needed) >= sum(size for size, _ in sizes)
        assert all(garbage.blob_of(name) in mark for name in self.objects.backend.list("blobs/"))
        self.nothing_is_lost()
        self.live = []
        for _ in range(3):
            collect(self.objects, [], self.now)
            self.now += 60 * HOUR
        assert stored(self.objects) == [] and self.objects.blobs.index.condemned() == {}
        self.after.close()


TestKeeping = Keeping.TestCase
TestKeeping.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


def test_garbage_waits_for_its_grace(objects: Objects) -> None:
    root = put(objects, {"a": CONTENTS[1], "b": CONTENTS[2]})
    assert collect(objects, [], 10 * HOUR).waiting.bytes > 0
    assert collect(objects, [], 11 * HOUR - 1).deleted.bytes == 0
    assert load(objects, root)
    swept = collect(objects, [], 11 * HOUR)
    assert (swept.deleted.packs, swept.deleted.blobs) == (1, 1) and stored(objects) == []
    with pytest.raises(NotFound):
        load(objects, root)


def test_a_session_from_before_keeps_everything(objects: Objects) -> None:
    with objects.session():
        put(objects, {"a": CONTENTS[1]})
        collect(objects, [], 10 * HOUR)
        assert collect(objects, [], 20 * HOUR).deleted.packs == 0
        with objects.blobs.sessions.alone(0.0) as alone:
            assert not alone
    assert collect(objects, [], 20 * HOUR).deleted.packs == 1
    with objects.blobs.sessions.alone(0.0) as alone:
        assert alone


def test_what_is_found_again_is_spared(objects: Objects, tmp_path: Path) -> None:
    root = put(objects, {"a": CONTENTS[1], "b": CONTENTS[2]})
    collect(objects, [], 10 * HOUR)
    with Objects(tmp_path / "objects") as other:
        assert put(other, {"a": CONTENTS[1], "b": CONTENTS[2]}) == root
    assert objects.blobs.index.condemned() == {}
    assert collect(objects, [], 12 * HOUR).deleted.bytes == 0
    assert load(objects, root)


def test_what_was_deleted_is_stored_again(objects: Objects, tmp_path: Path) -> None:
    files = {"a": CONTENTS[1], "b": CONTENTS[2]}
    with Objects(tmp_path / "objects") as other:
        root = put(other, files)
        collect(objects, [], 0, alone=True)
        assert stored(objects) == []
        assert put(other, files) == root
    assert load(objects, root) == files


def test_a_collection_that_died_before_it_told_sessions_apart(
    objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    with objects.session():
        root = put(objects, {"a": CONTENTS[1]})
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(objects.blobs.sessions, "turn_over", raise_interrupt)
            collect(objects, [], 10 * HOUR)
        assert list(objects.blobs.index.condemned().values()) == [None]
        for hours in (20, 30, 40):
            assert collect(objects, [], hours * HOUR).deleted.bytes == 0
        assert load(objects, root)
    assert collect(objects, [], 50 * HOUR).deleted.packs == 1


def raise_interrupt() -> None:
    raise KeyboardInterrupt


def test_a_collection_that_died_after_deleting(objects: Objects) -> None:
    """The files are gone, and the index still knows them, as after a kill before its transaction ended."""
    files = {"a": CONTENTS[1], "b": CONTENTS[2]}
    put(objects, files)
    collect(objects, [], 10 * HOUR)
    for name in stored(objects):
        objects.backend.delete(name)
    assert list(objects.blobs.check(data=True)) == []
    root = put(objects, files)
    assert list(objects.blobs.check(data=True)) == []
    assert load(objects, root) == files
    put(objects, {"c": CONTENTS[4]})
    collect(objects, [root], 20 * HOUR)
    for name in objects.blobs.index.condemned():
        objects.backend.delete(name)
    assert collect(objects, [root], 30 * HOUR).deleted.bytes == 0
    assert objects.blobs.index.condemned() == {} and load(objects, root) == files
    assert len(objects.blobs.index.packs()) == len(list(objects.backend.list("packs/")))


def test_weak_and_tiny_packs_are_packed_anew(objects: Objects) -> None:
    chance = random.Random(1)
    weak = [chance.randbytes(30_000) for _ in range(40)]
    with objects.writer() as writer:
        for data in weak:
            writer.add(data)
    root = put(objects, {"kept": weak[7]})
    small = [put(objects, {f"{n}": chance.randbytes(100)}) for n in range(garbage.TINY_PACKS + 4)]
    before = len(stored(objects))
    swept = collect(objects, [root, *small], 10 * HOUR)
    assert swept.repacked.packs == before and swept.written.packs == 1
    assert collect(objects, [root, *small], 12 * HOUR).deleted.packs == before
    assert len(stored(objects)) == 1
    assert load(objects, root) == {"kept": weak[7]}
    assert all(load(objects, one) for one in small)
    assert list(objects.blobs.check(data=True)) == []


def test_a_reader_follows_what_is_packed_anew(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has asked where a blob is; then the pack is gone."""
    keep = os.urandom(1000)
    with objects.writer() as writer:
        for data in [os.urandom(5000), os.urandom(5000)]:
            writer.add(data)
        root = store_tree(objects, writer, {"kept": keep})
    place = objects.blobs.index.find(blob_id(keep))
    collect(objects, [root], 0, alone=True)
    places = iter([place])
    find = objects.blobs.index.find
    monkeypatch.setattr(objects.blobs.index, "find", lambda blob: next(places, None) or find(blob))
    assert objects.blobs.get(blob_id(keep)) == keep


def test_looking_beside_a_collection(objects: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is deleted while others look is no damage and no error."""
    kept = put(objects, {"a": b"a"})
    with Objects(tmp_path / "objects") as other:

        def meanwhile(ask: Callable[..., Any]) -> Callable[..., Any]:
            def asked(*args: Any) -> Any:
                found = ask(*args)
                found = list(found) if isinstance(found, Iterator) else found
                collect(other, [kept], HOUR, alone=True)
                return found

            return asked

        put(objects, {"b": b"b"})
        with monkeypatch.context() as patch:
            patch.setattr(objects.backend, "list", meanwhile(objects.backend.list))
            assert sweep(objects.blobs, set(), HOUR, 0, dry_run=True).damage == []
        put(objects, {"c": b"c"})
        with monkeypatch.context() as patch:
            patch.setattr(objects.blobs.index, "packs", meanwhile(objects.blobs.index.packs))
            patch.setattr(objects.backend, "list", lambda prefix="": iter(()))
            assert [line for line in objects.blobs.check() if "is gone" in line] == []


def test_a_pack_that_goes_while_it_is_learned_hides_nothing(
    objects: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its blobs were copied to another pack, which the index has known for a while."""
    root = put(objects, {"a": b"a" * 1000, "b": bytes(range(256))})
    (old,) = objects.blobs.backend.list("packs/")
    rows = read_end(objects.backend, old).rows
    with Objects(tmp_path / "objects") as other:
        put(other, {"c": os.urandom(50_000)})
        other.blobs.index.add("packs/aa/copied.pack", rows)
        objects.backend.put("packs/aa/copied.pack", objects.backend.get(old))
        other.blobs.index.condemn([old])
        other.blobs.index.forget(old)

        def read_footer(backend: Any, name: str) -> Any:
            assert other.blobs.index.drop(name, [], backend.delete)
            return rows

        monkeypatch.setattr(blobs, "read_footer", read_footer)
        objects.blobs.refresh()
    assert old not in objects.blobs.index.packs()
    assert load(objects, root) == {"a": b"a" * 1000, "b": bytes(range(256))}


def test_a_damaged_pack_is_not_packed_anew(objects: Objects) -> None:
    with objects.writer() as writer:
        for _ in range(20):
            writer.add(os.urandom(1000))
        root = store_tree(objects, writer, {"kept": CONTENTS[0]})
    (name,) = stored(objects)
    flip(objects.backend.path(name), 5 * 8)
    swept = collect(objects, [root], 0, alone=True)
    assert name in swept.damage[0] and stored(objects) == [name]
    assert (swept.kept.packs, swept.written.packs) == (1, 0)


def test_a_mark_reads_no_page_twice(objects: Objects) -> None:
    roots = [put(objects, {f"{n:05}": b"x%d" % (n % 50) for n in range(2000)} | {"more": b"%d" % m}) for m in range(5)]
    read: list[bytes] = []

    class Counting:
        def get(self, page: bytes, /) -> bytes:
            read.append(page)
            return objects.blobs.get(page)

        def put(self, data: bytes, /) -> bytes:
            raise AssertionError

    mark = Mark(Counting())
    for root in roots:
        mark.tree(root)
    assert len(read) == len(set(read)) and len(mark.blobs) == 55
    assert set(mark) == mark.blobs | set(read)


def test_a_file_with_the_bytes_of_a_page_hides_nothing(objects: Objects) -> None:
    inner = put(objects, {"a": CONTENTS[3], "b": CONTENTS[4]})
    outer = put(objects, {"page": objects.blobs.get(inner)})
    collect(objects, [outer, inner], 0, alone=True)
    assert load(objects, inner) == {"a": CONTENTS[3], "b": CONTENTS[4]}


def test_puts_and_collections_at_once(tmp_path: Path) -> None:
    """Four writers over the same contents, one collector that waits for no grace: only sessions protect."""
    Objects.create(tmp_path).close()
    live: dict[int, tuple[bytes, Files]] = {}
    errors: list[BaseException] = []
    done = threading.Event()

    def work(number: int) -> None:
        chance = random.Random(number)
        try:
            with Objects(tmp_path) as objects:
                for _ in range(25):
                    files = {name: chance.choice(CONTENTS) for name in "abc"}
                    with objects.writer() as writer:
                        root = store_tree(objects, writer, files)
                        writer.seal()
                        live[number] = root, files
                    assert load(objects, root) == files
        except BaseException as error:
            errors.append(error)

    def keep() -> None:
        now = HOUR
        try:
            with Objects(tmp_path) as objects:
                while not done.is_set():
                    now += 2 * HOUR
                    collect(objects, lambda: [root for root, _ in list(live.values())], now)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    keeper = threading.Thread(target=keep)
    for thread in [keeper, *threads]:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    keeper.join()
    assert errors == []
    with Objects(tmp_path) as objects:
        for root, files in live.values():
            assert load(objects, root) == files
        assert list(objects.blobs.check(data=True)) == []


# Damage.


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)


def flip_bits(objects: Objects, count: int) -> None:
    """Each flipped bit is found, and what is got is right or an error."""
    chance = random.Random(7)
    text = b"the same line again and again\n"
    data = [b"", b"x", text * 500, chance.randbytes(3000), chance.randbytes(LARGE + 5), text * 5000]
    with objects.writer() as writer:
        ids = {writer.add(one): one for one in data}
        store_tree(objects, writer, {f"d/{n}": text * n for n in range(1, 40)})
    files = [objects.backend.path(name) for name in stored(objects)]
    sizes = [path.stat().st_size for path in files]
    for _ in range(count):
        (path,) = chance.choices(files, sizes)
        bit = chance.randrange(8 * path.stat().st_size)
        flip(path, bit)
        assert list(objects.blobs.check(data=True)), f"bit {bit} of {path}"
        for blob, expected in ids.items():
            try:
                assert objects.blobs.get(blob) == expected
            except (Corrupt, NotFound) as error:
                assert "b3:" in str(error)
        flip(path, bit)
    assert list(objects.blobs.check(data=True)) == []


def test_a_few_flipped_bits(objects: Objects) -> None:
    flip_bits(objects, 60)


@pytest.mark.storm
def test_a_thousand_flipped_bits(objects: Objects) -> None:
    flip_bits(objects, 1000)


def test_repair(objects: Objects) -> None:
    """Damaged files move aside, what is good stays, and putting the same bytes again heals."""
    small, large = [os.urandom(500) for _ in range(10)], os.urandom(LARGE)
    with objects.writer() as writer:
        ids = [writer.add(data) for data in (*small, large)]
    pack, whole = sorted(stored(objects), reverse=True)
    place = objects.blobs.index.find(ids[3])
    assert place is not None
    flip(objects.backend.path(pack), 8 * place.start)
    flip(objects.backend.path(whole), 77)
    found = list(objects.blobs.check(repair=True, data=True))
    assert [line for line in found if "is damaged" in line] and [line for line in found if "holds b3:" in line]
    assert list(objects.backend.list("damaged/")) == [f"damaged/{whole}", f"damaged/{pack}"]
    assert list(objects.blobs.check(data=True)) == []
    good = [blob for blob in ids[:-1] if blob != ids[3]]
    assert objects.blobs.has(ids) == set(good)
    with objects.writer() as writer:
        for data in (*small, large):
            writer.add(data)
    assert [objects.blobs.get(blob) for blob in ids] == [*small, large]


def test_repair_of_a_lost_footer(objects: Objects) -> None:
    """The index still knows where the records are."""
    data = [os.urandom(500) for _ in range(10)]
    with objects.writer() as writer:
        ids = [writer.add(one) for one in data]
    (pack,) = stored(objects)
    path = objects.backend.path(pack)
    flip(path, 8 * (path.stat().st_size - 1))
    assert pack in list(objects.blobs.check(repair=True, data=True))[0]
    assert list(objects.blobs.check(data=True)) == []
    assert [objects.blobs.get(blob) for blob in ids] == data


def test_repair_of_a_bit_that_no_blob_shows(objects: Objects) -> None:
    with objects.writer() as writer:
        writer.add(b"again and again, " * 1000)
    (pack,) = stored(objects)
    path = objects.backend.path(pack)
    end = read_end(objects.backend, pack)
    quiet = []
    for bit in range(8 * end.rows[0][2]):
        flip(path, bit)
        with contextlib.suppress(Corrupt):
            objects.blobs.get(end.rows[0][0])
            quiet.append(bit)
        flip(path, bit)
    assert quiet, "zstd ignores some"
    flip(path, quiet[0])
    assert "no blob shows it" in next(objects.blobs.check(data=True))
    assert list(objects.blobs.check(data=True, repair=True))
    assert list(objects.blobs.check(data=True)) == [] and objects.blobs.get(end.rows[0][0])


def test_packs_of_the_first_version_are_read(objects: Objects) -> None:
    with objects.writer() as writer:
        ids = [writer.add(b"%d" % n * 100) for n in range(5)]
    (pack,) = stored(objects)
    path = objects.backend.path(pack)
    end = read_end(objects.backend, pack)
    body = msgspec.msgpack.encode(end.rows)
    old = path.read_bytes()[: -end.size] + body + TRAILER.pack(len(body), zlib.crc32(body), MAGIC_1)
    path.chmod(0o644)
    path.write_bytes(old)
    assert list(objects.blobs.check(data=True)) == []
    assert all(objects.blobs.get(blob) for blob in ids)
    flip(path, 3)
    assert "is damaged" in next(objects.blobs.check(data=True))


def test_an_index_of_the_first_version_is_made_anew(tmp_path: Path) -> None:
    with Objects.create(tmp_path) as objects, objects.writer() as writer:
        blob = writer.add(b"x")
        writer.seal()
    with sqlite3.connect(tmp_path / "index.db") as db:
        db.execute("drop table condemned")
        db.execute("pragma user_version = 1")
    with Objects(tmp_path) as objects:
        assert objects.blobs.get(blob) == b"x" and objects.blobs.index.condemned() == {}


def test_a_number_of_a_pack_is_never_given_again(objects: Objects, tmp_path: Path) -> None:
    """Processes remember which pack a number means."""
    with Objects(tmp_path / "objects") as other:
        put(objects, {"a": b"1"})
        assert other.blobs.get(blob_id(b"1")) == b"1"
        collect(objects, [], 0, alone=True)
        put(objects, {"a": b"2"})
        assert other.blobs.get(blob_id(b"2")) == b"2"
