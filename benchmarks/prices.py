"""Listed prices, recorded or made up: one price for what is bought, and the same or a fixed one for what is sold."""

from __future__ import annotations

import csv
import gzip
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TO_KWH: Final = 1 / 1_000


@dataclass(frozen=True, slots=True)
class ListedPrices:
    """EUR per kWh; each price holds until the next time. Sold energy earns the same where nothing else is said."""

    times_utc_s: Sequence[float]
    eur_per_kwh: Sequence[float]
    sold_eur_per_kwh: float | None = None

    def import_price(self, at_utc_s: float) -> float:
        """What a kWh from the grid costs."""
        return self.eur_per_kwh[max(bisect_right(self.times_utc_s, at_utc_s) - 1, 0)]

    def export_price(self, at_utc_s: float) -> float:
        """What a kWh to the grid earns."""
        return self.import_price(at_utc_s) if self.sold_eur_per_kwh is None else self.sold_eur_per_kwh


def read_prices(path: Path) -> ListedPrices:
    """The columns t_utc_s and price_eur_per_mwh of a CSV.gz file."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return ListedPrices(
        [float(row["t_utc_s"]) for row in rows], [float(row["price_eur_per_mwh"]) * TO_KWH for row in rows]
    )
