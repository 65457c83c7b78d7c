"""What every runner must do. Inherit `RunnerSuite` and give it the fixture `runner`.

A runner that starts nothing has to answer like the commands of the suite: `true`, `false`, `sh -c "exit N"`, and one
that is not there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from penstock.model.errors import BadCommand
from penstock.runner.base import Ended, Launch, Runner, Usage

#: A command that no machine has.
ABSENT = "penstock-no-such-command"


class RunnerSuite:
    """Tests of start, poll, stop and close."""

    @pytest.fixture
    def runner(self) -> Iterator[Runner]:
        """A runner of the kind under test, closed afterwards."""
        raise NotImplementedError("give the suite a fixture `runner`")

    @pytest.fixture
    def null(self) -> Iterator[int]:
        """A descriptor for what commands read and print."""
        descriptor = os.open(os.devnull, os.O_RDWR)
        yield descriptor
        os.close(descriptor)

    @pytest.fixture
    def pipe(self) -> Iterator[tuple[int, int]]:
        """Something to watch."""
        ends = os.pipe()
        yield ends
        for end in ends:
            os.close(end)

    @staticmethod
    def launch(null: int, *argv: str, cwd: str | None = None, **env: str) -> Launch:
        """A launch that talks to nobody."""
        return Launch(argv, {"PATH": os.environ["PATH"], **env}, cwd, null, null, null)

    @staticmethod
    def await_all(runner: Runner, count: int) -> dict[int, Ended]:
        """Poll until so many have ended; fail if one is told twice."""
        ended: dict[int, Ended] = {}
        while len(ended) < count:
            for end in runner.poll(10.0)[0]:
                assert end.handle not in ended
                ended[end.handle] = end
        return ended

    @pytest.mark.parametrize(("argv", "code"), [(("true",), 0), (("false",), 1), (("sh", "-c", "exit 7"), 7)])
    def test_the_exit_code_is_told(self, runner: Runner, null: int, argv: tuple[str, ...], code: int) -> None:
        handle = runner.start(self.launch(null, *argv))
        end = self.await_all(runner, 1)[handle]
        assert end.exit_code == code
        assert end.cpu_seconds >= 0
        assert end.peak_memory >= 0
        assert end.survivors == 0

    def test_many_at_once_are_each_told_once(self, runner: Runner, null: int) -> None:
        codes = {runner.start(self.launch(null, "sh", "-c", f"exit {code}")): code for code in range(20)}
        assert len(codes) == 20
        ended = self.await_all(runner, 20)
        assert {handle: end.exit_code for handle, end in ended.items()} == codes
        assert runner.poll(0) == ([], [])

    def test_nothing_to_tell(self, runner: Runner) -> None:
        assert runner.poll(0) == ([], [])
        assert runner.poll(0.001) == ([], [])

    def test_what_can_be_read_ends_a_wait(self, runner: Runner, pipe: tuple[int, int]) -> None:
        source, sink = pipe
        assert runner.poll(0, [source]) == ([], [])
        os.write(sink, b"x")
        assert runner.poll(None, [source]) == ([], [source])
        assert runner.poll(None, (source,)) == ([], [source])
        os.read(source, 1)
        assert runner.poll(0, (source,)) == ([], [])

    def test_an_end_and_a_pipe_in_one_wait(self, runner: Runner, null: int, pipe: tuple[int, int]) -> None:
        source, sink = pipe
        os.write(sink, b"x")
        handle = runner.start(self.launch(null, "true"))
        ended: list[Ended] = []
        while not ended:
            ended, readable = runner.poll(10.0, [source])
            assert readable == [source]
        assert [end.handle for end in ended] == [handle]

    def test_a_command_that_is_not_there(self, runner: Runner, null: int) -> None:
        with pytest.raises(BadCommand, match=ABSENT):
            runner.start(self.launch(null, ABSENT))
        assert runner.poll(0) == ([], [])

    def test_a_handle_that_is_over_can_be_stopped(self, runner: Runner, null: int) -> None:
        handle = runner.start(self.launch(null, "true"))
        self.await_all(runner, 1)
        runner.stop(handle, kill=False)
        runner.stop(handle, kill=True)
        assert runner.poll(0) == ([], [])

    def test_closing_twice(self, runner: Runner, null: int) -> None:
        runner.start(self.launch(null, "true"))
        runner.close()
        runner.close()

    def test_what_is_over_uses_nothing(self, runner: Runner, null: int) -> None:
        handle = runner.start(self.launch(null, "true"))
        self.await_all(runner, 1)
        assert runner.measure(handle) == runner.measure(handle, afresh=True) == Usage()
