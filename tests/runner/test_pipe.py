"""Messages over pipes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from penstock.model.wire import Assignment, Batch, Hello, Input, LogSpan, Recall, Recipe, Report, Result, Stats, Stop
from penstock.runner.pipe import Message, Pipe

RECIPE = Recipe("r", "s@r", "p", "s", ("a", "ü"), b"\x1e1", None, {"A": "b"}, True, 2, 1.5, 2.0)
BATCH = Batch(7, RECIPE, (Assignment("t", "a", 3, {"x": [1, None]}, (Input("n", "p", b"c", False, b"r"),)),))
RESULT = Result("t", "a", 3, "failed", "exit", 1, "no", b"o", 1, 10, 20, LogSpan("f", 1, 2), Stats(upload_bytes=5))


@pytest.fixture
def ends() -> Iterator[tuple[Pipe, Pipe]]:
    there, back = os.pipe(), os.pipe()
    pipes = Pipe(back[0], there[1]), Pipe(there[0], back[1])
    yield pipes
    for pipe in pipes:
        pipe.close()


@pytest.mark.parametrize(
    "message",
    [Hello("w", 1, 2), BATCH, Recall(7), Stop(True), Stop(False, ("a",)), Report(7, (RESULT,), ("pack",), ("b",))],
    ids=lambda message: type(message).__name__,
)
def test_every_message_arrives_as_it_was(ends: tuple[Pipe, Pipe], message: Message) -> None:
    ends[0].send(message)
    ends[0].send(message)
    assert ends[1].receive() == [message, message]


def test_a_frame_in_pieces(ends: tuple[Pipe, Pipe]) -> None:
    whole = os.pipe()
    Pipe(ends[0].source, whole[1]).send(BATCH)
    frame = os.read(whole[0], 10_000)
    here = os.pipe()
    reader = Pipe(here[0], whole[1])
    for at in range(len(frame)):
        os.write(here[1], frame[at : at + 1])
        assert reader.receive() == ([BATCH] if at == len(frame) - 1 else [])
    for descriptor in (*whole, *here):
        os.close(descriptor)


def test_the_end(ends: tuple[Pipe, Pipe]) -> None:
    ends[0].send(Recall(1))
    ends[0].close()
    ends[0].close()
    assert ends[1].receive() == [Recall(1)]
    with pytest.raises(EOFError):
        ends[1].receive()
    with pytest.raises(BrokenPipeError):
        ends[1].send(Recall(1))


def test_two_that_talk_at_once_do_not_wait_for_each_other(ends: tuple[Pipe, Pipe]) -> None:
    """Each sends far more than a pipe holds before it reads."""
    big = Batch(1, RECIPE, BATCH.assignments * 20_000)
    received: dict[int, list[Message]] = {0: [], 1: []}

    def talk(which: int) -> None:
        for _ in range(3):
            ends[which].send(big)
        while len(received[which]) < 3:
            received[which] += ends[which].receive()

    threads = [threading.Thread(target=talk, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert received == {0: [big] * 3, 1: [big] * 3}


def test_what_was_taken_in_while_sending_is_announced(ends: tuple[Pipe, Pipe]) -> None:
    big = Batch(1, RECIPE, BATCH.assignments * 20_000)
    ends[0].send(Recall(5))
    thread = threading.Thread(target=ends[1].send, args=(big,))
    thread.start()
    # It cannot finish before we read, and by then it has taken the recall in.
    messages: list[Message] = []
    while not messages:
        messages = ends[0].receive()
    thread.join(30)
    assert messages == [big]
    if ends[1].waiting:
        assert ends[1].receive() == [Recall(5)]
        assert not ends[1].waiting
