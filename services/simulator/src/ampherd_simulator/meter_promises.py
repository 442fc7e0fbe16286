"""What the grid meter's process promises, held against the site at each reading: 5 and 10 of docs/safety.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ampherd_core.messages import Reading

from ampherd_simulator.ledger import Complain
from ampherd_simulator.virtual_meter import VirtualMeter

if TYPE_CHECKING:
    from ampherd_simulator.world import World

NOISE_A: Final = 0.05
"""Powers come in whole watts, voltages in tenths of a volt."""


class MeterPromises:
    """Give it every reading as it is said."""

    def __init__(self, world: World, complain: Complain) -> None:
        self._world = world
        self._complain = complain
        self._has_spoken: VirtualMeter | None = None

    def said(self, reading: Reading) -> None:
        """A reading leaves the meter's process just now."""
        meter = self._world.meter
        if not isinstance(meter, VirtualMeter):
            return
        if meter.faults.is_frozen and self._has_spoken is meter:
            self._complain(5, "a telegram is said to be news, and the meter only repeats it")
        elif not meter.faults.is_frozen and not meter.has_wrong_sign:
            self._check_guard(reading)
        self._has_spoken = meter

    def _check_guard(self, reading: Reading) -> None:
        for line in self._world.policy.connection.lines:
            phase, grid_a = reading.phases[line.place], self._world.site.grid_a[line.place]
            if phase is not None and phase.guard_a < grid_a - NOISE_A:
                self._complain(10, f"{line} carries {grid_a:.2f} A, and is guarded as {phase.guard_a:.2f} A")
