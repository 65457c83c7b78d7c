"""(e) Peak memory of the engine at N tasks of /bin/true in one job, beside ninja with as many edges."""

from __future__ import annotations

import itertools

import common
from throughput import in_ninja, in_penstock


def main() -> None:
    """Measures and prints one line."""
    options = common.options(__doc__, n=10_000)
    n, penstock = options.n, options.penstock
    ninja = common.peer("ninja", "ninja")
    with common.scratch() as top:
        fresh = (top / str(number) for number in itertools.count())
        results = common.rounds(
            options.rounds,
            {
                "penstock": lambda: in_penstock(penstock, next(fresh), n),
                "ninja": lambda: in_ninja(ninja, next(fresh), n),
            },
        )
    ours, theirs = common.peak_mb(results["penstock"]), common.peak_mb(results["ninja"])
    common.emit(
        "memory",
        {"under 150 MB": ours < 150},
        n=n,
        rounds=options.rounds,
        penstock={"peak_mb": ours},
        ninja={"peak_mb": theirs},
        of_ninja=round(ours / theirs, 2),
    )


if __name__ == "__main__":
    main()
