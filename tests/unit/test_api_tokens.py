"""Tokens, sessions, those who guess, and those who change too much."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ampherd_api.access import COOKIE_S, new_cookie, token_of_cookie
from ampherd_api.allowance import Allowance
from ampherd_api.guard import is_of_another_site
from ampherd_api.token import link
from ampherd_api.tokens import Role, Token, TokenError, Tokens
from starlette.datastructures import Headers

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return Tokens(tmp_path / "state")


@pytest.fixture
def beside(tokens: Tokens, tmp_path: Path) -> Tokens:
    """The same tokens in another process: the command that changes them."""
    return Tokens(tmp_path / "state")


def session(tokens: Tokens, name: str) -> str:
    token = tokens.named(name)
    assert token is not None
    return new_cookie(tokens, token, 0)


def found(token: Token | None) -> tuple[str, Role] | None:
    return (token.name, token.role) if token else None


def test_at_first_nobody_is_let_in(tokens: Tokens) -> None:
    assert tokens.all() == ()
    assert tokens.find("") is None


def test_a_token_is_known_by_its_name_and_scope(tokens: Tokens) -> None:
    tablet, tesla = tokens.make("tablet", Role.READ, NOW), tokens.make("phone", Role.WRITE, NOW)
    assert found(tokens.find(tablet)) == ("tablet", Role.READ)
    assert found(tokens.find(tesla)) == ("phone", Role.WRITE)
    assert len(tablet) >= 32


def test_nothing_that_is_kept_holds_a_token_and_only_its_owner_reads_it(tokens: Tokens, tmp_path: Path) -> None:
    plain = [tokens.make("tablet", Role.READ, NOW), tokens.rotate("tablet", NOW), tokens.make("b", Role.WRITE, NOW)]
    token = tokens.find(plain[-1])
    assert token is not None
    tokens.note_use(token, NOW)
    kept = list((tmp_path / "state").iterdir())
    assert len(kept) >= 3
    for path in kept:
        assert not any(token in path.read_text() for token in plain), path.name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


@pytest.mark.parametrize("plain", ["", "wrong", "ä", "x" * 10_000])
def test_any_other_token_is_nobody(tokens: Tokens, plain: str) -> None:
    tokens.make("tablet", Role.READ, NOW)
    assert tokens.find(plain) is None


def test_a_change_beside_the_running_api_holds_at_once(tokens: Tokens, beside: Tokens) -> None:
    old = beside.make("tablet", Role.READ, NOW)
    assert found(tokens.find(old)) == ("tablet", Role.READ)
    cookie = session(tokens, "tablet")
    assert token_of_cookie(tokens, cookie, 1) is not None
    new = beside.rotate("tablet", LATER)
    assert (tokens.find(old), found(tokens.find(new))) == (None, ("tablet", Role.READ))
    assert token_of_cookie(tokens, cookie, 1) is None, "its sessions end with it"
    cookie = session(tokens, "tablet")
    beside.revoke("tablet")
    assert tokens.find(new) is None
    assert token_of_cookie(tokens, cookie, 1) is None


def test_another_tokens_end_leaves_a_session_alone(tokens: Tokens, beside: Tokens) -> None:
    beside.make("tablet", Role.READ, NOW)
    beside.make("phone", Role.WRITE, NOW)
    cookie = session(tokens, "tablet")
    beside.revoke("phone")
    assert found(token_of_cookie(tokens, cookie, 1)) == ("tablet", Role.READ)


def test_a_file_that_cannot_be_read_lets_nobody_in(tokens: Tokens, tmp_path: Path) -> None:
    plain = tokens.make("tablet", Role.READ, NOW)
    path = tmp_path / "state" / "tokens.json"
    good = path.read_bytes()
    path.write_text("{")
    assert tokens.find(plain) is None
    path.write_bytes(good)
    os.utime(path, ns=(1, 1))
    assert found(tokens.find(plain)) == ("tablet", Role.READ)
    path.unlink()
    assert tokens.find(plain) is None


def test_the_last_use_is_told_until_the_token_is_another(tokens: Tokens, beside: Tokens, tmp_path: Path) -> None:
    beside.make("tablet", Role.READ, NOW)
    (token,) = tokens.all()
    assert tokens.used_at(token) is None
    tokens.note_use(token, LATER)
    tokens.note_use(token, LATER + timedelta(seconds=59))
    again = Tokens(tmp_path / "state")
    assert again.used_at(token) == LATER
    again.rotate("tablet", LATER + timedelta(hours=1))
    assert again.used_at(again.all()[0]) is None


@pytest.mark.parametrize("name", ["", "Tablet", "a b", "../x", "a.b", "-a", "x" * 33])
def test_a_name_is_plain(tokens: Tokens, name: str) -> None:
    with pytest.raises(TokenError, match="is no name"):
        tokens.make(name, Role.READ, NOW)


def test_what_makes_no_sense_is_refused_and_changes_nothing(tokens: Tokens) -> None:
    plain = tokens.make("tablet", Role.READ, NOW)
    with pytest.raises(TokenError, match="rotate it, or revoke it first"):
        tokens.make("tablet", Role.WRITE, NOW)
    for change in (lambda: tokens.rotate("phone", NOW), lambda: tokens.revoke("phone")):
        with pytest.raises(TokenError, match="there is no token 'phone'; there are: tablet"):
            change()
    assert found(tokens.find(plain)) == ("tablet", Role.READ)


def test_the_printed_link_is_made_once_or_at_each_start(tokens: Tokens) -> None:
    first = link(tokens, NOW, renews=False)
    assert tokens.find(first) is not None
    assert link(tokens, NOW, renews=False) == ""
    assert tokens.find(first) is not None
    assert found(tokens.find(link(tokens, NOW, renews=True))) == ("terminal", Role.WRITE)
    assert tokens.find(first) is None


def test_who_revoked_the_link_gets_no_other_by_a_restart(tokens: Tokens) -> None:
    tokens.make("phone", Role.WRITE, NOW)
    assert link(tokens, NOW, renews=False) == ""


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TokenError, match="give the api a directory"):
        Tokens(tmp_path / "file" / "state")


def test_sessions_outlive_a_restart_and_end_in_time(tokens: Tokens, tmp_path: Path) -> None:
    tokens.make("tablet", Role.READ, NOW)
    cookie = session(tokens, "tablet")
    again = Tokens(tmp_path / "state")
    assert token_of_cookie(again, cookie, COOKIE_S - 1) is not None
    assert token_of_cookie(again, cookie, COOKIE_S) is None


@pytest.mark.parametrize("forged", ["", "tablet", "tablet.99999999999.x.", "tablet.99999999999.x.é", "..."])
def test_forged_sessions_are_nobody(tokens: Tokens, forged: str) -> None:
    tokens.make("tablet", Role.READ, NOW)
    assert token_of_cookie(tokens, forged, 0) is None


def test_a_read_session_cannot_be_turned_into_a_write_session(tokens: Tokens) -> None:
    tokens.make("tablet", Role.READ, NOW)
    tokens.make("phone", Role.WRITE, NOW)
    assert token_of_cookie(tokens, session(tokens, "tablet").replace("tablet", "phone", 1), 1) is None


def test_who_has_used_up_the_allowance_waits_for_the_windows_end() -> None:
    failures = Allowance(10)
    for second in range(10):
        assert failures.wait_s("guesser", second) == 0
        failures.note("guesser", second)
    assert failures.wait_s("guesser", 10) == 50
    assert failures.wait_s("neighbour", 10) == 0
    assert failures.wait_s("guesser", 61) == 0


def test_many_addresses_fill_no_memory() -> None:
    failures = Allowance(10, most_known=3)
    for number in range(50):
        failures.note(str(number), 0)
    assert len(failures._times) == 3


OURS = "http://ampherd.lan:8080"


@pytest.mark.parametrize(
    ("method", "headers", "is_refused"),
    [
        ("POST", {"host": "ampherd.lan:8080", "origin": OURS}, False),
        ("POST", {"host": "ampherd.lan:8080"}, False),
        ("GET", {"host": "ampherd.lan:8080", "origin": "http://evil.example"}, False),
        ("POST", {"host": "ampherd.lan:8080", "origin": "http://evil.example"}, True),
        ("PUT", {"host": "ampherd.lan:8080", "origin": "http://ampherd.lan"}, True),
        ("DELETE", {"host": "ampherd.lan:8080", "origin": "null"}, True),
        ("POST", {"host": "ampherd.lan:8080", "origin": ""}, True),
        ("POST", {"host": "api:8080", "x-forwarded-host": "ampherd.lan:8080", "origin": OURS}, False),
    ],
)
def test_changes_come_from_no_other_site(method: str, headers: dict[str, str], is_refused: bool) -> None:
    assert is_of_another_site(method, Headers(headers)) is is_refused
