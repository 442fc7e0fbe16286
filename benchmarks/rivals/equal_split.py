"""The fuse divided by the number of chargers: what an electrician can do with nothing but the wallboxes' settings."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.rivals.seen import Seen, Site


class EqualSplit:
    """No meter: every charger may always draw its whole-amp share of the fuse, but never less than its minimum.

    The house is not subtracted: nobody knows how much to subtract. A share below the minimum becomes 0.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    def decide(self, seen: Seen, now_s: float) -> Mapping[str, float]:
        """The same for ever, A."""
        del now_s
        share_a = float(self._site.limit_a // max(len(seen.chargers), 1))
        return {
            charger.id: min(share_a, charger.max_a) if share_a >= charger.min_a else 0.0 for charger in seen.chargers
        }
