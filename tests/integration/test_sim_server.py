"""The simulator's sockets: raw bytes, a Modbus client that is not ours, P1 clients, and the control socket."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import struct
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from ampherd_simulator.framing import rtu_crc
from ampherd_simulator.live import LiveSite
from ampherd_simulator.p1 import crc16
from ampherd_simulator.scenario import Scenario
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.framer import FramerType

DEADLINE_S = 10.0


@contextlib.asynccontextmanager
async def running(**parts: Any) -> AsyncIterator[tuple[LiveSite, io.StringIO]]:
    truth = io.StringIO()
    live = LiveSite(Scenario.model_validate(parts), truth)
    ready = asyncio.Event()
    task = asyncio.create_task(live.run(ready))
    try:
        await asyncio.wait_for(ready.wait(), DEADLINE_S)
        yield live, truth
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def address(url: object) -> tuple[str, int]:
    parts = urlsplit(str(url))
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


def charger_address(live: LiveSite, charger_id: str = "one") -> tuple[str, int]:
    chargers = live.ports["chargers"]
    assert isinstance(chargers, dict)
    return address(chargers[charger_id])


async def exchange(where: tuple[str, int], request: bytes, size: int, wait_s: float = DEADLINE_S) -> bytes:
    reader, writer = await asyncio.open_connection(*where)
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.readexactly(size), wait_s)
    finally:
        writer.close()


async def control(live: LiveSite, **command: Any) -> dict[str, Any]:
    host, port = str(live.ports["control"]).split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(json.dumps(command).encode() + b"\n")
    answer = json.loads(await asyncio.wait_for(reader.readline(), DEADLINE_S))
    writer.close()
    assert isinstance(answer, dict)
    return answer


async def until(condition: Any, what: str) -> None:
    deadline = asyncio.get_running_loop().time() + DEADLINE_S
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"waited in vain until {what}"
        await asyncio.sleep(0.02)


EDGETECH = {"one": {"driver": "edgetech", "car": {"lag_s": 0, "ramp_up_a_s": 100}}}


async def test_modbus_tcp_byte_for_byte() -> None:
    async with running(chargers=EDGETECH) as (live, _):
        where = charger_address(live)

        write = bytes.fromhex("0001 0000 0006 01 06 0201 0C0C")
        assert await exchange(where, write, len(write)) == write
        refused = await exchange(where, bytes.fromhex("0002 0000 0006 01 04 0018 0001"), 9)
        assert refused == bytes.fromhex("0002 0000 0003 01 84 02")


async def test_smartevse_exceptions_lack_the_top_bit_on_an_rtu_line() -> None:
    box = {"one": {"driver": "smartevse-v2", "line": {"kind": "rtu+tcp"}}}
    async with running(chargers=box) as (live, _):
        request = bytes.fromhex("01 04 0000 000D")

        reply = await exchange(charger_address(live), request + rtu_crc(request), 5)

        assert reply == bytes.fromhex("01 04 02") + rtu_crc(bytes.fromhex("01 04 02"))


@pytest.mark.parametrize(("kind", "framer"), [("tcp", FramerType.SOCKET), ("rtu+tcp", FramerType.RTU)])
async def test_a_foreign_client_reads_and_writes(kind: str, framer: FramerType) -> None:
    chargers = {"one": {**EDGETECH["one"], "line": {"kind": kind}}}
    async with running(chargers=chargers) as (live, truth):
        host, port = charger_address(live)
        async with AsyncModbusTcpClient(host, port=port, framer=framer) as client:
            await client.write_register(0x0201, 0x0A0A, device_id=1)
            await until(lambda: live.site.grid_a[0] > 9, "the car draws")
            answer = await client.read_input_registers(0x0102, count=2, device_id=1)

        assert answer.registers == [10 << 8 | 16, 3]
        events = [json.loads(line) for line in truth.getvalue().splitlines()]
        (write,) = [event for event in events if event["event"] == "modbus_write"]
        assert (write["charger"], write["address"], write["values"]) == ("one", 0x0201, [0x0A0A])


async def test_two_wallboxes_share_a_line_and_a_stranger_is_not_answered() -> None:
    chargers = {"one": {"driver": "edgetech", "unit": 2, "line": "bus"}, "two": {"driver": "edgetech", "unit": 3}}
    chargers["two"]["line"] = "bus"
    async with running(chargers=chargers, modbus={"bus": {"kind": "rtu+tcp"}}) as (live, _):
        assert charger_address(live, "one") == charger_address(live, "two")
        for unit in (2, 3):
            request = bytes((unit,)) + bytes.fromhex("04 0005 0001")
            reply = await exchange(charger_address(live), request + rtu_crc(request), 7)
            assert reply[:5] == bytes((unit,)) + bytes.fromhex("04 02 2A11")
        request = bytes.fromhex("04 04 0005 0001")
        with pytest.raises(TimeoutError):
            await exchange(charger_address(live), request + rtu_crc(request), 1, wait_s=0.2)


async def test_a_serial_line_is_a_terminal() -> None:
    chargers = {"one": {"driver": "edgetech", "line": {"kind": "rtu", "baud": 9600}}}
    async with running(chargers=chargers) as (live, _):
        urls = live.ports["chargers"]
        assert isinstance(urls, dict)
        parts = urlsplit(str(urls["one"]))
        assert (parts.scheme, parts.query) == ("rtu", "baudrate=9600")

        request = bytes.fromhex("01 04 0005 0001")
        reply = await asyncio.to_thread(_talk_serial, parts.path, request + rtu_crc(request))

        assert reply[:5] == bytes.fromhex("01 04 02 2A11")


def _talk_serial(path: str, request: bytes) -> bytes:
    import serial

    with serial.Serial(path, 9600, timeout=DEADLINE_S) as port:
        port.write(request)
        return bytes(port.read(7))


async def test_every_p1_client_gets_every_telegram_whole() -> None:
    async with running(speed=10, house={"constant_a": [1, 2, 3]}) as (live, truth):
        where = address(live.ports["p1"])
        streams = [await asyncio.open_connection(*where) for _ in range(3)]
        telegrams = [await asyncio.wait_for(reader.readuntil(b"!"), DEADLINE_S) for reader, _ in streams]
        tails = [await asyncio.wait_for(reader.readexactly(6), DEADLINE_S) for reader, _ in streams]
        for _, writer in streams:
            writer.close()

    assert len(set(telegrams)) == 1
    assert f"{crc16(telegrams[0]):04X}\r\n".encode() == tails[0]
    assert b"1-0:71.7.0(003*A)" in telegrams[0]
    assert '"event":"telegram_sent"' in truth.getvalue()


async def test_control_drives_cars_loads_and_faults() -> None:
    chargers = {"one": {"driver": "edgetech", "car": {"lag_s": 0, "ramp_up_a_s": 100, "is_away": True}}}
    async with running(chargers=chargers, house={"constant_a": [0, 0, 0]}) as (live, _):
        assert (await control(live, do="truth"))["chargers"]["one"]["state"] == "A"
        assert await control(live, do="plug", charger="one") == {"ok": True}
        await until(lambda: live.site.grid_a[2] > 15, "the car charges")
        assert (await control(live, do="step", line="L2", current_a=15))["ok"]
        await until(lambda: live.site.grid_a[1] > 30, "the load is on")
        await until(lambda: live.site.connection.excess[1].worst_a > 0, "the line is over its limit")
        assert (await control(live, do="truth"))["excess"]["connection"]["L2"]["worst_a"] > 0

        assert (await control(live, do="wallbox", charger="one", is_silent=True))["ok"]
        request = bytes.fromhex("0001 0000 0006 01 04 0102 0001")
        with pytest.raises(TimeoutError):
            await exchange(charger_address(live), request, 1, wait_s=0.2)
        await control(live, do="wallbox", charger="one", is_silent=False)
        assert await exchange(charger_address(live), request, 9)
        assert (await control(live, do="p1", is_silent=True))["ok"]
        assert (await control(live, do="reboot", charger="one"))["ok"]
        await control(live, do="unplug", charger="one")
        await until(lambda: live.site.grid_a[2] == 0, "the car is gone")


@pytest.mark.parametrize(
    "command",
    [{"do": "plug", "charger": "nobody"}, {"do": "dance"}, {"do": "sensorbox", "is_silent": True}, {}],
)
async def test_control_refuses_what_it_does_not_know(command: dict[str, Any]) -> None:
    async with running(chargers=EDGETECH) as (live, _):
        answer = await control(live, **command)

    assert answer["ok"] is False
    assert answer["error"]


async def test_a_sensorbox_answers_on_its_line() -> None:
    async with running(sensorbox={"source": "ct"}, house={"constant_a": [4, 5, 6]}) as (live, _):
        request = bytes.fromhex("0001 0000 0006 0A 04 0000 0014")

        reply = await exchange(address(live.ports["sensorbox"]), request, 9 + 40)

    assert reply[9:13] == bytes.fromhex("0114 0003")


async def test_the_roofs_sensorbox_sees_the_sun_alone_with_generation_negative() -> None:
    noon = "2026-06-01T13:00:00+02:00"
    sunny = {"constant_a": [4, 5, 6], "solar": {"peak_a": 5, "cloudiness": 0}}
    async with running(roof={}, house=sunny, starts_at=noon) as (live, _):
        request = bytes.fromhex("0001 0000 0006 0A 04 0000 0014")
        reply = await exchange(address(live.ports["roof"]), request, 9 + 40)

    clamps_a = struct.unpack(">3f", reply[-12:])
    assert clamps_a == pytest.approx((-5, -5, -5), abs=0.1)
    assert "sensorbox" not in live.ports


async def test_a_slow_wallbox_answers_half_a_second_late() -> None:
    async with running(chargers=EDGETECH) as (live, _):
        await control(live, do="wallbox", charger="one", is_slow=True)
        loop = asyncio.get_running_loop()
        began_s = loop.time()

        await exchange(charger_address(live), bytes.fromhex("0001 0000 0006 01 04 0102 0001"), 11)

        assert loop.time() - began_s >= 0.5
