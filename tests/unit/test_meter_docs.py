"""Every example of docs/adding-a-meter.md works."""

from __future__ import annotations

import asyncio
import re
import timeit
from collections import Counter

import pytest
import yaml
from ampherd_core.clock import boot_s
from ampherd_core.policy import Meter
from ampherd_meter.drivers import new_driver
from ampherd_meter.drivers.port import Driver, DriverPort
from ampherd_meter.pulse import Pulse
from ampherd_meter.sample import Count, LinkError, Sample

from tests.support.needs import REPOSITORY

TEXT = (REPOSITORY / "docs/adding-a-meter.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def port_for(meter: Meter, samples: list[Sample]) -> DriverPort:
    async def deliver(sample: Sample) -> None:
        samples.append(sample)

    return DriverPort(meter, False, Counter(), Pulse(boot_s()), lambda: None, deliver)


@pytest.mark.parametrize("block", blocks("yaml"))
def test_each_meter_entry_is_a_policys(block: str) -> None:
    for section in yaml.safe_load(block).values():
        new_driver(port_for(Meter.model_validate(section), []))


async def test_the_example_driver_delivers() -> None:
    (source,) = blocks("python")
    names: dict[str, type[Driver]] = {}
    exec(source, names)

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"6.5\n7.25\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    samples: list[Sample] = []
    meter = Meter.model_validate({"role": "grid", "driver": "dsmr", "source": address})
    driver = names["AmpLineDriver"](port_for(meter, samples))  # type: ignore[call-arg]
    with pytest.raises(LinkError):
        await asyncio.wait_for(driver.run(), 5)
    server.close()
    assert [sample.phases[0] and sample.phases[0].current_a for sample in samples] == [6.5, 7.25]


@pytest.mark.parametrize(("setup", "work"), re.findall(r"-s '(.+?)' '(.+?)'", TEXT))
def test_each_measuring_command_runs(setup: str, work: str) -> None:
    assert timeit.timeit(work, setup, number=1) > 0


def test_every_count_is_explained() -> None:
    for cause in Count:
        assert f"`{cause}`" in TEXT
