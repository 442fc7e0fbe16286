"""Plans on the page, in a real browser: what they will do, and the form that sets them."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from datetime import datetime, time, timedelta
from pathlib import Path

import pytest_asyncio
from ampherd_core.phases import Phases
from ampherd_core.plans import QUARTERS_A_WEEK, Plan, PlannedPart, PlanState, UsualLoad, Weekday
from playwright.async_api import Browser, expect

from tests.page.running_api import running_site
from tests.page.shown import Shown, card
from tests.support.brokers import BrokerServer


@pytest_asyncio.fixture
async def shown(browser: Browser, broker: BrokerServer, redis_url: str, tmp_path: Path) -> AsyncIterator[Shown]:
    async with running_site(tmp_path, broker.url, redis_url) as (api, site):
        await site.introduce()
        await site.speak()
        for state in (met(site.now()), short(site.now())):
            await site.say(site.topics.plan(state.charger), state, is_retained=True)
        await site.say(site.topics.usual, usual(site.now()), is_retained=True)
        page = await browser.new_page(viewport={"width": 1120, "height": 1500})
        await page.goto(f"{api.url}/#token={api.token('write')}")
        await expect(page.locator(".charger")).to_have_count(4)
        yield page, api, site
        await page.close()


def met(now: datetime) -> PlanState:
    due = now + timedelta(hours=9)
    starts = [now + timedelta(hours=hours) for hours in (1, 3, 5.5)]
    return PlanState(
        charger="garage",
        at=now,
        plan=Plan(energy_kwh=20, time_of_day=time(7), weekdays=(Weekday.MON, Weekday.FRI)),
        due=due,
        wanted_wh=20_000,
        is_met=True,
        cost=4.21,
        unit="EUR",
        code="met",
        reason="Charges 01:00 to 02:00, 03:00 to 04:00, 05:30 to 06:30: 20.0 kWh by Mon 07:00 for 4.21 EUR.",
        parts=tuple(
            PlannedPart(start=start, end=start + timedelta(hours=1), offer_a=16, power_w=11_000) for start in starts
        ),
    )


def short(now: datetime) -> PlanState:
    due = now + timedelta(hours=2)
    return PlanState(
        charger="carport-left",
        at=now,
        plan=Plan(energy_kwh=40, due=due),
        due=due,
        wanted_wh=40_000,
        is_met=False,
        missing_wh=18_000,
        code="short-of-time",
        reason="Only 22.0 of 40.0 kWh by Sun 07:00, 18.0 kWh short: even at its full current there is too little time.",
        parts=(PlannedPart(start=now, end=due, offer_a=16, power_w=11_000),),
    )


def usual(now: datetime) -> UsualLoad:
    day: list[Phases] = [(1 + (8 if 68 < quarter < 84 else 0), 3, 2 + quarter % 7 / 3) for quarter in range(96)]
    week = tuple((day * 7)[:QUARTERS_A_WEEK])
    sun_w = [max(0.0, 6_100 * (1 - ((quarter - 52) / 20) ** 2)) for quarter in range(96)]
    return UsualLoad(at=now, mean_a=week, high_a=week, sun_w=(*sun_w[:95], None))


async def test_a_plan_says_what_it_will_do_and_what_it_cannot(shown: Shown) -> None:
    page, _, _ = shown
    garage, left = card(page, "Garage"), card(page, "Carport left")
    await expect(garage.locator(".plan summary")).to_contain_text("Plan: 20.0 kWh by")
    await expect(garage.locator(".plan summary")).to_contain_text("on Mon, Fri")
    await expect(garage.locator(".said")).to_contain_text("20.0 kWh by Mon 07:00 for 4.21 EUR.")
    await expect(garage.locator(".slots i")).to_have_count(3)
    await expect(left.locator(".said.is-short")).to_contain_text("18.0 kWh short")
    await expect(page.locator(".usual")).to_contain_text("L1 at most 9.0 A")
    await expect(page.locator(".usual")).to_contain_text("Sun left over, at most 6.1 kW")
    if shot := os.environ.get("AMPHERD_SHOT"):
        await garage.locator(".plan summary").click()
        await page.screenshot(path=shot, full_page=True)
        await page.set_viewport_size({"width": 390, "height": 844})
        await garage.scroll_into_view_if_needed()
        await page.screenshot(path=shot.replace(".png", "-phone.png"))


async def test_the_form_sets_and_drops_a_plan(shown: Shown) -> None:
    page, _, site = shown
    guest = card(page, "Guest")
    await expect(guest.locator(".plan summary")).to_have_text("Plan: none")
    await guest.locator(".plan summary").click()
    await guest.get_by_label("Charge").fill("12.5")
    await guest.get_by_label("by", exact=True).fill("06:30")
    await guest.get_by_role("button", name="Tu").click()
    await guest.get_by_role("button", name="Set plan").click()
    await expect(guest.locator(".answer")).to_have_text("Done.")
    garage = card(page, "Garage")
    due = (await garage.locator(".ends span").last.text_content() or "").strip()
    await garage.locator(".plan summary").click()
    await expect(garage.get_by_role("spinbutton")).to_have_value("20")
    await expect(garage.get_by_label("by", exact=True)).to_have_value(due)
    await garage.get_by_role("button", name="Drop plan").click()
    await expect(garage.locator(".answer")).to_have_text("Done.")
    (charger, setting, value), dropped = site.settings
    assert (charger, setting) == ("guest", "plan")
    assert json.loads(value) == {"energy_kwh": 12.5, "by": "06:30", "weekdays": ["tue"]}
    assert dropped == ("garage", "plan", "none")
