"""The api as a process: what a user, a script and a stranger get from it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest
import pytest_asyncio
from ampherd_core.bus import Outbound

from tests.page.make_believe import REFUSED, MakeBelieve
from tests.page.running_api import RunningApi, running_site
from tests.support.brokers import BrokerServer
from tests.support.processes import is_alive
from tests.support.stores import StoreServer
from tests.support.wait import wait_for

Site = tuple[RunningApi, MakeBelieve]

REVOKED_WITHIN_S = 2.0


@pytest_asyncio.fixture
async def site(broker: BrokerServer, redis_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    async with running_site(tmp_path, broker.url, redis_url) as pair:
        yield pair


async def test_live_picture_settings_and_refusals(site: Site) -> None:
    api, believe = site
    async with api.client("read") as reader, api.client("write") as writer, api.client() as stranger:
        await believe.speak()

        async def is_seen() -> bool:
            chargers = (await reader.get("/api/chargers")).json()
            return all(charger.get("decision") for charger in chargers)

        await wait_for(is_seen)
        state = (await reader.get("/api/state")).json()
        assert state["headline"]["text"].startswith("2 cars charging, 1 waiting.")
        assert (await reader.get("/api/meters/grid")).json()["reading"]["phases"][0]["voltage_v"] == 230

        for path in ("/api/state", "/api/live", "/api/chargers", "/api/policy", "/api/history", "/metrics"):
            assert (await stranger.get(path)).status_code == 401, path
        assert (await reader.post("/api/chargers/garage/mode", json={"value": "off"})).status_code == 403
        assert believe.settings == []

        assert (await writer.post("/api/chargers/garage/mode", json={"value": "off"})).status_code == 200
        assert (await writer.post("/api/chargers/guest/max_current", json={"value": 10.5})).status_code == 200
        assert (await writer.post("/api/chargers/guest/priority", json={"value": 2})).status_code == 200
        assert believe.settings == [
            ("garage", "mode", "off"),
            ("guest", "max_current", "10.5"),
            ("guest", "priority", "2"),
        ]

        dim = {"power_w": 4200, "for_s": 7200}
        assert (await reader.post("/api/site/limit", json=dim)).status_code == 403
        assert (await writer.post("/api/site/limit", json=dim)).json()["limit"] == {"active": True, **dim}
        assert believe.settings[-1] == ("site", "limit", '{"active":true,"power_w":4200.0,"for_s":7200.0}')

        believe.refuses_all = True
        refused = await writer.post("/api/chargers/garage/mode", json={"value": "off"})
        assert (refused.status_code, refused.json()["message"]) == (422, REFUSED)

        metrics = (await reader.get("/metrics")).text
        assert 'ampherd_charger_offer_amperes{charger="carport-left"} 9.0' in metrics
        assert api.token("read") not in metrics
        assert 'ampherd_refused_total{cause="unauthorised",door="http"} 6.0' in metrics


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/chargers/garage/mode", b'{"value": "turbo"}', 422),
        ("/api/chargers/garage/mode", b"{", 422),
        ("/api/chargers/garage/mode", b"\xff\xfe\x00", 400),
        ("/api/chargers/garage/mode", b"[" * 100_000, 400),
        ("/api/chargers/garage/mode", b"x" * 300_000, 413),
        ("/api/chargers/garage/mode", b'{"value": "off", "more": 1}', 422),
        ("/api/chargers/garage/max_current", b'{"value": NaN}', 422),
        ("/api/chargers/garage/max_current", b'{"value": 1e999}', 422),
        ("/api/chargers/garage/max_current", b'{"value": 5}', 422),
        ("/api/chargers/garage/max_current", b'{"value": "16"}', 422),
        ("/api/chargers/garage/priority", b'{"value": 0}', 422),
        ("/api/chargers/garage/priority", b'{"value": 1.5}', 422),
        ("/api/site/limit", b'{"power_w": -1}', 422),
        ("/api/site/limit", b'{"power_w": NaN}', 422),
        ("/api/site/limit", b'{"power_w": "4200"}', 422),
        ("/api/site/limit", b'{"for_s": 0}', 422),
        ("/api/site/limit", b'{"active": 1}', 422),
        ("/api/site/limit", b'{"watts": 4200}', 422),
        ("/api/site/limit", b"[]", 422),
        ("/api/chargers/attic/mode", b'{"value": "off"}', 404),
        ("/api/chargers/..%2f..%2fx/mode", b'{"value": "off"}', 405),
        ("/api/chargers/%2B/mode", b'{"value": "off"}', 404),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_absurd_requests_change_nothing(shared_site: Site, path: str, body: bytes, status: int) -> None:
    api, believe = shared_site
    async with api.client("write") as writer:
        answer = await writer.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert len(answer.json()["message"]) > 10
    assert believe.settings == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    from tests.support.brokers import new_broker
    from tests.support.stores import new_store

    directory = tmp_path_factory.mktemp("api")
    broker, store = new_broker("iotcore", directory / "broker"), new_store("valkey", directory / "store")
    broker.start()
    store.start()
    try:
        async with running_site(directory, broker.url, store.url) as pair:
            yield pair
    finally:
        broker.stop()
        store.stop()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"GET\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"\x00" * 99,
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_no_http_is_refused_and_counted(shared_site: Site, garbage: bytes) -> None:
    api, _ = shared_site

    async def counted() -> float:
        async with api.client("read") as reader:
            lines = (await reader.get("/metrics")).text.splitlines()
        return sum(
            float(line.split()[-1]) for line in lines if line.startswith('ampherd_refused_total{cause="no-http"')
        )

    before = await counted()

    def knock() -> bytes:
        with socket.create_connection(("127.0.0.1", api.port), 5) as connection:
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(1000)

    answer = await asyncio.to_thread(knock)
    assert b"400" in answer
    assert await counted() == before + 1


@pytest.mark.asyncio(loop_scope="module")
async def test_a_body_of_unsaid_length_is_bounded(shared_site: Site) -> None:
    api, _ = shared_site

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * 16_384

    async with api.client("write") as writer:
        answer = await writer.put("/api/policy", content=endless(), headers={"If-Match": "*"})
    assert answer.status_code == 413


@pytest.mark.asyncio(loop_scope="module")
async def test_every_answer_keeps_other_sites_out(shared_site: Site) -> None:
    api, _ = shared_site
    async with api.client() as stranger:
        for path in ("/", "/api/state", "/main.js", "/vendor/preact.js"):
            headers = (await stranger.get(path)).headers
            assert "script-src 'self'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert "access-control-allow-origin" not in headers
        assert (await stranger.get("/vendor/../../service.py")).status_code == 404
        assert (await stranger.get("/..%2f..%2fservice.py")).status_code == 404
        assert (await stranger.get("/" + "x" * 9000)).status_code == 414


@pytest.mark.asyncio(loop_scope="module")
async def test_cookie_needs_the_header_for_changes(shared_site: Site) -> None:
    api, believe = shared_site
    async with api.client() as page:
        login = await page.post("/api/session", json={"token": api.token("write")})
        assert login.json() == {"role": "write"}
        cookie = login.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert (await page.get("/api/state")).status_code == 200
        assert (await page.post("/api/chargers/garage/mode", json={"value": "off"})).json()["error"] == "csrf"
        assert believe.settings == []
        changed = await page.post("/api/chargers/garage/mode", json={"value": "fast"}, headers={"X-Ampherd": "1"})
        assert changed.status_code == 200
        believe.settings.clear()


@pytest.mark.asyncio(loop_scope="module")
async def test_policy_is_checked_replaced_and_guarded_against_lost_edits(shared_site: Site) -> None:
    api, _ = shared_site
    async with api.client("write") as writer, api.client("read") as reader:
        before = await reader.get("/api/policy")
        text, etag = before.json()["text"], before.headers["etag"]
        bad = text.replace("rating_a: 25", "rating_a: lots")
        verdict = (await reader.post("/api/policy/check", content=bad)).json()
        (fault,) = verdict["faults"]
        line = 1 + bad.splitlines().index(next(row for row in bad.splitlines() if "lots" in row))
        assert (fault["line"], fault["field"]) == (line, "connection.rating_a")
        assert "plain number" in fault["remedy"]

        good = text.replace("name: Our house", "name: The house")
        assert (await writer.put("/api/policy", content=good)).status_code == 428
        assert (await writer.put("/api/policy", content=good, headers={"If-Match": '"stale"'})).status_code == 412
        assert (await reader.put("/api/policy", content=good, headers={"If-Match": etag})).status_code == 403
        refused = await writer.put("/api/policy", content=bad, headers={"If-Match": etag})
        assert (refused.status_code, refused.json()["details"][0]["field"]) == (422, "connection.rating_a")
        renamed = text.replace("id: home", "id: away")
        assert (await writer.put("/api/policy", content=renamed, headers={"If-Match": etag})).status_code == 422
        assert api.site.read_text() == text

        replaced = await writer.put("/api/policy", content=good, headers={"If-Match": etag})
        assert replaced.status_code == 200
        assert api.site.read_text() == good
        assert api.site.with_name("site.yaml.bak").read_text() == text

        async def is_taken_up() -> bool:
            return bool((await reader.get("/api/state")).json()["site"]["name"] == "The house")

        await wait_for(is_taken_up, 4)


@pytest.mark.asyncio(loop_scope="module")
async def test_history_is_bounded_and_says_why(shared_site: Site) -> None:
    api, _ = shared_site
    async with api.client("read") as reader:
        for query, code in (
            ("measurement=meter&field=power_w&step=1&start=2020-01-01T00:00:00Z", "too-many-steps"),
            ("measurement=meter&field=power_w&start=2026-01-02T00:00:00Z&stop=2026-01-01T00:00:00Z", "bad-range"),
            ("measurement=meter&field=power_w&tags=meter", "bad-tag"),
            ("measurement=other&field=power_w", "invalid"),
            ("measurement=meter&field=a%22b", "invalid"),
            ("measurement=meter&field=power_w&start=yesterday", "invalid"),
            ("measurement=meter", "invalid"),
        ):
            answer = await reader.get(f"/api/history?{query}")
            assert (answer.status_code, answer.json()["error"]) == (422, code)


async def test_readings_reach_history_and_a_killed_api_doubles_nothing(site: Site) -> None:
    api, believe = site
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=60)
    for second in range(20):
        await believe.speak(begin + timedelta(seconds=second))
    async with api.client("read") as reader:
        await wait_for(lambda: waiting_is_over(reader))
    api.kill()
    await api.up()
    for second in range(15, 30):
        await believe.speak(begin + timedelta(seconds=second))
    query = {"measurement": "meter", "field": "power_w", "tags": "meter:grid", "step": "1"}
    async with api.client("read") as reader:

        async def steps() -> int:
            times = {"start": begin.isoformat(), "stop": (begin + timedelta(seconds=60)).isoformat()}
            answer = await reader.get("/api/history", params=query | times)
            return len(answer.json()["series"][0]["at"])

        async def are_all_there() -> bool:
            return await steps() == 30

        await wait_for(are_all_there)
    with closing(sqlite3.connect(api.state_dir / "history.db")) as database:
        counted = database.execute(
            "SELECT sum(count) FROM minute JOIN series ON minute.series = series.id"
            " WHERE field = 'power_w' AND measurement = 'meter'"
        )
        assert counted.fetchone()[0] == 30


async def waiting_is_over(reader: httpx.AsyncClient) -> bool:
    lines = (await reader.get("/metrics")).text.splitlines()
    written = next((line for line in lines if line.startswith('ampherd_history_points_total{fate="written"}')), "0 0")
    waiting = next(line for line in lines if line.startswith("ampherd_history_waiting"))
    return float(written.split()[-1]) >= 20 and float(waiting.split()[-1]) == 0


async def test_without_redis_page_and_history_go_on(site: Site, store_server: StoreServer) -> None:
    api, believe = site
    store_server.kill()
    await believe.speak()
    async with api.client("read") as reader:

        async def is_recorded() -> bool:
            answer = await reader.get("/api/history", params={"measurement": "meter", "field": "power_w"})
            return bool(answer.json()["series"][0]["at"])

        await wait_for(is_recorded)
        health = (await reader.get("/api/health/ready")).json()
    assert health == {"is_ready": True, "bus": True, "redis": False, "history": True}


async def test_without_the_broker_it_says_so_and_heals(site: Site, broker: BrokerServer) -> None:
    api, believe = site
    broker.kill()
    async with api.client("write") as writer:

        async def is_told() -> bool:
            return (await writer.get("/api/health/ready")).status_code == 503

        await wait_for(is_told, 10)
        answer = await writer.post("/api/chargers/garage/mode", json={"value": "off"})
        assert (answer.status_code, answer.json()["error"]) == (503, "no-broker")
        broker.start()

        async def is_back() -> bool:
            return (await writer.get("/api/health/ready")).status_code == 200

        await wait_for(is_back, 15)
        await wait_for(lambda: believe.bus.is_connected, 15)
        assert (await writer.post("/api/chargers/garage/mode", json={"value": "off"})).status_code == 200


async def test_a_silent_balancer_is_told_within_three_seconds(site: Site) -> None:
    api, believe = site
    believe.is_mute = True
    begin = time.monotonic()
    async with api.client("write") as writer:
        answer = await writer.post("/api/chargers/garage/mode", json={"value": "off"})
    assert (answer.status_code, answer.json()["error"]) == (504, "no-answer")
    assert time.monotonic() - begin < 3


async def test_guessing_is_slowed_down_and_sessions_go_on(site: Site) -> None:
    api, _ = site
    async with api.client() as page, api.client() as guesser:
        await page.post("/api/session", json={"token": api.token("read")})
        codes = [(await guesser.post("/api/session", json={"token": "guess"})).status_code for _ in range(12)]
        assert codes == [401] * 10 + [429] * 2
        assert (await guesser.get("/api/state", headers={"Authorization": "Bearer guess"})).status_code == 429
        assert (await page.get("/api/state")).status_code == 200


async def test_a_revoked_token_is_shown_nothing_more(site: Site) -> None:
    api, _ = site
    async with api.client("read") as reader, reader.stream("GET", "/api/live") as stream:
        lines = stream.aiter_lines()
        assert (await next_event(lines))[0] == "snapshot"
        command = [sys.executable, "-m", "ampherd_api.token", "revoke", "read"]
        process = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, "AMPHERD_STATE_DIR": str(api.state_dir)}
        )
        assert await process.wait() == 0
        revoked_s = time.monotonic()
        assert (await reader.get("/api/state")).status_code == 401
        async with asyncio.timeout(10):
            async for _ in lines:
                pass
        assert time.monotonic() - revoked_s <= REVOKED_WITHIN_S


async def test_a_token_that_changes_too_much_waits(site: Site) -> None:
    api, believe = site
    async with api.client("write") as writer:
        answers = [await writer.post("/api/chargers/garage/priority", json={"value": 1}) for _ in range(61)]
        assert [answer.status_code for answer in answers] == [200] * 60 + [429]
        assert 0 < int(answers[-1].headers["retry-after"]) <= 61
        assert len(believe.settings) == 60
        assert (await writer.get("/api/state")).status_code == 200


async def test_another_sites_page_changes_nothing(site: Site) -> None:
    api, believe = site
    async with api.client("write") as page:
        url, body = "/api/chargers/garage/mode", {"value": "off"}
        for origin in ("http://evil.example", "null"):
            refused = await page.post(url, json=body, headers={"Origin": origin})
            assert (refused.status_code, refused.json()["error"]) == (403, "csrf")
            assert "content-security-policy" in refused.headers
        assert believe.settings == []
        assert (await page.post(url, json=body, headers={"Origin": api.url})).status_code == 200


async def test_live_stream_begins_with_everything_and_goes_on_with_changes(site: Site) -> None:
    api, believe = site
    async with api.client("read") as reader, reader.stream("GET", "/api/live") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.aiter_lines()
        event, document = await next_event(lines)
        assert (event, set(document["chargers"])) == ("snapshot", set(believe.policy.chargers))
        await believe.speak()
        seen: set[str] = set()
        while not {"carport-left", "guest"} <= seen:
            event, document = await next_event(lines)
            seen |= set(document.get("chargers", {}))


async def next_event(lines: AsyncIterator[str]) -> tuple[str, dict[str, dict[str, object]]]:
    event = ""
    async with asyncio.timeout(10):
        async for line in lines:
            if line.startswith("event: "):
                event = line.removeprefix("event: ")
            if line.startswith("data: "):
                return event, json.loads(line.removeprefix("data: "))
    raise AssertionError("the stream ended")


async def test_a_watcher_that_does_not_read_delays_nobody(site: Site) -> None:
    api, believe = site
    request = f"GET /api/live HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.token('read')}\r\n\r\n"
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        deaf.connect(("127.0.0.1", api.port))
        deaf.sendall(request.encode())
        for _ in range(30):
            await believe.speak()
        begin = time.monotonic()
        async with api.client("read") as reader:
            assert (await reader.get("/api/state")).status_code == 200
        assert time.monotonic() - begin < 1


async def test_bad_messages_change_nothing_and_are_counted(site: Site) -> None:
    api, believe = site
    await believe.speak()
    await believe.bus.publish(Outbound(believe.topics.charger_state("garage"), b'{"offer_a": NaN}', qos=1))
    await believe.bus.publish(Outbound(believe.topics.site_state, b"\xff" * 70_000, qos=1))
    async with api.client("read") as reader:

        async def are_counted() -> bool:
            text = (await reader.get("/metrics")).text
            return all(
                f'ampherd_refused_total{{cause="{c}",door="bus"}} 1.0' in text for c in ("malformed", "oversized")
            )

        await wait_for(are_counted)
        assert (await reader.get("/api/chargers/garage")).json()["state"]["offer_a"] == 0


async def test_it_stops_at_once_with_streams_open_and_stays_small(site: Site) -> None:
    api, believe = site
    await believe.speak()
    async with api.client("read") as reader, reader.stream("GET", "/api/live") as stream:
        await next_event(stream.aiter_lines())
        pid = api.pid
        assert psutil.Process(pid).memory_info().rss < 110e6
        psutil.Process(pid).send_signal(signal.SIGTERM)
        await wait_for(lambda: not is_alive(pid), 5, "the api ends within 5 s")
