"""Who follows what tasks print sees each task's own lines, and nothing of the next one in its place."""

from __future__ import annotations

import threading
from typing import Any

from penstock import Project
from penstock.service.answers import logs as module


def test_a_follower_sees_its_own_task_alone(lab: Any, monkeypatch: Any) -> None:
    """Each lasts long enough to be told, and is followed by another one in its slot before its end is stored."""
    monkeypatch.setattr(module, "LOOK", 0.01)
    lab.pipeline("""
        steps:
          s:
            each: {n: "1..12"}
            run: for i in 1 2 3 4; do echo $PENSTOCK_PARAM_N; sleep 0.05; done
        """)
    begun = lab.project.begin()
    seen: dict[str, bytes] = {}

    def follow() -> None:
        with Project.open(lab.root) as project:
            for chunk in project.logs(begun.run.id, follow=True):
                seen[chunk.task] = seen.get(chunk.task, b"") + chunk.data

    follower = threading.Thread(target=follow)
    follower.start()
    assert lab.project.run().state == "success"
    follower.join(60)
    assert not follower.is_alive()
    assert len(seen) == 12
    for said in seen.values():
        lines = said.decode().splitlines()
        assert len(lines) == 4 and len(set(lines)) == 1, seen
