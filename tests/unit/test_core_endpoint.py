"""Addresses of devices, right and hostile."""

from __future__ import annotations

import pytest
from ampherd_core.endpoint import Endpoint, Transport, parse_endpoint
from hypothesis import given
from hypothesis import strategies as st

ALL = frozenset(Transport)
MODBUS = frozenset({Transport.TCP, Transport.RTU, Transport.RTU_OVER_TCP})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("tcp://192.168.1.20:502", Endpoint(Transport.TCP, host="192.168.1.20", port=502)),
        ("tcp://wallbox.lan:502/", Endpoint(Transport.TCP, host="wallbox.lan", port=502)),
        ("tcp://[fe80::1]:502", Endpoint(Transport.TCP, host="fe80::1", port=502)),
        ("rtu+tcp://gateway:8899", Endpoint(Transport.RTU_OVER_TCP, host="gateway", port=8899)),
        ("rtu:///dev/ttyUSB0", Endpoint(Transport.RTU, path="/dev/ttyUSB0")),
        (
            "rtu:///dev/serial/by-id/usb-FTDI?baudrate=9600&parity=N&stopbits=1",
            Endpoint(
                Transport.RTU,
                path="/dev/serial/by-id/usb-FTDI",
                options={"baudrate": "9600", "parity": "N", "stopbits": "1"},
            ),
        ),
        (
            "serial:///dev/ttyUSB0?baudrate=9600&parity=E&bytesize=7",
            Endpoint(
                Transport.SERIAL,
                path="/dev/ttyUSB0",
                options={"baudrate": "9600", "parity": "E", "bytesize": "7"},
            ),
        ),
        (
            "file:///data/telegrams.raw?speed=0.5&loop=1",
            Endpoint(Transport.FILE, path="/data/telegrams.raw", options={"speed": "0.5", "loop": "1"}),
        ),
    ],
)
def test_a_right_address_comes_apart(url: str, expected: Endpoint) -> None:
    assert parse_endpoint(url, ALL) == expected


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "no address"),
        ("192.168.1.20:502", "no address"),
        ("http://192.168.1.20", "no address"),
        ("tcp://[::1", "no address"),
        ("tcp://host:99999", "no address"),
        ("tcp://host:five", "no address"),
        ("tcp://host:-1", "no address"),
        ("tcp://host", "lacks a host or a port"),
        ("tcp://host:0", "lacks a host or a port"),
        ("tcp://:502", "lacks a host or a port"),
        ("tcp://user:secret@host:502", "more than a host and a port"),
        ("tcp://host:502/path", "more than a host and a port"),
        ("tcp://host:502#1", "more than a host and a port"),
        ("tcp://ho st:502", "spaces or control characters"),
        ("tcp://host:502\n", "spaces or control characters"),
        ("tcp://ho\x00st:502", "spaces or control characters"),
        ("rtu://dev/ttyUSB0", "lacks an absolute path"),
        ("rtu:dev/ttyUSB0", "lacks an absolute path"),
        ("rtu://", "lacks an absolute path"),
        ("rtu:///", "lacks an absolute path"),
        ("rtu:///dev/ttyUSB0?baud=9600", "unknown option baud"),
        ("tcp://host:502?baudrate=9600", "unknown option baudrate"),
        ("rtu:///dev/ttyUSB0?baudrate=fast", "baudrate"),
        ("rtu:///dev/ttyUSB0?baudrate=0", "baudrate"),
        ("rtu:///dev/ttyUSB0?baudrate=99999999999", "baudrate"),
        ("rtu:///dev/ttyUSB0?baudrate=", "baudrate"),
        ("rtu:///dev/ttyUSB0?baudrate=9600&baudrate=19200", "baudrate stands twice"),
        ("rtu:///dev/ttyUSB0?parity=X", "parity"),
        ("rtu:///dev/ttyUSB0?stopbits=3", "stopbits"),
        ("serial:///dev/ttyUSB0?bytesize=9", "bytesize"),
        ("file:///data/x?speed=nan", "speed"),
        ("file:///data/x?speed=inf", "speed"),
        ("file:///data/x?speed=-1", "speed"),
        ("file:///data/x?loop=maybe", "loop"),
    ],
)
def test_a_wrong_address_is_refused_with_a_right_one_to_copy(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refusal:
        parse_endpoint(url, ALL)
    assert "; write one like" in str(refusal.value)


def test_a_transport_that_does_not_fit_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValueError, match="file does not fit here") as refusal:
        parse_endpoint("file:///data/telegrams.raw", MODBUS)
    assert "rtu+tcp://" in str(refusal.value)
    assert "serial://" not in str(refusal.value)


def test_two_addresses_of_one_wire_have_one_bus() -> None:
    framed, plain = parse_endpoint("rtu+tcp://Gateway:502", ALL), parse_endpoint("tcp://gateway:502", ALL)
    assert framed.bus == plain.bus
    assert parse_endpoint("rtu:///dev/ttyUSB0?baudrate=9600", ALL).bus == "/dev/ttyUSB0"


@given(st.text(max_size=60) | st.from_regex(r"(tcp|rtu|rtu\+tcp|serial|file)://.{0,40}", fullmatch=True))
def test_any_text_is_taken_or_refused_with_a_reason(url: str) -> None:
    try:
        endpoint = parse_endpoint(url, ALL)
    except ValueError as err:
        assert "write one like" in str(err)  # noqa: PT017 - both outcomes are right, each has its own proof
    else:
        assert endpoint.path.startswith("/") or (endpoint.host and endpoint.port)
