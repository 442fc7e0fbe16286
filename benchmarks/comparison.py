"""The comparison as a document: a section a case, a row a contender, the figures that matter for its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from ampherd_simulator.account import Account

from benchmarks.case import Kind
from benchmarks.contest import Contest, Entry

WH_PER_KWH: Final = 1_000.0
CENT_PER_EUR: Final = 100.0


class Column(NamedTuple):
    """A figure: its title, and how it is read from a contender's day."""

    title: str
    read: Callable[[Entry], str]


def _booked(title: str, read: Callable[[Account], str]) -> Column:
    """A figure of the books."""
    return Column(title, lambda entry: read(entry.account))


def _kwh(energy_wh: float) -> str:
    return f"{energy_wh / WH_PER_KWH:.1f}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"


def _cost(cost_eur: float, energy_wh: float) -> str:
    """What was paid, and what a kWh came to: who charges less pays less."""
    kwh = energy_wh / WH_PER_KWH
    return f"{cost_eur:.2f} ({CENT_PER_EUR * cost_eur / kwh if kwh else 0.0:.1f})"


def _least_served(account: Account) -> str:
    return _percent(min((car.served for car in account.cars.values() if car.served is not None), default=None))


def _worst_a(account: Account) -> str:
    worst_a = max(line.worst_a for lines in account.limits.values() for line in lines)
    return f"{worst_a:.1f}"


def _sum(read: Callable[[Account], Sequence[int]]) -> Callable[[Account], str]:
    return lambda account: str(sum(read(account)))


_CHARGED: Final = _booked("charged kWh", lambda account: _kwh(account.charged_wh))
_LEAST: Final = _booked("least served", _least_served)
_FAIR: Final = _booked("fairness", lambda account: "" if account.fairness is None else f"{account.fairness:.2f}")
_PLANS: Final = _booked("plans met", lambda account: "{} of {}".format(*account.plans_met))
_COST: Final = _booked("cost EUR (ct/kWh)", lambda account: _cost(account.charging_cost or 0.0, account.charged_wh))
_SURPLUS: Final = _booked(
    "surplus used kWh", lambda account: f"{_kwh(account.surplus_used_wh)} ({_percent(account.surplus_used_share)})"
)
_IMPORT: Final = _booked("import caused kWh", lambda account: _kwh(account.caused_import_wh))
_PEAK: Final = _booked("peak quarter kW", lambda account: f"{account.peak_quarter_w / WH_PER_KWH:.2f}")
_SAFETY: Final = (
    _booked("our A·s over", lambda account: f"{account.our_excess_as:.0f}"),
    Column("of it late", lambda entry: f"{entry.late_as:.0f}"),
    _booked("our longest s", lambda account: f"{account.our_longest_s:.0f}"),
    _booked("worst A over", _worst_a),
)
_CALM: Final = (
    _booked("starts", _sum(lambda account: [car.starts for car in account.cars.values()])),
    _booked("stops", _sum(lambda account: [car.stops for car in account.cars.values()])),
    _booked("changes", _sum(lambda account: [car.setpoint_changes for car in account.cars.values()])),
    _booked("reversals", _sum(lambda account: [car.reversals for car in account.cars.values()])),
    _booked("flaps", _sum(lambda account: [car.flaps for car in account.cars.values()])),
)

COLUMNS: Final = {
    Kind.CONTENTION: (_CHARGED, _LEAST, _FAIR, *_SAFETY, *_CALM),
    Kind.SURPLUS: (_SURPLUS, _IMPORT, _LEAST, *_SAFETY, *_CALM),
    Kind.CAP: (_PEAK, _CHARGED, _FAIR, *_SAFETY, *_CALM),
    Kind.COST: (_COST, _PLANS, _CHARGED, _PEAK, *_SAFETY, *_CALM),
}

