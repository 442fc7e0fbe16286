"""A page that shows what others wrote: names, events and errors are text, whatever they hold."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from ampherd_core.messages import Decision, Event, IecState, ServiceStatus, Severity, SiteState
from playwright.async_api import Browser, expect

from tests.page.running_api import running_site
from tests.page.shown import Shown
from tests.support.brokers import BrokerServer

_SCRIPT = "void(window.attacked='{}')"
_POLICY = {
    "Our house": "'<img src=x onerror=window.attacked=1>'",
    "name: Carport left": "name: '<svg onload=window.attacked=2>'",
    "name: Garage": "name: '\"><script>window.attacked=3</script>'",
}


def evil(place: str) -> str:
    """A text that would run if it were taken for markup, whichever way it got there."""
    return f'{place} <img src=x onerror="{_SCRIPT.format(place)}"><script>{_SCRIPT.format(place)}</script>\'"${{1}}'


@pytest_asyncio.fixture
async def hostile(browser: Browser, broker: BrokerServer, redis_url: str, tmp_path: Path) -> AsyncIterator[Shown]:
    async with running_site(tmp_path, broker.url, redis_url, _POLICY) as (api, site):
        await site.introduce()
        await site.speak()
        page = await browser.new_page()
        await page.goto(f"{api.url}/#token={api.token('write')}")
        await expect(page.locator(".charger")).to_have_count(4)
        yield page, api, site
        await page.close()


async def test_what_others_wrote_is_shown_as_text_and_never_run(hostile: Shown) -> None:
    page, _, site = hostile
    for topic, message in site.messages(site.now()):
        match message:
            case Decision():
                hostile_one: Decision | SiteState = message.model_copy(update={"reason": evil("reason")})
            case SiteState():
                update = {"limited_by": evil("limited"), "alarms": (evil("alarm"),)}
                hostile_one = message.model_copy(update=update)
            case _:
                continue
        await site.say(topic, hostile_one)
    topic, state = next(pair for pair in site.messages(site.now()) if pair[0] == site.topics.charger_state("garage"))
    await site.say(topic, state.model_copy(update={"iec_state": IecState.E, "error": evil("error")}))
    status = ServiceStatus(service="balancer", is_online=True, version=evil("version"), policy_error=evil("policy"))
    await site.say(site.topics.service_status("balancer"), status)
    for severity in Severity:
        event = Event(at=site.now(), service="meter", code="x", severity=severity, text=evil(f"event-{severity}"))
        await site.say(site.topics.event, event)

    for place in ("reason", "error", "event-alarm", "event-info", "policy"):
        await expect(page.get_by_text(evil(place), exact=False).first).to_be_attached()
    await expect(page.locator("h2", has_text="<svg onload=window.attacked=2>").first).to_be_attached()
    await expect(page.locator("h2", has_text='"><script>window.attacked=3</script>').first).to_be_attached()
    assert "<img src=x" in await page.title()
    assert await page.evaluate("window.attacked") is None
    assert await page.evaluate("document.querySelectorAll('img, #page script, [onerror], [onload]').length") == 0


async def test_a_script_that_got_in_all_the_same_would_not_run(hostile: Shown) -> None:
    page, _, _ = hostile
    markup = f'<img src=x onerror="{_SCRIPT.format("inline")}"><a href="javascript:{_SCRIPT.format("link")}">x</a>'
    await page.evaluate(
        f"""() => {{
            document.body.insertAdjacentHTML("beforeend", {json.dumps(markup)});
            const script = document.createElement("script");
            script.textContent = {json.dumps(_SCRIPT.format("script"))};
            document.body.append(script);
            document.querySelector("a[href^=javascript]").click();
        }}"""
    )
    blocked = await page.evaluate(
        """() => new Promise((resolve) => {
            const image = new Image();
            image.onerror = () => resolve(true);
            image.src = "/no";
        })"""
    )
    assert blocked
    assert await page.evaluate("window.attacked") is None


async def test_another_sites_page_can_neither_read_nor_change_nor_frame_it(hostile: Shown, browser: Browser) -> None:
    _, api, site = hostile
    context = await browser.new_context()
    own = await context.new_page()
    await own.goto(f"{api.url}/#token={api.token('write')}")
    await expect(own.locator(".charger")).to_have_count(4)
    await context.route("http://foreign.test/", lambda route: route.fulfill(body="<p>", content_type="text/html"))
    foreign = await context.new_page()
    await foreign.goto("http://foreign.test/")
    outcome = await foreign.evaluate(
        """async (api) => {
            const url = `${api}/api/chargers/garage/mode`;
            const body = '{"value": "off"}';
            const form = {method: "POST", credentials: "include", mode: "no-cors", body};
            const sent = fetch(url, {...form, headers: {"content-type": "text/plain"}});
            const asked = fetch(url, {method: "POST", credentials: "include", body, headers: {"x-ampherd": "1"}});
            const read = fetch(`${api}/api/state`, {credentials: "include"}).then((answer) => answer.text());
            return (await Promise.allSettled([sent, asked, read])).map((one) => one.status);
        }""",
        api.url,
    )
    assert outcome == ["rejected"] * 3
    assert site.settings == []
    frame = await foreign.evaluate_handle(
        """(api) => new Promise((resolve) => {
            const frame = document.createElement("iframe");
            frame.onload = () => resolve(frame);
            frame.src = api;
            document.body.append(frame);
        })""",
        api.url,
    )
    shown = await frame.as_element().content_frame()  # type: ignore[union-attr]
    assert shown is not None
    assert await shown.locator("#page").count() == 0
    await context.close()
