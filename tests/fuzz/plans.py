"""What is asked of the balancer beside modes: plans, charge, prices by MQTT or file, the operator's signal."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final
from zlib import crc32

from ampherd_balancer.brief import lay
from ampherd_balancer.core import Balancer
from ampherd_balancer.operator_cap import Signal
from ampherd_balancer.operator_signal import read_input, read_signal
from ampherd_balancer.plan_keeper import PlanKeeper
from ampherd_balancer.planning import Planning
from ampherd_balancer.settings import SettingError
from ampherd_core.bus import Inbound, Outbound
from ampherd_core.messages import ChargerState, SetResult
from ampherd_core.topics import Topics
from ampherd_core.units import MAX_PLAUSIBLE_W
from ampherd_core.wire import Wire

from tests.fuzz.listeners import MemoryStore, world
from tests.fuzz.messages import INPUTS, PRICES, SETTINGS, SIGNALS, full_site
from tests.fuzz.quiet import Ears, listening
from tests.fuzz.spoiling import spoilt
from tests.fuzz.target import Mutation, Outcome, promise

NOW_S: Final = 1.0
AT: Final = datetime(2026, 1, 1, 12, 7, tzinfo=UTC)
_AFRESH_EVERY: Final = 64


class Garage:
    """A balancer that sees a charging car at each charger, on a clock that stands."""

    def __init__(self) -> None:
        self.core = Balancer(full_site(), epoch=1, now_s=0.0)
        for message in world(NOW_S, self.core.policy):
            if isinstance(message, ChargerState):
                self.core.hear_state(message, NOW_S)
            else:
                self.core.hear_reading(message, NOW_S)

    def follow(self, planning: Planning) -> bool:
        """Lay a schedule for what is asked, and say what will be done; False where there is nothing new to lay."""
        planning.note(self.core, AT, NOW_S)
        brief = planning.brief(self.core, AT)
        if brief is None:
            return False
        report = planning.take(self.core, brief, lay(brief), AT, NOW_S)
        for document in (*report.states, *report.events):
            document.to_json()
        for state in report.states:
            most_a = self.core.policy.chargers[state.charger].max_a
            promise(all(0 <= part.offer_a <= most_a for part in state.parts), "a plan beyond the charger's bounds")
            promise(all(part.start < part.end for part in state.parts), "a part of a plan ends before it begins")
        return True


class Plans:
    """The first byte chooses the door, the rest is what is sent there."""

    words: Sequence[bytes] = (
        b"none", b"off", b"null", b'"energy_kwh"', b'"soc_percent"', b'"by"', b'"weekdays"', b'"07:00"', b'"24:00"',
        b'"2026-11-22T07:00"', b'"9999-12-31T23:59:59-23:59"', b'"0001-01-01T00:00+23:59"', b'"mon"', b"1e-320",
        b'"start"', b'"end"', b'"price"', b'"2026-11-22T00:00:00Z"', b'"2026-W47-7"', b'"20261122T00Z"', b"-1e4",
        b'{"value":', b'"power_w"', b'"for_s"', b'"active"', b'"state"', b"true", b"[]", b"{}",
        b"[" * 3_000, b"1" * 5_000, b'"\\ud800"', b"\xe2\x80\xae", b"  ", b"ON", b"+5", b"1_000", b"\xd9\xa3",
    )  # fmt: skip

    def __init__(self, directory: Path, ears: Ears, loop: asyncio.AbstractEventLoop) -> None:
        self._ears, self._loop = ears, loop
        self._directory = directory
        self._garage = Garage()
        self._wire = Wire()
        self._said: list[Outbound] = []
        self._keeper = self._new_keeper()
        self._number = 0
        self._doors: Sequence[Callable[[bytes], str | None]] = (
            lambda data: self._set("plan", data),
            lambda data: self._set("soc", data),
            self._prices,
            self._file,
            lambda data: self._signal(read_signal, data),
            lambda data: self._signal(read_input, data),
        )
        wishes = [(setting, value.encode()) for setting, value in SETTINGS]
        self.seeds: Sequence[bytes] = [
            *(b"0" + value for setting, value in wishes if setting == "plan"),
            *(b"1" + value for setting, value in wishes if setting == "soc"),
            *(bytes((door,)) + value.encode() for door in b"23" for value in PRICES),
            *(b"4" + value.encode() for value in SIGNALS),
            *(b"5" + value.encode() for value in INPUTS),
        ]
        self.mutations: Sequence[Mutation] = (_in_json,)

    def feed(self, data: bytes) -> Outcome:
        """One document at one door."""
        self._number += 1
        if self._number % _AFRESH_EVERY == 0:
            self._keeper = self._new_keeper()
        door = data[0] % len(self._doors) if data else 0
        before = self._state()
        why = self._doors[door](data[1:])
        if why is None:
            self._check_taken(data)
            return Outcome()
        promise(self._state() == before, f"refused, and yet it changed something: {why[:100]}")
        promise(bool(why), "refused without a word")
        SetResult(is_accepted=False, error=why[:500]).to_json()
        return Outcome(("plan", "soc", "prices", "file", "signal", "input")[door], why)

    def _new_keeper(self) -> PlanKeeper:
        async def say(message: Outbound) -> bool:
            self._said = [message]
            return True

        core = self._garage.core
        return PlanKeeper(lambda: core, MemoryStore(), Topics("home"), say, self._directory / "site.yaml")

    def _state(self) -> object:
        planning = self._keeper.planning
        wanted = {charger: (account.wish, account.soc) for charger, account in planning.accounts.items()}
        return {each: wish for each, wish in wanted.items() if wish != (None, None)}, planning.prices

    def _check_taken(self, data: bytes) -> None:
        planning, again = self._keeper.planning, Planning()
        again.recall(planning.remember())
        wishes = {charger: account.wish for charger, account in planning.accounts.items()}
        promise({charger: account.wish for charger, account in again.accounts.items()} == wishes, "a plan is forgotten")
        if crc32(data) % 8 == 0:
            self._garage.follow(planning)

    def _set(self, setting: str, data: bytes) -> str | None:
        try:
            self._keeper.set(self._garage.core, "right", setting, data)
        except SettingError as err:
            return str(err)
        return None

    def _prices(self, data: bytes) -> str | None:
        counted = self._wire.refused["prices"]
        self._loop.run_until_complete(self._keeper.hear_prices(Inbound("prices", data), self._wire))
        return self._ears.why if self._wire.refused["prices"] > counted else None

    def _file(self, data: bytes) -> str | None:
        """As the keeper finds it beside the policy."""
        (self._directory / "prices.json").write_bytes(data)
        self._keeper._listed = None
        self._ears.why = ""
        self._loop.run_until_complete(self._keeper._look_at_file(self._garage.core))
        return None if self._keeper._is_list_well else self._ears.why

    def _signal(self, read: Callable[[bytes], Signal | None], data: bytes) -> str | None:
        try:
            signal = read(data)
        except SettingError as err:
            return str(err)
        operator = self._garage.core.outside.operator
        operator.take(signal, NOW_S)
        operator.remember(NOW_S, AT)
        allowed_w = self._garage.core.outside.operator_w(NOW_S)
        promise((allowed_w is None) is (signal is None), "a cap that does not hold, or holds unasked")
        promise(allowed_w is None or 0 <= allowed_w <= MAX_PLAUSIBLE_W, "a cap of no home")
        return None


def _in_json(random: Random, data: bytes) -> bytes:
    return data[:1] + spoilt(random, data[1:])


@contextmanager
def plans() -> Iterator[Plans]:
    """The target."""
    loop = asyncio.new_event_loop()
    with tempfile.TemporaryDirectory() as directory, listening() as ears:
        try:
            yield Plans(Path(directory), ears, loop)
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()
