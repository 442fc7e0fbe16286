"""What a user may send to a setting, and what is refused."""

from __future__ import annotations

import pytest
from ampherd_balancer import settings
from ampherd_balancer.settings import Change, SettingError, Wishes, read_change
from ampherd_core.messages import Mode
from hypothesis import given
from hypothesis import strategies as st

from tests.support.bench import policy_of

CHARGER = policy_of({"a": {"min_a": 8, "max_a": 16}}).chargers["a"]


@pytest.mark.parametrize(
    ("setting", "payload", "expected"),
    [
        ("mode", b"fast", Change("mode", Mode.FAST)),
        ("mode", b"solar", Change("mode", Mode.SOLAR)),
        ("mode", b"min_solar", Change("mode", Mode.MIN_SOLAR)),
        ("mode", b'"off"', Change("mode", Mode.OFF)),
        ("mode", b" off\n", Change("mode", Mode.OFF)),
        ("mode", b'{"value": "fast"}', Change("mode", Mode.FAST)),
        ("max_current", b"10", Change("max_a", 10.0)),
        ("max_current", b"10.5", Change("max_a", 10.5)),
        ("max_current", b"8", Change("max_a", 8.0)),
        ("max_current", b'{"value": 16}', Change("max_a", 16.0)),
        ("priority", b"1", Change("priority", 1)),
        ("priority", b"9.0", Change("priority", 9)),
    ],
)
def test_understands(setting: str, payload: bytes, expected: Change) -> None:
    assert read_change(setting, payload, CHARGER) == expected


@pytest.mark.parametrize(
    ("setting", "payload", "says"),
    [
        ("mode", b"\xff\xfe", "not UTF-8"),
        ("mode", b"", "empty"),
        ("mode", b"  ", "empty"),
        ("mode", b"x" * 2000, "more than 1024 bytes"),
        ("mode", b"[" * 1000, "not a mode"),
        ("mode", b'{"value": {"value": "fast"}}', "not a mode"),
        ("mode", b'["fast"]', "not a mode"),
        ("mode", b"null", "not a mode"),
        ("mode", b"turbo", "not a mode"),
        ("mode", b"FAST", "not a mode"),
        ("mode", b"1", "not a mode"),
        ("max_current", b"NaN", "not a plausible number"),
        ("max_current", b"Infinity", "not a plausible number"),
        ("max_current", b"1e999", "not a plausible number"),
        ("max_current", b"-1e999", "not a plausible number"),
        ("max_current", b"1" * 1000, "not a plausible number"),
        ("max_current", b"true", "not a number"),
        ("max_current", b"16 A", "not a number"),
        ("max_current", b'"16"', "not a number"),
        ("max_current", b"10,5", "not a number"),
        ("max_current", b"7.9", "outside 8 to 16 A"),
        ("max_current", b"16.1", "outside 8 to 16 A"),
        ("max_current", b"-10", "outside 8 to 16 A"),
        ("priority", b"0", "1 (first) to 9"),
        ("priority", b"10", "1 (first) to 9"),
        ("priority", b"2.5", "1 (first) to 9"),
        ("phases", b"1", "cannot switch phases"),
        ("colour", b"red", "there is no setting 'colour'"),
    ],
)
def test_refuses_and_says_what_would_be_right(setting: str, payload: bytes, says: str) -> None:
    with pytest.raises(SettingError) as refusal:
        read_change(setting, payload, CHARGER)
    assert says in str(refusal.value)
    assert len(str(refusal.value)) < 300


def test_refuses_a_charger_that_the_policy_does_not_have() -> None:
    with pytest.raises(SettingError, match="no such charger"):
        read_change("mode", b"fast", None)


@given(st.sampled_from(["mode", "max_current", "priority", "phases", "plan", "?"]), st.binary(max_size=64))
def test_any_bytes_are_understood_or_refused(setting: str, payload: bytes) -> None:
    try:
        change = read_change(setting, payload, CHARGER)
    except SettingError:
        return
    Wishes.model_validate({change.field: change.value})


def test_wishes_come_back_as_they_were_saved() -> None:
    wishes = {"a": Wishes(mode=Mode.OFF, max_a=10.5, priority=1), "b": Wishes()}
    assert settings.load(settings.dump(wishes)) == wishes


@pytest.mark.parametrize("document", [b"", b"\xff", b"[]", b"null", b"3", b'"a"', b"{"])
def test_a_spoilt_document_holds_no_wishes(document: bytes) -> None:
    assert settings.load(document) == {}


def test_what_is_not_understood_is_left_out() -> None:
    document = b'{"a": {"mode": "warp"}, "b": {"mode": "off", "later": 1}, "c": 4, "d": {"priority": 77}}'
    assert settings.load(document) == {"b": Wishes(mode=Mode.OFF)}
