"""Which devices of a policy share a wire, and whether they can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from ampherd_core.endpoint import Endpoint, Transport
from ampherd_core.policy import Policy
from ampherd_core.policy_fault import Finding, Path


@dataclass(frozen=True, slots=True)
class _Device:
    """One end of a wire; `unit` is None where it is not addressed: a P1 port."""

    path: Path
    field: str
    endpoint: Endpoint
    unit: int | None

    @property
    def name(self) -> str:
        return ".".join(map(str, self.path))


_SHARED: Final = frozenset({Transport.FILE, Transport.MQTT, Transport.MQTTS, Transport.BUS})
"""A file or a broker serves as many meters as ask."""


def wires(policy: Policy) -> Iterator[Finding]:
    """What is wrong with the wires that devices share."""
    devices = sorted(_devices(policy), key=lambda device: device.endpoint.bus)
    for _, sharing in groupby(devices, key=lambda device: device.endpoint.bus):
        together = tuple(sharing)
        for device in together:
            others = [other for other in together if other is not device]
            yield from _addressed(device, others)
            yield from _alike(device, together[0])


def _devices(policy: Policy) -> Iterator[_Device]:
    for meter_id, meter in policy.meters.items():
        if meter.endpoint.transport not in _SHARED:
            unit = None if meter.driver == "dsmr" else meter.unit
            yield _Device(("meters", meter_id), "source", meter.endpoint, unit)
    for charger_id, charger in policy.chargers.items():
        yield _Device(("chargers", charger_id), "link", charger.endpoint, charger.unit)


def _addressed(device: _Device, others: Sequence[_Device]) -> Iterator[Finding]:
    if device.unit is None:
        if others:
            yield Finding(
                (*device.path, device.field),
                f"{others[0].name} is on the same port as this P1 cable",
                "give the P1 cable a port of its own",
            )
        return
    path = (*device.path, "unit")
    if device.unit == 0 and device.endpoint.transport is not Transport.TCP:
        yield Finding(path, "0 is the broadcast address of an RTU line", "set the device to 1 to 247, and write that")
    twin = next((other for other in others if other.unit == device.unit), None)
    if twin is not None:
        yield Finding(path, f"{twin.name} has the same link and unit", "give each device an address of its own")


def _alike(device: _Device, first: _Device) -> Iterator[Finding]:
    here, there = device.endpoint, first.endpoint
    is_p1 = device.unit is None or first.unit is None
    if not is_p1 and (here.transport, here.options) != (there.transport, there.options):
        yield Finding(
            (*device.path, device.field),
            f"the same wire has other settings at {first.name}",
            "write the same address at both",
        )
