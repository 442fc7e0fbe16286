"""Keeps the broker's access list in step with the policy: who may write what, and which agent speaks for which charger.

It runs beside the broker, which reads the list again when it changes (deploy/mosquitto/run.sh). It knows no password.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from ampherd_core.endpoint import Transport
from ampherd_core.policy import Policy
from ampherd_core.policy_file import PolicyError, PolicyWatch

WRITES: Final = {
    "meter": ("meter/#", "backlog/meter/#", "service/meter/status", "event"),
    "balancer": (
        "site/state",
        "site/limit/error",
        "charger/+/grant",
        "charger/+/decision",
        "charger/+/plan",
        "site/usual",
        "site/prices/error",
        "charger/+/+/error",
        "backlog/site/state",
        "service/+/status",
        "evcc/#",
        "answer/#",
        "service/+/reply/#",
        "event",
    ),
    "api": ("charger/+/+/set", "site/limit/set", "site/prices/set", "history/request", "service/api/status", "event"),
    "operator": ("site/limit/set",),
    "source": (),
    "reader": (),
}
"""Below `ampherd/<site>/`: only the meter says readings, only the balancer grants, and no guest lifts the network
operator's cap."""

GUEST: Final = ("charger/+/+/set", "site/prices/set")
"""What a person may set."""

SLOTS: Final = 4
"""The agents of compose.yaml; a policy with more chargers has as many more."""

_SERVICE_NAME_CHARACTERS: Final = 32
_POLL_S: Final = 0.5
"""Two looks at the same text take up an edit of the policy."""


def agent_writes(slot: int, charger: str | None) -> tuple[str, ...]:
    """What the agent of that slot says: the state of its own charger, and nothing of another."""
    own = ("event", f"service/agent-slot-{slot}/status")
    if charger is None:
        return own
    name = f"agent-{charger}"[:_SERVICE_NAME_CHARACTERS].rstrip("-")
    state = f"charger/{charger}/state"
    return (*own, f"service/{name}/status", state, f"backlog/{state}", f"evcc/{charger}/#")


def foreign(policy: Policy | None) -> Mapping[str, Sequence[str]]:
    """What the policy adds to accounts: topics of devices, outside of ours.

    A digital input speaks as `operator`, and the balancer hears it; what meters are read from is said by `source`.
    """
    if policy is None:
        return {}
    operator = policy.limits.operator
    inputs = [operator.input_topic] if operator is not None and operator.input_topic is not None else []
    values = sorted(
        {
            value.topic
            for meter in policy.meters.values()
            if meter.endpoint.transport is Transport.BUS and meter.values is not None
            for value in meter.values.named.values()
        }
    )
    return {
        "operator": [f"topic write {topic}" for topic in inputs],
        "balancer": [f"topic read {topic}" for topic in inputs],
        "source": [f"topic write {topic}" for topic in values],
        "meter": [f"topic read {topic}" for topic in values],
    }


def access_list(chargers: Sequence[str], guests: Iterable[str], more: Mapping[str, Sequence[str]]) -> str:
    """Mosquitto's access list: all but `health` read all of Ampherd, and each writes what is its own, and `more`."""
    padded = [*chargers, *[None] * (SLOTS - len(chargers))]
    agents = {f"agent-{slot}": agent_writes(slot, charger) for slot, charger in enumerate(padded, 1)}
    written = WRITES | agents | dict.fromkeys(guests, GUEST)
    blocks = ["\n".join([_block(name, topics), *more.get(name, ())]) for name, topics in written.items()]
    return "\n\n".join([*blocks, "user health\ntopic read $SYS/broker/uptime"]) + "\n"


def renew(path: Path, policy: Policy | None, guests: Path) -> None:
    """Write the list anew where it has changed; at once or not at all."""
    chargers = tuple(policy.chargers) if policy else ()
    text = access_list(chargers, guests.read_text(encoding="utf-8").split(), foreign(policy))
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    fresh = path.with_name(f".{path.name}.new")
    fresh.touch(mode=0o600)
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def keep(path: Path, *, site: Path, guests: Path, heartbeat: Path) -> None:
    """Follow policy and guests for ever; a bad policy leaves the rights of the last good one."""
    watch, policy = PolicyWatch(site), None
    while True:
        try:
            policy = watch.poll() or policy
        except PolicyError as err:
            print(err, file=sys.stderr, flush=True)
        if policy is not None or not path.exists():
            renew(path, policy, guests)
        heartbeat.touch()
        time.sleep(_POLL_S)


def _block(name: str, topics: Iterable[str]) -> str:
    rows = [f"user {name}", "topic read ampherd/#", *(f"topic write ampherd/+/{topic}" for topic in topics)]
    return "\n".join([*rows, "topic read $SYS/#"] if name == "api" else rows)


if __name__ == "__main__":
    keep(
        Path("/rights/acl"),
        site=Path(os.environ["AMPHERD_SITE"]),
        guests=Path("/secrets/guests"),
        heartbeat=Path(os.environ["AMPHERD_HEARTBEAT"]),
    )
