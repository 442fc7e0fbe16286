"""From the history's address to its adapter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from ampherd_core.history import History

from ampherd_api.history_influx import InfluxAddress, InfluxHistory
from ampherd_api.history_sqlite import MINUTE_DAYS, RAW_DAYS, SqliteHistory

_FORMS: Final = (
    "write sqlite:///path/history.db?raw_days=14&minute_days=1100, or influxdb+http://host:8086/?org=ORG&bucket=BUCKET"
)


def open_history(url: str, environ: Mapping[str, str]) -> History:
    """The adapter for `url`; ValueError says what a right address looks like. Nothing is connected yet."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    if parts.scheme == "sqlite" and parts.path and set(options) <= {"raw_days", "minute_days"}:
        return SqliteHistory(
            Path(parts.netloc + parts.path),
            raw_days=_days(options, "raw_days", RAW_DAYS),
            minute_days=_days(options, "minute_days", MINUTE_DAYS),
        )
    if parts.scheme in {"influxdb+http", "influxdb+https"} and parts.hostname and set(options) == {"org", "bucket"}:
        base = f"{parts.scheme.removeprefix('influxdb+')}://{parts.netloc}{parts.path.rstrip('/')}"
        return InfluxHistory(InfluxAddress(base, options["org"], options["bucket"], _token(environ)))
    raise ValueError(
        f"the history's address {parts.scheme}://{parts.hostname or ''}{parts.path} is not understood; {_FORMS}"
    )


def _days(options: Mapping[str, str], name: str, default: float) -> float:
    days = float(options.get(name, default))
    if not 1 <= days <= 36_500:
        raise ValueError(f"{name} must be 1 to 36500 days; {_FORMS}")
    return days


def _token(environ: Mapping[str, str]) -> str:
    file = environ.get("AMPHERD_INFLUX_TOKEN_FILE")
    return Path(file).read_text(encoding="utf-8").strip() if file else environ.get("AMPHERD_INFLUX_TOKEN", "")
