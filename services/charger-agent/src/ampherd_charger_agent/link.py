"""The Modbus link to one wallbox: the only module of this service that names the Modbus library.

Without a transaction id (serial, and RTU over TCP) a late answer is taken for the answer to the next request. So one
request is under way at a time, nothing is retried here, and after every request that did not end well (timed out,
cancelled, garbled) the connection is closed and opened anew.

Chargers that share one serial line must be driven by one process; each agent owns its link, so give each a line, or
a gateway (`tcp://` or `rtu+tcp://`) that queues.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Sequence
from typing import Final, TypeAlias

from ampherd_core.cancellation import heed_cancellation
from ampherd_core.endpoint import Endpoint, Transport
from ampherd_core.modbus_frames import whole_rtu, whole_tcp
from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException
from pymodbus.pdu import ExceptionResponse, ModbusPDU

from ampherd_charger_agent.wallbox import GarbledError, NoAnswerError, RefusedError, UnreachableError

TIMEOUT_S: Final = 1.0
"""Wallboxes were seen to take half a second; a home network adds little."""

_DEFAULT_BAUDRATE: Final = 9600
"""What SmartEVSE and Edgetech speak unless told otherwise."""

_READ_HOLDING: Final = 3
_READ_INPUT: Final = 4
_WRITE: Final = 6

COUNTERS: Final = ("requests", "timeouts", "refusals", "garbled", "reconnects")

# The library logs each failure loudly; the safety loop reports failures, once.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)


_Client: TypeAlias = AsyncModbusTcpClient | AsyncModbusSerialClient


class ModbusLink:
    """One device behind one endpoint; connects when first asked, heals itself at the next request."""

    def __init__(self, endpoint: Endpoint, unit: int, *, timeout_s: float = TIMEOUT_S) -> None:
        self._endpoint = endpoint
        self._unit = unit
        self._timeout_s = timeout_s
        self._client: _Client | None = None
        self._was_connected = False
        self._lock = asyncio.Lock()
        self.counters: Counter[str] = Counter(dict.fromkeys(COUNTERS, 0))

    async def read_input(self, address: int, count: int) -> Sequence[int]:
        """Function 4: exactly `count` registers from `address`; raises AgentError."""
        async with self._lock:
            client = await self._connected()
            call = client.read_input_registers(address, count=count, device_id=self._unit)
            return await self._registers(call, _READ_INPUT, count)

    async def read_holding(self, address: int, count: int) -> Sequence[int]:
        """Function 3: exactly `count` registers from `address`; raises AgentError."""
        async with self._lock:
            client = await self._connected()
            call = client.read_holding_registers(address, count=count, device_id=self._unit)
            return await self._registers(call, _READ_HOLDING, count)

    async def write(self, address: int, value: int) -> None:
        """Function 6: one register; returns when the device has echoed the write; raises AgentError."""
        async with self._lock:
            client = await self._connected()
            answer = await self._answer(client.write_register(address, value, device_id=self._unit), _WRITE)
            if answer.address != address or list(answer.registers) != [value]:
                raise self._garbled(f"the echo of a write to {address:#06x} differs")

    def close(self) -> None:
        """Let the connection go; the next request opens it again."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    async def _registers(self, call: Awaitable[ModbusPDU], function: int, count: int) -> Sequence[int]:
        answer = await self._answer(call, function)
        if len(answer.registers) != count:
            raise self._garbled(f"{count} registers were asked for, {len(answer.registers)} came")
        return tuple(answer.registers)

    async def _answer(self, call: Awaitable[ModbusPDU], function: int) -> ModbusPDU:
        """The one place that tells an answer from a failure; whatever does not end well closes the connection."""
        self.counters["requests"] += 1
        is_clean = False
        try:
            # A margin over the library's own timeout, which does not cover every path.
            async with asyncio.timeout(self._timeout_s * 1.5):
                answer = await call
            heed_cancellation()
            is_clean = True
        except ConnectionException as err:
            raise UnreachableError(f"the connection to {self._endpoint.bus} broke") from err
        except (ModbusException, TimeoutError, OSError) as err:
            self.counters["timeouts"] += 1
            raise NoAnswerError(f"no answer from unit {self._unit} at {self._endpoint.bus}") from err
        finally:
            if not is_clean:
                self.close()
        if answer.isError():
            self.counters["refusals"] += 1
            raise RefusedError(answer.exception_code if isinstance(answer, ExceptionResponse) else 0)
        if answer.function_code != function:
            raise self._garbled(f"function {function} was asked for, {answer.function_code} came")
        return answer

    async def _connected(self) -> _Client:
        if self._client is not None and self._client.connected:
            return self._client
        self.close()
        client = self._new_client()
        is_up = False
        try:
            is_up = await client.connect()
            heed_cancellation()
        except (OSError, ValueError) as err:
            raise UnreachableError(f"{self._endpoint.bus} cannot be opened ({err})") from err
        finally:
            if not is_up:
                client.close()
        if not is_up:
            raise UnreachableError(f"{self._endpoint.bus} does not take a connection")
        self.counters["reconnects"] += self._was_connected
        self._was_connected = True
        self._client = client
        return client

    def _new_client(self) -> _Client:
        endpoint = self._endpoint
        if endpoint.transport is Transport.RTU:
            return AsyncModbusSerialClient(
                endpoint.path,
                baudrate=int(endpoint.options.get("baudrate", _DEFAULT_BAUDRATE)),
                parity=endpoint.options.get("parity", "N"),
                stopbits=int(endpoint.options.get("stopbits", 1)),
                timeout=self._timeout_s,
                retries=0,
                reconnect_delay=0,
                trace_packet=_trace_rtu,
            )
        is_rtu = endpoint.transport is Transport.RTU_OVER_TCP
        return AsyncModbusTcpClient(
            endpoint.host,
            port=endpoint.port,
            framer=FramerType.RTU if is_rtu else FramerType.SOCKET,
            timeout=self._timeout_s,
            retries=0,
            reconnect_delay=0,
            trace_packet=_trace_rtu if is_rtu else _trace_tcp,
        )

    def _garbled(self, why: str) -> GarbledError:
        self.counters["garbled"] += 1
        self.close()
        return GarbledError(why)


def _trace_rtu(is_sent: bool, data: bytes) -> bytes:
    return data if is_sent else whole_rtu(data)


def _trace_tcp(is_sent: bool, data: bytes) -> bytes:
    return data if is_sent else whole_tcp(data)
