"""Messages over a shared directory, and what a file server may do to them."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.model.wire import Recall
from penstock.runner import mailbox
from penstock.runner.mailbox import Mailbox, Pulse, hand_over, session_of, take_away
from penstock.testing.conversation import BATCH, MESSAGES, ConversationSuite, take
from penstock.worker import remote
from penstock.worker.remote import Ours, Posted

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


def fail(monkeypatch: pytest.MonkeyPatch, target: object, name: str, times: int) -> None:
    """Let a function fail so often, as on a disk that is full, and then be as it was."""
    whole = getattr(target, name)
    left = [times]

    def failing(*args: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        return whole(*args)

    monkeypatch.setattr(target, name, failing)


def test_what_cannot_be_written_now_is_sent_later_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = open_both(tmp_path)
    fail(monkeypatch, Path, "write_bytes", 2)
    here.send(Recall(1))
    here.send(Recall(2))
    assert here.receive() == [] and there.receive() == []
    here.beat()
    assert take(there, 2) == [Recall(1), Recall(2)]
    fail(monkeypatch, Path, "write_bytes", 1)
    here.send(Recall(3))
    here.close()
    assert take(there, 1) == [Recall(3)]
    with pytest.raises(EOFError):
        there.receive()


def test_what_cannot_be_written_for_too_long_ends_the_conversation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = open_both(tmp_path, SILENCE)
    fail(monkeypatch, Path, "write_bytes", 1000)
    here.send(Recall(1))
    time.sleep(SILENCE * 1.1)
    with pytest.raises(BrokenPipeError, match="quota"):
        here.beat()
    with pytest.raises(EOFError, match="quota"):
        here.receive()
    with pytest.raises(BrokenPipeError, match="quota"):
        here.send(Recall(2))
    here.close()
    with pytest.raises(EOFError, match="closed"):
        there.receive()


def test_a_letter_that_could_not_be_announced_was_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = open_both(tmp_path, SILENCE)
    with monkeypatch.context() as full:
        fail(full, os, "pwrite", 1000)
        here.send(Recall(1))
        assert list(tmp_path.glob("a.0*")) == []
        time.sleep(SILENCE * 1.1)
        with pytest.raises(BrokenPipeError):
            here.send(Recall(2))
    here.close()
    with pytest.raises(EOFError, match="closed"):
        there.receive()


def test_a_letter_that_is_never_whole_ends_the_conversation(tmp_path: Path) -> None:
    here, there = open_both(tmp_path, SILENCE)
    here.send(Recall(1))
    (tmp_path / "a.0").write_bytes(bytes(20))
    until = time.monotonic() + 3 * SILENCE
    with pytest.raises(EOFError, match="cannot be read"):
        while time.monotonic() < until:
            here._beat_at = 0.0
            here.beat()
            assert there.receive() == []
            time.sleep(SILENCE / 20)


def test_a_pulse_beats_for_who_is_busy_and_for_nobody_after_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox, "BEAT", SILENCE / 10)
    pairs = [open_both(tmp_path / name, SILENCE) for name in ("x", "y", "gone")]
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
    pulse = Pulse()
    for here, _ in pairs:
        pulse.add(here)
    until = time.monotonic() + 1.5 * SILENCE
    while time.monotonic() < until:
        assert [there.receive() for _, there in pairs[:2]] == [[], []]
        time.sleep(SILENCE / 20)
    pulse.drop(pairs[0][0])
    time.sleep(SILENCE / 2)
    before = posts(tmp_path)
    time.sleep(SILENCE)
    after = posts(tmp_path)
    assert before["x"] == after["x"] and before["y"] != after["y"]
    pulse.close()
    assert pulse._thread is not None and not pulse._thread.is_alive()
    before = posts(tmp_path)
    time.sleep(SILENCE)
    assert posts(tmp_path) == before


def posts(directory: Path) -> dict[str, bytes]:
    """What the busy ones have said."""
    return {name: (directory / name / "a.post").read_bytes() for name in ("x", "y")}


def test_a_directory_that_is_taken_away_is_gone_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Although its bytes cannot be removed now."""
    box = tmp_path / "w"
    hand_over(box, "one")
    assert session_of(box) == "one"
    hand_over(box, "two")
    assert session_of(box) == "two"
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    take_away(box, shutil.rmtree)
    assert not box.exists() and session_of(box) == ""


def test_one_failed_look_says_nothing_of_whose_a_worker_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box, aside = tmp_path / "w", tmp_path / "aside"
    hand_over(box, "one")
    ours = Ours("one", box)
    assert ours()
    with monkeypatch.context() as failing:
        fail(failing, Path, "read_text", 1000)
        assert session_of(box) is None
        assert ours()
    box.rename(aside)
    assert ours()  # it may only not be shown
    aside.rename(box)
    assert ours()
    box.rename(aside)
    monkeypatch.setattr(remote, "ABSENT", 0.05)
    assert ours()
    time.sleep(0.06)
    assert not ours()
    hand_over(box, "two")
    assert not ours()


def test_a_mailbox_is_there_if_nobody_can_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert remote._is_there(tmp_path) and not remote._is_there(tmp_path / "none")
    with monkeypatch.context() as failing:
        fail(failing, Path, "stat", 1000)
        assert remote._is_there(tmp_path)
