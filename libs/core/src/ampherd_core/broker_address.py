"""Where a broker is, who we are there, and whom we trust to be it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

_ADDRESS_FORM: Final = "the broker's address must look like mqtt://user:password@host:1883"


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """`mqtt://user:password@host:port`, or `mqtts://` for TLS; the broker's certificate must name `host`.

    `ca` holds the certificates of the authorities to trust, as PEM; without them it is those of the system.

    `?expiry=no` leaves message expiry out: iotcore throws an MQTT 3.1.1 guest out that receives a message with it. A
    grant is no less safe for it, since its lease runs from the stamp that it echoes.
    """

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    uses_tls: bool = False
    omits_expiry: bool = False
    ca: str | None = field(default=None, repr=False)
    is_old: bool = False
    """It may know MQTT 3.1.1 only, as a device's own broker does."""

    @classmethod
    def parse(cls, url: str, ca: str | None = None) -> BrokerAddress:
        """Take a URL apart; ValueError says what a right one looks like."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as err:
            raise ValueError(_ADDRESS_FORM) from err
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
            raise ValueError(_ADDRESS_FORM)
        uses_tls = parts.scheme == "mqtts"
        if ca and not uses_tls:
            raise ValueError("there is an AMPHERD_MQTT_CA, but mqtt:// does not encrypt; write mqtts://")
        return cls(
            host=parts.hostname,
            port=port or (8883 if uses_tls else 1883),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            uses_tls=uses_tls,
            omits_expiry="expiry=no" in parts.query.split("&"),
            ca=_checked(ca) if ca else None,
        )

    def tls_context(self) -> ssl.SSLContext:
        """Trusts `ca` alone where there is one, and checks the host's name."""
        return ssl.create_default_context(cadata=self.ca)


def _checked(ca: str) -> str:
    try:
        ssl.create_default_context(cadata=ca)
    except (ssl.SSLError, ValueError) as err:
        raise ValueError(f"AMPHERD_MQTT_CA holds no certificate in PEM form: {err}") from err
    return ca
