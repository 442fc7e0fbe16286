"""What was charged towards a plan, by the wallbox's counter or, where it has none, by what its car seems to take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from ampherd_core.messages import ChargerState, Energy, IecState, LinkHealth, Moment
from ampherd_core.plans import Plan, SocReading
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

LONGEST_GAP_S: Final = 10.0
"""Over a longer silence nothing is estimated."""

MOST_BETWEEN_WH: Final = 300_000.0
"""No car charges more while the balancer is away: a larger step is another counter."""

PlanWish: TypeAlias = Plan | Literal["none"]


@dataclass(slots=True)
class Account:
    """One charger's plan and what was charged towards it since it was set, or since the car came.

    `wish` is the user's own, or none, or None for the policy's; `since_soc_wh` was charged since `soc` was told.
    """

    wish: PlanWish | None = None
    due: Moment | None = None
    soc: SocReading | None = None
    charged_wh: float = 0.0
    since_soc_wh: float = 0.0
    is_estimated: bool = False
    counter_wh: float | None = None
    has_car: bool | None = None
    _noted_s: float = float("-inf")

    def note(self, state: ChargerState, drawn_w: float, now_s: float) -> None:
        """The charger's newest state, and what its car takes by the best knowledge, W."""
        if state.link is LinkHealth.OK and state.iec_state is not None:
            self._note_car(state.iec_state)
        counter_wh = state.total_wh if state.total_wh is not None else state.session_wh
        if counter_wh is None:
            self.is_estimated = True
            gap_s = now_s - self._noted_s
            gained_wh = drawn_w * gap_s / 3600 if 0 < gap_s <= LONGEST_GAP_S else 0.0
        else:
            self.is_estimated = False
            gained_wh = self._counted(counter_wh, is_session=state.total_wh is None)
        self._noted_s = now_s
        self.charged_wh += gained_wh
        self.since_soc_wh += gained_wh

    def begin(self) -> None:
        """Nothing was charged towards the plan yet."""
        self.charged_wh, self.due = 0.0, None

    def tell_soc(self, soc: SocReading) -> None:
        """The car's state of charge is known anew."""
        self.soc, self.since_soc_wh = soc, 0.0

    def _note_car(self, iec_state: IecState) -> None:
        if iec_state.is_connected:
            if self.has_car is False:
                self.begin()
            self.has_car = True
        elif iec_state is IecState.A:
            if self.has_car:
                self.soc = None
            self.has_car = False

    def _counted(self, counter_wh: float, *, is_session: bool) -> float:
        before_wh, self.counter_wh = self.counter_wh, counter_wh
        if before_wh is None:
            return 0.0
        gained_wh = counter_wh - before_wh
        if gained_wh < 0 and is_session:
            return counter_wh
        return gained_wh if 0 <= gained_wh <= MOST_BETWEEN_WH else 0.0


class _Remembered(BaseModel):
    """An account as it outlives a restart."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    wish: PlanWish | None = None
    due: Moment | None = None
    soc: SocReading | None = None
    charged_wh: Energy = 0.0
    since_soc_wh: Energy = 0.0
    counter_wh: Energy | None = None
    has_car: bool | None = None


_REMEMBERED: TypeAdapter[dict[str, _Remembered]] = TypeAdapter(dict[str, _Remembered])
_FIELDS: Final = tuple(_Remembered.model_fields)


def remember(accounts: dict[str, Account]) -> bytes:
    """All accounts as one document, for `recall` after a restart."""
    kept = {
        charger: _Remembered(**{field: getattr(account, field) for field in _FIELDS})
        for charger, account in accounts.items()
    }
    return _REMEMBERED.dump_json(kept, exclude_none=True)


def recall(document: bytes) -> dict[str, Account]:
    """The accounts that `remember` wrote; nonsense is ignored."""
    try:
        remembered = _REMEMBERED.validate_json(document)
    except ValidationError:
        return {}
    return {
        charger: Account(**{field: getattr(kept, field) for field in _FIELDS}) for charger, kept in remembered.items()
    }
