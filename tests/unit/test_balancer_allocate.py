"""The target: situations as a table, and the optimum against brute force."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence

import pytest
from ampherd_balancer.allocate import OWN_MAXIMUM, Car, Limit, allocate, fits
from hypothesis import given, settings
from hypothesis import strategies as st

FIRST = Car("b", 6, 16, priority=1)
"""Served before the others."""

STANDBY = Car("a", 6, 6, is_standby=True, priority=1)
IDLE = Car("a", 6, 6, is_standby=True, is_idle=True, priority=1)
A, B, C, D = (Car(car, 6, 16, rank=place) for place, car in enumerate("abcd"))


def mains(room_a: float, *cars: str) -> Limit:
    return Limit("connection-l1", room_a, dict.fromkeys(cars or "abcd", 1.0))


@pytest.mark.parametrize(
    ("situation", "cars", "limits", "expected"),
    [
        # One limit for all.
        ("room for all", [A, B], [mains(40)], {"a": 16, "b": 16}),
        ("equal shares", [A, B], [mains(20)], {"a": 10, "b": 10}),
        ("room for one minimum", [A, B], [mains(11)], {"a": 11, "b": 0}),
        ("room for none", [A, B], [mains(5)], {"a": 0, "b": 0}),
        ("the house is over the limit", [A, B], [mains(-3)], {"a": 0, "b": 0}),
        ("exactly two minimums", [A, B, C], [mains(12)], {"a": 6, "b": 6, "c": 0}),
        ("no limit at all", [A], [], {"a": 16}),
        ("no car", [], [mains(10)], {}),
        # What one cannot use.
        ("a small car leaves its share", [Car("a", 6, 8), B], [mains(20)], {"a": 8, "b": 12}),
        ("min is max", [Car("a", 10, 10), B], [mains(20)], {"a": 10, "b": 10}),
        ("a higher minimum is not dragged down", [Car("a", 13, 16), B, C], [mains(26)], {"a": 13, "b": 6.5, "c": 6.5}),
        # Lines.
        ("each on its own line", [A, B], [mains(9, "a"), mains(14, "b")], {"a": 9, "b": 14}),
        ("one meets two others", [A, B, C], [mains(14, "a", "b"), mains(30, "a", "c")], {"a": 7, "b": 7, "c": 16}),
        ("a car that blocks two waits for two", [Car("a", 6, 16, rank=1), Car("b", 6, 16), Car("c", 6, 16, rank=2)],
         [mains(8, "a", "b"), mains(8, "a", "c")], {"a": 0, "b": 8, "c": 8}),
        ("the head of the queue comes before the number", [A, B, C], [mains(8, "a", "b"), mains(8, "a", "c")],
         {"a": 8, "b": 0, "c": 0}),
        # Order.
        ("priority is served first", [A, FIRST], [mains(20)], {"a": 6, "b": 14}),
        ("every minimum comes before any more", [A, FIRST], [mains(12)], {"a": 6, "b": 6}),
        ("priority alone when one fits", [A, FIRST], [mains(11)], {"a": 0, "b": 11}),
        ("who started lately stays", [Car("a", 6, 16, is_pinned=True), FIRST], [mains(11)], {"a": 11, "b": 0}),
        ("who stands by comes last", [STANDBY, B], [mains(11)], {"a": 0, "b": 11}),
        ("and has its minimum where that fits", [STANDBY, B], [mains(17)], {"a": 6, "b": 11}),
        ("an idle car keeps nothing from another", [IDLE, B], [mains(17)], {"a": 0, "b": 16}),
        ("it gets what nobody can use", [IDLE, B], [mains(22)], {"a": 6, "b": 16}),
        ("on lines that nobody else uses", [IDLE, B], [mains(7, "a"), mains(11, "b")], {"a": 6, "b": 11}),
    ],
)  # fmt: skip
def test_situations(situation: str, cars: list[Car], limits: list[Limit], expected: Mapping[str, float]) -> None:
    assert allocate(cars, limits).offers == pytest.approx(expected), situation


def test_says_what_limits_each() -> None:
    limits = [mains(14, "a", "b"), Limit("garage-l1", 30, {"c": 1}), Limit("garage-l2", 5, {"d": 1})]
    assert allocate([A, B, C, D], limits).limited_by == {
        "a": "connection-l1",
        "b": "connection-l1",
        "c": OWN_MAXIMUM,
        "d": "garage-l2",
    }


@st.composite
def sites(draw: st.DrawFn, *, one_class: bool = False) -> tuple[list[Car], list[Limit]]:
    count = draw(st.integers(1, 4))
    whole = st.integers(6, 20)
    cars = []
    for place in range(count):
        min_a = draw(whole)
        cars.append(
            Car(
                "abcd"[place],
                float(min_a),
                float(min_a + draw(st.integers(0, 16))),
                priority=5 if one_class else draw(st.sampled_from([1, 5])),
                rank=place,
                is_pinned=not one_class and draw(st.booleans()),
                is_standby=not one_class and draw(st.integers(0, 3)) == 0,
            )
        )
    limits = []
    for place in range(draw(st.integers(1, 6))):
        members = draw(st.sets(st.sampled_from([car.id for car in cars]), min_size=1))
        limits.append(Limit(f"limit-{place}", draw(st.integers(-5, 70)) / 1.0, dict.fromkeys(sorted(members), 1.0)))
    return cars, limits


def is_within(offers: Mapping[str, float], limits: Sequence[Limit]) -> bool:
    """Written anew: a limit binds only those whom it loads."""
    for limit in limits:
        load = sum(limit.weights[car] * offers.get(car, 0) for car in limit.weights)
        if load > 1e-9 and load > limit.room_a + 1e-5:
            return False
    return True


def best_admission(cars: Sequence[Car], limits: Sequence[Limit]) -> set[str]:
    """Every subset, compared class by class: the head of the queue, then how many, then the rest of the queue."""

    def group(car: Car) -> int:
        return 99 if car.is_standby else 0 if car.is_pinned else car.priority

    def merit(chosen: set[str]) -> list[tuple[bool, int, list[bool]]]:
        rows = []
        for key in sorted({group(car) for car in cars}):
            queue = sorted((car for car in cars if group(car) == key), key=lambda car: car.rank)
            flags = [car.id in chosen for car in queue]
            rows.append((flags[0], sum(flags), flags))
        return rows

    ids = [car.id for car in cars]
    subsets = (set(s) for n in range(len(ids) + 1) for s in itertools.combinations(ids, n))
    least = {car.id: car.min_a for car in cars}
    return max((s for s in subsets if is_within({i: least[i] for i in s}, limits)), key=merit)


def filled(cars: Sequence[Car], level_a: float) -> dict[str, float]:
    return {car.id: min(max(car.min_a, level_a), car.max_a) for car in cars}


def fair_fill(cars: Sequence[Car], limits: Sequence[Limit], admitted: set[str]) -> dict[str, float]:
    """Max-min fair by bisection of a common water level; who cannot rise above it is fixed there."""
    offers = {car.id: car.min_a if car.id in admitted else 0.0 for car in cars}

    def tier(car: Car) -> int:
        return 99 if car.is_standby else car.priority

    for key in sorted({tier(car) for car in cars}):
        free = [car for car in cars if tier(car) == key and car.id in admitted]
        while free:
            low, high = 0.0, 100.0
            for _ in range(60):
                middle = (low + high) / 2
                low, high = (middle, high) if is_within(offers | filled(free, middle), limits) else (low, middle)
            offers |= filled(free, low)
            rising = [
                car
                for car in free
                if offers[car.id] + 1e-3 <= car.max_a and is_within(offers | {car.id: offers[car.id] + 1e-3}, limits)
            ]
            if len(rising) == len(free):
                break
            free = rising
    return offers


@settings(max_examples=400, deadline=None)
@given(sites())
def test_is_the_optimum_of_the_order(site: tuple[list[Car], list[Limit]]) -> None:
    cars, limits = site
    offers = allocate(cars, limits).offers
    admitted = best_admission(cars, limits)
    assert {car for car, offer_a in offers.items() if offer_a > 0} == admitted
    assert offers == pytest.approx(fair_fill(cars, limits, admitted), abs=5e-3)


@settings(max_examples=300, deadline=None)
@given(sites(), st.sets(st.sampled_from("abcd")))
def test_idle_cars_take_nothing_from_others(site: tuple[list[Car], list[Limit]], idle: set[str]) -> None:
    cars, limits = site
    told = [car._replace(is_idle=car.id in idle) for car in cars]
    offers = allocate(told, limits).offers
    hungry = [car for car in cars if car.id not in idle]
    assert {car.id: offers[car.id] for car in hungry} == pytest.approx(allocate(hungry, limits).offers)
    assert is_within(offers, limits)


@settings(max_examples=300, deadline=None)
@given(sites())
def test_no_limit_is_passed_and_no_car_is_below_its_minimum(site: tuple[list[Car], list[Limit]]) -> None:
    cars, limits = site
    allocation = allocate(cars, limits)
    assert is_within(allocation.offers, limits)
    assert fits(allocation.offers, limits)
    for car in cars:
        offer_a = allocation.offers[car.id]
        assert offer_a == 0 or car.min_a - 1e-9 <= offer_a <= car.max_a + 1e-6
        assert allocation.limited_by[car.id] in {OWN_MAXIMUM, *(limit.code for limit in limits)}


@settings(max_examples=200, deadline=None)
@given(sites(), st.randoms(use_true_random=False))
def test_the_order_of_the_list_means_nothing(site: tuple[list[Car], list[Limit]], random: object) -> None:
    cars, limits = site
    shuffled = list(cars)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert allocate(shuffled, limits).offers == pytest.approx(allocate(cars, limits).offers)


@settings(max_examples=100, deadline=None)
@given(st.permutations("abcd"), st.integers(-2, 70))
def test_permuting_equal_cars_changes_nothing_but_their_names(names: list[str], room_a: int) -> None:
    plain = allocate([Car(car, 6, 16, rank=place) for place, car in enumerate("abcd")], [mains(room_a)]).offers
    renamed = allocate([Car(car, 6, 16, rank=place) for place, car in enumerate(names)], [mains(room_a)]).offers
    assert [renamed[car] for car in names] == pytest.approx([plain[car] for car in "abcd"])


@settings(max_examples=300, deadline=None)
@given(sites(one_class=True), st.integers(0, 5), st.integers(1, 20))
def test_more_room_never_serves_fewer_from_the_head_on(
    site: tuple[list[Car], list[Limit]], which: int, more_a: int
) -> None:
    cars, limits = site
    which %= len(limits)
    wider = [Limit(x.code, x.room_a + more_a * (i == which), x.weights) for i, x in enumerate(limits)]
    before, after = allocate(cars, limits).offers, allocate(cars, wider).offers
    admitted = {car for car, offer_a in before.items() if offer_a > 0}
    admitted_after = {car for car, offer_a in after.items() if offer_a > 0}
    if "a" in admitted or "a" not in admitted_after:
        assert len(admitted_after) >= len(admitted)
    if admitted_after == admitted:
        assert sorted(after.values()) >= [offer_a - 1e-5 for offer_a in sorted(before.values())]


def merit(cars: Sequence[Car], offers: Mapping[str, float]) -> list[tuple[bool, int, list[bool]]]:
    """Who is served, as the order compares it: class by class the head, then how many, then who is further ahead."""
    rows = []
    for key in sorted({car.admission_class for car in cars}):
        queue = sorted((car for car in cars if car.admission_class == key), key=lambda car: car.rank)
        flags = [offers[car.id] > 0 for car in queue]
        rows.append((flags[0], sum(flags), flags))
    return rows


@settings(max_examples=400, deadline=None)
@given(sites(), st.integers(0, 5), st.integers(1, 20))
def test_more_room_never_worsens_who_is_served_nor_the_least_share(
    site: tuple[list[Car], list[Limit]], which: int, more_a: int
) -> None:
    """What is true of "more room never gives anyone less": what was possible stays so, and the best is no worse.

    The plain form is false; the next test has the two ways in which it is.
    """
    cars, limits = site
    which %= len(limits)
    wider = [Limit(x.code, x.room_a + more_a * (i == which), x.weights) for i, x in enumerate(limits)]
    before, after = allocate(cars, limits).offers, allocate(cars, wider).offers
    assert merit(cars, after) >= merit(cars, before)
    if merit(cars, after) == merit(cars, before):
        first = min(car.priority if not car.is_standby else 99 for car in cars)
        top = [car.id for car in cars if car.priority == first and not car.is_standby]
        pairs = zip(sorted(after[car] for car in top), sorted(before[car] for car in top), strict=True)
        changed = next(((x, y) for x, y in pairs if abs(x - y) > 1e-5), (0.0, 0.0))
        assert changed[0] >= changed[1], "the least share of the first class is the first to grow"


def test_more_room_may_serve_fewer_and_may_give_one_less() -> None:
    """The head of the queue comes before the number; and equals share what one of them could not use before."""
    head, b, c = Car("a", 8, 16, rank=0), Car("b", 6, 16, rank=1), Car("c", 6, 16, rank=2)
    blocked = allocate([head, b, c], [mains(7, "a", "b"), mains(8, "a", "c")]).offers
    assert blocked == pytest.approx({"a": 0, "b": 7, "c": 8})
    freed = allocate([head, b, c], [mains(8, "a", "b"), mains(8, "a", "c")]).offers
    assert freed == pytest.approx({"a": 8, "b": 0, "c": 0})

    held = allocate([A, B], [mains(20, "a", "b"), mains(7, "a")]).offers
    assert held == pytest.approx({"a": 7, "b": 13})
    assert allocate([A, B], [mains(20, "a", "b"), mains(16, "a")]).offers == pytest.approx({"a": 10, "b": 10})


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 4), st.integers(0, 60), st.integers(1, 20))
def test_more_room_on_one_limit_for_all_lowers_nobody(count: int, room_a: int, more_a: int) -> None:
    cars = [Car("abcd"[place], 6, 16, rank=place) for place in range(count)]
    before = allocate(cars, [mains(room_a)]).offers
    after = allocate(cars, [mains(room_a + more_a)]).offers
    admitted = sum(1 for offer_a in before.values() if offer_a)
    admitted_after = sum(1 for offer_a in after.values() if offer_a)
    assert admitted_after >= admitted
    if admitted_after == admitted:
        assert all(x <= y + 1e-6 for x, y in zip(sorted(before.values()), sorted(after.values()), strict=True))


def test_32_cars_on_a_crowded_site_are_quick() -> None:
    cars = [Car(f"car-{place}", 6, 16, rank=place) for place in range(32)]
    limits = [Limit(f"l{k}", 100, {car.id: 1.0 for n, car in enumerate(cars) if n % 3 != k}) for k in range(3)]
    began = time.perf_counter()
    for _ in range(20):
        allocation = allocate(cars, limits)
    assert (time.perf_counter() - began) / 20 < 0.010
    assert fits(allocation.offers, limits)
    assert [allocation.offers[car.id] > 0 for car in cars].index(False) >= 16, "the head of the queue is served"
