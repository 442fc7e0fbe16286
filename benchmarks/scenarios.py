"""The cases, as data: recorded days where they are at hand, and our own made-up ones, told apart.

Where it matters, meters and cars vary: the spikes are met by cars that lag 0, 3 and 6 s, and by three kinds of meter.
Elsewhere a car lags 3 s and the meter is a DSMR 5 one: whole amps and watts, each second.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from ampherd_core.phases import LINES, Line
from ampherd_simulator.scenario import Scenario

from benchmarks import nights
from benchmarks.case import Case, Kind

DAYS: Final = Path(__file__).parents[2] / "shared" / "data" / "days"
HOUR_S: Final = 3_600.0
LAG_S: Final = 3.0
UNLIMITED_WH: Final = 200_000.0
NEEDED: Final = (
    "house_uk_6s.csv.gz",
    "ev_evenings_4cars.csv.gz",
    "pv_us_pecos_1min.csv.gz",
    "pv_us_serf_1min.csv.gz",
    "tariff_dk2_hourly.csv.gz",
)

Document = dict[str, object]


def cases() -> list[Case]:
    """All that can be played here: those of recordings only where the recordings are."""
    recorded = list(_recorded()) if not missing() else []
    return [*recorded, *_made_up()]


def missing() -> list[str]:
    """The recordings that are not at hand."""
    return [name for name in NEEDED if not (DAYS / name).exists()]


def _recorded() -> Iterator[Case]:
    for lag_s, kind, about in (
        (0, "dsmr5", "cars that follow at once, a meter of whole amps each second"),
        (3, "dsmr5", "cars that lag 3 s"),
        (6, "dsmr5", "cars that lag 6 s, more than the standard allows"),
        (3, "be", "cars that lag 3 s, a meter of 0.01 A each second"),
        (3, "dsmr4", "cars that lag 3 s, a meter of whole amps every ten seconds"),
    ):
        yield _spikes(lag_s, kind, about)
    yield _evening(5, "four three-phase cars come home, a real evening in a made-up house, 3 x 25 A", phases=3)
    yield _evening(4, "four one-phase cars on rotated phases, a real evening in a made-up house, 3 x 25 A", phases=1)
    yield from nights.recorded(DAYS / "tariff_dk2_hourly.csv.gz")
    yield nights.sunny(DAYS / "pv_us_serf_1min.csv.gz")
    yield from _suns()


def _spikes(lag_s: float, kind: str, about: str) -> Case:
    """From a quarter to nine on, on the first day: kettle and shower on L1, up to 34 A."""
    return Case(
        id=f"spikes-{kind}-lag-{lag_s:g}",
        about=f"kettle and shower spikes on L1 of 3 x 25 A, two cars; {about}",
        kind=Kind.CONTENTION,
        scenario=_scenario(
            {
                "three-phase": _charger(lag_s=lag_s),
                "one-phase": _charger((Line.L1,), max_a=32, lag_s=lag_s),
            },
            house={"recording": DAYS / "house_uk_6s.csv.gz", "offset_s": 8.75 * HOUR_S},
            p1={"kind": kind},
        ),
        lasts_s=4 * HOUR_S,
        quick_s=HOUR_S,
        is_recorded=True,
    )


def _evening(group: int, about: str, *, phases: int) -> Case:
    """Plug-in and plug-out times and energies of four real sessions, in a house of our own making."""
    rows = [row for row in _rows("ev_evenings_4cars.csv.gz") if row["group"] == str(group)]
    arrivals = [datetime.fromisoformat(row["plugin_local"]) for row in rows]
    begins = min(arrivals).replace(minute=0)
    rotations = ((Line.L1,), (Line.L2,), (Line.L3,), (Line.L1,)) if phases == 1 else (LINES,) * 4
    chargers = {}
    for place, (row, lines) in enumerate(zip(rows, rotations, strict=True), start=1):
        visit: Document = {
            "arrives_s": _after(begins, row["plugin_local"]),
            "leaves_s": _after(begins, row["plugout_local"]),
            "wants_wh": float(row["energy_kwh"]) * 1_000,
        }
        chargers[f"car-{place}"] = _charger(lines, max_a=32 if phases == 1 else 16, visits=[visit])
    return Case(
        id=f"evening-{group}",
        about=about,
        kind=Kind.CONTENTION,
        scenario=_scenario(chargers, house={"liveliness": 2.0}, starts_at=f"{begins.isoformat()}+01:00"),
        lasts_s=16 * HOUR_S,
        quick_s=1.5 * HOUR_S,
        is_recorded=True,
    )


def _suns() -> Iterator[Case]:
    one = {"car": _charger((Line.L1,), max_a=32)}
    three = {"car": _charger()}
    pair = {"left": _charger((Line.L1,), max_a=32), "right": _charger((Line.L2,), max_a=32)}
    calm: Document = {"constant_a": (1.0, 0.5, 0.5)}
    pecos = {"recording": DAYS / "pv_us_pecos_1min.csv.gz", "offset_s": 7 * HOUR_S}
    first = {"recording": DAYS / "pv_us_serf_1min.csv.gz", "offset_s": 1.5 * HOUR_S}
    second = {"recording": DAYS / "pv_us_serf_1min.csv.gz", "offset_s": 25.5 * HOUR_S}
    uk: Document = {"recording": DAYS / "house_uk_6s.csv.gz", "offset_s": 7 * HOUR_S}
    yield _sun("clouds-one-phase", "fast clouds over 6 kW, a one-phase car of 32 A", one, {**calm, "inverter": pecos})
    yield _sun(
        "clouds-three-phase",
        "fast clouds over twice that roof, a three-phase car",
        three,
        {**calm, "inverter": {**pecos, "scale": 2}},
    )
    yield _sun(
        "clouds-slow-meter",
        "fast clouds, a one-phase car, a meter of whole amps every ten seconds",
        one,
        {**calm, "inverter": pecos},
        kind="dsmr4",
    )
    yield _sun("sun-first-day", "the first day of a 5 kW inverter", one, {**calm, "inverter": first})
    yield _sun("sun-second-day", "its second day; the recording holds two", one, {**calm, "inverter": second})
    yield _sun(
        "sun-two-cars", "the second day times 1.5, two cars", pair, {**calm, "inverter": {**second, "scale": 1.5}}
    )
    yield _sun("sun-and-spikes", "the first day over a house of kettles and showers", one, {**uk, "inverter": first})


def _sun(name: str, about: str, chargers: Mapping[str, Document], house: Document, *, kind: str = "dsmr5") -> Case:
    return Case(
        id=name,
        about=about,
        kind=Kind.SURPLUS,
        scenario=_scenario(chargers, house=house, p1={"kind": kind}),
        lasts_s=11 * HOUR_S,
        quick_s=1.25 * HOUR_S,
        is_recorded=True,
    )


def _made_up() -> Iterator[Case]:
    yield Case(
        id="small-home",
        about="four cars on 1 x 25 A from 18:00 to 7:00, more wanted than can be had",
        kind=Kind.CONTENTION,
        scenario=_scenario(
            {f"car-{place}": _charger((Line.L1,), visits=[_night(place, 25_000)]) for place in range(1, 5)},
            house={"base_a": 2.0, "appliances": ("fridge", "washer")},
            starts_at="2026-01-15T18:00:00+01:00",
        ),
        lasts_s=13 * HOUR_S,
        quick_s=HOUR_S,
        phases=1,
    )
    yield from _rotations()
    yield Case(
        id="cycling",
        about="a load of 9 A that comes and goes every 20 s on L2, so that the limit is passed each time",
        kind=Kind.CONTENTION,
        scenario=_scenario(
            {"left": _charger(), "right": _charger((Line.L2,))},
            house={
                "constant_a": (3, 7, 3),
                "steps": [
                    {"line": "L2", "current_a": 9, "at_s": at_s, "for_s": 10} for at_s in range(300, int(HOUR_S), 20)
                ],
            },
        ),
        lasts_s=HOUR_S,
        quick_s=0.5 * HOUR_S,
    )
    yield Case(
        id="quarter",
        about="a quarter-hour mean of 5 kW to be kept, two one-phase cars, a Belgian meter",
        kind=Kind.CAP,
        scenario=_scenario(
            {"left": _charger((Line.L1,), max_a=32), "right": _charger((Line.L2,), max_a=32)},
            house={},
            p1={"kind": "be"},
            starts_at="2026-01-15T17:00:00+01:00",
        ),
        lasts_s=6 * HOUR_S,
        quick_s=HOUR_S,
        most_w=5_000,
    )
    yield from nights.made_up()


def _rotations() -> Iterator[Case]:
    wired = (("a", Line.L1), ("b", Line.L2), ("c", Line.L3))
    turned = tuple((name, (LINES[(line.place + 1) % 3],)) for name, line in wired)
    chargers = {name: _charger((line,), max_a=32) for name, line in wired}
    for is_right in (True, False):
        yield Case(
            id="rotation-right" if is_right else "rotation-wrong",
            about="three one-phase cars, one on each phase, a house that loads L2 most; "
            + ("the policy knows the phases" if is_right else "the policy has all phases turned by one"),
            kind=Kind.CONTENTION,
            scenario=_scenario(
                chargers,
                house={"constant_a": (2, 12, 5), "steps": [{"line": "L2", "current_a": 6, "at_s": 900, "for_s": 300}]},
            ),
            lasts_s=HOUR_S,
            quick_s=0.5 * HOUR_S,
            told_lines=() if is_right else turned,
        )


def _scenario(chargers: Mapping[str, Document], **parts: object) -> Scenario:
    return Scenario.model_validate({"seed": 1, "chargers": chargers, **parts})


def _charger(
    lines: tuple[Line, ...] = LINES,
    *,
    max_a: int = 16,
    lag_s: float = LAG_S,
    visits: Sequence[Document] = (),
) -> Document:
    """A whole-amp wallbox that measures what its car draws; without visits a car that is always there and hungry."""
    car = {
        "phases": len(lines),
        "max_a": max_a,
        "lag_s": lag_s,
        "battery_wh": UNLIMITED_WH,
        "soc": 0.0,
        "visits": visits,
    }
    return {"driver": "edgetech", "lines": lines, "max_a": max_a, "is_32a": max_a > 16, "car": car}


def _night(place: int, wants_wh: float) -> Document:
    return {"arrives_s": 600.0 * place, "leaves_s": 12.9 * HOUR_S, "wants_wh": wants_wh}


def _after(begins: datetime, moment: str) -> float:
    return max((datetime.fromisoformat(moment) - begins).total_seconds(), 0.0)


def _rows(name: str) -> list[dict[str, str]]:
    with gzip.open(DAYS / name, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
