"""The api as a process of its own, on a real broker and a real store."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
from ampherd_api.tokens import Role, Tokens
from ampherd_core.bus import running
from ampherd_core.clock import utc_now
from ampherd_core.policy_file import load_policy
from ampherd_embedded.program import Program

from tests.page.make_believe import MakeBelieve
from tests.support.needs import REPOSITORY
from tests.support.processes import Server
from tests.support.wait import wait_for


class RunningApi(Server):
    """`python -m ampherd_api` with a state directory and a policy of its own."""

    def __init__(self, directory: Path, broker_url: str, redis_url: str, **environment: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.state_dir = directory / "state"
        self.state_dir.mkdir()
        self._tokens: dict[str, str] = {}
        self.site = directory / "site.yaml"
        self.site.write_bytes((REPOSITORY / "site.example.yaml").read_bytes())
        port_file = self.state_dir / "http-port"
        program = Program(
            "api",
            (sys.executable, "-m", "ampherd_api"),
            {
                "AMPHERD_SITE": str(self.site),
                "AMPHERD_MQTT_URL": broker_url,
                "AMPHERD_REDIS_URL": redis_url,
                "AMPHERD_STATE_DIR": str(self.state_dir),
                "AMPHERD_HTTP_PORT": "0",
                **environment,
            },
            writes=port_file,
        )
        super().__init__(program, directory / "api.log")

    @property
    def port(self) -> int:
        """Where it listens."""
        return int((self.state_dir / "http-port").read_text())

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}"

    def token(self, role: str) -> str:
        """A token of that scope, made when it is first asked for."""
        if role not in self._tokens:
            self._tokens[role] = Tokens(self.state_dir).make(role, Role(role), utc_now())
        return self._tokens[role]

    def client(self, role: str | None = None) -> httpx.AsyncClient:
        """A client that sends the role's token."""
        headers = {"Authorization": f"Bearer {self.token(role)}"} if role else {}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=10)

    async def up(self) -> None:
        """Start, and wait until the bus hears it."""
        (self.state_dir / "http-port").unlink(missing_ok=True)
        await asyncio.to_thread(self.start)
        await wait_for((self.state_dir / "http-port").exists, 20, "the api listens")

        async def is_ready() -> bool:
            with contextlib.suppress(httpx.TransportError):
                async with self.client() as client:
                    return (await client.get("/api/health/ready")).status_code == 200
            return False

        await wait_for(is_ready, 20, f"the api is ready; its log is {self.log}")


@contextlib.asynccontextmanager
async def running_site(
    directory: Path, broker_url: str, redis_url: str, edits: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[RunningApi, MakeBelieve]]:
    """An api and a site that talks; `edits` replace texts of the example's policy."""
    api = RunningApi(directory / "api", broker_url, redis_url)
    for old, new in (edits or {}).items():
        api.site.write_text(api.site.read_text().replace(old, new))
    site = MakeBelieve(broker_url, load_policy(api.site))
    try:
        await api.up()
        async with running(site.bus):
            await asyncio.wait_for(site.bus.connected.wait(), 10)
            yield api, site
    finally:
        await asyncio.to_thread(api.stop)
