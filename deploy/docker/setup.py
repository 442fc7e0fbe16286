"""Makes the passwords of a compose deployment at its first start, and hands each container only what it needs.

It runs before everything else, at every start, and changes no password that exists. `show` prints what people need.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SECRETS: Final = Path("/secrets")
DATA: Final = Path("/data")

ACCOUNTS: Final = ("meter", "balancer", "agent", "api", "guest", "health")
"""Who may speak on the bus."""

_WRITES: Final = {
    "meter": ("meter/#", "backlog/meter/#", "service/meter/status", "event"),
    "balancer": (
        "site/state",
        "charger/+/grant",
        "charger/+/decision",
        "charger/+/+/error",
        "backlog/site/state",
        "service/+/status",
        "evcc/#",
        "answer/#",
        "service/+/reply/#",
        "event",
    ),
    "agent": ("charger/+/state", "backlog/charger/+/state", "service/+/status", "evcc/#", "event"),
    "api": ("charger/+/+/set", "history/request", "service/api/status", "event"),
    "guest": ("charger/+/+/set",),
}
"""Below `ampherd/<site>/`: only the meter says readings, only the balancer grants, only agents say states."""

_OTHERS: Final = ("redis", "influx-admin", "influx-token", "influx-grafana", "grafana")
_PASSWORD_BYTES: Final = 24
_SALT_BYTES: Final = 12
_ROUNDS: Final = 101
"""mosquitto_passwd's own: PBKDF2 guards weak passwords, and these have 192 bits."""


def complete(known: Mapping[str, str]) -> dict[str, str]:
    """The passwords by name: those known, and new ones for the rest."""
    return {name: known.get(name) or secrets.token_urlsafe(_PASSWORD_BYTES) for name in (*ACCOUNTS, *_OTHERS)}


def mosquitto_hash(password: str, salt: bytes) -> str:
    """As mosquitto_passwd writes it: PBKDF2 with SHA-512, `$7$rounds$salt$hash`."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS)
    return f"$7${_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def mosquitto_passwords(passwords: Mapping[str, str]) -> str:
    """Mosquitto's password file."""
    rows = (f"{name}:{mosquitto_hash(passwords[name], secrets.token_bytes(_SALT_BYTES))}" for name in ACCOUNTS)
    return "\n".join(rows) + "\n"


def mosquitto_acl() -> str:
    """Mosquitto's access list: all but `health` may read all of Ampherd, and each writes what is its own."""
    blocks = []
    for name, topics in _WRITES.items():
        rows = [f"user {name}", "topic read ampherd/#", *(f"topic write ampherd/+/{topic}" for topic in topics)]
        if name == "api":
            rows.append("topic read $SYS/#")
        blocks.append("\n".join(rows))
    blocks.append("user health\ntopic read $SYS/broker/uptime")
    return "\n\n".join(blocks) + "\n"


def files(passwords: Mapping[str, str]) -> dict[str, str]:
    """What each container finds in its own /secrets, as `container/file`."""
    redis_url = f"redis://:{passwords['redis']}@redis:6379/0"
    documents = {f"{name}/mqtt-url": _mqtt_url(name, passwords) for name in ("meter", "balancer", "agent", "api")}
    return documents | {
        "balancer/redis-url": redis_url,
        "api/redis-url": redis_url,
        "api/influx-token": passwords["influx-token"],
        "mosquitto/passwd": mosquitto_passwords(passwords),
        "mosquitto/acl": mosquitto_acl(),
        "mosquitto/mosquitto_sub": f"-u health\n-P {passwords['health']}\n",
        "redis/auth.conf": f"requirepass {passwords['redis']}\n",
        "redis/password": passwords["redis"],
        "influxdb/username": "admin",
        "influxdb/password": passwords["influx-admin"],
        "influxdb/token": passwords["influx-token"],
        "influxdb/grafana-password": passwords["influx-grafana"],
        "grafana/influx-password": passwords["influx-grafana"],
        "grafana/admin-password": passwords["grafana"],
    }


def write(path: Path, text: str, group: int) -> None:
    """Replace the file; its owner is root, and only `group` may read it."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    os.chown(fresh, 0, group)
    fresh.replace(path)


def prepare(user: int, group: int) -> None:
    """Write all secrets, and give the data volumes to the user that the containers run as."""
    master = SECRETS / "setup" / "passwords.json"
    known = json.loads(master.read_text(encoding="utf-8")) if master.exists() else {}
    passwords = complete(known)
    write(master, json.dumps(passwords), 0)
    for name, text in files(passwords).items():
        path = SECRETS / name
        os.chown(path.parent, 0, group)
        path.parent.chmod(0o750)
        write(path, text, group)
    for volume in DATA.iterdir():
        os.chown(volume, user, group)


def show() -> str:
    """What people log in with."""
    passwords = json.loads((SECRETS / "setup" / "passwords.json").read_text(encoding="utf-8"))
    return f"MQTT: guest {passwords['guest']}\nGrafana: admin {passwords['grafana']}"


def _mqtt_url(name: str, passwords: Mapping[str, str]) -> str:
    return f"mqtt://{name}:{passwords[name]}@mosquitto:1883"


if __name__ == "__main__":
    if sys.argv[1:] == ["show"]:
        print(show())
    else:
        prepare(int(os.environ["AMPHERD_UID"]), int(os.environ["AMPHERD_GID"]))
