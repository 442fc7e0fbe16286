"""Whose turn it is."""

from __future__ import annotations

from ampherd_balancer.turns import Turns


def front(turns: Turns, now_s: float, *, fits: int = 1, cars: str = "abc", is_scarce: bool = True) -> list[str]:
    """Who is admitted when the first `fits` of the queue fit."""
    ranks = turns.order(list(cars), now_s, is_scarce=is_scarce)
    admitted = sorted(ranks, key=lambda car: ranks[car])[:fits]
    turns.served(admitted, now_s)
    return admitted


def test_each_gets_one_turn_in_the_order_of_waiting() -> None:
    turns = Turns(900)
    seen = [front(turns, now_s)[0] for now_s in range(0, 6 * 900, 60)]
    changes = [car for place, car in enumerate(seen) if place == 0 or seen[place - 1] != car]
    assert changes[:6] == ["a", "b", "c", "a", "b", "c"]
    assert {car: seen.count(car) for car in "abc"} == {"a": 30, "b": 30, "c": 30}


def test_a_turn_goes_on_while_nobody_else_waits() -> None:
    turns = Turns(900)
    assert [front(turns, now_s, cars="a") for now_s in (0, 900, 1800, 5000)] == [["a"]] * 4


def test_no_turn_ends_while_there_is_room_for_everybody() -> None:
    turns = Turns(900)
    front(turns, 0)
    assert front(turns, 901, is_scarce=False) == ["a"], "the room that the target sees may be short for a moment"
    assert front(turns, 1_700, is_scarce=False) == ["a"]
    assert front(turns, 1_701) == ["b"], "who waited meanwhile is next as soon as room is short"


def test_who_comes_later_waits_for_the_end_of_the_turn() -> None:
    turns = Turns(900)
    front(turns, 0, cars="a")
    assert front(turns, 899, cars="ab") == ["a"]
    assert front(turns, 901, cars="ab") == ["b"]


def test_who_is_served_in_its_turn_keeps_its_place() -> None:
    turns = Turns(900)
    front(turns, 0, fits=3)
    assert front(turns, 100, fits=1) == ["a"]
    for now_s in range(100, 900, 100):
        assert front(turns, now_s, fits=1) == ["a"], "a turn that was broken off does not break off another"
    assert front(turns, 901, fits=1) != ["a"]


def test_who_left_and_comes_back_queues_anew() -> None:
    turns = Turns(900)
    front(turns, 0)
    front(turns, 10, cars="bc")
    assert front(turns, 20, fits=3)[-1] == "a"


def test_says_when_a_turn_ends() -> None:
    turns = Turns(900)
    front(turns, 0)
    assert turns.ends_in_s("a", 300) == 600
    assert turns.ends_in_s("b", 300) is None
    assert turns.ends_in_s("nobody", 300) is None


def test_a_turn_has_no_end_while_nobody_waits() -> None:
    turns = Turns(900)
    front(turns, 0, fits=3)
    assert turns.ends_in_s("a", 300) is None


def test_the_queue_outlives_a_restart() -> None:
    before = Turns(900)
    before.order(["a", "b", "c"], 1000)
    before.served(["a"], 1000)
    before.served(["a"], 1300)
    after = Turns(900)
    after.recall(before.remember(1300), 50)
    after.order([], 50)
    ranks = after.order(["c", "b", "a", "new"], 51)
    assert sorted(ranks, key=lambda car: ranks[car]) == ["a", "b", "c", "new"]
    assert after.ends_in_s("a", 50) == 600


def test_a_spoilt_memory_of_the_queue_is_ignored() -> None:
    turns = Turns(900)
    for document in (b"", b"\xff", b"[1]", b'{"a": {"waits_s": -1}}', b'{"a": {"waits_s": 1e999}}'):
        turns.recall(document, 50)
    assert turns.order(["a"], 51) == {"a": 0}


def test_a_queue_of_a_year_is_remembered() -> None:
    turns = Turns(900)
    front(turns, 0)
    year_s = 365 * 86_400
    turns.served("a", year_s)
    anew = Turns(900)
    anew.recall(turns.remember(year_s), year_s)
    assert front(anew, year_s, cars="abc") == front(turns, year_s, cars="abc")
