"""`python -m penstock.worker PROJECT_DIR NAME SLOTS`: a worker that talks over its stdin and stdout.

PROJECT_DIR is the project's `.penstock`. PENSTOCK_PROJECT must be in the environment, PENSTOCK_WORKER may be: they mark
this process and all its tasks, so that an engine which takes over, or lost this worker, finds them.
"""

from __future__ import annotations

import os
import sys

from penstock.runner.pipe import Pipe
from penstock.worker.files import describe
from penstock.worker.loop import Worker, leave_on_sigterm


def main(arguments: list[str]) -> int:
    """Work until the engine hangs up; what is printed by accident goes to stderr, not into the conversation."""
    if len(arguments) != 3 or not arguments[2].isdigit() or "PENSTOCK_PROJECT" not in os.environ:
        print("usage: PENSTOCK_PROJECT=ID python -m penstock.worker PROJECT_DIR NAME SLOTS", file=sys.stderr)
        return 2
    home, name, slots = arguments
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # what somebody above forgot to close must not reach tasks
    leave = leave_on_sigterm()
    pipe = Pipe(os.dup(0), os.dup(1))
    os.dup2(2, 1)
    try:
        worker = Worker(home, name, int(slots), pipe, os.environ)
    except OSError as error:
        print(f"penstock worker {name} cannot start: {describe(error, home)}", file=sys.stderr)
        return 1
    worker.run(leave)
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    # Nothing is left to tidy up, and the engine waits for us.
    os._exit(code)
