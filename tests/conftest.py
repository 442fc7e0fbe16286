"""What every test may ask for: brokers, stores, recordings, programs that may lack; and nothing is left behind."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from ampherd_core.store import RedisStore

from tests.support import brokers, stores
from tests.support.brokers import BrokerServer, new_broker
from tests.support.needs import REPOSITORY, SKIP_PREFIX, lacking, needs_docker, needs_program
from tests.support.processes import left_behind, mark_run
from tests.support.stores import StoreServer, new_store

_MARK = mark_run()
_ENDS_WITHIN_S = 3.0


@pytest.fixture
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BrokerServer]:
    """A running iotcore, or the kind that `@pytest.mark.parametrize("broker", [...], indirect=True)` names."""
    server = new_broker(getattr(request, "param", "iotcore"), tmp_path / "broker")
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=brokers.KINDS)
def any_broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BrokerServer]:
    """Each broker in turn: iotcore always, Mosquitto where it is installed."""
    server = new_broker(request.param, tmp_path / "broker")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def store_server(tmp_path: Path) -> Iterator[StoreServer]:
    """A running Valkey that holds nothing yet."""
    server = new_store("valkey", tmp_path / "store")
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=stores.KINDS)
def any_store_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreServer]:
    """Each server in turn: Valkey always, Redis where it is installed."""
    server = new_store(request.param, tmp_path / "store")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(store_server: StoreServer) -> str:
    """The address of a running store."""
    return store_server.url


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[RedisStore]:
    """A connection to an empty store."""
    connection = RedisStore(redis_url, "test")
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The recorded telegrams and days: AMPHERD_SHARED, or `shared` beside the repository."""
    path = Path(os.environ.get("AMPHERD_SHARED", REPOSITORY.parent / "shared"))
    return path if (path / "data").is_dir() else lacking("../shared")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers", "needs(name): skip where the machine lacks mosquitto, redis-server, influxdb, nginx, chromium, …"
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip or fail a test whose program is absent, before its fixtures start."""
    for mark in item.iter_markers("needs"):
        for name in mark.args:
            if name == "docker":
                needs_docker()
            else:
                needs_program(name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what was not run, by the name of the program that it needs."""
    wants: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        reason = reason.removeprefix("Skipped: ")
        if reason.startswith(SKIP_PREFIX):
            wants[reason.removeprefix(SKIP_PREFIX)] += 1
    if wants:
        listed = ", ".join(f"{name} ({count})" for name, count in sorted(wants.items()))
        terminalreporter.section("not run", yellow=True)
        terminalreporter.line(f"not run, for want of: {listed}. `make test-deps` installs them.")


@pytest.fixture(scope="session", autouse=True)
def _nothing_left_running() -> Iterator[None]:
    """Fails the session when a process that a test started still runs at its end."""
    yield
    processes = left_behind(_MARK)
    if processes:
        import psutil

        _, processes = psutil.wait_procs(processes, timeout=_ENDS_WITHIN_S)
    lines = []
    for process in processes:
        lines.append(f"{process.pid}: {' '.join(process.cmdline())}")
        process.kill()
    assert not lines, "still running at the end of the tests:\n" + "\n".join(lines)
