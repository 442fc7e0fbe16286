"""What energy costs on a simulated day, and what of it the balancer is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from ampherd_balancer.tariff import PriceError, price_at, read_prices
from ampherd_balancer.tariff import Prices as PriceList
from ampherd_core.mail import MAX_PAYLOAD_BYTES
from ampherd_core.plans import LONGEST_AHEAD_H
from ampherd_core.policy import Policy

from ampherd_simulator.books import Tariff
from ampherd_simulator.household import HOUR_S
from ampherd_simulator.whatif.day import Day
from ampherd_simulator.whatif.prices import Prices
from ampherd_simulator.whatif.request import RequestError

QUARTER: Final = timedelta(minutes=15)

LISTED_EVERY_S: Final = 12 * HOUR_S
"""How often the balancer hears a new list; each reaches as far as plans do."""

_LIST_LASTS: Final = timedelta(hours=LONGEST_AHEAD_H, seconds=LISTED_EVERY_S)


@dataclass(frozen=True, slots=True)
class Costs:
    """A tariff for the books, and the list that plans go by; None: no price is known, or the policy alone tells."""

    tariff: Tariff | None = None
    listed: bytes | None = None
    is_told: bool = False

    @classmethod
    def of_file(cls, tariff: Prices) -> Costs:
        """The user's own tariff, in place of what the policy says."""
        return cls(tariff, is_told=True)

    @classmethod
    def of_policy(cls, policy: Policy, path: Path, day: Day, export_price_per_kwh: float) -> Costs:
        """The policy's section `tariff`; nothing is reckoned in money where it leaves part of the day without a price.

        Raises RequestError for a list of prices that cannot be read.
        """
        listed = _read_list(policy, path)
        prices = PriceList() if listed is None else read_prices(listed)
        tariff = PolicyTariff(policy, prices, export_price_per_kwh)
        return cls(tariff if tariff.covers(day) else None, listed)

    def price_list(self, at: datetime) -> bytes | None:
        """What the balancer hears at that time (UTC); None: nothing."""
        if not self.is_told or self.tariff is None:
            return self.listed
        begins_s = at.timestamp() // QUARTER.total_seconds() * QUARTER.total_seconds()
        begins = datetime.fromtimestamp(begins_s, UTC)
        return json.dumps(
            [
                {
                    "start": start.isoformat(),
                    "end": (start + QUARTER).isoformat(),
                    "price": self.tariff.import_price(start.timestamp()),
                }
                for start in _quarters(begins, begins + _LIST_LASTS)
            ]
        ).encode()


@dataclass(frozen=True, slots=True)
class PolicyTariff:
    """What the policy says that energy costs, and the one price for what goes to the grid."""

    policy: Policy
    prices: PriceList
    export_price_per_kwh: float

    def import_price(self, at_utc_s: float) -> float:
        """What a kWh from the grid costs; nothing where no price is known."""
        return self._price(datetime.fromtimestamp(at_utc_s, UTC)) or 0.0

    def export_price(self, at_utc_s: float) -> float:  # noqa: ARG002 - one price at all times
        """What a kWh to the grid earns."""
        return self.export_price_per_kwh

    def covers(self, day: Day) -> bool:
        """Whether every quarter-hour has a price."""
        starts_at = day.starts_at.astimezone(UTC)
        ends_at = starts_at + timedelta(hours=day.hours)
        return all(self._price(start) is not None for start in _quarters(starts_at, ends_at))

    def _price(self, at: datetime) -> float | None:
        return price_at(self.policy.tariff, self.prices, at.astimezone(ZoneInfo(self.policy.site.timezone)))


def _quarters(begins: datetime, ends: datetime) -> Iterator[datetime]:
    at = begins
    while at < ends:
        yield at
        at += QUARTER


def _read_list(policy: Policy, path: Path) -> bytes | None:
    name = policy.tariff.list_file
    if name is None:
        return None
    try:
        with (path.parent / name).open("rb") as file:
            payload = file.read(MAX_PAYLOAD_BYTES + 1)
        read_prices(payload)
    except (OSError, PriceError) as err:
        raise RequestError(f"{path.name}: tariff.list_file {name}: {err}; mend it, or give --tariff") from err
    return payload
