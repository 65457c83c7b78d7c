"""GPUs of this machine: no two tasks that run at once are told the same."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.service.driving.local import LocalCrew, this_machine

#: Writes down which devices it sees, waits until as many others do as fit, and leaves.
MEET = """
    echo $CUDA_VISIBLE_DEVICES > $PENSTOCK_OUT/$PENSTOCK_PARAM_I
    touch {here}/$CUDA_VISIBLE_DEVICES
    until test $(ls {here} | wc -l) = {many}; do sleep 0.02; done
"""


@pytest.mark.parametrize(
    ("env", "names"), [({"PENSTOCK_GPUS": "2"}, {"0", "1"}), ({"CUDA_VISIBLE_DEVICES": "3,5"}, {"3", "5"})]
)
def test_tasks_that_run_at_once_have_their_own(
    lab: Any, env: dict[str, str], names: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    here = lab.root.parent / "here"
    here.mkdir()
    script = MEET.format(here=here, many=len(names)).replace("\n", "; ").strip("; ").replace("do; ", "do ")
    lab.pipeline(f"""
        steps:
          gpu:
            run: "{script}"
            each: {{i: "1..2"}}
            resources: {{gpus: 1}}
            timeout: 30s
            output: out
        """)
    lab.run()
    assert {lab.project.read(f"out:/{i}").strip() for i in (1, 2)} == {name.encode() for name in names}


@pytest.mark.parametrize(("gpus", "cpus"), [(3, 2), (1, 2), (8, 16), (2, 3)])
def test_every_device_has_one_worker_and_comes_back(lab: Any, gpus: int, cpus: int) -> None:
    from msgspec.structs import replace

    from penstock.engine.pack import Needs, Wish

    crew = LocalCrew(lab.parts.layout, replace(this_machine(cpus), gpus=gpus))
    try:
        for _ in range(2):
            workers = list(crew.workers([Wish(1, Needs(), count=cpus)]))
            assert sum(worker.node.cpus for worker in workers) == cpus
            assert sum(worker.node.gpus for worker in workers) == gpus
            crew._end_all()
    finally:
        crew.close()
