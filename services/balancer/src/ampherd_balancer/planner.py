"""Charging plans: when each car charges and how strongly, so that all are ready in time at the least cost.

All chargers are planned together, within what the house usually leaves of each line. A slot may be split among cars
that do not fit at once; the result is the optimum of that, and its cost is bounded from below (see `mixture`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

from ampherd_balancer.allocate import Limit
from ampherd_balancer.lot import Lot, Rates
from ampherd_balancer.mixture import Share, Vector, mix
from ampherd_balancer.ways import Taker, rooms

SLOT: Final = timedelta(minutes=15)
"""Rates and demand are accounted by the quarter-hour."""

MET_WITHIN_WH: Final = 50.0
"""A plan that goes short of less is met: for so little no car is started again."""

_EARLY: Final = 1e-3
"""Among slots that cost the same the earlier is taken: the last costs this share more in the planner's eyes."""

_DEAR: Final = 1e3
"""Going short costs so many times what any slot does: energy is never traded for money."""

_SHORTEST: Final = timedelta(seconds=1)

_SUN: Final = "sun"
"""Names what the sun leaves over as a limit: within it energy costs no more than feeding it in would earn."""


class Order(NamedTuple):
    """What one car is to get: so much energy by a time, at 0 A or at `min_a` to `max_a` (A per phase).

    `now_a` is what it is offered as the time begins: what runs is not interrupted for nothing.
    """

    charger: str
    energy_wh: float
    by: datetime
    min_a: float
    max_a: float
    watts_per_amp: float
    priority: int = 5
    now_a: float = 0.0


class Slot(NamedTuple):
    """A stretch of time: what a kilowatt-hour costs (None where it is not known), and the limits beside the house.

    Of up to `sun_w`, which the sun is expected to leave over, one costs `sun_price`: what feeding it in would earn.
    """

    start: datetime
    end: datetime
    price: float | None
    limits: Sequence[Limit]
    sun_w: float = 0.0
    sun_price: float = 0.0

    @property
    def hours(self) -> float:
        """How long it lasts."""
        return (self.end - self.start).total_seconds() / 3600

    def sun_share(self, power_w: float) -> float:
        """How much of all that cars take the sun gives, 0 to 1."""
        return min(1.0, self.sun_w / power_w) if power_w > 0 else 0.0


class Part(NamedTuple):
    """A stretch of the schedule: the chargers that charge then, each with its current (A per phase)."""

    start: datetime
    end: datetime
    amps: Mapping[str, float]


class Shortfall(StrEnum):
    """Why a plan cannot be met."""

    TIME = "time"
    ROOM = "room"
    OTHERS = "others"


class Outlook(NamedTuple):
    """What becomes of one order: the energy that it gets and goes short of, when it is done, and at what cost.

    `sun_wh` of it the sun is expected to give. `unpriced_wh` fall where no price is known, and are not in the cost.
    `most_wh` is what could be charged in time if no other car had a plan; `limited_by` is the limit that is tightest
    where it is too little.
    """

    planned_wh: float
    missing_wh: float
    ready_at: datetime | None
    cost: float
    unpriced_wh: float
    shortfall: Shortfall | None = None
    most_wh: float = 0.0
    limited_by: str = ""
    sun_wh: float = 0.0

    @property
    def is_met(self) -> bool:
        """Whether the car gets what it is to get, in time."""
        return self.shortfall is None


@dataclass(frozen=True, slots=True)
class Schedule:
    """What every car with a plan does from now on, and what becomes of each order.

    Where it `has_slack` all could be met, too, if nothing was charged for a while yet.
    """

    parts: tuple[Part, ...] = ()
    outlooks: Mapping[str, Outlook] = field(default_factory=dict)
    has_slack: bool = False

    @property
    def is_met(self) -> bool:
        """Whether every car gets what it is to get, in time."""
        return all(outlook.is_met for outlook in self.outlooks.values())

    @property
    def is_sunny(self) -> bool:
        """Whether the sun is to give some of it."""
        return any(outlook.sun_wh > 0 for outlook in self.outlooks.values())

    @property
    def cost(self) -> float:
        """What all of them cost, where prices are known."""
        return sum(outlook.cost for outlook in self.outlooks.values())

    def amps(self, charger: str, now: datetime) -> float:
        """What the charger is planned to offer at that time, A; 0 outside of its slots."""
        for part in self.parts:
            if part.start <= now < part.end:
                return part.amps.get(charger, 0.0)
        return 0.0


