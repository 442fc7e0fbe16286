"""From plain values on topics to samples: what a payload says, and when what was said is whole.

Values of one sample come together or not at all: currents and powers of which one stays away make no sample.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ampherd_core.policy_values import CURRENTS, ENERGIES, FACTORS, POWERS, UNITS, VOLTAGES, Quantity, TopicValue, Unit
from ampherd_core.units import MAX_PLAUSIBLE_A, MAX_PLAUSIBLE_W, MAX_PLAUSIBLE_WH

from ampherd_meter.electrics import MAX_PLAUSIBLE_V
from ampherd_meter.sample import Count, PhaseValues, RefusedError, Sample

MAX_BYTES: Final = 4096
"""A number, a row, or a device's status; what is larger is refused unread."""

TOGETHER_S: Final = 5.0
"""The parts of a sample are no further apart than the age at which a fast meter's sample is stale."""

SLOW_S: Final = 900.0
"""State of charge and counters may come so seldom."""

_MISSES: Final = 3
"""So often a part comes again before another that stays away is told of."""

_SLOW: Final = frozenset({Quantity.SOC, *ENERGIES})
_FLOWS: Final = (Quantity.POWER, *POWERS, *CURRENTS)

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?([eE][+-]?[0-9]{1,2})?", re.ASCII)
_MOST_DIGITS: Final = 30

_COARSEST: Final = 10.0
"""A reading tells no coarser step: from a whole ampere on all are guarded alike, and `1e2` only writes 100."""

_BOUNDS: Final = {
    Unit.W: (-MAX_PLAUSIBLE_W, MAX_PLAUSIBLE_W),
    Unit.A: (-MAX_PLAUSIBLE_A, MAX_PLAUSIBLE_A),
    Unit.V: (0.0, MAX_PLAUSIBLE_V),
    Unit.PERCENT: (0.0, 100.0),
    Unit.WH: (0.0, MAX_PLAUSIBLE_WH),
}
"""Beyond them no home is: the unit, the scale or the device is wrong."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One value in its quantity's own unit, and the step of its last digit."""

    value: float
    step: float


def read(quantity: Quantity, meant: TopicValue, payload: bytes) -> Heard:
    """What a payload says of a quantity; raises RefusedError that says what is wrong with it."""
    number = _picked(_text(payload), meant)
    kept = UNITS[quantity]
    factor = meant.scale * FACTORS[kept][meant.unit or kept]
    if abs(number.adjusted()) > _MOST_DIGITS:
        raise RefusedError(Count.ABSURD, f"{quantity}: no home has such a number")
    value = float(number) * factor
    low, high = _BOUNDS[kept]
    if not low <= value <= high:
        raise RefusedError(Count.ABSURD, f"{quantity}: {value:g} {kept} is what no home has: unit, scale and sign?")
    exponent = number.as_tuple().exponent
    step = 10.0**exponent if isinstance(exponent, int) else 0.0
    return Heard(value, min(abs(step * factor), _COARSEST))


