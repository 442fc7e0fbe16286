"""Meters that are read from topics: what a policy may say of them, and what it is told otherwise."""

from __future__ import annotations

import pytest
from ampherd_core.policy_file import PolicyError, parse_policy
from ampherd_core.policy_values import FACTORS, UNITS, Quantity, TopicValues

SITE = """version: 1
connection: {rating_a: 25}
meters:
  grid: {role: grid, driver: dsmr, source: 'tcp://bridge:23'}
  home-battery:
    role: battery
    driver: mqtt
    source: mqtt://192.168.1.30:1883
    user: emonpi
    password_file: emonpi-password
    values:
      power: {topic: emon/battery/power, unit: kW, scale: -1}
      soc: {topic: emon/battery/state, field: battery.soc}
chargers:
  left: {driver: edgetech, link: 'tcp://wallbox:502'}
"""

GRID = "{role: grid, driver: dsmr, source: 'tcp://bridge:23'}"
POWER = "      power: {topic: emon/battery/power, unit: kW, scale: -1}\n"


def grid(values: str, more: str = "") -> str:
    return f"{{role: grid, driver: mqtt, source: bus, values: {{{values}}}{more}}}"


# situation: what is edited into what | line, reason, remedy
MISTAKES: dict[str, tuple[str, str, str, str, str]] = {
    "unit of something else": ("unit: kW", "unit: V", "meters.home-battery.values", "no unit of power", "W or kW"),
    "unknown unit": ("unit: kW", "unit: hp", "values.power.unit", "should be 'W'", "correct the value"),
    "many topics": ("battery/power,", "battery/+,", "values.power.topic", "more than one topic", "device speaks on"),
    "our own topics": ("emon/battery/power", "ampherd/home/x", "values.power.topic", "not a device's own", "ours"),
    "misspelt quantity": ("soc:", "sock:", "values.sock", "no such field", "write soc"),
    "misspelt field": ("unit: kW", "units: kW", "values.power.units", "no such field", "write unit"),
    "times nothing": ("scale: -1", "scale: 0", "values.power.scale", "times 0", "-1"),
    "column nought": ("field: battery.soc", "column: 0", "soc.column", "equal to 1", "correct"),
    "two forms": ("field: battery.soc", "field: a, column: 1", "values.soc", "JSON or a row", "either field"),
    "password in the address": ("mqtt://", "mqtt://emonpi:secret@", "source", "more than a host", "mqtt://192"),
    "another transport": ("mqtt://192.168.1.30:1883", "tcp://x:1", "source", "tcp does not fit", "bus"),
    "nobody's password": ("    user: emonpi\n", "", "password_file", "without a user", "name the user"),
    "any file": ("emonpi-password", "/secrets/seal-key", "password_file", "no password's", "beside site.yaml"),
    "a file elsewhere": ("emonpi-password", "../../x/password", "password_file", "no password's", "beside site.yaml"),
    "account at our own broker": ("mqtt://192.168.1.30:1883", "bus", "user", "service's account", "drop it"),
    "another driver": ("driver: mqtt\n    source: mqtt", "driver: dsmr\n    source: tcp", "user", "only", "set driver"),
    "no values": (GRID, "{role: grid, driver: mqtt, source: bus}", "grid.values", "names no topic", "name one"),
    "battery without power": (POWER, "", "values", "tells no power", "name the topic of power"),
    "sun with a charge": ("role: battery", "role: solar", "values.soc", "only a battery", "role: battery"),
    "two of three phases": (GRID, grid("power_l1: {topic: a}, power_l2: {topic: b}"), "values", "alone", "all three"),
    "a total guards no phase": (GRID, grid("power: {topic: a}"), "grid.values", "no limit can be held", "power_l1"),
    "a voltage guards nothing": (GRID, grid("voltage_l1: {topic: a}", ", lines: [L1]"), "grid", "", "L1"),
}


@pytest.mark.parametrize(("before", "after", "field", "reason", "remedy"), MISTAKES.values(), ids=MISTAKES)
def test_each_mistake_is_told_with_a_remedy(before: str, after: str, field: str, reason: str, remedy: str) -> None:
    assert SITE.count(before) == 1
    with pytest.raises(PolicyError) as refused:
        parse_policy(SITE.replace(before, after).encode())
    fault = refused.value.faults[0]
    assert field in fault.field
    assert reason in fault.reason
    assert remedy in fault.remedy
    assert "secret" not in str(refused.value) or "secret" in after


@pytest.mark.parametrize(
    "meter",
    [
        grid("power_l1: {topic: a}, power_l2: {topic: b}, power_l3: {topic: c}"),
        grid("current_l1: {topic: a, column: 1}, current_l2: {topic: a, column: 2}, current_l3: {topic: a, column: 3}"),
    ],
)
def test_a_grid_meter_may_be_read_from_topics(meter: str) -> None:
    assert parse_policy(SITE.replace(GRID, meter).encode()).grid_meter == "grid"


def test_on_one_phase_the_total_is_enough() -> None:
    site = SITE.replace("rating_a: 25", "rating_a: 25, phases: 1").replace(GRID, grid("power: {topic: a}"))
    policy = parse_policy(site.replace("wallbox:502'", "wallbox:502', lines: [L1]").encode())
    assert policy.meters["grid"].values is not None


def test_many_meters_may_listen_at_one_broker() -> None:
    twin = "  roof: {role: solar, driver: mqtt, source: 'mqtt://192.168.1.30:1883', values: {power: {topic: r}}}\n"
    assert len(parse_policy(SITE.replace("chargers:", f"{twin}chargers:").encode()).meters) == 3


def test_every_quantity_has_a_field_and_a_unit() -> None:
    assert set(TopicValues.model_fields) == {quantity.value for quantity in Quantity}
    assert set(UNITS) == set(Quantity)
    assert set(UNITS.values()) == set(FACTORS)
