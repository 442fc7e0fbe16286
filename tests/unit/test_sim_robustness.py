"""Whatever bytes come, a simulated device answers, refuses or stays silent; it never falls over."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ampherd_core.messages import IecState
from ampherd_simulator.cars import Car, CarTraits
from ampherd_simulator.charger import AnyWallbox
from ampherd_simulator.framing import Framer, RtuFramer, TcpFramer, rtu_crc
from ampherd_simulator.sensorbox import Sensorbox, SensorboxVersion
from ampherd_simulator.wallboxes.edgetech import Edgetech
from ampherd_simulator.wallboxes.smartevse_v2 import SmartEvseV2
from ampherd_simulator.wallboxes.smartevse_v2_legacy import SmartEvseV2Legacy
from hypothesis import given
from hypothesis import strategies as st

BOXES: tuple[Callable[[], AnyWallbox], ...] = (SmartEvseV2, SmartEvseV2Legacy, Edgetech)
REQUESTS = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.tuples(st.sampled_from([3, 4, 5, 6, 16]), st.binary(min_size=4, max_size=20)).map(
        lambda parts: bytes((parts[0],)) + parts[1]
    ),
)


@pytest.mark.parametrize("make", BOXES)
@given(requests=st.lists(REQUESTS, max_size=20), cars=st.lists(st.sampled_from("ABC"), min_size=1, max_size=20))
def test_a_wallbox_survives_any_request_and_offers_nothing_absurd(
    make: Callable[[], AnyWallbox], requests: list[bytes], cars: list[str]
) -> None:
    box = make()
    for second, car in enumerate(cars):
        for request in requests:
            reply = box.answer(request, float(second))
            assert reply is None or reply[0] & 0x7F == request[0] & 0x7F
        box.step(float(second), IecState(car))
        assert box.offer_a == 0 or 6 <= box.offer_a <= 80
        assert not (box.is_closed and car == "A" and second > 0 and cars[second - 1] == "A")


@pytest.mark.parametrize("version", SensorboxVersion)
@given(requests=st.lists(REQUESTS, max_size=20))
def test_a_sensorbox_survives_any_request(version: SensorboxVersion, requests: list[bytes]) -> None:
    box = Sensorbox(version)
    for request in requests:
        reply = box.answer(request, 0.0)
        assert reply is None or reply.pdu[0] & 0x7F == request[0] & 0x7F


@pytest.mark.parametrize("make", [TcpFramer, RtuFramer])
@given(chunks=st.lists(st.binary(max_size=300), max_size=20))
def test_a_framer_survives_any_stream(make: Callable[[], Framer], chunks: list[bytes]) -> None:
    framer = make()
    for chunk in chunks:
        for frame in framer.feed(chunk):
            assert frame.pdu


@given(pieces=st.lists(st.integers(1, 8), min_size=1, max_size=20))
def test_an_rtu_request_is_found_however_it_is_cut(pieces: list[int]) -> None:
    body = bytes.fromhex("01 06 0201 0A0A")
    stream, framer, found = (body + rtu_crc(body)) * 3, RtuFramer(), []
    for size in pieces:
        found += framer.feed(stream[:size])
        stream = stream[size:]
    found += framer.feed(stream)

    assert [frame.pdu for frame in found] == [body[1:]] * 3


@given(
    offers=st.lists(st.sampled_from([0.0, 6.0, 7.5, 8.0, 16.0, 32.0]), min_size=1, max_size=120),
    lag_s=st.integers(0, 6),
    phases=st.integers(1, 3),
)
def test_an_honest_car_never_draws_more_than_the_highest_offer_of_its_lag(
    offers: list[float], lag_s: int, phases: int
) -> None:
    car = Car(CarTraits(lag_s=lag_s, phases=phases))
    for second, offer_a in enumerate(offers):
        drawn = car.step(offer_a, float(second))
        assert max(drawn) <= max(offers[max(second - lag_s, 0) : second + 1])
        assert sum(value > 0 for value in drawn) in {0, phases}
