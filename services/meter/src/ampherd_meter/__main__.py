"""`python -m ampherd_meter`."""

from __future__ import annotations

from ampherd_core.service import start

from ampherd_meter.service import MeterService


def main() -> None:
    """Run the meter service until it is told to stop."""
    start(MeterService, "meter")


if __name__ == "__main__":
    main()
