"""Messages over pipes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from penstock.model.wire import Batch, Recall
from penstock.runner.frames import Message
from penstock.runner.pipe import Pipe
from penstock.testing.conversation import BATCH, RECIPE, ConversationSuite

Ends = tuple[Pipe, Pipe]


class TestPipe(ConversationSuite):
    @pytest.fixture
    def ends(self) -> Iterator[Ends]:
        there, back = os.pipe(), os.pipe()
        pipes = Pipe(back[0], there[1]), Pipe(there[0], back[1])
        yield pipes
        for pipe in pipes:
            pipe.close()

    def test_a_frame_in_pieces(self, ends: Ends) -> None:
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

    def test_nobody_is_there_any_more(self, ends: Ends) -> None:
        ends[0].close()
        with pytest.raises(BrokenPipeError):
            ends[1].send(Recall(1))

    def test_what_was_taken_in_while_sending_is_announced(self, ends: Ends) -> None:
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