def cuts(start: datetime, orders: Sequence[Order]) -> list[tuple[datetime, datetime]]:
    """The stretches to plan in: quarter-hours, cut where the time begins and where an order is due."""
    stop = max((order.by for order in orders), default=start)
    quarter = start.replace(minute=start.minute // 15 * 15, second=0, microsecond=0)
    times = {start, *(order.by for order in orders if order.by > start)}
    while quarter < stop:
        quarter += SLOT
        if start < quarter < stop:
            times.add(quarter)
    ordered = sorted(times)
    return [(a, b) for a, b in pairwise(ordered) if b - a >= _SHORTEST]


def plan(orders: Sequence[Order], slots: Sequence[Slot]) -> Schedule:
    """The cheapest schedule that meets every order; where that cannot be, the one that goes short of the least."""
    if not orders or not slots:
        return Schedule(outlooks={order.charger: _lost(order) for order in orders})
    takers = [Taker(order.charger, order.min_a, order.max_a, order.watts_per_amp) for order in orders]
    seen = _prices(slots)
    lots = _lots(orders, takers, slots, seen)
    demands = tuple([max(0.0, order.energy_wh) / 1000 for order in orders])
    mixture = mix([lot.best for lot in lots], demands, _penalties(orders, seen))
    parts = _parts(orders, slots, mixture.lots)
    alone_wh = [_most_wh(place, orders, slots, lots) for place in range(len(orders))]
    watts = {order.charger: order.watts_per_amp for order in orders}
    outlooks = {
        order.charger: _outlook(order, most_wh, parts, slots, watts)
        for order, most_wh in zip(orders, alone_wh, strict=True)
    }
    return Schedule(parts, outlooks)


def _lots(orders: Sequence[Order], takers: Sequence[Taker], slots: Sequence[Slot], seen: Sequence[Rates]) -> list[Lot]:
    found = rooms(takers, [*(slot.limits for slot in slots), *(_lit(orders, slot) for slot in slots)])
    return [
        Lot(
            whole,
            lit,
            takers,
            hours=slot.hours,
            rates=rates,
            sun_w=slot.sun_w,
            open_to=[order.by >= slot.end for order in orders],
        )
        for whole, lit, slot, rates in zip(found[: len(slots)], found[len(slots) :], slots, seen, strict=True)
    ]


def _lit(orders: Sequence[Order], slot: Slot) -> Sequence[Limit]:
    """The slot's limits, and the sun as one more."""
    weights_w = {order.charger: order.watts_per_amp for order in orders}
    return [*slot.limits, Limit(_SUN, slot.sun_w, weights_w)] if slot.sun_w else slot.limits


def _prices(slots: Sequence[Slot]) -> list[Rates]:
    """In the planner's eyes the unknown costs more than all known, and among equals the later."""
    known = [slot.price for slot in slots if slot.price is not None]
    known += [slot.sun_price for slot in slots if slot.sun_w]
    dearest, size = max(known, default=0.0), max((abs(price) for price in known), default=1.0) or 1.0
    unknown = dearest + size
    seen = []
    for place, slot in enumerate(slots):
        late = _EARLY * size * place / len(slots)
        seen.append(Rates((slot.price if slot.price is not None else unknown) + late, slot.sun_price + late))
    return seen


def _penalties(orders: Sequence[Order], seen: Sequence[Rates]) -> Vector:
    """What going short costs: the more the higher the priority, then the sooner it is due."""
    size = (max(abs(price) for each in seen for price in each) or 1.0) * _DEAR
    queue = sorted(range(len(orders)), key=lambda place: (-orders[place].priority, -orders[place].by.timestamp()))
    return tuple([size * (1 + 0.1 * queue.index(place)) for place in range(len(orders))])


def _parts(orders: Sequence[Order], slots: Sequence[Slot], lots: Sequence[Sequence[Share]]) -> tuple[Part, ...]:
    """The slots in order of time; a mixed one begins with what is the most like the slot before."""
    parts: list[Part] = []
    before: Vector = tuple([order.now_a for order in orders])
    for slot, shares in zip(slots, lots, strict=True):
        start = slot.start
        used = [share for share in shares if share.share * (slot.end - slot.start) >= _SHORTEST]
        for share in sorted(used, key=lambda share: _distance(share.way.amps, before)):
            end = min(slot.end, start + share.share * (slot.end - slot.start))
            amps = {order.charger: a for order, a in zip(orders, share.way.amps, strict=True) if a > 0}
            if amps:
                parts.append(Part(start, end, amps))
            start, before = end, share.way.amps
    return tuple(_joined(parts))


def _joined(parts: Sequence[Part]) -> list[Part]:
    joined: list[Part] = []
    for part in parts:
        if joined and joined[-1].end == part.start and joined[-1].amps == part.amps:
            joined[-1] = Part(joined[-1].start, part.end, part.amps)
        else:
            joined.append(part)
    return joined


def _distance(amps: Vector, before: Vector) -> float:
    return sum([abs(a - b) for a, b in zip(amps, before, strict=True)])


def _outlook(
    order: Order, most_wh: float, parts: Sequence[Part], slots: Sequence[Slot], watts: Mapping[str, float]
) -> Outlook:
    planned_wh = cost = unpriced_wh = sun_wh = 0.0
    ready_at = None
    for part in parts:
        amps = part.amps.get(order.charger, 0.0)
        if amps <= 0:
            continue
        ready_at = part.end
        power_w = sum([a * watts[charger] for charger, a in part.amps.items()])
        for slot in slots:
            hours = (min(part.end, slot.end) - max(part.start, slot.start)).total_seconds() / 3600
            if hours > 0:
                energy_wh = amps * order.watts_per_amp * hours
                on_sun_wh = energy_wh * slot.sun_share(power_w)
                planned_wh += energy_wh
                sun_wh += on_sun_wh
                cost += on_sun_wh / 1000 * slot.sun_price
                if slot.price is None:
                    unpriced_wh += energy_wh - on_sun_wh
                else:
                    cost += (energy_wh - on_sun_wh) / 1000 * slot.price
    missing_wh = max(0.0, order.energy_wh - planned_wh)
    outlook = Outlook(planned_wh, missing_wh, ready_at, cost, unpriced_wh, most_wh=most_wh, sun_wh=sun_wh)
    if missing_wh <= MET_WITHIN_WH:
        return outlook._replace(missing_wh=0.0)
    return outlook._replace(shortfall=_shortfall(order, most_wh, slots), limited_by=_tightest(order, slots))


def _most_wh(place: int, orders: Sequence[Order], slots: Sequence[Slot], lots: Sequence[Lot]) -> float:
    """What this order could get by its time if it were the only one, Wh."""
    worths = tuple([1e9 if other == place else -1e9 for other in range(len(orders))])
    return sum([lot.best(worths).gains[place] for lot, slot in zip(lots, slots, strict=True)]) * 1000


def _shortfall(order: Order, most_wh: float, slots: Sequence[Slot]) -> Shortfall:
    hours = sum(slot.hours for slot in slots if slot.end <= order.by)
    if order.max_a * order.watts_per_amp * hours < order.energy_wh:
        return Shortfall.TIME
    return Shortfall.ROOM if most_wh < order.energy_wh - MET_WITHIN_WH else Shortfall.OTHERS


def _tightest(order: Order, slots: Sequence[Slot]) -> str:
    """The limit that left the least room for this charger in the most of its slots."""
    found: dict[str, int] = {}
    for slot in slots:
        own = [limit for limit in slot.limits if limit.weights.get(order.charger) and slot.end <= order.by]
        if own:
            code = min(own, key=lambda limit: limit.room_a / limit.weights[order.charger]).code
            found[code] = found.get(code, 0) + 1
    return max(found, key=lambda code: found[code], default="")


def _lost(order: Order) -> Outlook:
    missing_wh = max(0.0, order.energy_wh)
    shortfall = Shortfall.TIME if missing_wh > MET_WITHIN_WH else None
    return Outlook(0.0, missing_wh, None, 0.0, 0.0, shortfall)
