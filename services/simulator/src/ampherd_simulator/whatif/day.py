"""Which hours of which recordings are lived through: the house, the sun and when they begin."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from ampherd_core.policy import Policy

from ampherd_simulator.household import HOUR_S
from ampherd_simulator.recording import GENERATION_BY_LINE, GENERATION_COLUMNS, Cover, cover_of
from ampherd_simulator.scenario import HousePart, InverterPart, SolarPart
from ampherd_simulator.whatif.clock_time import moment, time_of_day
from ampherd_simulator.whatif.request import Request, RequestError

HOURS: Final = 24.0
MADE_UP_DATE: Final = "2026-06-01"
"""The day of houses that are made up, and of recordings that count from a midnight of no date."""

MADE_UP_FROM: Final = f"{MADE_UP_DATE}T12:00"
"""Noon: a day from there holds a whole evening and night of charging."""


@dataclass(frozen=True, slots=True)
class Day:
    """A house from a moment on, for so long, and how it is called."""

    starts_at: datetime
    hours: float
    house: HousePart
    name: str

    @property
    def ends_at(self) -> datetime:
        """The end, by the clock."""
        return datetime.fromtimestamp(self.starts_at.timestamp() + self.hours * HOUR_S, self.starts_at.tzinfo)

    def second_of(self, at: datetime) -> float:
        """How long after the beginning that moment is, s; clocks may be put back in between."""
        return at.timestamp() - self.starts_at.timestamp()


def plan_day(request: Request, policy: Policy) -> Day:
    """The day that is asked for; RequestError or RecordingError tell what is wrong with it."""
    zone = ZoneInfo(policy.site.timezone)
    if request.hours is not None and not 0 < request.hours <= 24 * 366:
        raise RequestError(f"--hours {request.hours:g}: should be more than 0, and a year at most")
    if request.house_line not in policy.connection.lines:
        raise RequestError(f"--house-line {request.house_line}: the site has one phase; leave it at L1")
    if request.house is None:
        starts_at = _time("--from", request.begins or MADE_UP_FROM, zone, _midnight(request, zone))
        return Day(
            starts_at,
            request.hours or HOURS,
            _with_sun(HousePart(phases=policy.connection.phases), request, policy, starts_at, request.hours or HOURS),
            f"a made-up house (seed {request.seed})",
        )
    window = _Window.of(request.house, _midnight(request, zone))
    starts_at = _time("--from", request.begins, zone, window.begins) if request.begins else window.begins
    offset_s = window.offset_s("--from", starts_at, zone)
    hours = window.hours("--hours", offset_s, request.hours)
    house = HousePart(recording=request.house, line=request.house_line, offset_s=offset_s)
    return Day(
        starts_at.astimezone(zone),
        hours,
        _with_sun(house, request, policy, starts_at, hours),
        request.house.name,
    )


@dataclass(frozen=True, slots=True)
class _Window:
    """A recording, laid on the clock."""

    path: Path
    cover: Cover
    base_utc_s: float

    @classmethod
    def of(cls, path: Path, midnight: datetime) -> _Window:
        cover = cover_of(path)
        return cls(path, cover, 0.0 if cover.is_utc else midnight.timestamp())

    @property
    def begins(self) -> datetime:
        return datetime.fromtimestamp(self.base_utc_s + self.cover.first_s, ZoneInfo("UTC"))

    def offset_s(self, option: str, at: datetime, zone: ZoneInfo) -> float:
        """How far into the recording that moment is, s."""
        offset_s = at.timestamp() - self.base_utc_s - self.cover.first_s
        if not 0 <= offset_s < max(self.cover.last_s - self.cover.first_s, 1.0):
            ends = self.begins + timedelta(seconds=self.cover.last_s - self.cover.first_s)
            raise RequestError(
                f"{option} {at.astimezone(zone):%Y-%m-%d %H:%M}: {self.path.name} covers "
                f"{self.begins.astimezone(zone):%Y-%m-%d %H:%M} to {ends.astimezone(zone):%Y-%m-%d %H:%M}; "
                f"choose a time within it"
            )
        return offset_s

    def hours(self, option: str, offset_s: float, asked: float | None) -> float:
        """So many hours of it, at most what is left."""
        left = (self.cover.last_s - self.cover.first_s - offset_s) / HOUR_S
        if asked is not None and asked > left + 1 / HOUR_S:
            raise RequestError(f"{option} {asked:g}: {self.path.name} ends after {left:.2f} hours; ask for no more")
        return min(HOURS, left) if asked is None else asked


def _with_sun(house: HousePart, request: Request, policy: Policy, starts_at: datetime, hours: float) -> HousePart:
    lines = tuple(line for line in request.solar_lines if line in policy.connection.lines)
    if not lines:
        raise RequestError("--solar-lines: the site has one phase; leave it out, or write L1")
    path = _solar_file(request)
    if path is None:
        peak_w = _kilowatts(request.solar) * 1_000
        if not peak_w:
            return house
        peak_a = peak_w * request.solar_scale / policy.connection.voltage_v / len(lines)
        return house.model_copy(update={"solar": SolarPart(peak_a=peak_a, lines=lines)})
    zone = ZoneInfo(policy.site.timezone)
    window = _Window.of(path, _midnight(request, zone))
    at = starts_at
    if request.solar_from is not None:
        at = _time("--solar-from", request.solar_from, zone, window.begins)
    offset_s = window.offset_s("--solar-from", at, zone)
    window.hours("--hours", offset_s, hours)
    inverter = InverterPart(recording=path, scale=request.solar_scale, lines=lines, offset_s=offset_s)
    return house.model_copy(update={"inverter": inverter})


def _solar_file(request: Request) -> Path | None:
    """The recording of the sun: the one that is named, or the house's own where that tells of the sun, too."""
    if request.solar is not None:
        return None if _is_number(request.solar) else Path(request.solar)
    if request.house is None:
        return None
    columns = cover_of(request.house).columns
    knows_sun = any(set(each) <= columns for each in (GENERATION_BY_LINE, *GENERATION_COLUMNS))
    return request.house if knows_sun else None


def _midnight(request: Request, zone: ZoneInfo) -> datetime:
    """Where recordings without a date begin: the day that is asked for, or just some day."""
    asked = request.begins
    begins = _time("--from", asked, zone, None) if asked is not None and time_of_day(asked) is None else None
    day = begins or _time("--from", MADE_UP_DATE, zone, None)
    return day.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)


def _time(option: str, text: str, zone: ZoneInfo, not_before: datetime | None) -> datetime:
    try:
        return moment(text, zone, not_before or datetime.min.replace(tzinfo=zone))
    except ValueError as err:
        raise RequestError(f"{option}: {err}") from err


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _kilowatts(text: str | None) -> float:
    peak_kw = float(text) if text is not None else 0.0
    if not 0 <= peak_kw <= 100:
        raise RequestError(f"--solar {text}: should be a CSV file, or the inverter's peak, 0 to 100 kW")
    return peak_kw
