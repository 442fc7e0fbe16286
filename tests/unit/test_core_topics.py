"""How topics are spelt, and that the contract covers each of them."""

from __future__ import annotations

import pytest
from ampherd_core.messages import Message, SetResult
from ampherd_core.topics import ANY, SETTINGS, Topics, channels, subscription_qos

T = Topics("home")


def test_every_topic_begins_with_its_site() -> None:
    assert T.reading("grid") == "ampherd/home/meter/grid/reading"
    assert T.meter_status("grid") == "ampherd/home/meter/grid/status"
    assert T.site_state == "ampherd/home/site/state"
    assert T.grant("garage") == "ampherd/home/charger/garage/grant"
    assert T.charger_state("garage") == "ampherd/home/charger/garage/state"
    assert T.decision("garage") == "ampherd/home/charger/garage/decision"
    assert T.set("garage", "mode") == "ampherd/home/charger/garage/mode/set"
    assert T.set_error("garage", "mode") == "ampherd/home/charger/garage/mode/error"
    assert T.limit_set == "ampherd/home/site/limit/set"
    assert T.limit_error == "ampherd/home/site/limit/error"
    assert T.service_status("balancer") == "ampherd/home/service/balancer/status"
    assert T.event == "ampherd/home/event"
    assert T.history_request == "ampherd/home/history/request"
    assert T.backlog(T.reading("grid")) == "ampherd/home/backlog/meter/grid/reading"
    assert T.evcc("garage", "enabled") == "ampherd/home/evcc/garage/enabled"


def test_any_id_makes_a_filter() -> None:
    assert T.set(ANY, ANY) == "ampherd/home/charger/+/+/set"


def test_a_topic_comes_apart_below_its_root() -> None:
    assert T.parse(T.set("garage", "mode")) == ("charger", "garage", "mode", "set")


@pytest.mark.parametrize(
    ("topic_filter", "qos"),
    [
        (T.reading(ANY), 0),
        (T.grant(ANY), 0),
        (T.grant("garage"), 0),
        (T.charger_state(ANY), 0),
        (T.meter_status(ANY), 1),
        (T.set(ANY, ANY), 1),
        (T.event, 1),
        (T.backlog(T.reading(ANY)), 1),
        (T.evcc("garage", ANY), 0),
        (f"{T.root}/#", 1),
        (f"{T.root}/service/api/reply/1", 1),
        ("emon/emonpi/power1", 1),
    ],
)
def test_what_repeats_is_heard_without_acknowledgements_and_all_else_with_them(topic_filter: str, qos: int) -> None:
    assert subscription_qos(topic_filter) == qos


def test_another_site_is_not_ours() -> None:
    for topic in ("ampherd/home2/event", "ampherd/homeevent", "ampherd/home", "evcc/status", ""):
        assert T.parse(topic) is None


def test_the_contract_names_every_topic_once() -> None:
    topics = Topics("{site}")
    assert [channel.topic for channel in channels()] == [
        topics.reading("{meter}"),
        topics.meter_status("{meter}"),
        topics.site_state,
        topics.grant("{charger}"),
        topics.charger_state("{charger}"),
        topics.decision("{charger}"),
        topics.set("{charger}", "{setting}"),
        topics.set_error("{charger}", "{setting}"),
        topics.plan("{charger}"),
        topics.usual,
        topics.prices_set,
        topics.prices_error,
        topics.limit_set,
        topics.limit_error,
        topics.service_status("{service}"),
        topics.event,
        topics.history_request,
        topics.backlog(topics.reading("{meter}")),
        topics.backlog(topics.charger_state("{charger}")),
        topics.backlog(topics.site_state),
        topics.evcc("{charger}", "{name}"),
    ]


def test_every_message_of_the_language_has_a_channel() -> None:
    assert {channel.model for channel in channels()} - {None} == set(Message.__subclasses__())


def test_orders_are_never_retained() -> None:
    unretained = {channel.topic.rsplit("/", 1)[1] for channel in channels() if not channel.is_retained}
    assert {"grant", "set", "reading", "event"} <= unretained
    assert {channel.qos for channel in channels() if channel.model is SetResult} == {1}
    assert "mode" in SETTINGS
