"""Virtual time with sun, visits, books and another mind in the balancer's place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from ampherd_balancer.core import Balancer
from ampherd_core.messages import ChargerState, Grant, GrantId, IecState, MeterRole, Reading
from ampherd_core.phases import Line
from ampherd_core.policy import DriverName, Meter, Policy
from ampherd_core.policy_file import load_policy
from ampherd_simulator.bookkeeper import Bookkeeper
from ampherd_simulator.mirror import mirror
from ampherd_simulator.scenario import CarPart, HousePart, InverterPart, VisitPart
from ampherd_simulator.world import World

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def policy() -> Policy:
    """The example with wallboxes that measure, and a meter on the roof."""
    example = load_policy(ROOT / "site.example.yaml")
    chargers = {
        name: charger.model_copy(update={"driver": DriverName.EDGETECH}) for name, charger in example.chargers.items()
    }
    roof = Meter(role=MeterRole.SOLAR, driver="dsmr", source="tcp://127.0.0.1:2002", lines=(Line.L3, Line.L1))
    return example.model_copy(update={"chargers": chargers, "meters": {**example.meters, "roof": roof}})


@pytest.fixture
def sunny(tmp_path: Path) -> HousePart:
    """A house of 2 A a line under a sun of 1380 W on L1 and L3 that comes after a minute."""
    path = tmp_path / "sun.csv"
    path.write_text("t_s,p_pv_w\n0,0\n60,690\n100000,690\n", encoding="utf-8")
    inverter = InverterPart(recording=path, scale=2, lines=(Line.L1, Line.L3))
    return HousePart(constant_a=(2, 2, 2), inverter=inverter)


def cars(policy: Policy, **visits: Sequence[VisitPart]) -> dict[str, CarPart]:
    return {
        name: CarPart(visits=tuple(visits.get(name, ())), is_away=name not in visits, phases=1, battery_wh=100_000)
        for name in policy.chargers
    }


@dataclass
class Decision:
    """The least that a mind must answer."""

    grants: Sequence[Grant] = ()
    must_yield: bool = False


class Eight:
    """Grants everybody 8 A whatever happens; remembers what it heard."""

    def __init__(self, policy: Policy, *, epoch: int, now_s: float) -> None:
        del policy, now_s
        self.epoch = epoch
        self.seq = 0
        self.readings: dict[str, Reading] = {}
        self.states: dict[str, ChargerState] = {}

    def take_policy(self, policy: Policy, now_s: float) -> None: ...

    def hear_reading(self, reading: Reading, now_s: float) -> bool:
        del now_s
        self.readings[reading.meter] = reading
        return True

    def hear_state(self, state: ChargerState, now_s: float) -> bool:
        del now_s
        self.states[state.charger] = state
        return True

    def hear_grant(self, grant: Grant) -> None: ...

    def decide(self, now_s: float) -> Decision:
        del now_s
        self.seq += 1
        return Decision([self._grant(name, state) for name, state in self.states.items()])

    def _grant(self, name: str, state: ChargerState) -> Grant:
        grant_id = GrantId(epoch=self.epoch, seq=self.seq)
        return Grant(charger=name, id=grant_id, echo=state.stamp, lease_s=10, offer_a=8)


def test_the_sun_is_seen_by_grid_and_solar_meter_with_generation_negative(policy: Policy, sunny: HousePart) -> None:
    world = World(policy, mirror(policy, house=sunny, cars=cars(policy)), make_mind=Eight)
    world.run(120)

    (balancer,) = world.balancers.values()
    assert isinstance(balancer.mind, Eight)
    roof, grid = balancer.mind.readings["roof"], balancer.mind.readings["grid"]
    assert world.site.house_a == pytest.approx((-1, 2, -1))
    assert grid.power_w == pytest.approx(0, abs=1)
    assert roof.role is MeterRole.SOLAR
    assert roof.power_w == pytest.approx(-1_380, abs=1)
    assert [phase and pytest.approx(phase.current_a, abs=0.01) for phase in roof.phases] == [-3, None, -3]


def test_a_silent_solar_meter_is_not_heard(policy: Policy, sunny: HousePart) -> None:
    world = World(policy, mirror(policy, house=sunny, cars=cars(policy)), make_mind=Eight)
    world.solar_meters[0].is_silent = True
    world.run(10)

    (balancer,) = world.balancers.values()
    assert isinstance(balancer.mind, Eight)
    assert set(balancer.mind.readings) == {"grid"}


def test_another_mind_decides_and_is_judged_by_the_same_books(policy: Policy, sunny: HousePart) -> None:
    parts = cars(policy, guest=[VisitPart(arrives_s=60)])
    world = World(policy, mirror(policy, house=sunny, cars=parts), make_mind=Eight)
    keeper = Bookkeeper(world)

    world.run(3_600, watch=keeper.watch)
    account = keeper.account()

    assert world.balancer is None
    assert world.site.chargers["guest"].wallbox.offer_a == 8
    assert account.cars["guest"].energy_wh == pytest.approx(world.site.chargers["guest"].car.taken_wh, rel=0.01)
    assert account.charged_wh == pytest.approx(7.7 * 230 * 59 / 60, rel=0.02)
    assert account.caused_import_wh == account.charged_wh
    assert account.solar_wh == pytest.approx(1_380 * 59 / 60, rel=0.01)
    assert account.import_wh == pytest.approx(world.site.import_wh)


def test_a_car_comes_twice_and_takes_what_it_wants(policy: Policy, sunny: HousePart) -> None:
    visits = [
        VisitPart(arrives_s=60, leaves_s=4_000, wants_wh=1_500),
        VisitPart(arrives_s=4_200, leaves_s=5_400, wants_wh=9_000),
    ]
    world = World(policy, mirror(policy, house=sunny, cars=cars(policy, guest=visits)))
    keeper = Bookkeeper(world)
    world.run(3_900, watch=keeper.watch)

    assert isinstance(world.balancer, Balancer)
    assert world.site.chargers["guest"].car.iec_state is IecState.B
    world.run(6_000, watch=keeper.watch)

    met, missed = keeper.account().cars["guest"].visits
    assert (met.arrived_s, met.left_s, met.is_met) == (60, 4_000, True)
    assert met.taken_wh == pytest.approx(1_500, rel=0.01)
    assert (missed.arrived_s, missed.left_s, missed.is_met) == (4_200, 5_400, False)
    assert missed.taken_wh == pytest.approx(15.7 * 230 * 1_200 / 3_600, rel=0.1)
    assert keeper.account().plans_met == (1, 2)
    assert keeper.account().cars["guest"].stops == 0
