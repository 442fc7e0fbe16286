"""What the balancer's shell takes from the bus, and from whom."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from ampherd_core.messages import ChargerState, Grant, Message, Reading

from docs.generator.examples import EXAMPLES
from tests.fuzz.listeners import BalancerListener
from tests.fuzz.messages import Messages, hearing

TRUE = {"session": "true", "at_s": "@NOW"}
LEFT = {"charger": "left", "stamp": TRUE}
LAST = {"epoch": 2**53 - 1, "seq": 1}


@pytest.fixture
def balancer() -> Iterator[Messages]:
    with hearing(BalancerListener) as target:
        yield target


def said(flags: str, topic: str, model: type[Message], **fields: object) -> bytes:
    document = json.loads(EXAMPLES[model].to_json()) | fields
    return f"{flags}ampherd/home/{topic}\n{json.dumps(document)}".encode()


READING, STATE, GRANT = "meter/grid/reading", "charger/left/state", "charger/left/grant"


@pytest.mark.parametrize(
    ("situation", "message", "expected"),
    [
        ("a reading", said("0", READING, Reading, stamp=TRUE), "taken"),
        ("a state", said("0", STATE, ChargerState, **LEFT), "taken"),
        ("a remembered reading", said("1", READING, Reading, stamp=TRUE), "retained"),
        ("a remembered grant", said("1", GRANT, Grant, charger="left"), "retained"),
        ("a remembered state, as agents want it", said("1", STATE, ChargerState, **LEFT), "ignored"),
        ("the grid's reading from another meter", said("0", "meter/bay/reading", Reading, stamp=TRUE), "mismatch"),
        ("a state from another charger", said("0", "charger/right/state", ChargerState, **LEFT), "mismatch"),
        ("a meter nobody knows", said("0", "meter/attic/reading", Reading, meter="attic", stamp=TRUE), "ignored"),
        ("a reign after which none fits", said("0", GRANT, Grant, charger="left", id=LAST), "epoch"),
        ("the same in a state", said("0", STATE, ChargerState, **LEFT, applied=LAST), "epoch"),
        ("an answer wanted where no topic is", b"2ampherd/home/charger/left/mode/set\na/+/#\noff", "response-topic"),
    ],
)
def test_takes_only_news_and_from_its_owner(balancer: Messages, situation: str, message: bytes, expected: str) -> None:
    assert balancer.feed(message).cause == expected, situation


def test_strangers_do_not_pile_up(balancer: Messages) -> None:
    for number in range(200):
        name = f"meter-{number}"
        balancer.feed(said("0", f"meter/{name}/reading", Reading, meter=name, stamp=TRUE))
