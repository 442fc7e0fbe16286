"""Writes dashboards/ampherd.json: `python deploy/grafana/dashboard.py`. Edit this, not the JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

TARGET: Final = Path(__file__).parent / "dashboards" / "ampherd.json"

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | dict[str, Json] | None"

_SOURCE: Final[Json] = {"type": "influxdb", "uid": "ampherd"}
_LINES: Final = ("l1", "l2", "l3")
_COLOURS: Final = {"L1": "#8ab8ff", "L2": "#ffb357", "L3": "#b877d9", "limit": "#f2495c"}
_WIDTH: Final = 24
"""Grafana's grid is 24 columns wide."""
_HEIGHT: Final = 9
_SCHEMA: Final = 39
"""The dashboard schema of Grafana 11."""


@dataclass(frozen=True, slots=True)
class Query:
    """One field over time; `per` is a tag that makes a series of each of its values."""

    measurement: str
    field: str
    alias: str
    per: str | None = None

    @property
    def influxql(self) -> str:
        """The query as Grafana fills it in and sends it."""
        group = "time($__interval)" + (f', "{self.per}"' if self.per else "")
        return f'SELECT mean("{self.field}") FROM "{self.measurement}" WHERE $timeFilter GROUP BY {group} fill(null)'  # noqa: S608 - names of ours


@dataclass(frozen=True, slots=True)
class Panel:
    """A time series; `unit` is Grafana's name of it."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    width: int = _WIDTH
    is_stacked: bool = False


def panels() -> tuple[Panel, ...]:
    """All panels, in reading order."""
    against_limit = (
        *(Query("site", f"grid_{line}_a", line.upper()) for line in _LINES),
        Query("site", "limit_l1_a", "limit"),
    )
    return (
        Panel("Phases against the limit", "amp", against_limit),
        Panel("House", "amp", tuple(Query("site", f"house_{line}_a", line.upper()) for line in _LINES), _WIDTH // 2),
        Panel("Mains power", "watt", (Query("site", "grid_w", "grid"), Query("site", "solar_w", "solar")), _WIDTH // 2),
        Panel("Offered to each car", "amp", (Query("charger", "offer_a", "$tag_charger", "charger"),), _WIDTH // 2),
        Panel(
            "Drawn by each car, per phase",
            "amp",
            tuple(Query("charger", f"drawn_{line}_a", f"$tag_charger {line.upper()}", "charger") for line in _LINES),
            _WIDTH // 2,
        ),
        Panel("Charging power", "watt", (Query("charger", "power_w", "$tag_charger", "charger"),), is_stacked=True),
        Panel("Voltage", "volt", tuple(Query("meter", f"voltage_{line}_v", line.upper()) for line in _LINES)),
    )


def dashboard() -> dict[str, Json]:
    """The whole document."""
    return {
        "uid": "ampherd",
        "title": "Ampherd",
        "tags": ["ampherd"],
        "timezone": "browser",
        "schemaVersion": _SCHEMA,
        "version": 1,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-24h", "to": "now"},
        "panels": _placed(panels()),
    }


def _placed(rows: tuple[Panel, ...]) -> list[Json]:
    placed: list[Json] = []
    x = y = 0
    for number, panel in enumerate(rows, start=1):
        placed.append(_panel(panel, number, x, y))
        x += panel.width
        if x >= _WIDTH:
            x, y = 0, y + _HEIGHT
    return placed


def _panel(panel: Panel, number: int, x: int, y: int) -> Json:
    stacking: Json = {"mode": "normal" if panel.is_stacked else "none", "group": "A"}
    custom: Json = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 30 if panel.is_stacked else 5,
        "showPoints": "never",
        "spanNulls": 60_000,
        "stacking": stacking,
    }
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "datasource": _SOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "custom": custom}, "overrides": _colours(panel)},
        "options": {
            "legend": {"displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "max"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [_target(query, index) for index, query in enumerate(panel.queries)],
    }


def _target(query: Query, index: int) -> Json:
    return {
        "refId": chr(ord("A") + index),
        "datasource": _SOURCE,
        "rawQuery": True,
        "resultFormat": "time_series",
        "query": query.influxql,
        "alias": query.alias,
    }


def _colours(panel: Panel) -> list[Json]:
    return [
        {
            "matcher": {"id": "byName", "options": query.alias},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": _COLOURS[query.alias]}}],
        }
        for query in panel.queries
        if query.alias in _COLOURS
    ]


def document() -> str:
    """The file's text."""
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    TARGET.write_text(document(), encoding="utf-8")
