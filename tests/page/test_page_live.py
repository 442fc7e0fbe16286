"""The page in a real browser: what an owner sees, does, and is told."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from ampherd_core.messages import Event, IecState, Severity
from ampherd_core.topics import Topics
from playwright.async_api import Browser, expect

from tests.page.make_believe import REFUSED
from tests.page.running_api import running_site
from tests.page.shown import Shown, card
from tests.support.brokers import BrokerServer
from tests.support.wait import wait_for


@pytest_asyncio.fixture
async def shown(browser: Browser, broker: BrokerServer, redis_url: str, tmp_path: Path) -> AsyncIterator[Shown]:
    """The page, logged in by the link that Ampherd prints, with a site that has spoken once."""
    async with running_site(tmp_path, broker.url, redis_url) as (api, site):
        await site.introduce()
        await site.speak()
        page = await browser.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        await page.goto(f"{api.url}/#token={api.token('write')}")
        await expect(page.locator(".charger")).to_have_count(4)
        yield page, api, site
        await page.close()
        expected = ("Failed to load resource", "ERR_CONNECTION", "ERR_INCOMPLETE")
        assert [fault for fault in faults if not any(text in fault for text in expected)] == []


async def test_it_shows_phases_chargers_and_reasons(shown: Shown) -> None:
    page, _, _ = shown
    await expect(page).to_have_title("Our house · Ampherd")
    await expect(page.locator(".headline")).to_contain_text("2 cars charging, 1 waiting.")
    await expect(page.locator(".phases ol li")).to_have_count(3)
    label = await page.locator(".phases ol li .track").nth(1).get_attribute("aria-label")
    assert label is not None
    assert re.match(r"L2: \d+\.\d of 24\.0 A, \d+\.\d A free\. House \d\.\d A, Carport left 8\.8 A", label)
    left = card(page, "Carport left")
    await expect(left.locator(".badge")).to_have_text("Charging")
    await expect(left.locator(".numbers")).to_contain_text("8.8 A")
    await expect(left.locator(".numbers")).to_contain_text("11.5 kWh")
    await expect(left.locator(".why")).to_have_text("Shares what L2 has left with Carport right: 9 A each.")
    await expect(card(page, "Garage").locator(".turn")).to_contain_text(re.compile(r"7:\d\d|8:00"))
    await expect(page.locator(".events li")).to_have_count(3)
    assert "token" not in page.url


async def test_new_messages_show_without_a_reload(shown: Shown) -> None:
    page, _, site = shown
    garage = card(page, "Garage")
    await expect(garage.locator(".badge")).to_have_text("Car connected")
    topic, message = next(pair for pair in site.messages(site.now()) if pair[0] == site.topics.charger_state("garage"))
    update = {"iec_state": IecState.C, "offer_a": 13.0, "drawn_a": (12.6, 0.0, 0.0)}
    await site.say(topic, message.model_copy(update=update))
    await expect(garage.locator(".badge")).to_have_text("Charging")
    await expect(garage.locator(".numbers .main")).to_contain_text("12.6 A")


async def test_a_mode_button_asks_on_the_bus_and_shows_the_answer(shown: Shown) -> None:
    page, _, site = shown
    garage = card(page, "Garage")
    await garage.get_by_role("button", name="Off").click()
    await expect(garage.locator(".answer")).to_have_text("Done.")
    assert site.settings == [("garage", "mode", "off")]
    await site.speak()
    await expect(garage.get_by_role("button", name="Off")).to_have_attribute("aria-pressed", "true")
    await expect(garage.locator(".why")).to_contain_text("Switched off by you.")


async def test_a_car_on_sun_shows_what_the_sun_leaves(shown: Shown) -> None:
    page, _, site = shown
    garage = card(page, "Garage")
    await expect(page.locator(".power")).not_to_contain_text("Surplus")
    await garage.get_by_role("button", name="Sun", exact=True).click()
    await expect(garage.locator(".answer")).to_have_text("Done.")
    assert site.settings == [("garage", "mode", "solar")]
    await site.speak()
    await expect(garage.get_by_role("button", name="Sun", exact=True)).to_have_attribute("aria-pressed", "true")
    await expect(page.locator(".power")).to_contain_text("Surplus1.8 kW")


async def test_what_the_house_gives_raises_what_the_cars_may_take(shown: Shown) -> None:
    page, _, site = shown
    l1, l2 = (page.locator(".phases ol li .track").nth(place) for place in (0, 1))
    await expect(page.locator(".legend")).not_to_contain_text("Own power")
    site.sun_a = 16.0
    await site.speak()
    await expect(page.locator(".legend")).to_contain_text("Own power")
    await expect(l1.locator(".own")).to_be_visible()
    marks = [
        await part.evaluate("part => part.getBoundingClientRect().left") for part in await l2.locator(".limit").all()
    ]
    ends = [
        await part.evaluate("part => part.getBoundingClientRect().right") for part in await l2.locator(".part").all()
    ]
    assert max(ends) < marks[0]


async def test_a_refusal_is_shown_in_the_balancers_words(shown: Shown) -> None:
    page, _, site = shown
    site.refuses_all = True
    garage = card(page, "Garage")
    await garage.get_by_role("button", name="Off").press("Enter")
    await expect(garage.locator(".answer.is-bad")).to_have_text(REFUSED)


async def test_who_may_only_look_cannot_press(shown: Shown, browser: Browser) -> None:
    _, api, _ = shown
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(api.url)
    await page.get_by_label("Token").fill("wrong")
    await page.get_by_role("button", name="Open").click()
    await expect(page.locator(".answer")).to_contain_text("not known")
    await page.get_by_label("Token").fill(api.token("read"))
    await page.get_by_role("button", name="Open").click()
    await expect(page.locator(".charger")).to_have_count(4)
    for button in await page.locator(".modes button").all():
        await expect(button).to_be_disabled()
    await page.reload()
    await expect(page.locator(".charger")).to_have_count(4)
    await context.close()


async def test_hostile_words_are_only_words(shown: Shown) -> None:
    page, api, site = shown
    hostile = "<script>window.caught=1</script><img src=x onerror=window.caught=1>"
    text = api.site.read_text().replace("name: Garage", f'name: "{hostile}"')
    api.site.write_text(text)
    event = Event(at=site.now(), service="meter", code="x", severity=Severity.ALARM, text=hostile)
    await site.say(Topics("home").event, event)
    topic, decision = next(pair for pair in site.messages(site.now()) if pair[0] == site.topics.decision("guest"))
    await site.say(topic, decision.model_copy(update={"reason": hostile}))
    await expect(page.locator(".events li").first).to_contain_text(hostile)
    await expect(card(page, "Guest").locator(".why")).to_contain_text(hostile)
    await expect(page.locator(".charger h2").nth(2)).to_have_text(hostile)
    assert await page.evaluate("window.caught") is None
    assert await page.locator("main img, main script").count() == 0


async def test_old_data_is_marked_old(shown: Shown) -> None:
    page, _, site = shown
    await expect(page.locator(".badge.stale")).to_have_count(0)
    await expect(page.locator(".phases .badge.stale")).to_be_visible(timeout=15_000)
    await expect(page.locator(".charger .badge.stale")).to_have_count(4)
    await site.speak()
    await expect(page.locator(".badge.stale")).to_have_count(0)


async def test_a_lost_connection_is_told_and_heals(shown: Shown) -> None:
    page, api, site = shown
    port = api.port
    api.kill()
    await expect(page.locator(".banner.alarm")).to_contain_text("Charging goes on without this page", timeout=20_000)
    api.program.environment["AMPHERD_HTTP_PORT"] = str(port)  # type: ignore[index]  # the same place again
    await api.up()
    await site.speak()
    await expect(page.locator(".banner.alarm")).to_have_count(0, timeout=15_000)
    await expect(page.locator(".charger")).to_have_count(4)


async def test_the_last_day_is_drawn_or_as_much_of_it_as_there_is(shown: Shown) -> None:
    page, api, _ = shown
    async with api.client("read") as reader:

        async def is_kept() -> bool:
            answer = await reader.get("/api/history", params={"measurement": "site", "field": "grid_w"})
            return bool(answer.json()["series"][0]["at"])

        await wait_for(is_kept)
    for choice in ("L2", "kW"):
        await page.get_by_role("group", name="What the chart shows").get_by_role("button", name=choice).click()
        plot = page.locator(".plot")
        await expect(plot.locator("canvas")).to_be_visible()
        unit = "A" if choice == "L2" else "kW"
        await expect(plot).to_have_attribute(
            "aria-label", re.compile(rf"House, Carport left.*highest [1-9][\d.]* {unit}$")
        )
    await expect(page.locator("#chart-title")).to_have_text("Last 15 minutes")


async def test_nothing_sticks_out_at_any_width(shown: Shown) -> None:
    page, _, _ = shown
    for width in (1440, 768, 390, 320):
        await page.set_viewport_size({"width": width, "height": 800})
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
