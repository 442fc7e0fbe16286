"""SmartEVSE's Sensorbox 1, 1.5 and 2 over Modbus TCP, RTU, or RTU over TCP.

The box answers function 4 at 9600 8N1. A read clears its freshness flags, so it must have one reader only. Its
replies carry no transaction id on RTU: after a timeout or a cancelled call the link is closed and opened anew, or
the late reply would be taken as the answer to the next question.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

import structlog
from ampherd_core.clock import boot_s
from ampherd_core.endpoint import Endpoint, Transport
from ampherd_core.modbus_frames import whole_rtu, whole_tcp
from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from ampherd_meter.drivers.port import DriverPort
from ampherd_meter.sample import Count, LinkError, RefusedError
from ampherd_meter.sensorbox_registers import REGISTERS, BlockChoice, decode, fresh_flags, is_three_wire

log = structlog.get_logger()

logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)  # its failures are counted and told by this service

POLL_S: Final = 2.0
"""As SmartEVSE does; Sensorbox 2 warns when it is not read for 2.5 s."""

_TIMEOUT_S: Final = 1.0
"""45 bytes at 9600 baud take 47 ms; the rest is the box's own time and a gateway's."""

_CONNECT_S: Final = 5.0
_READ_INPUT: Final = 4

_Client = AsyncModbusTcpClient | AsyncModbusSerialClient


class SensorboxDriver:
    """Polls the box and delivers what its flags call new."""

    def __init__(self, port: DriverPort) -> None:
        self._port = port
        self._choice = BlockChoice(port.meter.currents)

    async def run(self) -> None:
        """Poll every 2 s until a call fails."""
        freezes = self._port.pulse.beat(boot_s())
        client = _new_client(self._port.meter.endpoint)
        try:
            await _connect(client, self._port.meter.endpoint)
            await self._poll(client, freezes)
        finally:
            client.close()

    async def _poll(self, client: _Client, freezes: int) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            registers = await self._read(client)
            if self._port.pulse.beat(boot_s()) != freezes:
                raise LinkError("this process was frozen; what waited meanwhile is discarded")
            self._port.link_up()
            await self._deliver(registers)
            due_s = max(due_s + POLL_S, loop.time())
            await asyncio.sleep(due_s - loop.time())

    async def _read(self, client: _Client) -> Sequence[int]:
        try:
            response = await client.read_input_registers(0, count=REGISTERS, device_id=self._port.meter.unit)
        except ModbusException as err:
            self._port.counters[Count.TIMEOUT] += 1
            raise LinkError(f"the Sensorbox does not answer: {err}") from err
        if response.function_code & 0x7F != _READ_INPUT:
            self._port.counters[Count.UNPARSABLE] += 1
            raise LinkError(f"the Sensorbox answers function {response.function_code}, which was not asked for")
        if response.isError():
            raise LinkError(f"the Sensorbox refuses to be read: exception {response.exception_code}")
        return response.registers

    async def _deliver(self, registers: Sequence[int]) -> None:
        try:
            fresh = fresh_flags(registers)
            is_delta = self._port.is_delta or is_three_wire(registers)
            block = self._choice.choose(fresh, is_delta=is_delta)
            sample = decode(registers, block, ct_ratio=self._port.meter.ct_ratio, is_delta=is_delta)
        except RefusedError as err:
            self._port.counters[err.cause] += 1
            log.debug("reply_refused", cause=err.cause, why=str(err))
            return
        if sample is not None:
            await self._port.deliver(sample)


def _new_client(endpoint: Endpoint) -> _Client:
    if endpoint.transport is Transport.RTU:
        return AsyncModbusSerialClient(
            endpoint.path,
            framer=FramerType.RTU,
            baudrate=int(endpoint.options.get("baudrate", "9600")),
            parity=endpoint.options.get("parity", "N").upper(),
            stopbits=int(endpoint.options.get("stopbits", "1")),
            timeout=_TIMEOUT_S,
            retries=0,
            reconnect_delay=0,
            trace_packet=_trace_rtu,
        )
    is_rtu = endpoint.transport is Transport.RTU_OVER_TCP
    return AsyncModbusTcpClient(
        endpoint.host,
        port=endpoint.port,
        framer=FramerType.RTU if is_rtu else FramerType.SOCKET,
        timeout=_TIMEOUT_S,
        retries=0,
        reconnect_delay=0,
        trace_packet=_trace_rtu if is_rtu else _trace_tcp,
    )


def _trace_rtu(is_sent: bool, data: bytes) -> bytes:
    return data if is_sent else whole_rtu(data)


def _trace_tcp(is_sent: bool, data: bytes) -> bytes:
    return data if is_sent else whole_tcp(data)


async def _connect(client: _Client, endpoint: Endpoint) -> None:
    try:
        async with asyncio.timeout(_CONNECT_S):
            is_open = await client.connect()
    except (TimeoutError, OSError, ModbusException) as err:
        raise LinkError(f"cannot open {endpoint.bus}: {err}") from err
    if not is_open:
        raise LinkError(f"cannot open {endpoint.bus}")
