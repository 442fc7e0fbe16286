"""The meters that can be read: one file a driver, one line each in `DRIVERS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ampherd_meter.drivers.port import Driver, DriverPort

Factory = Callable[[DriverPort], Driver]


def _dsmr(port: DriverPort) -> Driver:
    from ampherd_meter.drivers.dsmr import DsmrDriver  # noqa: PLC0415 - dsmr-parser takes 11 MB: only where it is used

    return DsmrDriver(port)


def _sensorbox(port: DriverPort) -> Driver:
    from ampherd_meter.drivers.sensorbox import SensorboxDriver  # noqa: PLC0415 - so that pymodbus is loaded if used

    return SensorboxDriver(port)


def _mqtt(port: DriverPort) -> Driver:
    from ampherd_meter.drivers.mqtt import MqttDriver  # noqa: PLC0415 - as its neighbours

    return MqttDriver(port)


DRIVERS: Final[Mapping[str, Factory]] = {
    "dsmr": _dsmr,
    "sensorbox": _sensorbox,
    "mqtt": _mqtt,
}
"""By the policy's name."""


def new_driver(port: DriverPort) -> Driver:
    """The driver that a meter's policy names."""
    return DRIVERS[port.meter.driver](port)
