"""The choice of one phase or three: rarely, confirmed, and given up where the wallbox does not obey."""

from __future__ import annotations

from ampherd_balancer.phase_choice import PATIENCE_S, PhaseChoice
from ampherd_core.phases import PhaseCount

EVERY_S = 600.0


def wish(choice: PhaseChoice) -> PhaseCount | None:
    """Read anew: it changes with time."""
    return choice.wish


def settled(confirmed: int = 3) -> PhaseChoice:
    """A choice that began at 0 s and may switch from 600 s on."""
    choice = PhaseChoice(0.0)
    choice.heard(1 if confirmed == 1 else 3, 0.0)
    choice.choose(None, 0.0, every_s=EVERY_S)
    return choice


def test_a_wallbox_is_left_as_it_is_until_it_may_be_switched() -> None:
    choice = settled()

    choice.choose(1, 599.0, every_s=EVERY_S)
    assert (wish(choice), choice.is_switching) == (3, False)

    choice.choose(1, 600.0, every_s=EVERY_S)
    assert (wish(choice), choice.is_switching) == (1, True)


def test_the_next_switch_waits_from_the_one_before_on() -> None:
    choice = settled()
    choice.choose(1, 700.0, every_s=EVERY_S)
    assert choice.heard(1, 730.0)
    assert not choice.is_switching

    choice.choose(3, 1329.0, every_s=EVERY_S)
    assert wish(choice) == 1

    choice.choose(3, 1330.0, every_s=EVERY_S)
    assert wish(choice) == 3


def test_a_wish_stays_while_it_is_carried_out() -> None:
    choice = settled()
    choice.choose(1, 700.0, every_s=EVERY_S)
    choice.heard(None, 715.0)

    choice.choose(3, 720.0, every_s=EVERY_S)

    assert (wish(choice), choice.is_switching) == (1, True)


def test_a_wallbox_that_does_not_switch_is_used_as_it_is() -> None:
    choice = settled()
    choice.choose(1, 700.0, every_s=EVERY_S)

    choice.choose(1, 701.0 + PATIENCE_S, every_s=EVERY_S)
    assert (wish(choice), choice.is_switching) == (3, False)

    choice.choose(1, 700.0 + PATIENCE_S + EVERY_S, every_s=EVERY_S)
    assert wish(choice) == 3
    choice.choose(1, 701.0 + PATIENCE_S + EVERY_S, every_s=EVERY_S)
    assert wish(choice) == 1


def test_a_wallbox_that_changes_by_itself_is_followed() -> None:
    choice = settled(1)

    assert choice.heard(3, 1000.0)
    choice.choose(1, 1000.0, every_s=EVERY_S)

    assert (wish(choice), choice.is_switching) == (3, False)


def test_a_wallbox_that_is_not_read_for_a_while_loses_no_time() -> None:
    choice = settled(1)
    choice.heard(None, 300.0)
    choice.choose(3, 500.0, every_s=EVERY_S)
    assert wish(choice) == 1
    choice.heard(1, 599.0)

    choice.choose(3, 600.0, every_s=EVERY_S)

    assert wish(choice) == 3


def test_a_wallbox_that_tells_nothing_is_never_asked() -> None:
    choice = PhaseChoice(0.0)

    choice.choose(1, 10_000.0, every_s=EVERY_S)

    assert (wish(choice), choice.is_switching) == (None, False)
