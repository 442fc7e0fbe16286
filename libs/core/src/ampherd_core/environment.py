"""What a process is told by its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ampherd_core.bus import BrokerAddress
from ampherd_core.seal import Seal


@dataclass(frozen=True, slots=True)
class Environment:
    """The settings of a service; `docs/deploy.md` lists the names."""

    site: Path
    broker: BrokerAddress
    redis_url: str = field(repr=False)
    history_url: str = field(repr=False)
    state_dir: Path
    seal: Seal | None = None
    charger: str | None = None
    heartbeat: Path | None = None
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> Environment:
        """From `AMPHERD_…` variables; `AMPHERD_X_FILE` names a file that holds the value of `AMPHERD_X`."""
        given = os.environ if environ is None else environ
        state_dir = Path(_value(given, "STATE_DIR", "/var/lib/ampherd"))
        heartbeat = _value(given, "HEARTBEAT", "")
        seal_key = _value(given, "SEAL_KEY", "")
        return cls(
            site=Path(_value(given, "SITE", "/etc/ampherd/site.yaml")),
            broker=BrokerAddress.parse(
                _value(given, "MQTT_URL", "mqtt://localhost:1883"), _value(given, "MQTT_CA", "") or None
            ),
            redis_url=_value(given, "REDIS_URL", "redis://localhost:6379/0"),
            history_url=_value(given, "HISTORY_URL", f"sqlite://{state_dir}/history.db"),
            state_dir=state_dir,
            seal=Seal.of(seal_key) if seal_key else None,
            charger=_value(given, "CHARGER", "") or None,
            heartbeat=Path(heartbeat) if heartbeat else None,
            extra={name: value for name, value in given.items() if name.startswith("AMPHERD_")},
        )


def _value(environ: Mapping[str, str], name: str, default: str) -> str:
    file = environ.get(f"AMPHERD_{name}_FILE")
    if file:
        return Path(file).read_text(encoding="utf-8").strip()
    return environ.get(f"AMPHERD_{name}", default)
