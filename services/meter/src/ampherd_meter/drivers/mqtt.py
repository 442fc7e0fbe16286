"""A meter whose values are plain topics of a broker: emonPi and emonTx, Shelly, ESPHome, a battery's gateway.

The broker's memory is no news: a retained message may be of last week, and is refused.
"""

from __future__ import annotations

import uuid

import structlog
from ampherd_core.broker_address import BrokerAddress
from ampherd_core.clock import boot_s
from ampherd_core.connection import Connection, ConnectionLostError
from ampherd_core.endpoint import Transport
from ampherd_core.mail import Inbound
from ampherd_core.messages import MeterRole

from ampherd_meter.drivers.port import DriverPort
from ampherd_meter.sample import Count, LinkError, RefusedError
from ampherd_meter.values import Gathering

log = structlog.get_logger()


class MqttDriver:
    """Hears a meter's topics and delivers what they make whole."""

    def __init__(self, port: DriverPort) -> None:
        self._port = port
        named = port.meter.values.named if port.meter.values is not None else {}
        self._gathering = Gathering(named, may_rest=port.meter.role is not MeterRole.GRID)

    async def run(self) -> None:
        """Listen until the connection is lost, or until this process finds that it was frozen."""
        freezes = self._port.pulse.beat(boot_s())
        address = self._address()
        try:
            async with Connection(address, f"ampherd-{uuid.uuid4().hex[:12]}") as connection:
                for topic in self._gathering.topics:
                    await connection.subscribe(topic)
                self._port.link_up()
                async for message in connection.messages():
                    if self._port.pulse.beat(boot_s()) != freezes:
                        raise LinkError("this process was frozen; what waited meanwhile is discarded")
                    await self._hear(message)
        except (ConnectionLostError, PermissionError) as err:
            raise LinkError(f"the broker at {address.host}:{address.port}: {err}") from err

    async def _hear(self, message: Inbound) -> None:
        if message.is_retained:
            self._refuse(Count.RETAINED, message, "what the broker remembers is no news")
            return
        try:
            sample = self._gathering.hear(message.topic, message.payload, boot_s())
        except RefusedError as err:
            self._refuse(err.cause, message, str(err))
            return
        if sample is not None:
            await self._port.deliver(sample)

    def _refuse(self, cause: Count, message: Inbound, why: str) -> None:
        """Count it; the first of a cause is a warning, repeats are quiet."""
        counters = self._port.counters
        counters[cause] += 1
        tell = log.warning if counters[cause] == 1 else log.debug
        tell("value_refused", cause=cause, topic=message.topic[:200], why=why)

    def _address(self) -> BrokerAddress:
        meter, endpoint = self._port.meter, self._port.meter.endpoint
        if endpoint.transport is Transport.BUS:
            if self._port.broker is None:
                raise LinkError("there is no broker of ours here")
            return self._port.broker
        return BrokerAddress(
            host=endpoint.host,
            port=endpoint.port,
            username=meter.user,
            password=self._password(),
            uses_tls=endpoint.transport is Transport.MQTTS,
            is_old=True,
        )

    def _password(self) -> str | None:
        """Read at each connection, so that a new one is taken up."""
        name = self._port.meter.password_file
        if name is None:
            return None
        try:
            return (self._port.directory / name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as err:
            raise LinkError(f"cannot read the password file {name}: {err}") from err
