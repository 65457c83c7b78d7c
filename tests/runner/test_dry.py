"""The runner that starts nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from penstock.model.errors import BadCommand
from penstock.runner.base import Ended, Launch, Runner
from penstock.runner.dry import Dry
from penstock.testing.runner import ABSENT, RunnerSuite


def answer(launch: Launch) -> Ended:
    name = launch.argv[0]
    if name == ABSENT:
        raise BadCommand(f"command {name!r} is not there")
    code = {"true": 0, "false": 1}.get(name)
    return Ended(0, int(launch.argv[2].removeprefix("exit ")) if code is None else code)


class TestDry(RunnerSuite):
    @pytest.fixture
    def runner(self) -> Iterator[Runner]:
        yield Dry(answer)
