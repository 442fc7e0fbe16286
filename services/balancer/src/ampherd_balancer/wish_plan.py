"""Plans and states of charge as users set them: understood, or refused with what would be right."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Final

from ampherd_core.plans import MAX_ENERGY_KWH, WEEKDAYS, Plan, SocReading, Weekday, next_time
from ampherd_core.policy import Charger
from ampherd_core.policy_tariff import StandingPlan
from pydantic import ValidationError

from ampherd_balancer.account import PlanWish
from ampherd_balancer.settings import MAX_BYTES, SettingError

_FIELDS: Final = frozenset({"energy_kwh", "soc_percent", "by", "weekdays"})
_EXAMPLE: Final = '{"energy_kwh": 20, "by": "07:00"}'
_NONE: Final[tuple[object, ...]] = (None, "none", "off", {})
_LONGEST: Final = timedelta(days=7)


def read_plan(payload: bytes, charger: Charger, soc: SocReading | None, local: datetime) -> PlanWish:
    """A plan, or `none`; `local` is the time in the site's zone. Raises SettingError."""
    value = _document("plan", payload)
    if value in _NONE:
        return "none"
    if not isinstance(value, dict):
        raise SettingError(f"plan: send a document like {_EXAMPLE}, or none")
    strange = sorted(set(map(str, value)) - _FIELDS)
    if strange:
        raise SettingError(f"plan: there is no field {strange[0][:40]!r}; there are {', '.join(sorted(_FIELDS))}")
    energy_kwh = _amount(value, "energy_kwh", MAX_ENERGY_KWH)
    soc_percent = _amount(value, "soc_percent", 100)
    if (energy_kwh is None) is (soc_percent is None):
        raise SettingError(f"plan: give either energy_kwh or soc_percent, like {_EXAMPLE}")
    if soc_percent is not None:
        _require_soc(charger, soc)
    return _plan(energy_kwh, soc_percent, value, local)


def read_soc(payload: bytes, charger: Charger, at: datetime) -> SocReading:
    """The car's state of charge, %; raises SettingError."""
    value = _document("soc", payload)
    if isinstance(value, dict):
        value = value.get("value")
    percent = _number("soc", value)
    if not 0 <= percent <= 100:
        raise SettingError(f"soc: {percent:g} is no percentage from 0 to 100")
    if charger.battery_kwh is None:
        raise SettingError("soc: the policy gives this charger no battery_kwh, so a percentage says nothing")
    return SocReading(percent=percent, at=at.astimezone(UTC))


def standing(plan: StandingPlan | None) -> Plan | None:
    """The policy's own plan."""
    if plan is None:
        return None
    return Plan(energy_kwh=plan.energy_kwh, soc_percent=plan.soc_percent, time_of_day=plan.by, weekdays=plan.weekdays)


def _require_soc(charger: Charger, soc: SocReading | None) -> None:
    if charger.battery_kwh is None:
        raise SettingError("plan: soc_percent needs battery_kwh of this charger in the policy; give energy_kwh instead")
    if soc is None:
        raise SettingError("plan: nobody told this car's state of charge; set soc first, or give energy_kwh")


def _plan(energy_kwh: float | None, soc_percent: float | None, value: Mapping[object, object], local: datetime) -> Plan:
    by, weekdays = value.get("by"), _weekdays(value.get("weekdays"))
    if not isinstance(by, str):
        raise SettingError('plan: "by" says when the car must be ready, like "07:00" or "2026-11-22T07:00"')
    time_of_day = _time_of_day(by)
    try:
        if weekdays and time_of_day is None:
            raise SettingError('plan: with weekdays, "by" is a time of day like "07:00"')
        if weekdays:
            return Plan(energy_kwh=energy_kwh, soc_percent=soc_percent, time_of_day=time_of_day, weekdays=weekdays)
        due = next_time(local, time_of_day) if time_of_day is not None else _moment(by, local)
        return Plan(energy_kwh=energy_kwh, soc_percent=soc_percent, due=due)
    except ValidationError as err:
        raise SettingError(f"plan: {err.errors(include_url=False)[0]['msg'][:200]}") from err


def _document(setting: str, payload: bytes) -> object:
    if len(payload) > MAX_BYTES:
        raise SettingError(f"{setting}: more than {MAX_BYTES} bytes")
    try:
        text = payload.decode("utf-8").strip()
    except UnicodeDecodeError as err:
        raise SettingError(f"{setting}: not UTF-8 text") from err
    if not text:
        raise SettingError(f"{setting}: empty; send none to drop a plan")
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value


def _amount(value: Mapping[object, object], field: str, most: float) -> float | None:
    if value.get(field) is None:
        return None
    amount = _number(f"plan: {field}", value[field])
    if not 0 < amount <= most:
        raise SettingError(f"plan: {field} {amount:g} is not above 0 and up to {most:g}")
    return amount


def _number(what: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SettingError(f"{what}: {str(value)[:40]!r} is not a number")
    if (isinstance(value, int) and abs(value) > 10**6) or not math.isfinite(value):
        raise SettingError(f"{what}: {str(value)[:20]} is not a plausible number")
    return float(value)


def _weekdays(value: object) -> tuple[Weekday, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(day, str) for day in value):
        raise SettingError(f"plan: weekdays is a list of {', '.join(WEEKDAYS)}")
    strange = [day for day in value if day not in set(WEEKDAYS)]
    if strange:
        raise SettingError(f"plan: {str(strange[0])[:20]!r} is no weekday; there are {', '.join(WEEKDAYS)}")
    return tuple(day for day in WEEKDAYS if day in value)


def _time_of_day(text: str) -> time | None:
    try:
        return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 a local time of day has no date, so no zone
    except ValueError:
        return None


def _moment(text: str, local: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=local.tzinfo)
        due = moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError) as err:
        raise SettingError(f'plan: "by" {text[:40]!r} is no time like "07:00" or "2026-11-22T07:00"') from err
    if not local < due <= local + _LONGEST:
        raise SettingError(f'plan: "by" {text[:40]!r} is not within the next seven days')
    return due
