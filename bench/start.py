"""(d) `penstock --help` and `penstock status` beside `python -c pass`, in a small project that has run once."""

from __future__ import annotations

import sys

import common


def main() -> None:
    """Measures and prints one line; --n says how many files the project holds."""
    options = common.options(__doc__, n=10)
    pipeline = "repos:\n  data: {path: files}\nsteps:\n  look:\n    input: data:/*\n    run: [/bin/true]\n"
    with common.scratch() as top:
        (top / "files").mkdir()
        for i in range(options.n):
            (top / "files" / str(i)).write_text(str(i))
        common.project(options.penstock, top, pipeline)
        common.run(options.penstock, top, processed=options.n)
        commands = {
            "python": [sys.executable, "-c", "pass"],
            "help": [options.penstock, "--help"],
            "status": [options.penstock, "status"],
        }
        # A start is short: seven looks a round cost nothing and quieten the machine's noise.
        turns = {name: lambda command=command: common.measure(command, top) for name, command in commands.items()}
        results = common.rounds(options.rounds * 7, turns)
    figures = {name: common.ratio(results[name], results["python"]) for name in ("help", "status")}
    common.emit(
        "start",
        {"help under 10 times": figures["help"] < 10, "status under 15 times": figures["status"] < 15},
        n=options.n,
        rounds=options.rounds * 7,
        **{name: {"wall_s": common.wall(taken)} for name, taken in results.items()},
        help_of_python=figures["help"],
        status_of_python=figures["status"],
    )


if __name__ == "__main__":
    main()
