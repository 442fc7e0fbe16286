"""The chargers in watts, as the limits from outside see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ampherd_core.phases import Line

from ampherd_balancer.desk import Desk


class Fleet(NamedTuple):
    """The chargers as caps see them: those that can be commanded, and what else the site takes.

    `weights_w` are watts per ampere of offer, `lines` the site's lines that each loads; `drawn_w` is what they take,
    `least_w` what those that run would take at their minimum; `rest_w` is the site's power beside all offers.
    """

    weights_w: Mapping[str, float]
    lines: Mapping[str, tuple[Line, ...]]
    idle: frozenset[str]
    drawn_w: float
    least_w: float
    rest_w: float


def fleet(commanded: Sequence[Desk], stuck_a: Mapping[str, float], site_w: float) -> Fleet:
    """Of the chargers that obey, beside a site that takes `site_w` with all cars; what they take against it is rest."""
    weights_w = {desk.id: desk.watts_per_amp for desk in commanded}
    drawn_w = sum([max(desk.trace.latest) * weights_w[desk.id] for desk in commanded])
    stuck_w = sum([stuck_a[charger] * weight_w for charger, weight_w in weights_w.items()])
    return Fleet(
        weights_w=weights_w,
        lines={desk.id: desk.lines for desk in commanded},
        idle=frozenset([desk.id for desk in commanded if desk.granted_a == 0]),
        drawn_w=drawn_w,
        least_w=sum([desk.min_a * weights_w[desk.id] for desk in commanded if desk.granted_a > 0]),
        rest_w=site_w - drawn_w + stuck_w,
    )
