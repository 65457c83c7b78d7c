"""The log of a slot: spans, the cap, and tasks that do strange things to their stdout."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from penstock.worker.log import Log


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(str(tmp_path), "a.log", cap=1000, tail=100)


def say(log: Log, *texts: bytes) -> bytes:
    """What is kept of an attempt that prints these, taken in one by one."""
    log.begin()
    for text in texts:
        os.write(log.sink, text)
        assert log.take()
    span = log.end(renew=False)
    with open(Path(log._place, span.file), "rb") as file:
        file.seek(span.offset)
        return file.read(span.length)


def test_each_attempt_has_its_span(log: Log, tmp_path: Path) -> None:
    assert say(log, b"one\n", b"two\n") == b"one\ntwo\n"
    assert say(log) == b""
    assert say(log, b"three") == b"three"
    assert (tmp_path / "a.log").read_bytes() == b"one\ntwo\nthree"
    log.close()
    again = Log(str(tmp_path), "a.log")
    assert say(again, b"four") == b"four"
    again.close()


def test_an_attempt_that_was_told_has_the_rest_of_its_file_to_itself(log: Log, tmp_path: Path) -> None:
    assert say(log, b"one\n") == b"one\n"
    log.begin()
    name, offset = log.name, log.offset
    os.write(log.sink, b"told\n")
    span = log.end(renew=False, followed=True)
    assert (span.file, span.offset, span.length) == (name, offset, 5) == ("a.log", 4, 5)
    log.begin()
    assert log.end(renew=False, followed=True).length == 0
    assert say(log, b"next\n") == b"next\n"
    assert (tmp_path / "a.log").read_bytes()[offset:] == b"told\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.log", log.name]
    log.close()


def test_one_that_prints_nothing_makes_no_file(log: Log, tmp_path: Path) -> None:
    log.begin()
    assert log.end(renew=False).length == 0
    log.close()
    assert not list(tmp_path.iterdir())


def test_what_was_not_taken_in_yet_is_taken_at_the_end(log: Log, tmp_path: Path) -> None:
    log.begin()
    os.write(log.sink, b"late")
    assert log.end(renew=False).length == 4
    log.close()


@pytest.mark.parametrize("size", [1000, 1001, 1099, 1100, 5000, 50_000])
@pytest.mark.parametrize("step", [50, 700])
def test_head_and_tail_are_kept(log: Log, size: int, step: int) -> None:
    text = b"".join(b"%06d " % number for number in range(size // 7 + 1))[:size]
    kept = say(log, *(text[at : at + step] for at in range(0, size, step)))
    dropped = size - 1000
    if dropped <= 0:
        assert kept == text
    else:
        assert kept == text[:900] + b"\n[penstock: %d bytes left out here]\n" % dropped + text[-100:]
    assert say(log, b"next") == b"next"
    log.close()


def test_a_task_cannot_harm_the_log_by_its_descriptors(log: Log) -> None:
    assert say(log, b"before") == b"before"
    log.begin()
    for script in ("echo x > /dev/stderr", "echo y > /dev/stdout"):
        subprocess.run(["sh", "-c", script], stdout=log.sink, stderr=log.sink, check=True)
    os.set_blocking(log.sink, False)  # as some runtimes do to a pipe, for everyone who has it
    span = log.end(renew=False)
    log.begin()
    assert os.get_blocking(log.sink)
    assert Path(log._place, span.file).read_bytes() == b"beforex\ny\n"
    log.close()


def test_who_outlives_an_attempt_is_cut_off(log: Log) -> None:
    survivor = os.dup(log.sink)
    log.begin()
    log.end(renew=True)
    with pytest.raises(BrokenPipeError):
        os.write(survivor, b"late")
    os.close(survivor)
    assert say(log, b"next") == b"next"
    log.close()


def test_a_full_disk_is_told_and_ends_with_the_attempt(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    say(log, b"first")
    full, file = os.open("/dev/full", os.O_WRONLY), log._file
    log._file = full
    assert say(log, b"lost") == b""
    assert "no space left on the device" in log.trouble
    log._file = file
    assert say(log, b"next") == b"next"
    assert log.trouble == ""
    os.close(full)
    log.close()
