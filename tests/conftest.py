"""What all tests share: real services, and how long the random campaigns are."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings

# Deadlines measure the machine, not the code. `make storm` asks for the long profile by name.
settings.register_profile("house", deadline=None)
settings.register_profile("storm", deadline=None, max_examples=5000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

NO_SERVICE = "no service: "


@pytest.fixture
def service() -> Callable[[str], str]:
    """`service("postgres")` gives the address of a real one that `ci/services.sh up postgres` started.

    Where it is missing the test is skipped, and one line at the end names it; with CI=true the test fails, unless
    PENSTOCK_TEST_OPTIONAL names the service.
    """

    def address(name: str) -> str:
        found = os.environ.get(f"PENSTOCK_TEST_{name.upper()}")
        if found:
            return found
        optional = os.environ.get("PENSTOCK_TEST_OPTIONAL", "").split()
        if os.environ.get("CI") == "true" and name not in optional:
            pytest.fail(f"{NO_SERVICE}{name}; ci/services.sh up {name}", pytrace=False)
        pytest.skip(f"{NO_SERVICE}{name}")

    return address


@pytest.fixture
def dask(service: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Dask cluster with three workers, which no other test uses meanwhile."""
    address = service("dask")
    with open(tmp_path_factory.getbasetemp().parent / "dask.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield address


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for all tests that missed a service, however many there are."""
    reasons = [report.longrepr[2] for report in terminalreporter.stats.get("skipped", [])]
    missing = sorted(reason.partition(NO_SERVICE)[2] for reason in reasons if NO_SERVICE in reason)
    if missing:
        names = ", ".join(f"{name} ({missing.count(name)})" for name in dict.fromkeys(missing))
        terminalreporter.write_line(f"skipped for want of a service: {names}; start it with ci/services.sh up NAME")
