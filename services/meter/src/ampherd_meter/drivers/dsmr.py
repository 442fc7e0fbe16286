"""A smart meter's P1 port: serial, over TCP as ser2net gives it, or a recording."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import structlog
from ampherd_core.clock import boot_s
from ampherd_core.policy import DsmrVersion

from ampherd_meter.bytestream import ByteStream, open_stream
from ampherd_meter.drivers.port import DriverPort
from ampherd_meter.framer import Frame, Framer
from ampherd_meter.sample import Count, LinkError
from ampherd_meter.telegram import TelegramError, parse_telegram

log = structlog.get_logger()

_INTERVALS_S: Final = {
    DsmrVersion.V2_2: 10.0,
    DsmrVersion.V4: 10.0,
    DsmrVersion.SWEDEN: 10.0,
    DsmrVersion.V5: 1.0,
    DsmrVersion.BELGIUM: 1.0,
}
"""What each dialect's companion standard promises; Luxembourg's names both 1 s and 10 s, so it is observed."""

_WITHOUT_CRC: Final = frozenset({DsmrVersion.AUTO, DsmrVersion.V2_2})
"""DSMR 2.2 and 3 have no CRC; with `auto` the first CRC that fits makes it a must."""


class DsmrDriver:
    """Frames, parses and delivers each telegram at its last byte."""

    def __init__(self, port: DriverPort) -> None:
        self._port = port
        self._version = port.meter.dsmr
        self._framer = Framer(port.counters, needs_crc=self._version not in _WITHOUT_CRC)

    async def run(self) -> None:
        """Deliver telegrams until the link fails, or until this process finds that it was frozen."""
        freezes = self._port.pulse.beat(boot_s())
        async with open_stream(self._port.meter.endpoint, self._version) as stream:
            self._port.link_up()
            try:
                await self._read(stream, freezes)
            finally:
                self._framer.reset()

    async def _read(self, stream: ByteStream, freezes: int) -> None:
        while True:
            data = await stream.read()
            if self._port.pulse.beat(boot_s()) != freezes and stream.is_live:
                raise LinkError("this process was frozen; what waited meanwhile is discarded")
            frames = self._framer.feed(data)
            if len(frames) > 1:
                # Telegrams that became whole in one read waited somewhere: only the newest tells of now.
                self._port.counters[Count.LATE] += len(frames) - 1
            if frames:
                await self._deliver(frames[-1])

    async def _deliver(self, frame: Frame) -> None:
        try:
            sample = parse_telegram(frame.text)
        except TelegramError as err:
            self._port.counters[err.cause] += 1
            log.debug("telegram_refused", cause=err.cause, why=str(err))
            return
        await self._port.deliver(
            replace(sample, nominal_interval_s=_INTERVALS_S.get(self._version, sample.nominal_interval_s))
        )
