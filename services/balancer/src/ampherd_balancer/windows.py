"""Times of day in which the whole site may take so much power and no more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta

from ampherd_core.policy_limits import DAYS, Window
from ampherd_core.policy_tariff import PriceWindow

CODE = "window-"


def active(windows: Mapping[str, Window], at: datetime) -> Mapping[str, Window]:
    """Those that hold at a local time, by id."""
    return {name: window for name, window in windows.items() if holds(window, at)}


def holds(window: Window | PriceWindow, at: datetime) -> bool:
    """Whether the window holds; one that passes midnight belongs to the day on which it began."""
    now = at.time()
    is_today = _names(window, at)
    if window.start < window.end:
        return is_today and window.start <= now < window.end
    return (is_today and now >= window.start) or (now < window.end and _names(window, at - timedelta(days=1)))


def sentence(name: str, window: Window, room_w: float) -> str:
    """What it leaves for cars, for people."""
    left = f"{room_w:,.0f} W" if room_w > 0 else "nothing"
    return f"Until {_clock(window.end)} the site may take {window.power_w:,.0f} W ({name}): {left} of it for cars."


def _names(window: Window | PriceWindow, at: datetime) -> bool:
    return DAYS[at.weekday()] in window.days


def _clock(moment: time) -> str:
    return moment.strftime("%H:%M")
