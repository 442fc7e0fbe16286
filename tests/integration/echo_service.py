"""The smallest service: it says what happens to it, and does as it is told."""

from __future__ import annotations

import asyncio

from ampherd_core.bus import Inbound, Outbound
from ampherd_core.environment import Environment
from ampherd_core.messages import Severity
from ampherd_core.policy import Policy
from ampherd_core.service import Service, start


class EchoService(Service):
    """Obeys `charger/echo/mode/set`: `fail`, `return`, `cling` or `linger`."""

    def __init__(self, name: str, environment: Environment, policy: Policy) -> None:
        super().__init__(name, environment, policy)
        self.order = asyncio.Queue[bytes]()
        self.is_lingering = False

    def filters(self) -> tuple[str, ...]:
        return (self.topics.set("echo", "mode"),)

    def hear(self, message: Inbound) -> None:
        self.order.put_nowait(message.payload)

    async def main(self) -> None:
        while True:
            match await self.order.get():
                case b"fail":
                    raise RuntimeError("told to fail")
                case b"return":
                    return
                case b"linger":
                    self.is_lingering = True
                case b"cling":
                    await self._cling()

    async def _cling(self) -> None:
        """Lose one cancellation, as a library may."""
        await self.say("clinging")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    async def connected(self) -> None:
        await self.say("connected")

    async def policy_changed(self, policy: Policy) -> None:
        await self.say(f"rating {policy.connection.rating_a:g}")

    async def stopping(self) -> None:
        await self.say("stopping")
        if self.is_lingering:
            await asyncio.Event().wait()

    async def say(self, text: str) -> None:
        """Over MQTT, at once."""
        await self.event("said", Severity.INFO, text)
        await self.bus.publish(Outbound(self.topics.evcc("echo", "said"), text.encode()))


if __name__ == "__main__":
    start(EchoService, "echo")
