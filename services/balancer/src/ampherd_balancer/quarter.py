"""The running quarter-hour: what it has used, and the power that its rest may have (Belgian capacity tariff).

The tariff counts the mean import of each clock quarter. Cars wait while the house might still need what is left: the
room for the house at its most, to the quarter's end, is touched by no car. So they tend to charge late in a quarter,
and lose nothing by it.

The meter's own count (1-0:1.4.0, the energy so far over a whole quarter) wins, and its fall to nothing tells when a
quarter began, whatever the clock says. Without it power is counted here, in quarters of the meter service's wall clock.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, NamedTuple

from ampherd_core.messages import Moment, Reading
from ampherd_core.policy_limits import QuarterPeak
from ampherd_core.timezone import zone
from ampherd_core.units import MAX_PLAUSIBLE_W
from pydantic import BaseModel, ConfigDict, Field, ValidationError

QUARTER_S: Final = 900.0

_LATE_S: Final = 5.0
"""The meter's own count may fall this long after our clock has the quarter end."""

_JUMP_S: Final = 2.5
"""Wall clock and boot clock part by less while nobody sets the one."""

_GAP_S: Final = 30.0
"""A longer silence is counted by the meter's counter where it has one."""

_FIRST_MONTH: Final = "2025-01"
"""A clock that stands before this was never set."""

_SMOOTH_S: Final = 60.0
"""The house's power is averaged over about this long: what cycles faster evens out by itself."""

_LAXITY: Final = 1.1
"""A running car is lowered when it takes this many times its even share, so that it does not follow every kettle."""

_LEAD: Final = 3.0
"""A command comes a car's lag late: it takes back this many times what cars have above their room."""

START_SHARE: Final = 1.15
"""A car that stands still starts when there is this many times its minimum, so that it can charge to the end."""

SPARE_S: Final = 600.0
"""A car that charged to a quarter's end rests at least so long after its start."""

_WS_PER_WH: Final = 3600.0


class Rooms(NamedTuple):
    """What all cars together may take, W: those that run before they are cut, and where they should go."""

    sure_w: float
    goal_w: float


