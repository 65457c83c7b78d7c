"""(e) Work that is longer than its nodes are lent: told in time, cut nowhere, finished by a restart. On a real Slurm.

`eval "$(ci/services.sh up slurm)"` first. Each job counts seconds in a file, and writes down where it is when SIGTERM
comes. One line: how long before the end of its node each job was told, whether a second was lost or counted twice, and
what the second run still had to do.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import common

COUNT = """
import os, signal, subprocess, sys, time
name, wanted = sys.argv[1], int(sys.argv[2])
told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(time.time()))
job = os.environ["SLURM_JOB_ID"]
if "SLURM_ARRAY_TASK_ID" in os.environ:
    job = os.environ["SLURM_ARRAY_JOB_ID"] + "_" + os.environ["SLURM_ARRAY_TASK_ID"]
end = subprocess.check_output(["squeue", "--noheader", "--jobs=" + job, "--format=%e"], text=True)
end = time.mktime(time.strptime(end.strip(), "%Y-%m-%dT%H:%M:%S"))
done = len(open(name).read().split()) if os.path.exists(name) else 0
with open(name, "a") as file:
    while done < wanted:
        print(done, file=file, flush=True)
        done += 1
        if told:
            break
        time.sleep(1)
if done < wanted:
    with open(name + ".told", "w") as file:
        print(end - told[0], file=file)
    sys.exit(3)
"""


def main() -> None:
    """Measures and prints one line."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--jobs", type=int, default=12)
    options.add_argument("--seconds", type=int, default=150, help="how long each job has to count")
    options.add_argument("--walltime", type=int, default=120, help="of a node, in seconds")
    options.add_argument("--lead", type=int, default=30, help="how long before its end jobs are to be told")
    asked = options.parse_args()
    if "PENSTOCK_TEST_SLURM" not in os.environ:
        sys.exit('bench/walltime.py: no Slurm here; eval "$(ci/services.sh up slurm)" starts one')
    with common.scratch() as place:
        figures = story(place, asked)
    reached = {
        "all were told so long before the end": figures["told"] == asked.jobs and figures["told_s"][0] >= asked.lead,
        "nothing lost or done twice": figures["lost_or_twice"] == 0 and figures["sum"] == asked.jobs * asked.seconds,
        "the second run did what was left": figures["second_exit"] == 0,
    }
    common.emit("walltime", reached, jobs=asked.jobs, lead_s=asked.lead, **figures)


def story(root: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Both runs, and what they left."""
    site = {"kind": "slurm", "nodes": 6, "walltime": asked.walltime, "cpus": 2, "memory": "400MiB", "gpus": 0}
    steps = {
        f"job{number}": {
            "run": ["python3", "count.py", f"job{number}", str(asked.seconds)],
            "site": "far",
            "supports_termination": True,
            "grace": asked.lead,
        }
        for number in range(asked.jobs)
    }
    steps["sum"] = {"run": ["sh", "-c", "cat job*[0-9] | wc -l > sum"], "after": list(steps), "site": "far"}
    (root / "count.py").write_text(COUNT)
    (root / "pipeline.json").write_text(json.dumps({"pipeline": "long", "sites": {"far": site}, "steps": steps}))
    env = {**os.environ, "SLURM_CONF": os.environ["PENSTOCK_TEST_SLURM"]}
    penstock = [sys.executable, "-m", "penstock"]
    began = time.monotonic()
    first = subprocess.run([*penstock, "run"], cwd=root, env=env, capture_output=True, text=True, check=False)
    between = time.monotonic()
    ends = [float(path.read_text()) for path in root.glob("*.told")]
    left = [asked.seconds - len((root / f"job{number}").read_text().split()) for number in range(asked.jobs)]
    second = subprocess.run(
        [*penstock, "restart", "--json"], cwd=root, env=env, capture_output=True, text=True, check=False
    )
    over = time.monotonic()
    counted = [(root / f"job{number}").read_text().split() for number in range(asked.jobs)]
    return {
        "first_exit": first.returncode,
        "told": len(ends),
        "told_s": [round(min(ends, default=0.0), 1), round(max(ends, default=0.0), 1)],
        "left_s": [min(left), max(left)],
        "second_exit": second.returncode,
        "lost_or_twice": sum(words != [str(number) for number in range(asked.seconds)] for words in counted),
        "sum": int((root / "sum").read_text()) if (root / "sum").exists() else 0,
        "first_s": round(between - began, 1),
        "second_s": round(over - between, 1),
    }


if __name__ == "__main__":
    main()
