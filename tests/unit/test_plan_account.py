"""What was charged towards a plan, as a timeline of what the wallbox says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ampherd_balancer.account import Account, recall, remember
from ampherd_core.messages import ChargerState, IecState, LinkHealth, Stamp
from ampherd_core.plans import Plan, SocReading

AT = datetime(2026, 11, 21, tzinfo=UTC)


def told(
    total: float | None = None,
    session: float | None = None,
    iec: IecState | None = IecState.C,
    link: LinkHealth = LinkHealth.OK,
) -> ChargerState:
    return ChargerState(
        charger="garage",
        stamp=Stamp(session="one", at_s=1),
        measured_at=AT,
        link=link,
        iec_state=iec,
        total_wh=total,
        session_wh=session,
    )


def test_the_counter_says_what_was_charged() -> None:
    account = Account()
    for second, total_wh in enumerate((5_000, 5_100, 5_300)):
        account.note(told(total=total_wh), 9_999, second)
    assert account.charged_wh == 300
    assert not account.is_estimated


def test_a_counter_that_jumps_is_another_one() -> None:
    account = Account()
    for second, total_wh in enumerate((5_000, 5_100, 900_000, 900_050, 10)):
        account.note(told(total=total_wh), 0, second)
    assert account.charged_wh == 150


def test_a_new_session_counts_from_zero() -> None:
    account = Account()
    for second, session_wh in enumerate((200, 300, 40)):
        account.note(told(session=session_wh), 0, second)
    assert account.charged_wh == 140


def test_without_a_counter_it_is_what_the_car_seems_to_take_and_called_an_estimate() -> None:
    account = Account()
    for second in range(0, 3601, 2):
        account.note(told(), 3_680, second)
    assert account.charged_wh == pytest.approx(3_680)
    assert account.is_estimated
    account.note(told(), 3_680, 7200)
    assert account.charged_wh == pytest.approx(3_680), "an hour of silence is not made up"


def test_a_car_that_comes_begins_anew_and_one_that_goes_takes_its_state_of_charge_along() -> None:
    account = Account()
    account.note(told(total=0), 0, 0)
    account.note(told(total=500), 0, 1)
    account.tell_soc(SocReading(percent=40, at=AT))
    account.note(told(total=700, link=LinkHealth.LOST, iec=IecState.A), 0, 2)
    assert account.soc is not None, "a lost wallbox says nothing of its car"
    assert (account.charged_wh, account.since_soc_wh) == (700, 200)
    account.note(told(total=700, iec=IecState.A), 0, 3)
    assert account.soc is None
    account.note(told(total=700, iec=IecState.B), 0, 4)
    assert account.charged_wh == 0


def test_it_outlives_a_restart_with_what_was_charged_meanwhile() -> None:
    account = Account(wish=Plan(energy_kwh=20, due=AT))
    account.note(told(total=1_000), 0, 0)
    account.note(told(total=1_500), 0, 1)
    again = recall(remember({"garage": account}))["garage"]
    again.note(told(total=2_500), 0, 0)
    assert again.charged_wh == 1_500
    assert again.wish == account.wish


@pytest.mark.parametrize("document", [b"", b"[]", b"\xff", b'{"garage": {"charged_wh": -1}}', b'{"garage": 1}'])
def test_a_remembered_document_that_is_broken_is_ignored(document: bytes) -> None:
    assert recall(document) == {}
