"""A bus without a broker: what a service says is held against the contract, what it hears is given by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ampherd_core.bus import Inbound, Listener, MqttBus, Outbound
from ampherd_core.messages import ChargerState, Decision, Event, Grant, ServiceStatus, SetResult, SiteState
from ampherd_core.plans import PlanState, UsualLoad
from pydantic import BaseModel

from tests.fuzz.target import promise

_MODELS: dict[str, type[BaseModel]] = {
    "grant": Grant,
    "decision": Decision,
    "state": ChargerState,
    "event": Event,
    "error": SetResult,
    "status": ServiceStatus,
    "plan": PlanState,
    "usual": UsualLoad,
}


def is_topic(text: str) -> bool:
    """Whether a broker takes a message there."""
    return bool(text) and not {"+", "#", "\0"} & set(text)


class RecordedBus(MqttBus):
    """Stands in for `MqttBus`; `said` are the newest messages."""

    def __init__(self, *args: object, listener: Listener | None = None, **options: object) -> None:
        super().__init__(*args, listener=listener, **options)  # type: ignore[arg-type]
        self.connected.set()
        self.said: list[Outbound] = []
        self.answers: Callable[[Outbound], Inbound | None] = lambda _message: None
        self._ear = listener

    async def hear(self, message: Inbound) -> None:
        """A message comes in, as from the broker."""
        assert self._ear is not None
        result = self._ear(message)
        if isinstance(result, Awaitable):
            await result

    async def publish(self, message: Outbound) -> bool:
        promise(is_topic(message.topic), f"a topic that no broker takes: {message.topic[:60]!r}")
        kind = message.topic.rpartition("/")[2]
        if message.correlation is not None and message.response_topic is None:
            # An answer, wherever its asker wants it.
            SetResult.model_validate_json(message.payload, strict=True)
        elif message.topic.endswith("site/state"):
            SiteState.model_validate_json(message.payload, strict=True)
        elif kind in _MODELS and message.response_topic is None:
            _MODELS[kind].model_validate_json(message.payload, strict=True)
        self.said = [*self.said[-20:], message]
        answer = self.answers(message)
        if answer is not None:
            asyncio.get_running_loop().call_soon(self._ear or print, answer)
        return True