class Gathering:
    """Gathers what a meter's topics say into samples; every `now_s` is on the boot clock.

    `may_rest` is for what stands still for hours: where nothing flows, the same again is no sign of a frozen meter.
    """

    def __init__(self, wanted: Mapping[Quantity, TopicValue], *, may_rest: bool) -> None:
        self._wanted = wanted
        self._may_rest = may_rest
        self._by_topic: dict[str, list[Quantity]] = defaultdict(list)
        for quantity, meant in wanted.items():
            self._by_topic[meant.topic].append(quantity)
        self._parts = [quantity for quantity in wanted if quantity not in _SLOW]
        self._heard: dict[Quantity, Heard] = {}
        self._heard_s: dict[Quantity, float] = {}
        self._new: Counter[Quantity] = Counter()
        self._steps: dict[Quantity, float] = {}

    @property
    def topics(self) -> Sequence[str]:
        """What must be listened to."""
        return sorted(self._by_topic)

    def hear(self, topic: str, payload: bytes, now_s: float) -> Sample | None:
        """The sample that this message makes whole, else None; raises RefusedError for what cannot be."""
        named = self._by_topic.get(topic, [])
        found = {quantity: read(quantity, self._wanted[quantity], payload) for quantity in named}
        for quantity, heard in found.items():
            self._heard[quantity], self._heard_s[quantity] = heard, now_s
            self._steps[quantity] = min(heard.step, self._steps.get(quantity, heard.step))
            self._new[quantity] += 1
        if _SLOW.issuperset(named):
            return None
        silent = [part for part in self._parts if not self._new[part] or now_s - self._heard_s[part] > TOGETHER_S]
        if silent:
            self._miss(silent, named)
            return None
        self._new.clear()
        return self._sample(now_s)

    def _miss(self, silent: Sequence[Quantity], named: Sequence[Quantity]) -> None:
        if all(self._new[quantity] <= _MISSES for quantity in named):
            return
        self._new = Counter(dict.fromkeys(self._new, 1))
        topics = ", ".join(sorted({self._wanted[quantity].topic for quantity in silent}))
        raise RefusedError(Count.HALF_MISSING, f"nothing on {topics} while the others speak")

    def _sample(self, now_s: float) -> Sample:
        values = {quantity: heard.value for quantity, heard in self._heard.items() if self._counts(quantity, now_s)}
        rests = self._may_rest and not any(values.get(quantity) for quantity in _FLOWS)
        one, two, three = (_phase(values, place) for place in range(3))
        return Sample(
            phases=(one, two, three),
            power_w=values.get(Quantity.POWER, _total_w(values)),
            resolution_a=max((self._steps[quantity] for quantity in CURRENTS if quantity in values), default=0.0),
            energy_import_wh=values.get(Quantity.ENERGY_IMPORT),
            energy_export_wh=values.get(Quantity.ENERGY_EXPORT),
            soc_percent=values.get(Quantity.SOC),
            content=None if rests else repr(sorted((name, heard.value) for name, heard in self._heard.items())),
        )

    def _counts(self, quantity: Quantity, now_s: float) -> bool:
        return now_s - self._heard_s[quantity] <= (SLOW_S if quantity in _SLOW else TOGETHER_S)


def _phase(values: Mapping[Quantity, float], place: int) -> PhaseValues | None:
    found = PhaseValues(values.get(CURRENTS[place]), values.get(POWERS[place]), values.get(VOLTAGES[place]))
    return None if found == PhaseValues() else found


def _total_w(values: Mapping[Quantity, float]) -> float | None:
    """Where there is no total: what its phases add up to."""
    powers = [values[quantity] for quantity in POWERS if quantity in values]
    return round(sum(powers), 3) if powers else None


def _text(payload: bytes) -> str:
    if len(payload) > MAX_BYTES:
        raise RefusedError(Count.OVERSIZE, f"more than {MAX_BYTES} bytes")
    try:
        return payload.decode("utf-8").strip()
    except UnicodeDecodeError as err:
        raise RefusedError(Count.UNPARSABLE, "not UTF-8 text") from err


def _picked(text: str, meant: TopicValue) -> Decimal:
    if meant.field is not None:
        return _in_document(text, meant.field)
    if meant.column is None:
        return _plain(text)
    row = text.split(",")
    if len(row) < meant.column:
        raise RefusedError(Count.UNPARSABLE, f"a row of {len(row)} has no column {meant.column}")
    return _plain(row[meant.column - 1].strip())


def _plain(text: str) -> Decimal:
    if _NUMBER.fullmatch(text) is None:
        raise RefusedError(Count.UNPARSABLE, f"{text[:40]!r} is no plain number, like 230.4")
    return Decimal(text)


def _in_document(text: str, field: str) -> Decimal:
    try:
        found: object = json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError, ArithmeticError) as err:
        raise RefusedError(Count.UNPARSABLE, "not JSON, where a field of it is wanted") from err
    for name in field.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, Decimal) or not found.is_finite():
        raise RefusedError(Count.UNPARSABLE, f"{field!r} is no number in this document")
    return found


def _no_number(name: str) -> Decimal:
    raise ValueError(f"{name} is no number")
