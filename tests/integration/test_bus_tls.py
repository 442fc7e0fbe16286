"""Our services over TLS: a broker with a certificate of a private authority, made here."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ampherd_core.bus import BrokerAddress, Inbound, MqttBus, Outbound, running
from ampherd_core.connection import Connection, ConnectionLostError
from ampherd_core.environment import Environment
from ampherd_core.policy_file import parse_policy
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.test_broker_rights import SITE
from tests.support.guarded_broker import GuardedBroker
from tests.support.needs import REPOSITORY
from tests.support.wait import wait_for

pytestmark = pytest.mark.needs("mosquitto")

_VALID = timedelta(days=1)


class Authority:
    """Signs certificates; `pem` is what a client is given."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _called(name)
        certificate = self._signed(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0))
        self.pem = certificate.public_bytes(serialization.Encoding.PEM).decode()

    def certify(self, directory: Path, host: str) -> Path:
        """Write a certificate for `host` and its key, named as the broker's configuration names them."""
        directory.mkdir(parents=True)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(_called(host), key, x509.SubjectAlternativeName([x509.DNSName(host)]))
        (directory / "fullchain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (directory / "privkey.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return directory

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(subject_name=subject, issuer_name=self._name, public_key=key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - _VALID).not_valid_after(now + _VALID)
        return builder.add_extension(extension, critical=False).sign(self._key, hashes.SHA256())


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@pytest.fixture(scope="module")
def ours() -> Authority:
    return Authority("our house")


@pytest.fixture
def guarded(tmp_path: Path, ours: Authority) -> Iterator[GuardedBroker]:
    server = GuardedBroker(tmp_path / "broker", ours.certify(tmp_path / "certs", "localhost"))
    server.give_rights(
        parse_policy(SITE.format(chargers="  left: {driver: edgetech, link: 'tcp://h:1'}").encode(), "s")
    )
    server.start()
    yield server
    server.stop()


def address(server: GuardedBroker, host: str, ca: str | None) -> BrokerAddress:
    url = f"mqtts://guest:{server.passwords['guest']}@{host}:{server.tls_port}"
    return BrokerAddress.parse(url, ca)


async def test_a_service_that_is_given_the_authority_speaks_and_hears(
    guarded: GuardedBroker, ours: Authority, tmp_path: Path
) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(ours.pem)
    url = f"mqtts://guest:{guarded.passwords['guest']}@localhost:{guarded.tls_port}"
    environment = Environment.read({"AMPHERD_MQTT_URL": url, "AMPHERD_MQTT_CA_FILE": str(file)})
    heard: list[Inbound] = []
    topic = "ampherd/home/charger/left/mode/set"
    bus = MqttBus(environment.broker, "service", filters=["ampherd/#"], listener=heard.append)
    async with running(bus):
        await wait_for(lambda: bus.is_connected)
        await bus.publish(Outbound(topic, b"x" * 50_000, qos=1))
        await wait_for(lambda: [len(message.payload) for message in heard] == [50_000])


@pytest.mark.parametrize(
    ("host", "authority", "why"),
    [
        ("localhost", "another house", "certificate verify failed"),
        ("localhost", None, "certificate verify failed"),
        ("127.0.0.1", "our house", "IP address mismatch"),
    ],
)
async def test_a_broker_that_cannot_prove_its_name_is_told_nothing(
    guarded: GuardedBroker, ours: Authority, host: str, authority: str | None, why: str
) -> None:
    ca = {None: None, "our house": ours.pem, "another house": Authority("another house").pem}[authority]
    with pytest.raises(ConnectionLostError, match=why):
        await Connection(address(guarded, host, ca), "wary").__aenter__()


async def test_the_steps_of_the_guide_make_a_certificate_that_works(tmp_path: Path) -> None:
    guide = (REPOSITORY / "docs/security.md").read_text()
    block = guide[guide.index("mkdir -p certs") : guide.index("Keep `ca.key` elsewhere")].replace(
        "ampherd.lan", "localhost"
    )
    await asyncio.to_thread(subprocess.run, ["sh", "-e"], input=block.encode(), cwd=tmp_path, check=True)
    server = GuardedBroker(tmp_path / "broker", tmp_path / "certs")
    server.give_rights(None)
    server.start()
    try:
        async with Connection(address(server, "localhost", (tmp_path / "certs/ca.pem").read_text()), "guided"):
            pass
    finally:
        server.stop()


def test_an_authority_that_would_not_be_used_is_refused(ours: Authority) -> None:
    with pytest.raises(ValueError, match="write mqtts://"):
        Environment.read({"AMPHERD_MQTT_URL": "mqtt://broker", "AMPHERD_MQTT_CA": ours.pem})
    with pytest.raises(ValueError, match="no certificate in PEM form"):
        Environment.read({"AMPHERD_MQTT_URL": "mqtts://broker", "AMPHERD_MQTT_CA": "secret"})
