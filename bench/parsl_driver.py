"""N times /bin/true through Parsl's high-throughput executor; runs in Parsl's environment.

usage: parsl_driver.py SHAPE N CORES      SHAPE flat, fan or chain

Prints the seconds from the first task handed over to the last result, without what it takes to come up.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence

import parsl  # type: ignore[import-not-found]
from parsl.config import Config  # type: ignore[import-not-found]
from parsl.executors import HighThroughputExecutor  # type: ignore[import-not-found]
from parsl.providers import LocalProvider  # type: ignore[import-not-found]


def main(shape: str, n: int, cores: int) -> None:
    executor = HighThroughputExecutor(
        label="local",
        address="127.0.0.1",
        max_workers_per_node=cores,
        cores_per_worker=1,
        provider=LocalProvider(init_blocks=1, max_blocks=1),
        encrypted=False,
    )
    config = Config([executor], run_dir=os.path.join(os.getcwd(), "runs"), initialize_logging=False, strategy="none")
    parsl.load(config)

    def true(inputs: Sequence[object] = ()) -> str:
        return "/bin/true"

    app = parsl.bash_app(true)
    app().result()  # the workers are up
    started = time.perf_counter()
    if shape == "flat":
        for future in [app() for _ in range(n)]:
            future.result()
    elif shape == "chain":
        last = app()
        for _ in range(n - 1):
            last = app(inputs=[last])
        last.result()
    else:
        first = app()
        app(inputs=[app(inputs=[first]) for _ in range(n)]).result()
    taken = time.perf_counter() - started
    parsl.dfk().cleanup()
    print(json.dumps({"inner": taken}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
