"""`python -m penstock.worker PROJECT_DIR NAME CPUS [MEMORY GPUS [ENDS]]`: a worker on its stdin and stdout.

PROJECT_DIR is the project's `.penstock`. It may give tasks so many processors, bytes of memory (0: not known) and
devices, until the monotonic clock of this machine shows so many seconds. PENSTOCK_PROJECT must be in the environment,
PENSTOCK_WORKER may be: they mark this process and all its tasks, so that an engine which takes over, or lost this
worker, finds them.
"""

from __future__ import annotations

import os
import signal
import sys

from penstock.runner.pipe import Pipe
from penstock.worker.capacity import Capacity
from penstock.worker.files import describe
from penstock.worker.loop import Notices, Worker


def main(arguments: list[str]) -> int:
    """Work until the engine hangs up; what is printed by accident goes to stderr, not into the conversation."""
    home, name, *numbers = arguments if len(arguments) in (3, 5, 6) else ("", "", "?")
    try:
        has, ends = [int(number) for number in numbers[:3]], [float(number) for number in numbers[3:]]
    except ValueError:
        has, ends = [], []
    if not has or "PENSTOCK_PROJECT" not in os.environ:
        words = "PROJECT_DIR NAME CPUS [MEMORY GPUS [ENDS]]"
        print(f"usage: PENSTOCK_PROJECT=ID python -m penstock.worker {words}", file=sys.stderr)
        return 2
    capacity = Capacity(*has)
    capacity.ends = min(ends, default=capacity.ends)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # what somebody above forgot to close must not reach tasks
    notices = Notices({signal.SIGTERM: 0.0})
    pipe = Pipe(os.dup(0), os.dup(1))
    os.dup2(2, 1)
    try:
        worker = Worker(home, name, pipe, os.environ, capacity, notices)
    except OSError as error:
        print(f"penstock worker {name} cannot start: {describe(error, home)}", file=sys.stderr)
        return 1
    worker.run()
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    # Nothing is left to tidy up, and the engine waits for us.
    os._exit(code)
