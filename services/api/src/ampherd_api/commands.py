"""Changes of settings: said on the bus, answered by the balancer."""

from __future__ import annotations

import asyncio
import uuid
from typing import Final

import structlog
from ampherd_core.bus import Bus, Inbound, Outbound
from ampherd_core.messages import SetResult
from ampherd_core.topics import Topics
from pydantic import ValidationError

from ampherd_api.errors import RefusedError

_ANSWER_WITHIN_S: Final = 2.0
"""The balancer answers within milliseconds; a person waits two seconds before asking again."""

_WAITING: Final = 100

log = structlog.get_logger()


class Commands:
    """Asks on `charger/<c>/<setting>/set` or `site/limit/set`, and matches the answers on our own response topic."""

    def __init__(self, bus: Bus, topics: Topics, reply_topic: str) -> None:
        self._bus = bus
        self._topics = topics
        self._reply_topic = reply_topic
        self._waiting: dict[bytes, asyncio.Future[SetResult]] = {}

    async def set(self, charger: str, setting: str, value: str) -> None:
        """Change a setting; raises RefusedError when it is refused, or when nobody answers."""
        await self._ask(self._topics.set(charger, setting), value)
        log.info("setting_changed", charger=charger, setting=setting, value=value)

    async def set_limit(self, value: str) -> None:
        """Pass on the network operator's signal; raises RefusedError as `set` does."""
        await self._ask(self._topics.limit_set, value)
        log.info("operator_signal", value=value)

    async def _ask(self, topic: str, value: str) -> None:
        if len(self._waiting) >= _WAITING:
            raise RefusedError(503, "busy", "Too many changes at once; try again in a moment.")
        correlation = uuid.uuid4().bytes
        answer: asyncio.Future[SetResult] = asyncio.get_running_loop().create_future()
        self._waiting[correlation] = answer
        try:
            await self._say(topic, value, correlation)
            result = await asyncio.wait_for(answer, _ANSWER_WITHIN_S)
        except TimeoutError as err:
            raise RefusedError(504, "no-answer", "The balancer does not answer; perhaps nothing was changed.") from err
        finally:
            del self._waiting[correlation]
        if not result.is_accepted:
            raise RefusedError(422, "refused", result.error or "The balancer refused the change.")

    def hear(self, message: Inbound) -> bool:
        """Whether this message was an answer to us."""
        if message.topic != self._reply_topic:
            return False
        answer = self._waiting.get(message.correlation or b"")
        if answer is not None and not answer.done():
            try:
                answer.set_result(SetResult.model_validate_json(message.payload))
            except ValidationError:
                log.warning("answer_refused", topic=message.topic)
        return True

    async def _say(self, topic: str, value: str, correlation: bytes) -> None:
        message = Outbound(
            topic,
            value.encode(),
            qos=1,
            expires_after_s=round(_ANSWER_WITHIN_S),
            response_topic=self._reply_topic,
            correlation=correlation,
        )
        if not await self._bus.publish(message):
            raise RefusedError(503, "no-broker", "The message broker is away: nothing was changed.")
