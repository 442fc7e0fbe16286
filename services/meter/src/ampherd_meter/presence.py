"""What a meter gave before and gives no more: half a sample is no sample."""

from __future__ import annotations

from typing import Final

from ampherd_meter.sample import Sample

_NAMES: Final = {"current_a": "current", "power_w": "power", "voltage_v": "voltage"}
_WHOLE: Final = (frozenset[int](), frozenset({0}), frozenset({0, 1, 2}))
"""A meter gives a quantity for no phase, for its only one, or for all three; the smallest first."""
_WHOLE_DELTA: Final = (*_WHOLE[:2], frozenset({0, 2}), _WHOLE[2])
"""Without neutral some meters measure two lines only; Kirchhoff bounds the second."""


class Presence:
    """Remembers which quantity of which phase was ever there."""

    def __init__(self) -> None:
        self._seen: dict[str, frozenset[int]] = {}

    def missing(self, sample: Sample, *, is_delta: bool) -> str | None:
        """Names what lacks, like `L2 current`, or None where all is there; only whole samples are remembered."""
        given = {name: _phases_with(sample, name) for name in _NAMES}
        for name, phases in given.items():
            expected = self._expected(name, phases, is_delta=is_delta)
            if not expected <= phases:
                return f"L{min(expected - phases) + 1} {_NAMES[name]}"
        self._seen = given
        return None

    def _expected(self, name: str, phases: frozenset[int], *, is_delta: bool) -> frozenset[int]:
        whole = _WHOLE_DELTA if is_delta else _WHOLE
        own = next(shape for shape in whole if phases <= shape)
        return own | self._seen.get(name, frozenset())


def _phases_with(sample: Sample, quantity: str) -> frozenset[int]:
    return frozenset(
        [
            place
            for place, values in enumerate(sample.phases)
            if values is not None and getattr(values, quantity) is not None
        ]
    )
