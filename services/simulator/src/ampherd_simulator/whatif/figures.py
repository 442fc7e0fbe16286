"""The figures of a report: labels, and one value for each policy; text and page are made of the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ampherd_core.policy import CONNECTION

from ampherd_simulator.account import Account, CarAccount, LineExcess
from ampherd_simulator.layers import Layer, Tally
from ampherd_simulator.whatif.plans import Planned
from ampherd_simulator.whatif.study import Study

NONE = "-"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of every policy."""

    label: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Figures that belong together."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A policy's cars or plans, one a row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def blocks(studies: Sequence[Study]) -> tuple[Block, ...]:
    """What is compared, each policy a column."""
    named = (("Energy", _energy), ("Cost", _cost), ("Fuses", _fuses), ("Cars", _cars))
    found = (Block(title, tuple(rows(studies))) for title, rows in named)
    return tuple(block for block in found if block.rows)


def tables(study: Study) -> tuple[Table, ...]:
    """A policy's cars, and its plans where it had any."""
    return tuple(table for table in (_car_table(study), _plan_table(study)) if table.rows)


def _energy(studies: Sequence[Study]) -> Iterator[Row]:
    yield _row("charged into cars", studies, lambda it: _kwh(it.charged_wh))
    yield _row("house", studies, lambda it: _kwh(it.house_wh))
    yield _row("sun", studies, lambda it: _kwh(it.solar_wh))
    yield _row("surplus (sun beyond the house)", studies, lambda it: _kwh(it.surplus_wh))
    yield _row("surplus that went into cars", studies, _surplus_used)
    yield _row("import that charging caused", studies, lambda it: _kwh(it.caused_import_wh))
    yield _row("import in all", studies, lambda it: _kwh(it.import_wh))
    yield _row("export", studies, lambda it: _kwh(it.export_wh))
    yield _row("highest quarter-hour", studies, lambda it: _kw(it.peak_quarter_w))
    yield _row("the house's own highest", studies, lambda it: _kw(it.house_peak_quarter_w))


def _cost(studies: Sequence[Study]) -> Iterator[Row]:
    if all(study.account.cost is None for study in studies):
        return
    yield _row("of charging", studies, lambda it: _money(it.charging_cost))
    yield _row("in all", studies, lambda it: _money(it.cost))


def _fuses(studies: Sequence[Study]) -> Iterator[Row]:
    ids = dict.fromkeys(limit_id for study in studies for limit_id in study.account.limits)
    for limit_id in ids:
        name = "mains" if limit_id == CONNECTION else limit_id
        yield Row(f"{name}: rating", tuple(_rating(study, limit_id) for study in studies))
        yield Row(f"{name}: over it by the house alone", tuple(_house_excess(study, limit_id) for study in studies))
        yield Row(f"{name}: over it with cars on top", tuple(_our_excess(study, limit_id) for study in studies))
    for layer, label in _LAYERS.items():
        if layer is Layer.OURS or any(study.layers[layer].total_as for study in studies if study.layers):
            yield Row(label, tuple(_tally(study.layers[layer]) if study.layers else NONE for study in studies))


_LAYERS = {
    Layer.OURS: "over the policy's limit: what could have been prevented",
    Layer.REACTION: "over the policy's limit: while meter, wallbox and cars reacted",
    Layer.UNMETERED: "over the policy's limit: cars behind wallboxes that do not measure",
    Layer.CAR: "over the policy's limit: cars that drew more than offered",
}


def _cars(studies: Sequence[Study]) -> Iterator[Row]:
    yield _row("visits that got what they wanted", studies, lambda it: _share(it.plans_met))
    if any(study.plans for study in studies):
        yield Row("plans met in time", tuple(_share(study.plans_met) for study in studies))
    yield _row("fairness (Jain, 1 is fair)", studies, lambda it: _number(it.fairness, "{:.3f}"))
    yield _row("starts", studies, lambda it: _sum(it, lambda car: car.starts))
    yield _row("stops that no car asked for", studies, lambda it: _sum(it, lambda car: car.stops))
    yield _row("phase switches", studies, lambda it: _sum(it, lambda car: car.phase_switches))
    yield _row("changes of an offer", studies, lambda it: _sum(it, lambda car: car.setpoint_changes))
    yield _row("reversals (within a minute)", studies, _reversals)


