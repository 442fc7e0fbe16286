"""SmartEVSE: a master and its nodes on one mains meter, in Smart or Solar mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.rivals.seen import Seen, SeenCharger, Site, worst
from benchmarks.rivals.smartevse_balance import IMPORT_DA, MIN_DA, START_DA, Balance, Mains, shares_da

CYCLE_S: Final = 2.0
CHARGE_DELAY_S: Final = 60.0
SOLAR_START_S: Final = 40.0


@dataclass(slots=True)
class Node:
    """One EVSE: what the master assigned it (0.1 A), what it signals (A), and since when its car charges."""

    balanced_da: int = 0
    offer_a: float = 0.0
    since_s: float | None = None


class SmartEvse:
    """Firmware 3's balancing (smartevse-edgetech.md, 3.1 to 3.4) with its defaults.

    MAINS and CIRCUIT are set to the fuse and MAX to the charger, as an installer would. Every 2 s and only on a new
    sample: the worst phase rules, all cars are thought to be on it, and what a car does not take is not given to
    others. Where the minimum of all does not fit for three cycles, all stop for 60 s or more. In Solar mode the first
    car needs 4 A of export over all phases; 10 minutes of import stop all.

    CAPACITY is off unless the site has a cap on power. Left out: 1P/3P, temperature, RFID, the activation pulse. A
    start on solar begins from the minimum: the description does not tell what the set-point is then. One car on solar
    puts the whole site into that mode.
    """

    def __init__(self, site: Site) -> None:
        limit_da = round(site.limit_a * 10)
        self._site = site
        most_da = None if site.most_w is None else round(site.most_w / site.voltage_v * 10)
        self._balance = Balance(limit_da, limit_da, most_da=most_da)
        self._nodes: dict[str, Node] = {}
        self._cycled_s = self._read_s = float("-inf")
        self._rests_until_s = float("-inf")
        self._is_tripped = False

    def decide(self, seen: Seen, now_s: float) -> Mapping[str, float]:
        """What each EVSE signals, A."""
        nodes = {charger.id: self._nodes.setdefault(charger.id, Node()) for charger in seen.chargers}
        if self._is_tripped:
            self._rests_until_s = now_s + CHARGE_DELAY_S
        if now_s - self._cycled_s >= CYCLE_S and seen.read_s > self._read_s:
            self._cycled_s, self._read_s = now_s, seen.read_s
            self._cycle(seen, now_s)
        return {charger_id: node.offer_a for charger_id, node in nodes.items()}

    def _cycle(self, seen: Seen, now_s: float) -> None:
        lines = self._site.lines
        mains = Mains(round(worst(lines, seen.grid_a) * 10), round(sum(seen.grid_a[line.place] for line in lines) * 10))
        self._balance.phases = max(len(charger.lines) for charger in seen.chargers)
        is_solar = any(charger.is_sunny for charger in seen.chargers)
        active, is_join = self._take_in(seen.chargers, now_s)
        shares = [self._nodes[charger.id].balanced_da for charger in active]
        if self._balance.cycle(mains, shares, now_s, is_join=is_join, is_solar=is_solar):
            self._trip()
            return
        self._distribute(active, now_s, is_solar=is_solar)
        self._admit(seen.chargers, active, mains, now_s, is_solar=is_solar)

    def _take_in(self, chargers: Sequence[SeenCharger], now_s: float) -> tuple[list[SeenCharger], bool]:
        """The cars that charge with leave, and whether one of them is new."""
        active, is_join = [], False
        for charger in chargers:
            node = self._nodes[charger.id]
            if charger.is_charging and node.offer_a > 0:
                active.append(charger)
                if node.since_s is None:
                    node.since_s, node.balanced_da, is_join = now_s, 0, True
            else:
                node.since_s, node.balanced_da = None, 0
        return active, is_join

    def _distribute(self, active: Sequence[SeenCharger], now_s: float, *, is_solar: bool) -> None:
        most_da = [self._most_da(charger, now_s, is_solar=is_solar) for charger in active]
        if is_solar and most_da and all(each == MIN_DA for each in most_da):
            self._balance.set_da = MIN_DA * len(most_da)
        for charger, share_da in zip(active, shares_da(self._balance.set_da, most_da), strict=True):
            node = self._nodes[charger.id]
            node.balanced_da, node.offer_a = share_da, share_da / 10

    def _most_da(self, charger: SeenCharger, now_s: float, *, is_solar: bool) -> int:
        since_s = self._nodes[charger.id].since_s
        is_new = since_s is not None and now_s - since_s < SOLAR_START_S
        return MIN_DA if is_solar and is_new else round(charger.max_a * 10)

    def _admit(
        self,
        chargers: Sequence[SeenCharger],
        active: Sequence[SeenCharger],
        mains: Mains,
        now_s: float,
        *,
        is_solar: bool,
    ) -> None:
        """Cars that wait get the minimum, one after the other as long as there is room for one more (3.3)."""
        total_da = sum(self._nodes[charger.id].balanced_da for charger in active)
        count = len(active)
        if self._is_tripped:
            self._is_tripped = not self._has_room(count + 1, total_da, mains, is_solar=is_solar)
        for charger in chargers:
            node = self._nodes[charger.id]
            if node.since_s is not None:
                continue
            may_start = charger.is_connected and not self._is_tripped and now_s >= self._rests_until_s
            is_room = may_start and self._has_room(count + 1, total_da, mains, is_solar=is_solar)
            node.offer_a = MIN_DA / 10 if is_room else 0.0
            count += is_room

    def _has_room(self, count: int, total_da: int, mains: Mains, *, is_solar: bool) -> bool:
        """IsCurrentAvailable, for `count` cars of which the last is new."""
        least_da = (count - 1) * MIN_DA
        if is_solar and count == 1 and mains.sum_da >= -START_DA:
            return False
        if is_solar and count > 1 and not least_da <= total_da >= mains.sum_da - IMPORT_DA + least_da:
            return False
        needed_da = count * MIN_DA
        most_da = self._balance.most_da
        if most_da is not None and self._site.phases * needed_da + mains.sum_da > most_da:
            return False
        return needed_da + mains.worst_da - total_da <= self._balance.limit_da and needed_da <= self._balance.limit_da

    def _trip(self) -> None:
        """LESS_6A: all of them."""
        self._is_tripped = True
        self._balance.no_current, self._balance.sun_gone_s = 0, None
        for node in self._nodes.values():
            node.balanced_da, node.offer_a, node.since_s = 0, 0.0, None