class _Remembered(BaseModel):
    """The running quarter and the month's peak as they outlive a restart."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    began_at: Moment
    used_ws: Annotated[float, Field(ge=0, le=MAX_PLAUSIBLE_W * QUARTER_S)]
    counted_at: Moment
    is_whole: bool
    month: Annotated[str, Field(pattern=r"^([0-9]{4}-[0-9]{2})?$")]
    peak_w: Annotated[float, Field(ge=0, le=MAX_PLAUSIBLE_W)]


class Quarter:
    """Feed it every grid reading; times are on the balancer's clock."""

    def __init__(self, policy: QuarterPeak, timezone: str) -> None:
        self.take_policy(policy, timezone)
        self._wall_s: float | None = None
        self._began_s = 0.0
        self._anchor_s: float | None = None
        self._used_ws = 0.0
        self._is_whole = False
        self._counted_s = self._gap_s = 0.0
        self._power_w = 0.0
        self._house_w: float | None = None
        self._import_wh: float | None = None
        self._told_w: float | None = None
        self._told_peak_w: float | None = None
        self._month, self._peak_w = "", 0.0
        self._recalled: _Remembered | None = None

    def take_policy(self, policy: QuarterPeak, timezone: str) -> None:
        """Go on under an edited policy."""
        self.policy = policy
        self._zone = zone(timezone)

    @property
    def target_w(self) -> float:
        """The peak that costs nothing more, W: the month's so far, at least the floor."""
        return max(self.policy.floor_w, self._told_peak_w if self._told_peak_w is not None else self._peak_w)

    @property
    def used_w(self) -> float:
        """The energy so far over a whole quarter, W: where the mean ends if nothing more is used."""
        return self._used_ws / QUARTER_S

    @property
    def is_known(self) -> bool:
        """Whether a reading was heard."""
        return self._wall_s is not None

    def rests_until_s(self, started_s: float) -> float:
        """When a car may start again that started then: once in a quarter, and not just after."""
        return max(started_s + SPARE_S, self._began_s + QUARTER_S if started_s >= self._began_s else self._began_s)

    def left_s(self, now_s: float) -> float:
        """How long the quarter lasts yet, s."""
        return max(0.0, self._began_s + QUARTER_S - now_s)

    def ends_at(self) -> datetime:
        """The quarter's end."""
        return self._at(self._began_s + QUARTER_S)

    def local(self, at: datetime) -> datetime:
        """The same moment where the site is."""
        return at.astimezone(self._zone)

    def note(self, reading: Reading, power_w: float, house_w: float | None, now_s: float) -> None:
        """A grid reading: the site's power (W, import positive), and what of it no car takes."""
        if self._wall_s is None:
            self._begin_unseen(reading, now_s)
        else:
            self._set_clock(reading, now_s)
            self._count(reading, power_w, now_s)
        if reading.quarter_power_w is not None:
            self._used_ws = max(0.0, reading.quarter_power_w) * QUARTER_S
        self._told_w, self._told_peak_w = reading.quarter_power_w, reading.month_peak_w
        self._smooth(house_w, now_s)
        self._gap_s = min(max(0.0, now_s - self._counted_s), _GAP_S)
        self._counted_s, self._power_w = now_s, max(0.0, power_w)
        self._import_wh = reading.energy_import_wh

    def rooms(self, house_w: float, drawn_w: float, least_w: float, lag_s: float, now_s: float) -> Rooms:
        """The power for all cars beside a house of `house_w`; they take `drawn_w`, and can be lowered to `least_w`.

        A command acts after `lag_s` at worst. In the last seconds it cannot act on this quarter any more:
        then what runs is left alone, and where cars should go is decided as for the quarter to come.
        """
        left_s = self.left_s(now_s)
        # What changed between two readings may have done so just after the first: half of it is not counted yet. And
        # who is let be now goes on for half a reading more than the next command can take back.
        uncounted_s = max(0.0, now_s - self._counted_s) + self._gap_s
        left_ws = self.target_w * QUARTER_S - self._used_ws - self._power_w * uncounted_s
        is_over = left_s <= lag_s
        if is_over:
            left_s, left_ws = QUARTER_S, self.target_w * QUARTER_S
        steady_w = house_w if self._house_w is None else self._house_w
        most_w = max(self.policy.house_max_w, house_w)
        spare_w = (left_ws - most_w * left_s) / lag_s
        # What the cars take is theirs until a command acts: whatever is too much of it is taken off what comes after.
        firm_w = spare_w - _LEAD * max(0.0, drawn_w - spare_w)
        even_w = (left_ws - (most_w - steady_w) * lag_s) / left_s - steady_w
        sure_w = float("inf") if is_over else min(firm_w, max(even_w * _LAXITY, least_w))
        return Rooms(sure_w, min(firm_w, even_w))

    def sentence(self, room_w: float) -> str:
        """What it leaves for cars, for people."""
        peak, until = f"{self.target_w / 1000:.3g} kW", self.local(self.ends_at()).strftime("%H:%M")
        if room_w <= 0:
            return f"The quarter-hour's peak of {peak} leaves cars nothing now: the house may need it until {until}."
        return f"The quarter-hour's peak of {peak} leaves {room_w:,.0f} W until {until}."

    def remember(self) -> bytes | None:
        """The quarter and the month's peak as a document, for `recall` after a restart."""
        if self._wall_s is None:
            return None
        remembered = _Remembered(
            began_at=self._at(self._began_s),
            used_ws=min(self._used_ws, MAX_PLAUSIBLE_W * QUARTER_S),
            counted_at=self._at(self._counted_s),
            is_whole=self._is_whole,
            month=self._month,
            peak_w=self._peak_w,
        )
        return remembered.model_dump_json().encode()

    def recall(self, document: bytes) -> None:
        """Take up what was remembered, with the next reading; nonsense is ignored."""
        try:
            self._recalled = _Remembered.model_validate_json(document)
        except ValidationError:
            return
        self._month, self._peak_w = self._recalled.month, self._recalled.peak_w

    def _begin_unseen(self, reading: Reading, now_s: float) -> None:
        """The first reading: what came before is as remembered, else as much as the target lets a quarter use."""
        wall_s = reading.measured_at.timestamp()
        self._wall_s = wall_s - now_s
        self._began_s = now_s - wall_s % QUARTER_S
        self._used_ws = self.target_w * (now_s - self._began_s)
        self._forget_past_months(now_s)
        recalled, self._recalled = self._recalled, None
        if recalled is None or abs(recalled.began_at.timestamp() - (wall_s - wall_s % QUARTER_S)) > _LATE_S:
            return
        unseen_s = max(0.0, wall_s - max(recalled.began_at, recalled.counted_at).timestamp())
        self._is_whole = recalled.is_whole
        self._used_ws = recalled.used_ws + max(0.0, reading.power_w or self.target_w) * unseen_s

    def _set_clock(self, reading: Reading, now_s: float) -> None:
        """Follow the wall clock; where it was set, what was used stays booked in the quarter that now runs."""
        wall_s = reading.measured_at.timestamp() - now_s
        if self._wall_s is not None and abs(wall_s - self._wall_s) > _JUMP_S:
            self._is_whole = False
            if self._anchor_s is None:
                self._began_s = now_s - (wall_s + now_s) % QUARTER_S
        self._wall_s = wall_s

    def _count(self, reading: Reading, power_w: float, now_s: float) -> None:
        told_w = reading.quarter_power_w
        has_fallen = told_w is not None and self._told_w is not None and told_w < self._told_w
        waits_s = _LATE_S if told_w is not None else 0.0
        if has_fallen:
            self._anchor_s = now_s
        since_s = self._counted_s
        if has_fallen or now_s - self._began_s >= QUARTER_S + waits_s:
            self._finish()
            self._began_s = now_s - self._phase_s(now_s)
            self._forget_past_months(now_s)
            self._used_ws, self._is_whole = 0.0, now_s - since_s <= _GAP_S
            since_s = max(since_s, self._began_s)
        self._used_ws += self._used_since_ws(since_s, max(0.0, power_w), reading.energy_import_wh, now_s)

    def _used_since_ws(self, since_s: float, power_w: float, import_wh: float | None, now_s: float) -> float:
        gap_s = max(0.0, now_s - since_s)
        if gap_s > _GAP_S and import_wh is not None and self._import_wh is not None and import_wh >= self._import_wh:
            return (import_wh - self._import_wh) * _WS_PER_WH
        return (power_w + self._power_w) / 2 * gap_s if gap_s <= _GAP_S else max(power_w, self._power_w) * gap_s

    def _phase_s(self, now_s: float) -> float:
        """How long the quarter has run, by the meter's own where it was seen to begin one."""
        if self._anchor_s is not None:
            return (now_s - self._anchor_s) % QUARTER_S
        return (now_s + (self._wall_s or 0.0)) % QUARTER_S

    def _finish(self) -> None:
        """A quarter is over: was it the month's peak?"""
        if self._is_whole:
            unseen_s = max(0.0, self._began_s + QUARTER_S - self._counted_s)
            mean_w = (self._used_ws + self._power_w * min(unseen_s, _GAP_S)) / QUARTER_S
            self._peak_w = max(self._peak_w, min(mean_w, MAX_PLAUSIBLE_W))

    def _forget_past_months(self, moment_s: float) -> None:
        """A clock that is not set yet stands in the past: it makes nothing forgotten. A month to come was a mistake."""
        month = self.local(self._at(moment_s)).strftime("%Y-%m")
        if month > self._month or _FIRST_MONTH <= month < self._month:
            self._month, self._peak_w = month, 0.0

    def _smooth(self, house_w: float | None, now_s: float) -> None:
        if house_w is None:
            return
        share = min(1.0, max(0.0, now_s - self._counted_s) / _SMOOTH_S)
        self._house_w = house_w if self._house_w is None else self._house_w + share * (house_w - self._house_w)

    def _at(self, moment_s: float) -> datetime:
        return datetime.fromtimestamp(max(0.0, moment_s + (self._wall_s or 0.0)), UTC)
