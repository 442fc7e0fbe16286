"""One case of the comparison: a site, its cars and its day, and the policy that an installer would write for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from ampherd_core.messages import Mode
from ampherd_core.phases import Line
from ampherd_core.policy import Policy
from ampherd_simulator.books import Tariff
from ampherd_simulator.scenario import Scenario

FIRST_PORT: Final = 5_001


class Kind(StrEnum):
    """What a case is about, and so which figures are told of it."""

    CONTENTION = "contention"
    SURPLUS = "surplus"
    CAP = "cap"
    COST = "cost"


@dataclass(frozen=True, slots=True)
class Case:
    """`scenario` is the truth; `told_lines` is what the policy says instead of it about a charger's wiring.

    `quick_s` is how much of it a quick run takes; `most_w` is the quarter-hour mean that is to be kept. `past` is what
    the days before were like, where that is not chance alone; `export_price` is what the policy says that feeding in
    earns, EUR per kWh.
    """

    id: str
    about: str
    kind: Kind
    scenario: Scenario
    lasts_s: float
    quick_s: float
    phases: int = 3
    is_recorded: bool = False
    told_lines: tuple[tuple[str, tuple[Line, ...]], ...] = ()
    most_w: float | None = None
    tariff: Tariff | None = None
    past: Scenario | None = None
    export_price: float | None = None

    def policy(self, mode: Mode, solar: Mapping[str, float] = MappingProxyType({})) -> Policy:
        """What an installer would write; every charger in `mode`, and what differs in the section `solar`."""
        told = dict(self.told_lines)
        document: dict[str, object] = {
            "version": 1,
            "connection": {"rating_a": self.scenario.rating_a, "phases": self.phases},
            "solar": dict(solar),
            "meters": {"grid": {"role": "grid", "driver": "dsmr", "source": "tcp://127.0.0.1:2001"}},
            "chargers": {
                charger_id: {
                    "driver": charger.driver,
                    "link": f"tcp://127.0.0.1:{port}",
                    "lines": told.get(charger_id, charger.lines),
                    "max_a": charger.max_a,
                    "mode": mode,
                }
                for port, (charger_id, charger) in enumerate(self.scenario.chargers.items(), start=FIRST_PORT)
            },
        }
        if self.export_price is not None:
            document["tariff"] = {"export_price": self.export_price}
        if self.most_w is not None:
            document["limits"] = {"quarter_peak": {"floor_w": self.most_w}}
        return Policy.model_validate(document)
