"""What can go wrong in the simulator before it runs; while it runs, faults are its trade."""

from __future__ import annotations


class SimulatorError(Exception):
    """The base of the simulator's errors."""


class RecordingError(SimulatorError):
    """A recording cannot be read."""


class ScenarioError(SimulatorError):
    """A scenario does not make sense."""
