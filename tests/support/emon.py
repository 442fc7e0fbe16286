"""A make-believe emonPi: emonHub's topics as its own documents describe them, a burst of plain numbers each period."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

DEADLINE_S = 10.0


class EmonHub:
    """emonHub's MQTT interfacer: `emon/<node>/<name>` with a number as text, never retained, in MQTT 3.1.1."""

    def __init__(self, client: Client, qos: int) -> None:
        self._client = client
        self._qos = qos

    def burst(self, node: str, values: Mapping[str, object]) -> None:
        """One packet of a node, name by name in its order, as the radio brought it."""
        for name, value in values.items():
            self.say(f"emon/{node}/{name}", str(value))

    def say(self, topic: str, payload: str | bytes, *, is_retained: bool = False) -> None:
        """One message, and wait until the broker has it."""
        self._client.publish(topic, payload, qos=self._qos, retain=is_retained).wait_for_publish(DEADLINE_S)


@contextmanager
def emon_hub(port: int, *, qos: int = 1, user: str | None = None, password: str | None = None) -> Iterator[EmonHub]:
    """A hub at a broker for the length of a block; emonHub itself speaks with QoS 2."""
    client = Client(CallbackAPIVersion.VERSION2, "emonhub", protocol=MQTTv311)
    if user is not None:
        client.username_pw_set(user, password)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        yield EmonHub(client, qos)
    finally:
        client.disconnect()
        client.loop_stop()


def three_phases(l1_w: int, l2_w: int, l3_w: int, vrms: float = 230.5) -> Mapping[str, object]:
    """What the three-phase firmware of an emonTx names."""
    return {"powerL1": l1_w, "powerL2": l2_w, "powerL3": l3_w, "power4": 0, "Vrms": vrms, "rssi": -49}


def emon_pi(power1: int, power2: int, vrms: float = 230.5) -> Mapping[str, object]:
    """What an emonPi names: two clamps, the voltage, temperatures, pulses."""
    both = {"power1": power1, "power2": power2, "power1pluspower2": power1 + power2, "vrms": vrms}
    return both | {f"t{place}": 0 for place in range(1, 7)} | {"pulsecount": 0}
