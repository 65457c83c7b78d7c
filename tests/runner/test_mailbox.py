"""Messages over a shared directory, and what a file server may do to them."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.model.wire import Recall
from penstock.runner import mailbox
from penstock.runner.mailbox import Mailbox
from penstock.testing.conversation import BATCH, MESSAGES, ConversationSuite, take
from penstock.worker.remote import Posted

Ends = tuple[Mailbox, Mailbox]
SILENCE = 0.3


def open_both(directory: Path, silence: float = 60.0) -> Ends:
    return Mailbox(directory, "a", "b", silence), Mailbox(directory, "b", "a", silence)


class TestMailbox(ConversationSuite):
    @pytest.fixture
    def ends(self, tmp_path: Path) -> Iterator[Ends]:
        boxes = open_both(tmp_path)
        yield boxes
        for box in boxes:
            box.close()


class TestPosted(ConversationSuite):
    """The end of a worker, which can be waited for."""

    @pytest.fixture
    def ends(self, tmp_path: Path) -> Iterator[tuple[Posted, Mailbox]]:
        here, there = open_both(tmp_path)
        posted = Posted(here, lambda: True)
        yield posted, there
        there.close()
        posted.close()

    def test_the_end_comes_after_all_that_was_sent(self, ends: tuple[Posted, Mailbox]) -> None:
        posted, there = ends
        there.send(Recall(1))
        there.send(Recall(2))
        there.close()
        assert take(posted, 2) == [Recall(1), Recall(2)]
        with pytest.raises(EOFError):
            take(posted, 1)

    def test_another_engine_ends_it(self, tmp_path: Path) -> None:
        here, there = open_both(tmp_path)
        mine = [True]
        posted = Posted(here, lambda: mine[0])
        there.send(*MESSAGES)
        assert take(posted, len(MESSAGES)) == MESSAGES
        mine.clear()
        mine.append(False)
        with pytest.raises(EOFError):
            take(posted, 1)
        posted.close()


def test_read_letters_are_gone_and_only_the_records_stay(tmp_path: Path) -> None:
    here, there = open_both(tmp_path)
    for number in range(10):
        here.send(Recall(number))
    assert len(take(there, 10)) == 10
    there.send(Recall(1))
    take(here, 1)
    assert sorted(os.listdir(tmp_path)) == ["a.post", "b.post"]


@pytest.mark.parametrize("torn", [b"", b"x", "half"])
def test_a_torn_letter_is_read_later(tmp_path: Path, torn: bytes | str) -> None:
    here, there = open_both(tmp_path)
    here.send(BATCH)
    here.send(Recall(1))
    letter = tmp_path / "a.0"
    whole = letter.read_bytes()
    letter.write_bytes(whole[: len(whole) // 2] if isinstance(torn, str) else torn)
    assert there.receive() == []
    assert letter.exists()
    letter.write_bytes(whole)
    assert take(there, 2) == [BATCH, Recall(1)]


def test_a_letter_that_the_server_shows_late(tmp_path: Path) -> None:
    here, there = open_both(tmp_path)
    here.send(Recall(1))
    (tmp_path / "a.0").rename(tmp_path / "hidden")
    here.send(Recall(2))
    assert there.receive() == []
    (tmp_path / "hidden").rename(tmp_path / "a.0")
    assert take(there, 2) == [Recall(1), Recall(2)]


@pytest.mark.parametrize("record", [b"", b"1 1", b"1 1 0 00000000", b"\xff\xfe" * 32, b"1 1 0 zzzzzzzz\n"])
def test_a_torn_record_says_nothing(tmp_path: Path, record: bytes) -> None:
    here, there = open_both(tmp_path)
    here.send(Recall(1))
    good = (tmp_path / "a.post").read_bytes()
    (tmp_path / "a.post").write_bytes(record)
    assert there.receive() == []
    assert not there.meets()
    (tmp_path / "a.post").write_bytes(good)
    assert take(there, 1) == [Recall(1)]


def test_old_letters_of_another_conversation_are_not_read(tmp_path: Path) -> None:
    before, _ = open_both(tmp_path)
    before.send(Recall(1))
    here, there = Mailbox(tmp_path, "c", "d", 60.0), Mailbox(tmp_path, "d", "c", 60.0)
    here.send(Recall(2))
    assert take(there, 1) == [Recall(2)]
    assert there.receive() == []


def test_who_is_silent_is_gone(tmp_path: Path) -> None:
    _, there = open_both(tmp_path, SILENCE)
    assert there.receive() == []
    time.sleep(SILENCE * 1.1)
    with pytest.raises(EOFError, match="no sign of life"):
        there.receive()


def test_who_has_not_come_yet_is_waited_for(tmp_path: Path) -> None:
    there = Mailbox(tmp_path, "b", "a", SILENCE, patient=True)
    time.sleep(SILENCE * 1.1)
    assert there.receive() == [] and not there.meets()
    here = Mailbox(tmp_path, "a", "b", 60.0)
    here.send(Recall(1))
    assert take(there, 1) == [Recall(1)]
    time.sleep(SILENCE * 1.1)
    with pytest.raises(EOFError, match="no sign of life"):
        there.receive()


def test_who_has_nothing_to_say_and_beats_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "BEAT", SILENCE / 10)
    here, there = open_both(tmp_path, SILENCE)
    until = time.monotonic() + 3 * SILENCE
    while time.monotonic() < until:
        here.beat()
        assert there.receive() == []
        time.sleep(SILENCE / 20)
    assert there.meets()


def test_what_cannot_be_sent_ends_the_conversation(tmp_path: Path) -> None:
    """Else the other side would wait for ever for what was never told."""
    place = tmp_path / "mail"
    place.mkdir()
    here, _ = open_both(place)
    here.send(Recall(1))
    shutil.rmtree(place)
    with pytest.raises(BrokenPipeError, match="No such file"):
        here.send(Recall(2))
    with pytest.raises(EOFError, match="No such file"):
        here.receive()
    here.close()
