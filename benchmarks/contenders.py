"""Who takes part: ours, the rivals, and for solar the modes that each of them has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ampherd_balancer.core import Balancer
from ampherd_core.messages import Mode
from ampherd_simulator.mind import MindMaker

from benchmarks.case import Case
from benchmarks.rivals.edgetech import Edgetech
from benchmarks.rivals.equal_split import EqualSplit
from benchmarks.rivals.evcc import Evcc
from benchmarks.rivals.evcc_plan import EvccPlan
from benchmarks.rivals.openevse import Eco, Shaper
from benchmarks.rivals.openwb import OpenWb
from benchmarks.rivals.seen import Lone, Loners, Rival, Site
from benchmarks.rivals.smartevse import SmartEvse
from benchmarks.rivals.warp import Warp
from benchmarks.seat import RivalMaker, Seat
from benchmarks.user import rates, wishes


@dataclass(frozen=True, slots=True)
class Contender:
    """A row of the comparison: what decides, in which mode; `rival` is None for ours.

    `has_plans` says that its user has the prices, and sets a plan for each car; `solar` is what its user changed in
    that section of the policy.
    """

    name: str
    rival: RivalMaker | None
    mode: Mode = Mode.FAST
    has_plans: bool = False
    solar: Mapping[str, float] = field(default_factory=dict)

    def mind(self, case: Case) -> MindMaker:
        """What sits in the balancer's place, told of what its installer and its user know of the case."""
        if self.rival is None:
            return Balancer
        if not self.has_plans:
            return Seat(self.rival, case.most_w)
        return Seat(self.rival, case.most_w, rates(case), tuple(wishes(case)))


def _each(make: Callable[[Site], Lone]) -> RivalMaker:
    """One controller for each charger."""

    def loners(site: Site, chargers: tuple[str, ...]) -> Rival:
        return Loners({charger: make(site) for charger in chargers})

    return loners


def _one(make: Callable[[Site], Rival]) -> RivalMaker:
    """One controller for all chargers."""

    def rival(site: Site, chargers: tuple[str, ...]) -> Rival:
        del chargers
        return make(site)

    return rival


FAST: Final[Sequence[Contender]] = (
    Contender("Ampherd", None),
    Contender("evcc", _one(Evcc)),
    Contender("openWB", _one(OpenWb)),
    Contender("WARP", _one(Warp)),
    Contender("SmartEVSE smart", _one(SmartEvse)),
    Contender("OpenEVSE shaper", _each(Shaper)),
    Contender("Edgetech example", _each(Edgetech)),
    Contender("equal split", _one(EqualSplit)),
)

COST: Final[Sequence[Contender]] = (
    Contender("Ampherd", None, has_plans=True),
    Contender("Ampherd without plans", None),
    Contender("evcc plan", _one(EvccPlan), Mode.SOLAR, has_plans=True),
    *FAST[1:],
)

CAREFUL: Final[Mapping[str, float]] = {
    "sun_share": 1,
    "import_allowance_wh": 20,
    "stop_below_w": 0,
    "rise_after_s": 5,
    "start_after_s": 30,
    "min_on_s": 60,
    "min_off_s": 60,
}
"""Buys as little as can be, for a little less sun and more starts: docs/solar.md tells what each of them does."""

SOLAR: Final[Sequence[Contender]] = (
    Contender("Ampherd solar", None, Mode.SOLAR),
    Contender("Ampherd solar, careful", None, Mode.SOLAR, solar=CAREFUL),
    Contender("Ampherd min_solar", None, Mode.MIN_SOLAR),
    Contender("evcc pv", _one(Evcc), Mode.SOLAR),
    Contender("evcc minpv", _one(Evcc), Mode.MIN_SOLAR),
    Contender("openWB pv", _one(OpenWb), Mode.SOLAR),
    Contender("WARP pv", _one(Warp), Mode.SOLAR),
    Contender("SmartEVSE solar", _one(SmartEvse), Mode.SOLAR),
    Contender("OpenEVSE eco", _each(lambda _site: Eco()), Mode.SOLAR),
    Contender("equal split", _one(EqualSplit)),
)
"""Edgetech's example knows no sun; an equal split shows what charging without looking at the sun comes to."""
