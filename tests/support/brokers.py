"""Real brokers for tests."""

from __future__ import annotations

from pathlib import Path

from ampherd_core.bus import BrokerAddress
from ampherd_embedded.broker import Broker, Iotcore, Mosquitto
from ampherd_embedded.program import free_port

from tests.support.needs import needs_program
from tests.support.processes import Server

KINDS = ("iotcore", "mosquitto")


class BrokerServer(Server):
    """A broker on ports of its own; `stop` and `start` keep them."""

    def __init__(self, broker: Broker, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        super().__init__(broker.program(directory), directory / "broker.log")
        self.url = broker.url
        self.url_with_expiry = broker.url.partition("?")[0]
        self.url_v311 = broker.guest_url
        self.port = BrokerAddress.parse(broker.url).port
        self.port_v311 = BrokerAddress.parse(broker.guest_url).port


def new_broker(kind: str, directory: Path) -> BrokerServer:
    """A broker of that kind, not yet started; skips the test where the machine lacks it."""
    if kind == "mosquitto":
        return BrokerServer(Mosquitto(free_port(), needs_program("mosquitto")), directory)
    return BrokerServer(Iotcore(free_port(), free_port()), directory)
