"""Makes the passwords of a compose deployment at its first start, and hands each container only what it needs.

It runs before everything else, at every start, and changes no password that exists. `show` prints what people need;
`guest NAME` makes an account for one more guest, and `forget NAME` ends it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

SECRETS: Final = Path("/secrets")
DATA: Final = Path("/data")

SERVICES: Final = ("meter", "balancer", "api")
SEALED: Final = ("meter", "balancer")
"""Whoever is believed or believes others holds the key of the seal, as every agent does."""

GUEST_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")

_OTHERS: Final = ("seal", "redis", "influx-admin", "influx-token", "influx-grafana", "grafana")
_PASSWORD_BYTES: Final = 24
_SALT_BYTES: Final = 12
_ROUNDS: Final = 101
"""mosquitto_passwd's own: PBKDF2 guards weak passwords, and these have 192 bits."""


def complete(known: Mapping[str, str], agents: Iterable[str]) -> dict[str, str]:
    """The passwords by name: those known, and new ones for the rest."""
    names = (*SERVICES, *agents, "guest", "operator", "source", "reader", "health", *_OTHERS)
    return {**known, **{name: known.get(name) or secrets.token_urlsafe(_PASSWORD_BYTES) for name in names}}


def accounts(passwords: Mapping[str, str]) -> tuple[str, ...]:
    """Who may speak on the bus."""
    return tuple(name for name in passwords if name not in _OTHERS)


def guests(passwords: Mapping[str, str]) -> tuple[str, ...]:
    """Those whose rights are a guest's."""
    own = {*SERVICES, "operator", "source", "reader", "health"}
    return tuple(name for name in accounts(passwords) if name not in own and not is_agent(name))


def is_agent(name: str) -> bool:
    """Whether the account is that of an agent's slot."""
    return re.fullmatch(r"agent-\d+", name) is not None


def mosquitto_hash(password: str, salt: bytes) -> str:
    """As mosquitto_passwd writes it: PBKDF2 with SHA-512, `$7$rounds$salt$hash`."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS)
    return f"$7${_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def mosquitto_passwords(passwords: Mapping[str, str]) -> str:
    """Mosquitto's password file."""
    rows = (
        f"{name}:{mosquitto_hash(passwords[name], secrets.token_bytes(_SALT_BYTES))}" for name in accounts(passwords)
    )
    return "\n".join(rows) + "\n"


def files(passwords: Mapping[str, str]) -> dict[str, str]:
    """What each container finds in its own /secrets, as `container/file`."""
    redis_url = f"redis://:{passwords['redis']}@redis:6379/0"
    agents = tuple(name for name in passwords if is_agent(name))
    urls = {f"{name}/mqtt-url": f"mqtt://{name}:{passwords[name]}@mosquitto:1883" for name in (*SERVICES, *agents)}
    keys = {f"{name}/seal-key": passwords["seal"] for name in (*SEALED, *agents)}
    return (
        urls
        | keys
        | {
            "balancer/redis-url": redis_url,
            "api/redis-url": redis_url,
            "api/influx-token": passwords["influx-token"],
            "rights/guests": "\n".join(guests(passwords)) + "\n",
            "mosquitto/passwd": mosquitto_passwords(passwords),
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
    )


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
    passwords = complete(known, sorted(path.name for path in SECRETS.iterdir() if is_agent(path.name)))
    write(master, json.dumps(passwords), 0)
    for name, text in files(passwords).items():
        path = SECRETS / name
        os.chown(path.parent, 0, group)
        path.parent.chmod(0o750)
        write(path, text, group)
    for volume in DATA.iterdir():
        os.chown(volume, user, group)


def welcome(passwords: Mapping[str, str], name: str) -> dict[str, str]:
    """The passwords with one for a new guest; ValueError where the name is none, or taken."""
    if not GUEST_NAME.fullmatch(name) or is_agent(name) or name in passwords:
        raise ValueError(f"{name!r} cannot be a guest's name: small letters, digits and dashes, and not taken yet")
    return {**passwords, name: secrets.token_urlsafe(_PASSWORD_BYTES)}


def without(passwords: Mapping[str, str], name: str) -> dict[str, str]:
    """The passwords without that guest; ValueError where there is no such guest."""
    if name not in guests(passwords) or name == "guest":
        raise ValueError(f"there is no guest {name!r} to forget; there are {', '.join(guests(passwords))}")
    return {known: password for known, password in passwords.items() if known != name}


def show(passwords: Mapping[str, str]) -> str:
    """What people log in with."""
    names = (*guests(passwords), "operator", "source", "reader")
    return "\n".join([*(f"MQTT: {name} {passwords[name]}" for name in names), f"Grafana: admin {passwords['grafana']}"])


def main(arguments: list[str]) -> None:
    """Carry out one command."""
    master = SECRETS / "setup" / "passwords.json"
    user, group = int(os.environ["AMPHERD_UID"]), int(os.environ["AMPHERD_GID"])
    try:
        match arguments:
            case ["show"]:
                print(show(json.loads(master.read_text(encoding="utf-8"))))
                return
            case ["guest", name]:
                write(master, json.dumps(welcome(json.loads(master.read_text(encoding="utf-8")), name)), 0)
            case ["forget", name]:
                write(master, json.dumps(without(json.loads(master.read_text(encoding="utf-8")), name)), 0)
    except ValueError as err:
        sys.exit(str(err))
    prepare(user, group)
    if arguments:
        print(show(json.loads(master.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main(sys.argv[1:])
