"""What the network operator's signal may look like, and what is refused loudly."""

from __future__ import annotations

import pytest
from ampherd_balancer.operator_cap import Signal
from ampherd_balancer.operator_signal import read_input, read_signal
from ampherd_balancer.settings import SettingError


@pytest.mark.parametrize(
    ("payload", "signal"),
    [
        (b"on", Signal()),
        (b" ON\n", Signal()),
        (b"true", Signal()),
        (b"off", None),
        (b"False", None),
        (b"4200", Signal(4200)),
        (b"7560.5", Signal(7560.5)),
        (b'{"active": true}', Signal()),
        (b'{"active": false}', None),
        (b"{}", Signal()),
        (b'{"power_w": 0}', Signal(0)),
        (b'{"power_w": 4200, "for_s": 7200}', Signal(4200, 7200)),
        (b'{"for_s": 900}', Signal(None, 900)),
    ],
)
def test_what_is_understood(payload: bytes, signal: Signal | None) -> None:
    assert read_signal(payload) == signal


@pytest.mark.parametrize(
    "payload",
    [
        *(
            b"",
            b" ",
            b"0",
            b"1",
            b"-4200",
            b"1e9",
            b"NaN",
            b"Infinity",
            b"4200 W",
            b"4,2",
            b"dim",
            b"null",
            b"[]",
            b'"on"',
        ),
        *(b"\xff\xfe", b"x" * 2000, b"[" * 1000, b"{", b'{"power": 4200}', b'{"power_w": -1}', b'{"power_w": "4200"}'),
        *(b'{"power_w": NaN}', b'{"power_w": true}', b'{"for_s": 0}', b'{"for_s": 1e300}', b'{"active": 1}'),
        *(b'{"active": false, "power_w": 4200}', b'{"active": null}', b"9" * 1000, b"1e400"),
    ],
)
def test_nonsense_is_refused_and_says_what_would_be_right(payload: bytes) -> None:
    with pytest.raises(SettingError, match=r"^limit: .*"):
        read_signal(payload)


@pytest.mark.parametrize(
    ("payload", "holds"),
    [
        *((word, True) for word in (b"on", b"1", b"true", b"ON", b'{"id": 0, "state": true}')),
        *((word, False) for word in (b"off", b"0", b"false", b'{"id": 0, "state": false}')),
    ],
)
def test_what_an_input_says(payload: bytes, holds: bool) -> None:
    assert read_input(payload) == (Signal() if holds else None)


@pytest.mark.parametrize(
    "payload", [b"", b"2", b"4200", b"{}", b'{"state": 1}', b'{"state": null}', b"\xff", b"[" * 1000]
)
def test_an_input_that_says_anything_else_is_refused(payload: bytes) -> None:
    with pytest.raises(SettingError):
        read_input(payload)
