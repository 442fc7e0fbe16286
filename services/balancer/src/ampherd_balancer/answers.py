"""What whoever set something hears of it: on the topic it names (MQTT 5), and on an error topic that all can read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from ampherd_core.bus import Inbound, Outbound
from ampherd_core.messages import SetResult
from ampherd_core.topics import Topics
from ampherd_core.wire import Wire

_GUARDED: Final = frozenset({"ampherd", "$SYS", "homeassistant"})
"""First levels of topics that somebody obeys or believes: ours, the broker's, the discovery of devices."""

_WILDCARDS: Final = frozenset("+#\0")
"""What a filter may have and a topic may not (MQTT 5, section 4.7)."""

Say = Callable[[Outbound], Awaitable[bool]]

ACCEPTED: Final = SetResult(is_accepted=True)


class Answers:
    """Answers each request at most once, and never where a service would obey the answer."""

    def __init__(self, topics: Topics, wire: Wire, say: Say) -> None:
        self._topics = topics
        self._wire = wire
        self._say = say

    async def accept(self, message: Inbound) -> None:
        """It holds from now on."""
        await self._respond(message, ACCEPTED)

    async def refuse(self, message: Inbound, kind: str, error: Exception, error_topic: str | None) -> None:
        """Nothing has changed; `error_topic` is where those read why who cannot be answered."""
        self._wire.refuse(kind, message.topic, str(error))
        result = SetResult(is_accepted=False, error=str(error)[:500])
        if error_topic is not None:
            await self._say(Outbound(error_topic, result.to_json(), qos=1))
        await self._respond(message, result)

    async def _respond(self, message: Inbound, result: SetResult) -> None:
        topic = message.response_topic
        if topic is None:
            return
        if not self._may_answer_on(topic):
            self._wire.refuse("response-topic", message.topic, f"no answer is given on {topic[:200]}")
            return
        await self._say(Outbound(topic, result.to_json(), qos=1, correlation=message.correlation))

    def _may_answer_on(self, topic: str) -> bool:
        """A guest names the topic, we have more rights than it has: never a topic that any service listens to."""
        match self._topics.parse(topic):
            case ("reply", _, *_) | ("service", _, "reply", _):
                return True
        return topic.partition("/")[0] not in _GUARDED and bool(topic) and not _WILDCARDS & set(topic)
