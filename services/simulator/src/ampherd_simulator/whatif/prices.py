"""What energy costs by the time of day, read from a CSV file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from ampherd_simulator.house import Timeline
from ampherd_simulator.household import DAY_S
from ampherd_simulator.recording import cover_of, read_column

IMPORT_COLUMNS: Final = {"price_per_kwh": 1.0, "price_eur_per_mwh": 1e-3}
EXPORT_COLUMNS: Final = {"export_price_per_kwh": 1.0}
SLOT_S: Final = 3_600.0
"""The last price of a file holds for an hour."""


@dataclass(frozen=True, slots=True)
class Prices:
    """A tariff; before its first and after its last price it repeats itself by whole days."""

    bought: Timeline
    sold: Timeline | None
    base_utc_s: float
    export_price_per_kwh: float

    def import_price(self, at_utc_s: float) -> float:
        """What a kWh from the grid costs."""
        return self._at(self.bought, at_utc_s)

    def export_price(self, at_utc_s: float) -> float:
        """What a kWh to the grid earns."""
        return self.export_price_per_kwh if self.sold is None else self._at(self.sold, at_utc_s)

    def _at(self, prices: Timeline, at_utc_s: float) -> float:
        first_s, last_s = prices.times_s[0], prices.times_s[-1]
        days = max(1.0, math.floor((last_s + SLOT_S - first_s) / DAY_S))
        at_s = at_utc_s - self.base_utc_s
        if not first_s <= at_s < last_s + SLOT_S:
            at_s = first_s + (at_s - first_s) % (days * DAY_S)
        return prices.at(at_s)[0]


def read_prices(path: Path, midnight: datetime, export_price_per_kwh: float) -> Prices:
    """The tariff in `path`; times `t_s` count from `midnight`, `t_utc_s` from 1970."""
    cover = cover_of(path)
    return Prices(
        bought=read_column(path, IMPORT_COLUMNS),
        sold=read_column(path, EXPORT_COLUMNS) if not cover.columns.isdisjoint(EXPORT_COLUMNS) else None,
        base_utc_s=0.0 if cover.is_utc else midnight.timestamp(),
        export_price_per_kwh=export_price_per_kwh,
    )