_LEGEND: Final = """\
All rows of a case share the simulator, the meter, the links, the wallboxes with their agents and the cars; only what
decides differs. All wallboxes here take whole amps. The rivals are our own implementations of published rules with
their users' defaults (`benchmarks/rivals/`; each says what it leaves out), not those products themselves. Our agents'
safety stays around each of them: a lease that lapses, a car that draws too much. In production a rival has links of its
own, most of them slower.

*Our A·s over* counts what the house alone would not have caused, over every limit. Some of it nobody could have
prevented: *late* is only what was over even beside the least that the house took while meter, decision, wallbox and a
standard car (IEC 61851-1: 5 s) did their part, 10 s with a meter of every second and 19 s with one of every ten. It is
what the soak calls ours ([docs/soak.md](../docs/soak.md)). *Worst A over* includes the house.

A *stop* is one that the car did not ask for, a *reversal* a change of the offer against the one before, a *flap* one
within a minute. *Fairness* is Jain's index over the shares of what each car wanted, *least served* the share of the car
that got least. The *perfect foresight* row is a linear program over minutes that knows the whole day: a bound, not a
controller. Where energy alone counts its cars take nothing or at least their minimum, wallboxes signal whole amps, and
each car takes its 0.3 A less than it is offered; it knows the house second by second, needs no margin and no meter, and
a lag costs it nothing. Of sun, caps and costs it leaves the minimum current of 6 A aside.

It does not care who gets the energy: of an ampere on a full line a three-phase car makes three times as much as a
one-phase car. *The same order, foreseen* shares each second's room as Ampherd does, among equals, within its margin and
by what its meter tells, but knows the house ahead: what Ampherd stays below it is the price of lags and of care.

Who plans knows the house by the same hours of two weeks before, as its own meter told them, and the sun by another day;
neither knows the night or the day to come.
*The optimum by its forecast* is the least that its planner found for all cars when the last of them had come, with what
had been paid until then.
"""


def document(contests: Sequence[Contest], missing: Sequence[str], *, is_quick: bool) -> str:
    """The whole of it."""
    return "\n".join(_lines(contests, missing, is_quick=is_quick)).rstrip() + "\n"


def section(contest: Contest) -> str:
    """One case."""
    return "\n".join(_section(contest))


def _lines(contests: Sequence[Contest], missing: Sequence[str], *, is_quick: bool) -> Iterator[str]:
    yield "# Side by side"
    yield ""
    shortness = " `--quick`: only the beginning of each case." if is_quick else ""
    yield f"Written by `make compare`.{shortness}"
    if missing:
        yield f"Left out, because the recordings are not here: every case that needs {', '.join(missing)}."
    yield ""
    yield _LEGEND
    for contest in contests:
        yield from _section(contest)


def _section(contest: Contest) -> Iterator[str]:
    case = contest.case
    columns = COLUMNS[case.kind]
    origin = "recorded" if case.is_recorded else "made up"
    yield f"## {case.id}"
    yield ""
    house_as = sum(line.house_as for lines in contest.entries[0].account.limits.values() for line in lines)
    yield f"{case.about[:1].upper()}{case.about[1:]}; {contest.lasts_s / 3_600:g} h, {origin}."
    yield f"The house alone: {house_as:.0f} A·s over."
    yield ""
    yield _row(["", *(column.title for column in columns)])
    yield _row(["---", *("---:" for _ in columns)])
    for entry in contest.entries:
        yield _row([entry.name, *(column.read(entry) for column in columns)])
    if contest.ordered_wh is not None:
        known = {_CHARGED.title: _kwh(contest.ordered_wh)}
        yield _row(["*the same order, foreseen*", *(known.get(column.title, "") for column in columns)])
    yield _row(["*perfect foresight*", *_best(contest, columns)])
    yield ""
    yield from _foreseen(contest)
    yield from _said(contest)


def _best(contest: Contest, columns: Sequence[Column]) -> Iterator[str]:
    """The bound fills the one or two columns that it knows of."""
    plan = contest.best
    energy_wh = sum(plan.energy_wh.values())
    known = {
        _CHARGED.title: _kwh(energy_wh),
        _SURPLUS.title: _kwh(energy_wh),
        _COST.title: _cost(plan.cost_eur, energy_wh),
        _IMPORT.title: "0.0",
        _PLANS.title: "{} of {}".format(*plan.plans_met),
    }
    for column in columns:
        yield known.get(column.title, "")


def _foreseen(contest: Contest) -> Iterator[str]:
    """What was paid against the least by the forecast of whoever planned."""
    for entry in contest.entries:
        paid_eur, foreseen_eur = entry.account.charging_cost, entry.foreseen_eur
        if paid_eur is not None and foreseen_eur:
            more = 100 * (paid_eur / foreseen_eur - 1)
            paid = f"it paid {abs(more):.1f} % {'more' if more > 0 else 'less'}"
            yield f"By the forecast of {entry.name} the optimum was {foreseen_eur:.2f} EUR: {paid}."
            yield ""


def _said(contest: Contest) -> Iterator[str]:
    """What was told of plans that cannot be met, and how long after the beginning."""
    told = [(entry.name, said) for entry in contest.entries for said in entry.said]
    for name, said in told:
        minutes = int(said.at_s // 60)
        yield f"- {name}, after {minutes // 60}:{minutes % 60:02d} h: {said.text}"
    if told:
        yield ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
