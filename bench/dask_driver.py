"""N times /bin/true on a local Dask cluster of one process per core; runs in Dask's environment.

usage: dask_driver.py SHAPE N CORES      SHAPE flat, fan or chain

Prints the seconds from the first task handed over to the last result, without what it takes to come up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from distributed import Client, LocalCluster


def true(*_: object) -> int:
    return subprocess.run(["/bin/true"], check=False).returncode


def main(shape: str, n: int, cores: int) -> None:
    cluster = LocalCluster(n_workers=cores, threads_per_worker=1, host="127.0.0.1", dashboard_address=None)
    client = Client(cluster)
    started = time.perf_counter()
    if shape == "flat":
        client.gather(client.map(true, range(n), pure=False))
    elif shape == "chain":
        last = client.submit(true, pure=False)
        for _ in range(n - 1):
            last = client.submit(true, last, pure=False)
        last.result()
    else:
        first = client.submit(true, pure=False)
        client.submit(true, client.map(true, [first] * n, pure=False), pure=False).result()
    print(json.dumps({"inner": time.perf_counter() - started}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
