"""How each fault comes over a world, and how it ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ampherd_core.messages import IecState

from ampherd_simulator.charger import SimulatedCharger
from ampherd_simulator.faults import METER, Fault, Kind
from ampherd_simulator.virtual_meter import VirtualMeter
from ampherd_simulator.wallboxes.edgetech import Edgetech

if TYPE_CHECKING:
    from ampherd_simulator.world import World

IN_THE_ACT: Final = 1.0


def begin(world: World, fault: Fault) -> None:
    """The fault strikes; those of the bus, the store and the links are looked up where they act."""
    strike = _BEGINS.get(fault.kind)
    if strike is not None:
        strike(world, fault)


def end(world: World, fault: Fault) -> None:
    """The fault is over."""
    mend = _ENDS.get(fault.kind)
    if mend is not None:
        mend(world, fault)


def _kill(world: World, fault: Fault) -> None:
    if fault.who in world.agents:
        if fault.amount and not world.agents[fault.who].is_frozen(world.now_s):
            world.agents[fault.who].part(world.now_s)
            world.tell_state(world.agents[fault.who])
        world.stop_agent(fault.who)
    elif fault.who == METER:
        _freeze_until(world, METER, math.inf)
    else:
        world.stop_balancer(fault.who)


def _revive(world: World, fault: Fault) -> None:
    if fault.who in world.policy.chargers:
        if fault.who not in world.agents:
            world.start_agent(fault.who)
    elif fault.who == METER:
        world.restart_meter()
    elif fault.who not in world.balancers:
        world.start_balancer(fault.who)


def _freeze(world: World, fault: Fault) -> None:
    process = world.process(fault.who)
    if process is None:
        return
    process.is_tick_first = fault.at_s % 2 < 1
    if fault.amount == IN_THE_ACT and fault.who != METER:
        process.freeze_in_the_act(lambda now_s: world.faults.put_off(fault, now_s))
    else:
        process.freeze(fault.ends_s)


def _freeze_until(world: World, name: str, until_s: float) -> None:
    process = world.process(name)
    if process is not None:
        process.freeze(until_s)


def _suspend(world: World, fault: Fault) -> None:
    for process in world.processes:
        process.freeze(fault.ends_s)


def _shut_down(world: World, _fault: Fault) -> None:
    for name in list(world.agents):
        world.stop_agent(name)
    for name in list(world.balancers):
        world.stop_balancer(name)
    _freeze_until(world, METER, math.inf)


def _boot(world: World, _fault: Fault) -> None:
    for name in world.policy.chargers:
        if name not in world.agents:
            world.start_agent(name)
    for name in world.balancer_names:
        if name not in world.balancers:
            world.start_balancer(name)
    world.restart_meter()


def _jump(world: World, fault: Fault) -> None:
    world.wall_clock_off_s += fault.amount


def _replay(world: World, fault: Fault) -> None:
    process = world.process(fault.who)
    if process is not None:
        world.bus.replay(process, fault.amount, world.now_s)


def _lose_store(world: World, _fault: Fault) -> None:
    world.store.lose()


def _meter_switch(name: str, *, is_on: bool) -> Callable[[World, Fault], None]:
    def switch(world: World, _fault: Fault) -> None:
        setattr(world.meter.faults, name, is_on)

    return switch


def _wrong_sign(world: World, fault: Fault) -> None:
    if isinstance(world.meter, VirtualMeter):
        world.meter.has_wrong_sign = fault.ends_s > world.now_s


def _slow_meter(world: World, fault: Fault) -> None:
    if isinstance(world.meter, VirtualMeter):
        world.meter.slow_s = fault.amount if fault.ends_s > world.now_s else 0.0


def _box_switch(name: str, *, is_on: bool) -> Callable[[World, Fault], None]:
    def switch(world: World, fault: Fault) -> None:
        setattr(_charger(world, fault).faults, name, is_on)

    return switch


def _reboot(world: World, fault: Fault) -> None:
    _charger(world, fault).wallbox.reboot(world.now_s)


def _lose_registers(world: World, fault: Fault) -> None:
    _charger(world, fault).wallbox.forget_limit()


def _stick(world: World, fault: Fault) -> None:
    wallbox = _charger(world, fault).wallbox
    if isinstance(wallbox, Edgetech):
        wallbox.is_switch_stuck = fault.ends_s > world.now_s


def _overdraw(world: World, fault: Fault) -> None:
    car = _charger(world, fault).car
    factor = fault.amount if fault.ends_s > world.now_s else car.nature.overdraw_factor
    car.traits = replace(car.traits, overdraw_factor=factor)


def _slow_car(world: World, fault: Fault) -> None:
    car = _charger(world, fault).car
    car.traits = replace(car.traits, lag_s=fault.amount if fault.ends_s > world.now_s else car.nature.lag_s)


def _stubborn(world: World, fault: Fault) -> None:
    car = _charger(world, fault).car
    car.traits = replace(car.traits, is_stubborn=fault.ends_s > world.now_s)


def _stop_car(world: World, fault: Fault) -> None:
    _charger(world, fault).car.is_sated = fault.ends_s > world.now_s


def _leave(world: World, fault: Fault) -> None:
    _charger(world, fault).car.unplug()


def _come_back(world: World, fault: Fault) -> None:
    car = _charger(world, fault).car
    if car.iec_state is IecState.A:
        car.plug()


def _charger(world: World, fault: Fault) -> SimulatedCharger:
    return world.site.chargers[fault.who]


_BEGINS: Final[Mapping[Kind, Callable[[World, Fault], None]]] = {
    Kind.KILLED: _kill,
    Kind.FROZEN: _freeze,
    Kind.HOST_SUSPENDED: _suspend,
    Kind.HOST_RESTARTED: _shut_down,
    Kind.WALL_CLOCK_JUMPED: _jump,
    Kind.MESSAGES_REPLAYED: _replay,
    Kind.STORE_LOST: _lose_store,
    Kind.METER_SILENT: _meter_switch("is_silent", is_on=True),
    Kind.METER_FROZEN: _meter_switch("is_frozen", is_on=True),
    Kind.METER_HALF_MISSING: _meter_switch("is_half_missing", is_on=True),
    Kind.METER_GARBAGE: _meter_switch("is_garbage", is_on=True),
    Kind.METER_SIGN_WRONG: _wrong_sign,
    Kind.METER_SLOW: _slow_meter,
    Kind.WRITES_IGNORED: _box_switch("ignores_writes", is_on=True),
    Kind.CURRENTS_STALE: _box_switch("has_stale_currents", is_on=True),
    Kind.CAR_GHOST: _box_switch("has_ghost_car", is_on=True),
    Kind.WALLBOX_REBOOTED: _reboot,
    Kind.REGISTERS_LOST: _lose_registers,
    Kind.PHASES_STUCK: _stick,
    Kind.CAR_OVERDRAWS: _overdraw,
    Kind.CAR_SLOW: _slow_car,
    Kind.CAR_STUBBORN: _stubborn,
    Kind.CAR_STOPS: _stop_car,
    Kind.CAR_GONE: _leave,
}

_ENDS: Final[Mapping[Kind, Callable[[World, Fault], None]]] = {
    Kind.KILLED: _revive,
    Kind.HOST_RESTARTED: _boot,
    Kind.METER_SILENT: _meter_switch("is_silent", is_on=False),
    Kind.METER_FROZEN: _meter_switch("is_frozen", is_on=False),
    Kind.METER_HALF_MISSING: _meter_switch("is_half_missing", is_on=False),
    Kind.METER_GARBAGE: _meter_switch("is_garbage", is_on=False),
    Kind.METER_SIGN_WRONG: _wrong_sign,
    Kind.METER_SLOW: _slow_meter,
    Kind.WRITES_IGNORED: _box_switch("ignores_writes", is_on=False),
    Kind.PHASES_STUCK: _stick,
    Kind.CURRENTS_STALE: _box_switch("has_stale_currents", is_on=False),
    Kind.CAR_GHOST: _box_switch("has_ghost_car", is_on=False),
    Kind.CAR_OVERDRAWS: _overdraw,
    Kind.CAR_SLOW: _slow_car,
    Kind.CAR_STUBBORN: _stubborn,
    Kind.CAR_STOPS: _stop_car,
    Kind.CAR_GONE: _come_back,
}
