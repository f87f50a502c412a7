"""Starts the judges and the gateway once for all tests, and says at the end how they judged."""

from concurrent.futures import ThreadPoolExecutor

import pytest

import verdicts
from attacks import ATTACKS
from servers import JUDGES, PRESENT, Envoy, Judge


@pytest.fixture(scope="session")
def judges():
    """The running judges by name."""
    started = {name: Judge(name) for name in PRESENT}
    yield started
    for judge in started.values():
        judge.stop()


@pytest.fixture(scope="session")
def envoy(judges):
    envoy = Envoy({name: judge.address() for name, judge in judges.items()})
    yield envoy
    envoy.stop()


@pytest.fixture(scope="session")
def unguarded(judges, envoy):
    """All attacks on all judges without the filter: `verdicts.fooled` has what came of it."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda judge: verdicts.without_filter(judge, envoy, ATTACKS), judges.values()))


def pytest_terminal_summary(terminalreporter):
    if not verdicts.fooled:
        return
    terminalreporter.section("requests by which each judge was fooled")
    width = max(map(len, JUDGES))
    for name in JUDGES:
        counts = ", ".join(f"{len(rows):2} {way}" for way, rows in verdicts.fooled[name].items())
        terminalreporter.line(f"{name:{width}}  {counts if name in PRESENT else 'could not be installed'}")
