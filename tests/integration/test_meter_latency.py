"""How long a telegram's last byte takes to become a reading in another process's hands."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from statistics import median

import psutil
import pytest

from tests.support.brokers import BrokerServer
from tests.support.meters import MeterProcess, listening, p1_port, write_site
from tests.support.p1 import telegram
from tests.support.wait import wait_for

TELEGRAMS = 200
ALLOWED_S = 0.02
"""Ten times what a quiet machine takes: a loaded one must not fail, a forgotten wait must."""

ALLOWED_MB = 90


@pytest.mark.parametrize("broker", ["mosquitto", "iotcore"], indirect=True)
async def test_a_reading_leaves_at_once_and_the_service_stays_small(broker: BrokerServer, tmp_path: Path) -> None:
    async with listening(broker.url) as ear, p1_port() as port:
        site = write_site(tmp_path / "site.yaml", f"grid: {{role: grid, driver: dsmr, source: '{port.url}'}}")
        meter = MeterProcess(broker.url, site)
        meter.start()
        try:
            await wait_for(lambda: port.is_read, 15, "the service reads the port")
            await ear.is_online()
            taken_s = []
            for number in range(TELEGRAMS):
                body = telegram(number)
                port.send(body[:-2])
                sent_s = time.perf_counter()
                while len(ear.readings) <= number:
                    assert time.perf_counter() - sent_s < 5
                    await asyncio.sleep(0)
                taken_s.append(time.perf_counter() - sent_s)
                port.send(body[-2:])
            resident_mb = psutil.Process(meter.pid).memory_info().rss / 2**20
        finally:
            meter.stop()
    p99_s = sorted(taken_s)[-TELEGRAMS // 100 - 1]
    print(f"\nlast byte to reading: p50 {median(taken_s) * 1e3:.2f} ms, p99 {p99_s * 1e3:.2f} ms; {resident_mb:.0f} MB")
    assert median(taken_s) < ALLOWED_S
    assert resident_mb < ALLOWED_MB
