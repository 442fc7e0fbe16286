"""Tokens, sessions, and those who guess."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from ampherd_api.access import COOKIE_S, new_cookie, role_of_cookie
from ampherd_api.failures import Failures
from ampherd_api.tokens import Role, TokenError, Tokens


def plain(directory: Path, role: Role) -> str:
    return (directory / f"token-{role}").read_text().strip()


def test_first_start_makes_two_tokens_for_the_owners_eyes_only(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    for role in Role:
        assert tokens.role_of(plain(tmp_path, role)) is role
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_what_the_service_keeps_holds_no_token(tmp_path: Path) -> None:
    Tokens(tmp_path)
    kept = (tmp_path / "tokens.json").read_text()
    assert set(json.loads(kept)) == {"read", "write"}
    assert not any(plain(tmp_path, role) in kept for role in Role)


@pytest.mark.parametrize("token", ["", "wrong", "ä", "x" * 10_000])
def test_any_other_token_is_nobody(tmp_path: Path, token: str) -> None:
    assert Tokens(tmp_path).role_of(token) is None


def test_tokens_outlive_a_restart_and_the_removal_of_their_files(tmp_path: Path) -> None:
    Tokens(tmp_path)
    token = plain(tmp_path, Role.WRITE)
    (tmp_path / "token-write").unlink()
    assert Tokens(tmp_path).role_of(token) is Role.WRITE
    assert not (tmp_path / "token-write").exists()


def test_a_replaced_file_is_taken_up_at_once_and_ends_sessions(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    old, cookie = plain(tmp_path, Role.WRITE), new_cookie(tokens, Role.WRITE, 0)
    fresh = tmp_path / "fresh"
    fresh.write_text("a-new-token\n")
    fresh.replace(tmp_path / "token-write")
    assert tokens.role_of("a-new-token") is Role.WRITE
    assert tokens.role_of(old) is None
    assert role_of_cookie(tokens, cookie, 1) is None


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TokenError, match="give the api a directory"):
        Tokens(tmp_path / "file" / "state")


def test_sessions_outlive_a_restart_and_end_in_time(tmp_path: Path) -> None:
    cookie = new_cookie(Tokens(tmp_path), Role.READ, 1_000)
    again = Tokens(tmp_path)
    assert role_of_cookie(again, cookie, 1_000 + COOKIE_S - 1) is Role.READ
    assert role_of_cookie(again, cookie, 1_000 + COOKIE_S) is None


@pytest.mark.parametrize("forged", ["", "write", "write.99999999999.x.", "write.99999999999.x.é", "..."])
def test_forged_sessions_are_nobody(tmp_path: Path, forged: str) -> None:
    assert role_of_cookie(Tokens(tmp_path), forged, 0) is None


def test_a_read_session_cannot_be_turned_into_a_write_session(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    cookie = new_cookie(tokens, Role.READ, 0)
    assert role_of_cookie(tokens, cookie.replace("read", "write", 1), 1) is None


def test_an_address_that_guesses_waits_for_the_minutes_end() -> None:
    failures = Failures()
    for second in range(10):
        assert failures.wait_s("guesser", second) == 0
        failures.note("guesser", second)
    assert failures.wait_s("guesser", 10) == 50
    assert failures.wait_s("neighbour", 10) == 0
    assert failures.wait_s("guesser", 61) == 0


def test_many_addresses_fill_no_memory() -> None:
    failures = Failures(addresses_kept=3)
    for number in range(50):
        failures.note(str(number), 0)
    assert len(failures._tries) == 3
