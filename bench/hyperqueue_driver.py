"""N times /bin/true through HyperQueue's own Python interface; runs in HyperQueue's environment.

usage: hyperqueue_driver.py flat N CORES

Prints the seconds from the job handed over to its last task, without what it takes to come up.

Server and worker live in this process. Waiting for a job polls once a second; the program ends at the last task
instead, which a last task that needs all others tells by making a file.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from hyperqueue import Job, LocalCluster  # type: ignore[import-not-found]
from hyperqueue.cluster import WorkerConfig  # type: ignore[import-not-found]


def main(shape: str, n: int, cores: int) -> None:
    """Submits all at once and returns when the last has ended."""
    assert shape == "flat", "a chain of tasks waits for its timers"
    here = Path.cwd()
    server = tempfile.mkdtemp(dir=here)
    with LocalCluster(server_dir=server, worker_config=WorkerConfig(cores=cores)) as cluster:
        started = time.perf_counter()
        job = Job(default_workdir=here)
        tasks = [job.program(["/bin/true"], stdout=None, stderr=None) for _ in range(n)]
        job.program(["/bin/touch", "done"], deps=tasks, stdout=None, stderr=None)
        cluster.client().submit(job)
        while not (here / "done").exists():
            time.sleep(0.005)
        print(json.dumps({"inner": time.perf_counter() - started}), flush=True)
        # Taking the cluster down is not part of the work, and may wait for its own timers.
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
