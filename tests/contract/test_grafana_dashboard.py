"""Grafana's dashboard: its file is the one its script writes, and each panel's query finds what the recorder keeps."""

from __future__ import annotations

import json
import runpy
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import yaml
from ampherd_api.history_influx import InfluxHistory
from ampherd_api.points import point_of
from ampherd_core.clock import utc_now
from ampherd_core.messages import SiteState
from ampherd_core.policy_file import load_policy

from tests.contract.influx_server import InfluxServer
from tests.page.make_believe import MakeBelieve
from tests.support.needs import REPOSITORY

GRAFANA = REPOSITORY / "deploy/grafana"
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "dashboards/ampherd.json").read_text())
QUERIES = [(panel["title"], target["query"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    server = InfluxServer(tmp_path_factory.mktemp("influx"))
    server.start()
    yield server
    server.stop()


def test_the_file_is_what_its_script_writes() -> None:
    script = runpy.run_path(str(GRAFANA / "dashboard.py"))
    assert (GRAFANA / "dashboards/ampherd.json").read_text() == script["document"]()


def test_every_panel_asks_the_provisioned_source() -> None:
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/influxdb.yaml").read_text())["datasources"]
    assert {target["datasource"]["uid"] for panel in DASHBOARD["panels"] for target in panel["targets"]} == {
        source["uid"]
    }


def test_panels_fill_the_grid_without_overlap() -> None:
    squares = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(squares) == len(set(squares))
    assert {x for x, _ in squares} == set(range(24))


async def test_each_query_finds_what_the_recorder_keeps(influx: InfluxServer) -> None:
    address = influx.new_bucket()
    history = InfluxHistory(address)
    site = MakeBelieve("mqtt://nowhere", load_policy(REPOSITORY / "site.example.yaml"))
    now = utc_now()
    for age_s in range(60):
        messages = [message for _, message in site.messages(now - timedelta(seconds=age_s))]
        sunny = [m.model_copy(update={"solar_w": -900.0}) if isinstance(m, SiteState) else m for m in messages]
        await history.write([point for m in sunny if (point := point_of("home", m)) is not None])  # type: ignore[arg-type]
    await history.close()
    silent = [(title, query) for title, query in QUERIES if not answers(address.url, address.bucket, query)]
    assert silent == []


def answers(url: str, database: str, query: str) -> bool:
    """Whether the query, filled in as Grafana does, gives a series with a value."""
    filled = query.replace("$timeFilter", "time >= now() - 10m and time <= now()").replace("$__interval", "10s")
    parameters = urllib.parse.urlencode({"db": database, "q": filled, "epoch": "ms"})
    with urllib.request.urlopen(f"{url}/query?{parameters}", timeout=10) as response:
        (result,) = json.load(response)["results"]
    assert "error" not in result, result
    return any(value is not None for series in result.get("series", []) for _, value in series["values"])
