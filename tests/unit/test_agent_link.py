"""The Modbus link over real sockets, against devices and lines that misbehave."""

from __future__ import annotations

import asyncio

import pytest
from ampherd_charger_agent.link import ModbusLink
from ampherd_charger_agent.wallbox import AgentError, GarbledError, NoAnswerError, RefusedError, UnreachableError
from ampherd_core.endpoint import parse_endpoint
from ampherd_core.policy import CHARGER_TRANSPORTS

from tests.support.modbus_devices import Device, DeviceServer, Framing, crc16
from tests.support.wait import wait_for

FRAMINGS: tuple[Framing, ...] = ("tcp", "rtu")
TIMEOUT_S = 0.1


def link_to(server: DeviceServer, unit: int = 1) -> ModbusLink:
    return ModbusLink(parse_endpoint(server.url, CHARGER_TRANSPORTS), unit, timeout_s=TIMEOUT_S)


def counting_device() -> Device:
    """Every register holds its own address."""
    return Device(registers={address: address for address in range(600)})


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_reads_and_writes(framing: Framing) -> None:
    async with DeviceServer(counting_device(), framing) as server:
        link = link_to(server)
        assert await link.read_input(0x0102, 3) == (0x0102, 0x0103, 0x0104)
        assert await link.read_holding(7, 1) == (7,)
        await link.write(0x0201, 0x1010)
        assert server.device.registers[0x0201] == 0x1010
        assert link.counters["requests"] == 3
        assert link.counters["timeouts"] == link.counters["refusals"] == 0
        link.close()


async def test_a_late_answer_is_never_taken_for_the_next_one() -> None:
    """RTU over TCP has no transaction id: the answer to 100 comes while 200 is asked for."""
    async with DeviceServer(counting_device(), "rtu") as server:
        link = link_to(server)
        answers: list[tuple[int, ...]] = []
        for address in (100, 200, 300, 400):
            server.device.delay_s = TIMEOUT_S * 1.2 if address < 300 else 0.0
            try:
                answers.append(tuple(await link.read_input(address, 1)))
            except NoAnswerError:
                answers.append(())
        assert answers == [(), (), (300,), (400,)]
        assert link.counters["timeouts"] == 2
        assert link.counters["reconnects"] == 2
        link.close()


async def test_a_cancelled_request_does_not_leave_its_answer_behind() -> None:
    async with DeviceServer(counting_device(), "rtu") as server:
        link = link_to(server)
        server.device.delay_s = TIMEOUT_S / 2
        request = asyncio.create_task(link.read_input(100, 1))
        await wait_for(lambda: server.device.requests)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert await link.read_input(200, 1) == (200,)
        assert server.connections == 2
        link.close()


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("breaks_exceptions", [False, True])
async def test_a_refusal_is_counted_as_one(framing: Framing, breaks_exceptions: bool) -> None:
    """SmartEVSE v2 echoes the function without bit 7 and puts the exception number where the byte count belongs."""
    device = Device(breaks_exceptions=breaks_exceptions)
    async with DeviceServer(device, framing) as server:
        link = link_to(server)
        for request in (link.read_input(5, 2), link.read_holding(5, 1), link.write(5, 1)):
            with pytest.raises(RefusedError) as refusal:
                await request
            assert refusal.value.code == 2
        assert link.counters["refusals"] == 3
        assert link.counters["timeouts"] == 0
        link.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00",
        b"\xff" * 300,
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        bytes.fromhex("0001000000050104020007"),  # another transaction and one register
        bytes.fromhex("010402000779"),  # an RTU frame cut short
        bytes.fromhex("01040400070007ffff"),  # a wrong checksum
    ],
)
@pytest.mark.parametrize("framing", FRAMINGS)
async def test_garbage_is_an_error_and_the_next_request_works(framing: Framing, garbage: bytes) -> None:
    async with DeviceServer(counting_device(), framing) as server:
        link = link_to(server)
        server.device.garbage = garbage
        with pytest.raises(AgentError):
            await link.read_input(7, 2)
        server.device.garbage = None
        assert await link.read_input(7, 2) == (7, 8)
        link.close()


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_an_answer_to_another_function_is_no_answer(framing: Framing) -> None:
    """Over RTU nothing but unit, function and count ties an answer to its request."""
    async with DeviceServer(counting_device(), framing) as server:
        link = link_to(server)
        server.device.swaps_reads = True
        with pytest.raises(GarbledError, match="function 4 was asked for, 3 came"):
            await link.read_input(7, 2)
        server.device.swaps_reads = False
        assert await link.read_input(7, 2) == (7, 8)
        link.close()


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_a_function_that_nobody_knows_is_no_answer_and_leaves_no_trace(
    framing: Framing, caplog: pytest.LogCaptureFixture
) -> None:
    body = bytes.fromhex("011700010203")
    frame = bytes.fromhex("000100000006") + body if framing == "tcp" else body + crc16(body)
    async with DeviceServer(counting_device(), framing) as server:
        link = link_to(server)
        server.device.garbage = frame
        with pytest.raises(NoAnswerError):
            await link.read_input(7, 2)
        link.close()
    assert not caplog.records


async def test_nobody_there_is_unreachable_and_heals() -> None:
    server = DeviceServer(counting_device())
    await server.start()
    link = link_to(server)
    assert await link.read_input(1, 1) == (1,)
    await server.stop()
    with pytest.raises(AgentError):
        await link.read_input(1, 1)
    with pytest.raises(UnreachableError):
        await link.read_input(1, 1)
    await server.start()
    assert await link.read_input(1, 1) == (1,)
    link.close()
    await server.stop()


async def test_an_absent_serial_port_is_unreachable() -> None:
    link = ModbusLink(parse_endpoint("rtu:///dev/ttyAbsent?baudrate=9600", CHARGER_TRANSPORTS), 1)
    with pytest.raises(UnreachableError):
        await link.read_input(1, 1)


async def test_requests_go_one_at_a_time() -> None:
    async with DeviceServer(counting_device(), "rtu") as server:
        link = link_to(server)
        server.device.delay_s = 0.005
        answers = await asyncio.gather(*(link.read_input(address, 1) for address in range(100, 110)))
        assert answers == [(address,) for address in range(100, 110)]
        link.close()