def _row(label: str, studies: Sequence[Study], value: Callable[[Account], str]) -> Row:
    return Row(label, tuple(value(study.account) for study in studies))


def _car_table(study: Study) -> Table:
    """Each car of a policy."""
    columns = (
        "car", "charged", "wanted", "share", "from the sun", "waited",
        "starts", "stops", "phase switches", "offer changes", "reversals", "flaps",
    )  # fmt: skip
    rows = tuple((charger_id, *_car(car)) for charger_id, car in study.account.cars.items())
    return Table(study.name, columns, rows)


def _plan_table(study: Study) -> Table:
    """Each plan of a policy whose time came."""
    zone = ZoneInfo(study.policy.site.timezone)
    rows = tuple(
        (
            charger_id,
            f"{plan.due.astimezone(zone):%a %H:%M}",
            _kwh(plan.wanted_wh),
            _kwh(plan.charged_wh),
            _became(plan),
        )
        for charger_id, plans in study.plans.items()
        for plan in plans
    )
    return Table(study.name, ("plan", "ready by", "wanted", "charged", "met"), rows)


def _car(car: CarAccount) -> tuple[str, ...]:
    wishes = [visit.wanted_wh for visit in car.visits]
    wanted_wh = sum(wish for wish in wishes if wish is not None)
    wanted = "full" if None in wishes else _kwh(wanted_wh) if wishes else NONE
    return (
        _kwh(car.energy_wh),
        wanted,
        _number(car.served, "{:.0%}"),
        _kwh(car.surplus_wh),
        f"{car.waited_s / 60:.0f} min",
        *map(
            str,
            (car.starts, car.stops, car.phase_switches, car.setpoint_changes, car.reversals, car.flaps),
        ),
    )


def _became(plan: Planned) -> str:
    return "yes" if plan.is_met else f"{_kwh(plan.missing_wh)} short"


def _share(met: tuple[int, int]) -> str:
    return f"{met[0]} of {met[1]}" if met[1] else NONE


def _rating(study: Study, limit_id: str) -> str:
    if limit_id == CONNECTION:
        connection = study.policy.connection
        return f"{connection.rating_a:g} A, limit {connection.limit_a:g} A"
    circuit = study.policy.circuits.get(limit_id)
    return NONE if circuit is None else f"{circuit.limit_a:g} A"


def _house_excess(study: Study, limit_id: str) -> str:
    lines = study.account.limits.get(limit_id)
    return NONE if lines is None else _excess(lines, lambda line: line.house_as, lambda line: line.house_longest_s)


def _our_excess(study: Study, limit_id: str) -> str:
    lines = study.account.limits.get(limit_id)
    return NONE if lines is None else _excess(lines, lambda line: line.ours_as, lambda line: line.our_longest_s)


def _excess(
    lines: Sequence[LineExcess], amount: Callable[[LineExcess], float], longest: Callable[[LineExcess], float]
) -> str:
    total_as = sum(amount(line) for line in lines)
    longest_s = max((longest(line) for line in lines if amount(line) > 0), default=0.0)
    return f"{total_as:.0f} A·s, longest {longest_s:.0f} s" if total_as >= 0.5 else "never"


def _tally(tally: Tally) -> str:
    return f"{tally.total_as:.0f} A·s, over 1 A for {tally.longest_s:.0f} s" if tally.total_as >= 0.5 else "never"


def _surplus_used(account: Account) -> str:
    share = account.surplus_used_share
    return NONE if share is None else f"{_kwh(account.surplus_used_wh)} ({share:.0%})"


def _reversals(account: Account) -> str:
    return f"{_sum(account, lambda car: car.reversals)} ({_sum(account, lambda car: car.flaps)})"


def _sum(account: Account, amount: Callable[[CarAccount], int]) -> str:
    return str(sum(amount(car) for car in account.cars.values()))


def _kwh(energy_wh: float) -> str:
    return f"{energy_wh / 1_000 + 0.0:.1f} kWh"


def _kw(power_w: float) -> str:
    return f"{power_w / 1_000:.2f} kW"


def _money(amount: float | None) -> str:
    return _number(amount, "{:.2f}")


def _number(value: float | None, form: str) -> str:
    return NONE if value is None else form.format(value)
