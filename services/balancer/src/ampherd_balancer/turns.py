"""Whose turn it is when not all cars fit: the longest waiting comes first, for one turn at least."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

_LONGEST_S: Final = 10_000_000.0
"""Four months: whoever waits longer has its place anyway."""

_Span = Annotated[float, Field(ge=0, le=_LONGEST_S)]


class _Remembered(BaseModel):
    """A place as it outlives a restart: ages in s, for no clock does."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    waits_s: _Span
    in_turn_s: _Span | None = None
    served_s: _Span = 0


_REMEMBERED: TypeAdapter[dict[str, _Remembered]] = TypeAdapter(dict[str, _Remembered])


@dataclass(slots=True)
class _Place:
    """One car's place in the queue."""

    waiting_since_s: float
    turn_since_s: float | None = None
    is_admitted: bool = False
    served_s: float = 0.0
    counted_s: float = 0.0


class Turns:
    """The queue of the cars that want current. Call `order` before and `served` after each allocation."""

    def __init__(self, turn_s: float) -> None:
        self.turn_s = turn_s
        self._places: dict[str, _Place] = {}
        self._swapped_s = float("-inf")
        self._is_scarce = True
        self._recalled: dict[str, _Place] = {}

    def remember(self, now_s: float) -> bytes:
        """The queue as a document, for `recall` after a restart."""
        places = {
            car_id: _Remembered(
                waits_s=_span_s(now_s - place.waiting_since_s),
                in_turn_s=None if place.turn_since_s is None else _span_s(now_s - place.turn_since_s),
                served_s=_span_s(place.served_s),
            )
            for car_id, place in self._places.items()
        }
        return _REMEMBERED.dump_json(places, exclude_none=True)

    def recall(self, document: bytes, now_s: float) -> None:
        """Take up a remembered queue: a car that still wants current finds its place; nonsense is ignored."""
        try:
            remembered = _REMEMBERED.validate_json(document)
        except ValidationError:
            return
        for car_id, place in remembered.items():
            self._recalled[car_id] = _Place(
                waiting_since_s=now_s - place.waits_s,
                turn_since_s=None if place.in_turn_s is None else now_s - place.in_turn_s,
                is_admitted=place.in_turn_s is not None,
                served_s=place.served_s,
                counted_s=now_s,
            )

    def order(self, wanting: Sequence[str], now_s: float, *, is_scarce: bool = True) -> Mapping[str, int]:
        """The rank of each car that wants current; 0 is first. Who wants none loses its place.

        While there is room for everybody's minimum (`is_scarce` false) no turn ends.
        """
        self._is_scarce = is_scarce
        if not wanting and not self._places:
            return {}
        for gone in self._places.keys() - set(wanting):
            del self._places[gone]
        for car_id in wanting:
            if car_id not in self._places:
                new = _Place(waiting_since_s=now_s, counted_s=now_s)
                self._places[car_id] = self._recalled.pop(car_id, new)
        queue = sorted(wanting, key=lambda car_id: self._key(car_id, now_s))
        return {car_id: rank for rank, car_id in enumerate(queue)}

    def served(self, admitted: Collection[str], now_s: float) -> None:
        """Who was admitted: a turn begins for the newly admitted, and anew for who was admitted after its end."""
        may_begin_anew = self._is_scarce or self._places.keys() <= set(admitted)
        before = {car_id for car_id, place in self._places.items() if place.is_admitted}
        after = self._places.keys() & set(admitted)
        if before - after and after - before:
            self._swapped_s = now_s
        for car_id, place in self._places.items():
            place.is_admitted = car_id in admitted
            if place.is_admitted:
                if place.turn_since_s is None or (may_begin_anew and self._is_over(place.turn_since_s, now_s)):
                    place.turn_since_s = now_s
                place.served_s += now_s - place.counted_s
            elif place.turn_since_s is not None and now_s - place.turn_since_s >= self.turn_s:
                place.waiting_since_s, place.turn_since_s = now_s, None
            place.counted_s = now_s

    def ends_in_s(self, car_id: str, now_s: float) -> float | None:
        """How long the car's turn lasts yet; None while it waits, or nobody waits for it to end."""
        place = self._places.get(car_id)
        is_awaited = not all(other.is_admitted for other in self._places.values())
        if place is None or place.turn_since_s is None or not is_awaited:
            return None
        return max(0.0, self.turn_s - (now_s - place.turn_since_s))

    def _is_over(self, turn_since_s: float, now_s: float) -> bool:
        return now_s - turn_since_s >= self.turn_s and now_s >= self._swapped_s + self.turn_s

    def _key(self, car_id: str, now_s: float) -> tuple[int, float, float, str]:
        """First who is served in its turn, then whose turn was broken off, then who waits, then whose turn is over.

        Of those who wait the longest waiting is first, of the others who had the least. Cars change places together,
        once in a turn: each swap costs a stop and a start.
        """
        place = self._places[car_id]
        if place.turn_since_s is None:
            return 2, place.waiting_since_s, place.served_s, car_id
        turn_ends_s = place.turn_since_s + self.turn_s
        is_late = place.is_admitted and (now_s < self._swapped_s + self.turn_s or not self._is_scarce)
        if now_s < turn_ends_s or is_late:
            return 0 if place.is_admitted else 1, place.turn_since_s, place.served_s, car_id
        return 3, place.served_s, turn_ends_s, car_id


def _span_s(seconds: float) -> float:
    return min(max(0.0, seconds), _LONGEST_S)
