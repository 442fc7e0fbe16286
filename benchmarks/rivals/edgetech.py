"""Edgetech's example controller, the one that runs beside its wallbox and reads the smart meter each second."""

from __future__ import annotations

from benchmarks.rivals.seen import Seen, SeenCharger, Site


class Edgetech:
    """The vendor's 1 Hz example (smartevse-edgetech.md, 5.4); one for each charger.

    At each telegram: the least over the phases of int(fuse - mains + own car), at most the charger's own limit, and 0
    below 6 A. No hysteresis, no ramp, no minimum times; without telegrams the last offer stays.

    Left out: the start-up self-test and its bug, which reads past a reply. It is given any meter, not DSMR 5 alone.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._read_s = float("-inf")
        self._offer_a = 0.0

    def offer_a(self, seen: Seen, charger: SeenCharger, now_s: float) -> float:
        """What it writes, A; whole amps."""
        del now_s
        if seen.read_s != self._read_s:
            self._read_s = seen.read_s
            rooms_a = [
                int(self._site.limit_a - seen.grid_a[line.place] + charger.drawn_a[line.place])
                for line in self._site.lines
            ]
            allowed_a = min([*rooms_a, charger.max_a])
            self._offer_a = float(allowed_a) if allowed_a >= charger.min_a else 0.0
        return self._offer_a
