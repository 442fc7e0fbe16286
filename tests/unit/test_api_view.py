"""The live picture and its one sentence, from messages and the time alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from ampherd_api.inbox import Inbox
from ampherd_api.view import EVENTS_KEPT, View
from ampherd_core.bus import Inbound
from ampherd_core.messages import ChargerState, Event, LinkHealth, Severity, SiteState
from ampherd_core.policy_file import load_policy
from ampherd_core.topics import Topics

from tests.page.make_believe import MakeBelieve
from tests.support.needs import REPOSITORY

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
POLICY = load_policy(REPOSITORY / "site.example.yaml")
TOPICS = Topics(POLICY.site.id)


def believed() -> MakeBelieve:
    return MakeBelieve("mqtt://nowhere", POLICY)


def seen(at_s: float = 100.0) -> View:
    view = View(POLICY)
    inbox = Inbox(TOPICS, POLICY)
    for topic, message in believed().messages(AT):
        document = inbox.read(Inbound(topic, message.to_json()))
        assert document is not None
        view.take(document, at_s)
    return view


def headline_of(view: View, now_s: float = 101.0, *, is_bus_connected: bool = True) -> tuple[Severity, str]:
    headline = view.snapshot(now_s, AT, is_bus_connected=is_bus_connected).headline
    return headline.severity, headline.text


def test_snapshot_shows_every_charger_of_the_policy_in_its_order() -> None:
    snapshot = View(POLICY).snapshot(0.0, AT, is_bus_connected=True)
    assert list(snapshot.chargers) == ["carport-left", "carport-right", "garage", "guest"]
    assert snapshot.chargers["garage"].state_age_s is None


def test_ages_count_from_receipt() -> None:
    assert seen(100.0).snapshot(107.5, AT, is_bus_connected=True).chargers["garage"].state_age_s == 7.5


def test_change_holds_only_what_came_since() -> None:
    view = seen()
    before = view.revision
    state = view.states["guest"].document
    view.take(state, 101.0)
    change = view.change(before, 101.0, is_bus_connected=True)
    assert (list(change.chargers), change.site, change.meters, change.events) == (["guest"], None, {}, ())


def test_events_are_bounded_and_newest_first() -> None:
    view = View(POLICY)
    for number in range(EVENTS_KEPT + 5):
        at = AT + timedelta(seconds=number)
        view.take(Event(at=at, service="meter", code="x", severity=Severity.INFO, text=str(number)), 1.0)
    assert len(view.events) == EVENTS_KEPT
    assert view.events[0].document.text == str(EVENTS_KEPT + 4)


def test_what_a_new_policy_no_longer_knows_is_forgotten() -> None:
    view = seen()
    view.adopt(POLICY.model_copy(update={"chargers": {"guest": POLICY.chargers["guest"]}}))
    assert list(view.snapshot(101.0, AT, is_bus_connected=True).chargers) == ["guest"]
    assert set(view.states) == {"guest"}


def with_site(**change: object) -> View:
    view = seen()
    assert view.site is not None
    view.take(view.site.document.model_copy(update=change), 100.0)
    return view


def with_lost_garage() -> View:
    view = seen()
    view.take(view.states["garage"].document.model_copy(update={"link": LinkHealth.LOST}), 100.0)
    return view


@pytest.mark.parametrize(
    ("view", "now_s", "severity", "words"),
    [
        (seen(), 101, Severity.INFO, "2 cars charging, 1 waiting. At least"),
        (View(POLICY), 101, Severity.WARNING, "Waiting for the balancer"),
        (seen(), 111, Severity.ALARM, "The balancer is silent"),
        (with_site(is_grid_fresh=False), 101, Severity.ALARM, "The grid meter is silent"),
        (with_site(alarms=("Garage draws too much.",)), 101, Severity.ALARM, "Garage draws too much."),
        (with_lost_garage(), 101, Severity.WARNING, "No contact with Garage."),
    ],
)
def test_headline_tells_the_worst_first(view: View, now_s: float, severity: Severity, words: str) -> None:
    told = headline_of(view, now_s)
    assert told[0] is severity
    assert told[1].startswith(words)


@pytest.mark.parametrize(
    ("headroom_a", "words"),
    [
        ((9.0, 1.5, 4.0), "At least 1 A free on every phase."),
        ((9.0, 0.9, 4.0), "L2 is fully used."),
        ((9.0, -0.4, 4.0), "L2 is 1 A over its limit and is being lowered."),
    ],
)
def test_headline_never_promises_room_that_is_not_there(headroom_a: tuple[float, float, float], words: str) -> None:
    site = seen().site
    assert site is not None
    limits = [
        limit.model_copy(update={"headroom_a": headroom_a}) if limit.circuit == "connection" else limit
        for limit in site.document.limits
    ]
    assert headline_of(with_site(limits=tuple(limits)), 101)[1].endswith(words)


def test_headline_says_that_the_broker_is_lost() -> None:
    assert headline_of(seen(), is_bus_connected=False)[0] is Severity.ALARM


def charger_state(**change: object) -> bytes:
    view = seen()
    return view.states["garage"].document.model_copy(update=change).to_json()


@pytest.mark.parametrize(
    ("topic", "payload", "cause"),
    [
        (TOPICS.charger_state("garage"), b"{", "malformed"),
        (TOPICS.charger_state("garage"), b"\xff\xfe", "malformed"),
        (TOPICS.charger_state("garage"), b"x" * 70_000, "oversized"),
        (TOPICS.charger_state("guest"), charger_state(), "mismatch"),
        (TOPICS.charger_state("attic"), charger_state(charger="attic"), "stranger"),
        (TOPICS.charger_state("garage"), charger_state().replace(b'"offer_a":0.0', b'"offer_a":9999'), "malformed"),
        ("ampherd/other/site/state", b"{}", "unknown-topic"),
    ],
)
def test_bad_messages_are_counted_and_change_nothing(topic: str, payload: bytes, cause: str) -> None:
    inbox = Inbox(TOPICS, POLICY)
    assert inbox.read(Inbound(topic, payload)) is None
    assert inbox.wire.refused == {cause: 1}


def test_documents_are_told_apart_by_their_topics() -> None:
    inbox = Inbox(TOPICS, POLICY)
    kinds = {type(inbox.read(Inbound(topic, message.to_json()))) for topic, message in believed().messages(AT)}
    assert {ChargerState, SiteState} <= kinds
