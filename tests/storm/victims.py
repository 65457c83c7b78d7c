"""Runs to be killed: how they are started, found, and who of them dies."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


def alive(project: str, worker: bool = False) -> list[int]:
    """Processes that work for a project, zombies not counted; with `worker` the workers alone."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            environment = Path("/proc", name, "environ").read_bytes().split(b"\0")
            command = Path("/proc", name, "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"PENSTOCK_PROJECT={project}".encode() in environment and (not worker or b"penstock.worker" in command):
            found.append(int(name))
    return found


def start(root: Path, stderr: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    """`penstock run`; whoever keeps what it says has to read it."""
    return subprocess.Popen(
        [sys.executable, "-m", "penstock", "run"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        text=True,
    )


def kill(driver: subprocess.Popen[str], project: str, victim: str) -> str:
    """Kill the victim if it lives; who died."""
    if victim == "worker":
        for pid in alive(project, worker=True):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            return "worker"
    if driver.poll() is None:
        driver.kill()
        return "engine"
    return "nobody"


def points(number: int, seed: int) -> Iterator[tuple[float, str]]:
    """Moments as parts of a run's time, and victims, the same ones every time."""
    chance = random.Random(seed)
    for place in range(number):
        yield (place + chance.random()) / number, "engine" if place % 2 == 0 else "worker"
