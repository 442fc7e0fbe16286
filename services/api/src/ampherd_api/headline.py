"""The site in one sentence: the worst thing first, else what goes on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from ampherd_core.messages import LinkHealth, Severity, SiteState

from ampherd_api.documents import Headline

if TYPE_CHECKING:
    from ampherd_api.view import View

STALE_AFTER_S: Final = 10.0
"""The default lease: by then every charger that hears nothing is at its fallback."""


def headline(view: View, now_s: float, *, is_bus_connected: bool) -> Headline:
    """What the owner should know at a glance."""
    trouble = _trouble(view, now_s, is_bus_connected=is_bus_connected)
    if trouble is not None:
        return trouble
    assert view.site is not None  # noqa: S101 - _trouble has answered for a site that was never heard
    site = view.site.document
    lost = _lost_chargers(view)
    if lost:
        return Headline(severity=Severity.WARNING, text=f"No contact with {_listing(lost)}.")
    return Headline(severity=Severity.INFO, text=f"{_charging(view)} {_room(view, site)}")


def _trouble(view: View, now_s: float, *, is_bus_connected: bool) -> Headline | None:
    if not is_bus_connected:
        return _alarm("The api has lost the message broker: what you see is old.")
    if view.site is None:
        return Headline(severity=Severity.WARNING, text="Waiting for the balancer to report.")
    if now_s - view.site.at_s > STALE_AFTER_S:
        return _alarm("The balancer is silent: chargers fall back to their safe current.")
    if view.site.document.alarms:
        return _alarm(view.site.document.alarms[0])
    if not view.site.document.is_grid_fresh:
        return _alarm("The grid meter is silent: chargers are at their safe current.")
    return None


def _lost_chargers(view: View) -> list[str]:
    return [
        view.policy.chargers[charger].name or charger
        for charger, heard in view.states.items()
        if heard.document.link is LinkHealth.LOST
    ]


def _charging(view: View) -> str:
    states = [heard.document.iec_state for heard in view.states.values()]
    charging = sum(1 for state in states if state is not None and state.is_charging)
    connected = sum(1 for state in states if state is not None and state.is_connected)
    if charging:
        waiting = f", {connected - charging} waiting" if connected > charging else ""
        return f"{_cars(charging)} charging{waiting}."
    return f"{_cars(connected)} connected, none charging." if connected else "No car is connected."


def _room(view: View, site: SiteState) -> str:
    connection = next((limit for limit in site.limits if limit.circuit == "connection"), None)
    if connection is None:
        return "All is well."
    lines = range(view.policy.connection.phases)
    tightest = min(lines, key=lambda line: connection.headroom_a[line])
    spare_a = connection.headroom_a[tightest]
    if spare_a < 0:
        return f"L{tightest + 1} is {math.ceil(-spare_a)} A over its limit and is being lowered."
    if spare_a < 1:
        return f"L{tightest + 1} is fully used."
    return f"At least {math.floor(spare_a)} A free on every phase."


def _cars(count: int) -> str:
    return "One car" if count == 1 else f"{count} cars"


def _listing(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _alarm(text: str) -> Headline:
    return Headline(severity=Severity.ALARM, text=text)
