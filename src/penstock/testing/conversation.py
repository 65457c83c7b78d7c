"""What every way of talking to a worker must do. Inherit `ConversationSuite` and give it the fixture `ends`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from penstock.model.wire import Assignment, Batch, Hello, Input, LogSpan, Recall, Recipe, Report, Result, Stats, Stop
from penstock.runner.frames import Message

RECIPE = Recipe("r", "s@r", "p", "s", ("a", "ü"), b"\x1e1", None, {"A": "b"}, True, 2, 1.5, 2.0)
BATCH = Batch(7, RECIPE, (Assignment("t", "a", 3, {"x": [1, None]}, (Input("n", "p", b"c", False, b"r"),)),))
RESULT = Result("t", "a", 3, "failed", "exit", 1, "no", b"o", 1, 10, 20, LogSpan("f", 1, 2), Stats(upload_bytes=5))
MESSAGES: list[Message] = [
    Hello("w", 1, 2),
    Hello("w", 1, 2, 1 << 40, 4, 59.5),
    BATCH,
    Recall(7),
    Stop(True),
    Stop(False, ("a",)),
    Report(7, (RESULT,), ("pack",), ("b",)),
]


def take(end: Any, count: int, seconds: float = 20.0) -> list[Message]:
    """So many messages from one end; fewer if they do not come in time."""
    messages: list[Message] = []
    until = time.monotonic() + seconds
    while len(messages) < count and time.monotonic() < until:
        came = end.receive()
        messages += came
        if not came:
            time.sleep(0.001)
    return messages


class ConversationSuite:
    """Tests of send, receive and close at two ends."""

    @pytest.fixture
    def ends(self) -> Iterator[tuple[Any, Any]]:
        """Two ends of one conversation, closed afterwards."""
        raise NotImplementedError("give the suite a fixture `ends`")

    @pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
    def test_every_message_arrives_as_it_was(self, ends: tuple[Any, Any], message: Message) -> None:
        ends[0].send(message)
        ends[0].send(message)
        assert take(ends[1], 2) == [message, message]

    def test_what_is_sent_together_arrives_in_its_order(self, ends: tuple[Any, Any]) -> None:
        ends[1].send(*MESSAGES, *map(Recall, range(500)))
        for number in range(500, 520):
            ends[1].send(Recall(number))
        assert take(ends[0], len(MESSAGES) + 520) == [*MESSAGES, *map(Recall, range(520))]

    def test_both_talk(self, ends: tuple[Any, Any]) -> None:
        for number in range(20):
            ends[0].send(Recall(number))
            assert take(ends[1], 1) == [Recall(number)]
            ends[1].send(Stop(False, (str(number),)))
            assert take(ends[0], 1) == [Stop(False, (str(number),))]

    def test_the_end_comes_after_all_that_was_sent(self, ends: tuple[Any, Any]) -> None:
        ends[0].send(Recall(1))
        ends[0].send(Recall(2))
        ends[0].close()
        ends[0].close()
        assert take(ends[1], 2) == [Recall(1), Recall(2)]
        with pytest.raises(EOFError):
            take(ends[1], 1)
        with pytest.raises(EOFError):
            take(ends[1], 1)

    def test_two_that_talk_at_once_do_not_wait_for_each_other(self, ends: tuple[Any, Any]) -> None:
        big = Batch(1, RECIPE, BATCH.assignments * 20_000)
        received: dict[int, list[Message]] = {0: [], 1: []}

        def talk(which: int) -> None:
            for _ in range(3):
                ends[which].send(big)
            received[which] = take(ends[which], 3)

        threads = [threading.Thread(target=talk, args=(which,)) for which in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert received == {0: [big] * 3, 1: [big] * 3}
