"""Our meter against the simulator's: two people read the same facts, and neither read the other's code."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime

import pytest
from ampherd_core.clock import boot_s
from ampherd_core.phases import Phases
from ampherd_core.policy import Meter
from ampherd_meter.drivers import new_driver, sensorbox
from ampherd_meter.drivers.port import DriverPort
from ampherd_meter.electrics import Mains, site_phases
from ampherd_meter.framer import Framer
from ampherd_meter.pulse import Pulse
from ampherd_meter.sample import Sample
from ampherd_meter.telegram import parse_telegram
from ampherd_simulator.modbus_server import LineKind, ModbusLine
from ampherd_simulator.p1 import GridSample, P1Kind, P1Meter, Rounding
from ampherd_simulator.sensorbox import Sensorbox, SensorboxSource, SensorboxVersion
from hypothesis import given
from hypothesis import strategies as st

from tests.support.wait import wait_for

LOCAL = datetime(2026, 11, 21, 12, 34, 56)  # noqa: DTZ001 - a meter's own time has no zone
AMPS = st.tuples(*[st.floats(-40, 40)] * 3)
VOLTS = st.tuples(*[st.floats(208, 252)] * 3)


def sensed(current_a: Phases, voltage_v: Phases = (230.0, 230.0, 230.0)) -> GridSample:
    one, two, three = (amps * volts for amps, volts in zip(current_a, voltage_v, strict=True))
    return GridSample(current_a, (one, two, three), voltage_v, import_wh=1_234_567, export_wh=89)


@given(AMPS, VOLTS, st.sampled_from(P1Kind), st.sampled_from(Rounding))
def test_guards_what_every_simulated_p1_meter_hides(
    current_a: Phases, voltage_v: Phases, kind: P1Kind, rounding: Rounding
) -> None:
    telegram = P1Meter(kind, rounding).telegram(sensed(current_a, voltage_v), LOCAL)
    (frame,) = Framer(Counter(), needs_crc=True).feed(telegram)
    sample = parse_telegram(frame.text)
    assert (sample.energy_import_wh, sample.energy_export_wh) == (1_234_567, 89)
    step_a = max(0.01, 0.1 / 208 * 40)  # what a telegram cannot tell: 1 W, 0.1 V and 0.01 A
    for phase, true_a in zip(site_phases(sample, Mains()), current_a, strict=True):
        assert phase is not None
        assert phase.guard_a >= true_a - step_a
        assert phase.current_a <= phase.guard_a


async def read_one(line: ModbusLine, box: Sensorbox, sample: GridSample, **section: object) -> Sample:
    """The first sample that our driver gets from a box that senses `sample` again and again."""
    samples: list[Sample] = []

    async def deliver(found: Sample) -> None:
        samples.append(found)

    async with line.serve("127.0.0.1", 0):
        plain = {"role": "grid", "driver": "sensorbox", "source": line.url, "unit": box.unit, **section}
        port = DriverPort(Meter.model_validate(plain), False, Counter(), Pulse(boot_s()), lambda: None, deliver)
        task = asyncio.create_task(new_driver(port).run())
        try:

            def has_sample() -> bool:
                box.take(sample)
                return bool(samples) or task.done()

            await wait_for(has_sample)
            assert samples, task.exception()
            return samples[0]
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


BOXES = [
    (SensorboxVersion.V2, SensorboxSource.P1, "auto", (10.0, -4.0, 2.5)),
    (SensorboxVersion.V2, SensorboxSource.CT, "auto", (10.0, -4.0, 2.5)),
    (SensorboxVersion.V2, SensorboxSource.CT, "ct", (10.0, -4.0, 2.5)),
    (SensorboxVersion.V1_5, SensorboxSource.P1, "p1", (10.0, -4.0, 2.5)),
    (SensorboxVersion.V1, SensorboxSource.CT, "ct", (10.0, 4.0, 2.5)),
]


@pytest.mark.parametrize("kind", LineKind)
@pytest.mark.parametrize(("version", "source", "currents", "expected"), BOXES)
async def test_reads_each_simulated_sensorbox_over_each_line(
    kind: LineKind,
    version: SensorboxVersion,
    source: SensorboxSource,
    currents: str,
    expected: Phases,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sensorbox, "POLL_S", 0.1)
    box = Sensorbox(version, source)
    line = ModbusLine(kind, [box], boot_s)
    sample = await read_one(line, box, sensed((10.0, -4.0, 2.5)), currents=currents)
    assert [phase and phase.current_a for phase in sample.phases] == pytest.approx(expected, abs=1e-3)
