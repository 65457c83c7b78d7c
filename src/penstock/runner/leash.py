"""`python -m penstock.runner.leash SECONDS PROGRAM [ARGUMENT...]`: a command on the leash of whoever starts this.

For systems that start a process and see to nothing else: Slurm ends all that a job ever started, they do not. The leash
is our standard input, a pipe of which nobody but the one above us has the other end. When that is closed, be it that
the one above was killed, or when the time is over, the command is asked to leave (SIGTERM), and killed half a minute
later. Nothing that it started outlives it, in whatever group or session, even if it is killed itself.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from penstock.model.errors import BadCommand
from penstock.runner.base import Launch
from penstock.runner.process import Processes

#: Seconds between SIGTERM and SIGKILL for a command that is to leave.
KILL_WAIT = 30.0
#: Seconds waited for at once: more than a month is more than some systems can count.
_LONGEST = 1e6


def main(arguments: list[str], wait: float = KILL_WAIT) -> int:
    """Run the command to its end; its exit code, 128 + n if signal n ended it, 127 if it cannot be started."""
    seconds, *argv = arguments
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # whatever happens to the one above us, the leash tells
    runner = Processes(reaper=True)
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        handle = runner.start(Launch(tuple(argv), dict(os.environ), None, null, 1, 2))
    except BadCommand as error:
        print(error, file=sys.stderr)
        return 127
    watched, deadline = [0], time.monotonic() + float(seconds)
    while True:
        left = deadline - time.monotonic()
        over, readable = runner.poll(min(max(left, 0.0), _LONGEST), watched)
        if over:
            runner.close()
            code = over[0].exit_code
            return code if code >= 0 else 128 - code
        if readable and os.read(0, 4096):
            continue
        if readable or time.monotonic() >= deadline:
            runner.stop(handle, kill=not watched)
            watched, deadline = [], time.monotonic() + wait


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
