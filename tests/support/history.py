"""What a test finds in the history database, read beside the service that writes it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

_READINGS = """
SELECT ts, series.tags FROM raw JOIN series ON series.id = raw.series
WHERE series.measurement = 'meter' AND series.field = 'power_w' ORDER BY ts
"""


def readings_at_s(database: Path, meter: str) -> list[float]:
    """When each recorded reading of a meter was taken, s since 1970, oldest first."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        rows = connection.execute(_READINGS).fetchall()
    return [at_ms / 1000 for at_ms, tags in rows if dict(json.loads(tags)).get("meter") == meter]
