"""The seal: what was sealed is known again, whatever else is said is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ampherd_core.bus import MAX_PAYLOAD_BYTES, Inbound
from ampherd_core.environment import Environment
from ampherd_core.messages import Grant, GrantId, Stamp
from ampherd_core.seal import Seal
from ampherd_core.wire import Wire
from hypothesis import given
from hypothesis import strategies as st

KEY = "0123456789abcdef" * 2
SEAL = Seal.of(KEY)
TOPIC = "ampherd/home/charger/left/grant"
GRANT = Grant(charger="left", id=GrantId(epoch=3, seq=7), echo=Stamp(session="boot", at_s=10), lease_s=10, offer_a=13)
SEALED = Wire(SEAL).write_sealed(TOPIC, GRANT)


def heard(payload: bytes, topic: str = TOPIC) -> Inbound:
    return Inbound(topic=topic, payload=payload)


def test_who_has_the_key_reads_what_was_sealed() -> None:
    assert Wire(SEAL).read_sealed(Grant, heard(SEALED)) == GRANT


def test_who_has_no_key_reads_it_as_ever() -> None:
    assert Wire().read_sealed(Grant, heard(SEALED)) == GRANT
    assert json.loads(SEALED) | {"seal": None} == json.loads(GRANT.to_json()) | {"seal": None}


@pytest.mark.parametrize(
    ("forgery", "payload", "topic"),
    [
        ("never sealed", GRANT.to_json(), TOPIC),
        ("sealed with another key", Wire(Seal.of("x" * 32)).write_sealed(TOPIC, GRANT), TOPIC),
        ("sealed for another charger", SEALED, TOPIC.replace("left", "right")),
        ("said as a state", SEALED, TOPIC.replace("grant", "state")),
        ("more current under the old seal", SEALED.replace(b'"offer_a":13.0', b'"offer_a":32.0'), TOPIC),
        ("a field put behind the seal", SEALED[:-1] + b',"offer_a":32}', TOPIC),
        ("a field put before the rest", b'{"offer_a":32,' + SEALED[1:], TOPIC),
        ("blanks behind it", SEALED + b" ", TOPIC),
        ("a seal in capitals", SEALED[:-66] + SEALED[-66:].upper(), TOPIC),
        ("an empty seal", GRANT.to_json()[:-1] + b',"seal":""}', TOPIC),
        ("a seal of null", GRANT.to_json()[:-1] + b',"seal":null}', TOPIC),
        ("nothing", b"", TOPIC),
        ("half of it", SEALED[:-10], TOPIC),
        ("no text", b"\xff" * 200, TOPIC),
    ],
)
def test_a_forgery_is_refused_counted_and_told(forgery: str, payload: bytes, topic: str) -> None:
    told: list[str] = []
    wire = Wire(SEAL, told.append)
    assert wire.read_sealed(Grant, heard(payload, topic)) is None, forgery
    assert wire.refused == {"unsealed": 1}
    assert told == [topic]


@given(place=st.integers(0, len(SEALED) - 1), bit=st.integers(0, 7))
def test_no_bit_can_be_changed(place: int, bit: int) -> None:
    forged = bytearray(SEALED)
    forged[place] ^= 1 << bit
    assert not SEAL.holds(TOPIC, bytes(forged))


@given(st.binary(max_size=300), st.text(max_size=40))
def test_anything_else_bears_no_seal(payload: bytes, topic: str) -> None:
    assert not SEAL.holds(topic, payload)


def test_what_is_oversized_is_refused_before_it_is_judged() -> None:
    wire = Wire(SEAL)
    assert wire.read_sealed(Grant, heard(b" " * (MAX_PAYLOAD_BYTES + 1))) is None
    assert wire.refused == {"oversized": 1}


def test_a_key_comes_from_a_file_and_is_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    environment = Environment.read({"AMPHERD_SEAL_KEY_FILE": str(file)})
    assert environment.seal == SEAL
    assert KEY not in repr(Environment.read({"AMPHERD_SEAL_KEY": KEY}))
    assert Environment.read({}).seal is None


def test_a_key_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(ValueError, match="AMPHERD_SEAL_KEY is too short"):
        Environment.read({"AMPHERD_SEAL_KEY": "secret"})
