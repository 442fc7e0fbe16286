"""From a request to the report, in three forms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ampherd_core.policy import Policy
from ampherd_core.policy_file import load_policy
from pydantic import ValidationError

from ampherd_simulator.whatif.costs import Costs
from ampherd_simulator.whatif.day import Day, plan_day
from ampherd_simulator.whatif.document import as_json
from ampherd_simulator.whatif.prices import read_prices
from ampherd_simulator.whatif.request import Request, RequestError
from ampherd_simulator.whatif.study import Study, study
from ampherd_simulator.whatif.text import as_text
from ampherd_simulator.whatif.timetable import cars_of, read_timetable, wishes_of
from ampherd_simulator.whatif.webpage import as_html


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of each policy."""

    day: Day
    studies: tuple[Study, ...]

    @property
    def title(self) -> str:
        """What was simulated."""
        names = " and ".join(study.name for study in self.studies)
        return f"{names}, on {self.day.name}, {_written(self.day)}"

    def as_text(self) -> str:
        """For a terminal."""
        return as_text(self.title, self.studies)

    def as_json(self) -> str:
        """For programs."""
        return as_json(self.day, self.studies)

    def as_html(self) -> str:
        """One page that needs nothing else, with charts."""
        return as_html(self.title, self.day, self.studies)


Progress = Callable[[str, float], None]
"""Is told which policy, and the share of its day that has passed."""


def answer(request: Request, progress: Progress | None = None) -> Answer:
    """Live through the day once for each policy. Raises PolicyError and SimulatorError, which name file and remedy."""
    policies = {path: load_policy(path) for path in request.policies}
    first = policies[request.policies[0]]
    day = plan_day(request, first)
    guests = read_timetable(request.cars, first) if request.cars is not None else None
    midnight = day.starts_at.astimezone(ZoneInfo(first.site.timezone)).replace(hour=0, minute=0, second=0)
    tariff = read_prices(request.tariff, midnight, _export_price(request, first)) if request.tariff else None
    told = Costs.of_file(tariff) if tariff is not None else None
    studies = []
    for path, policy in policies.items():
        try:
            cars, wishes = cars_of(guests, policy, day), wishes_of(guests, policy, day)
        except ValidationError as err:
            raise RequestError(f"--cars: {err.errors()[0]['msg'].removeprefix('Value error, ')}") from err
        except ValueError as err:
            raise RequestError(f"--cars: {err}") from err
        costs = told or Costs.of_policy(policy, path, day, _export_price(request, policy))
        name = path.name
        tell = None if progress is None else _telling(progress, name)
        studies.append(study(name, policy, day, cars, wishes=wishes, costs=costs, seed=request.seed, progress=tell))
    return Answer(day, tuple(studies))


def _export_price(request: Request, policy: Policy) -> float:
    """What a kWh to the grid earns: as the user says, or as the policy does."""
    told = request.export_price_per_kwh
    return told if told is not None else policy.tariff.export_price or 0.0


def _telling(progress: Progress, name: str) -> Callable[[float], None]:
    return lambda share: progress(name, share)


def _written(day: Day) -> str:
    return f"{day.starts_at:%Y-%m-%d %H:%M} to {day.ends_at:%Y-%m-%d %H:%M} ({day.hours:.4g} h)"
