"""A whole site as processes: what stands on what, where its files are, and when its page answers."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ampherd_core.policy import Policy
from ampherd_core.policy_file import PolicyWatch, load_policy

from ampherd_embedded import plan, valkey
from ampherd_embedded.broker import Broker, BrokerKind, choose
from ampherd_embedded.plan import Surroundings
from ampherd_embedded.program import Program, free_port
from ampherd_embedded.supervisor import Supervisor
from ampherd_embedded.tokens import ask

_POLL_S: Final = 0.05
_ANSWER_WITHIN_S: Final = 2.0
_PRIVATE: Final = 0o700
_SEAL_KEY: Final = {"AMPHERD_SEAL_KEY", "AMPHERD_SEAL_KEY_FILE"}
_SEAL_KEY_BYTES: Final = 32

HTTP_PORT: Final = 8080
"""Where people look for the page; another port when this one is taken."""


class BusyError(Exception):
    """Another Ampherd runs in the same data directory."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to run a site; a port of None is the usual one if free, and 0 any.

    The printed link holds a token at the first start only, unless it is renewed at each.
    """

    site: Path
    data_dir: Path
    http_host: str = "127.0.0.1"
    http_port: int | None = None
    history: str | None = None
    broker: BrokerKind = BrokerKind.IOTCORE
    mqtt_port: int = 0
    guest_port: int = 0
    quiet: bool = False
    renews_link: bool = False

    @property
    def state_dir(self) -> Path:
        """Where services keep what outlives them."""
        return self.data_dir / "state"


@dataclass(frozen=True, slots=True)
class Running:
    """A site whose page answers; `token` is empty where the link is not new."""

    page: str
    token: str = field(repr=False)
    guests: str
    supervisor: Supervisor

    @property
    def link(self) -> str:
        """The page's address, which logs in by itself where there is a token."""
        return f"{self.page}#token={self.token}" if self.token else self.page


Prepare = Callable[[], Awaitable[None]]


@contextlib.asynccontextmanager
async def running(
    options: Options, ground: tuple[Program, ...] = (), prepare: Prepare | None = None
) -> AsyncIterator[Running]:
    """Run the site for the length of the block: `ground` starts first, then `prepare`, then all the rest."""
    data_dir = _directory(options.data_dir)
    _directory(options.state_dir)
    log_dir = _directory(data_dir / "logs") if options.quiet else None
    with _alone(data_dir):
        own, surroundings, guests = _grounded(options, data_dir, os.environ)

        def agents_of(policy: Policy) -> tuple[Program, ...]:
            return plan.agents(surroundings, policy.chargers)

        async with Supervisor(agents_of, log_dir) as supervisor:
            await supervisor.start((*own, *ground))
            if prepare is not None:
                await prepare()
            watch = PolicyWatch(options.site)
            watch.poll()
            policy = load_policy(options.site)
            port_file = options.state_dir / "http-port"
            port_file.unlink(missing_ok=True)
            await supervisor.start(plan.services(surroundings))
            await supervisor.take(policy)
            follower = asyncio.create_task(supervisor.follow(watch), name="policy")
            try:
                page = await _page(port_file, options.http_host)
                renew = ("--renew",) if options.renews_link else ()
                token = await asyncio.to_thread(ask, options.state_dir, "link", *renew)
                yield Running(page, token, guests, supervisor)
            finally:
                follower.cancel()
                await asyncio.gather(follower, return_exceptions=True)


async def until_stopped(work: Coroutine[None, None, None]) -> None:
    """Do `work` until it ends, or until SIGINT, SIGTERM or SIGHUP cancel it."""
    task = asyncio.create_task(work, name="site")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _grounded(
    options: Options, data_dir: Path, environ: Mapping[str, str]
) -> tuple[tuple[Program, ...], Surroundings, str]:
    """The programs that the services stand on, where these find them, and where guests do."""
    programs: list[Program] = []
    mqtt_url = guests = environ.get("AMPHERD_MQTT_URL", "")
    if not mqtt_url:
        broker: Broker = choose(options.broker, options.mqtt_port or free_port(), options.guest_port or free_port())
        programs.append(broker.program(_directory(data_dir / "broker")))
        mqtt_url, guests = broker.url, broker.guest_url
    redis_url = environ.get("AMPHERD_REDIS_URL", "")
    if not redis_url:
        directory = _directory(data_dir / "store")
        socket = valkey.socket_path(directory)
        programs.append(valkey.program(directory, socket))
        redis_url = valkey.redis_url(socket)
    history = options.history or environ.get("AMPHERD_HISTORY_URL") or f"sqlite://{data_dir / 'history.db'}"
    surroundings = Surroundings(
        site=options.site.resolve(),
        mqtt_url=mqtt_url,
        redis_url=redis_url,
        history_url=history,
        state_dir=options.state_dir.resolve(),
        http_host=options.http_host,
        http_port=_http_port(options),
        seal_key_file=None if _SEAL_KEY & environ.keys() else _new_seal_key(options.state_dir),
    )
    return tuple(programs), surroundings, guests


def _new_seal_key(state_dir: Path) -> Path:
    """A key for this run alone: what was recorded in an earlier one is worth nothing."""
    path = state_dir.resolve() / "seal-key"
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(_SEAL_KEY_BYTES))
    return path


def _http_port(options: Options) -> int:
    """Chosen once: a page that starts anew is where it was."""
    wanted = HTTP_PORT if options.http_port is None else options.http_port
    return wanted if wanted and (options.http_port or _is_free(options.http_host, wanted)) else free_port()


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


async def _page(port_file: Path, host: str) -> str:
    """The page's address, once it answers; waits as long as it takes."""
    reachable = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    while True:
        port = _read_port(port_file)
        if port and await _says_http(reachable, port):
            return f"http://{reachable}:{port}/"
        await asyncio.sleep(_POLL_S)


def _read_port(port_file: Path) -> int | None:
    try:
        return int(port_file.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return None


async def _says_http(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
            status = await reader.readline()
            writer.close()
    except (OSError, TimeoutError):
        return False
    return status.startswith(b"HTTP/1.1 200")


def _directory(path: Path) -> Path:
    """Made when absent, and nobody else's to read: tokens lie below."""
    path.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
    return path.resolve()


@contextlib.contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    with (data_dir / "lock").open("w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise BusyError(f"another Ampherd runs in {data_dir}; stop it, or name another --data-dir") from err
        yield
