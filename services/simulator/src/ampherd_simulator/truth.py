"""The truth file: JSON lines that tell what really happened, for tests and benchmarks to judge by."""

from __future__ import annotations

import json
from typing import TextIO

from ampherd_core.clock import boot_s
from ampherd_core.phases import LINES, Phases

from ampherd_simulator.charger import SimulatedCharger
from ampherd_simulator.modbus_server import Write
from ampherd_simulator.site import Feeder, SimulatedSite

Json = str | float | bool | None | list["Json"] | dict[str, "Json"]
DECIMALS = 4


class TruthFile:
    """One line an event, at the next `flush`; without a file it writes nothing.

    The services that a benchmark times share this machine: they have the processor first.
    """

    def __init__(self, file: TextIO | None) -> None:
        self._file = file
        self._telegrams = 0
        self._lines: list[dict[str, Json]] = []

    def flush(self) -> None:
        """Write what was noted."""
        if self._file is None:
            return
        lines, self._lines = self._lines, []
        self._file.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        self._file.flush()

    def moment(self, site: SimulatedSite) -> None:
        """The whole site as of its last step."""
        self._note({"event": "truth", "boot_s": boot_s(), **describe_site(site)})

    def telegram_sent(self, telegram: bytes, sent_s: float) -> None:
        """The last byte of a telegram has been handed to the network."""
        self._telegrams += 1
        self._note({"event": "telegram_sent", "boot_s": sent_s, "n": self._telegrams, "bytes": len(telegram)})

    def modbus_write(self, charger_id: str, write: Write) -> None:
        """A write has reached a wallbox."""
        self._note(
            {
                "event": "modbus_write",
                "boot_s": write.boot_s,
                "charger": charger_id,
                "address": write.address,
                "values": list(write.values),
            }
        )

    def _note(self, line: dict[str, Json]) -> None:
        if self._file is not None:
            self._lines.append(line)


def describe_site(site: SimulatedSite) -> dict[str, Json]:
    """The site as a JSON document."""
    return {
        "at_s": round(site.now_s or 0.0, DECIMALS),
        "grid_a": _rounded(site.grid_a),
        "house_a": _rounded(site.house_a),
        "import_wh": round(site.import_wh, DECIMALS),
        "export_wh": round(site.export_wh, DECIMALS),
        "chargers": {charger_id: _charger(charger) for charger_id, charger in site.chargers.items()},
        "excess": {feeder_id: _excess(feeder) for feeder_id, feeder in site.feeders.items()},
    }


def _charger(charger: SimulatedCharger) -> Json:
    return {
        "state": str(charger.car.iec_state),
        "offer_a": charger.wallbox.offer_a,
        "drawn_a": _rounded(charger.load_a),
        "soc": round(charger.car.soc, DECIMALS),
        "taken_wh": round(charger.car.taken_wh, DECIMALS),
        "starts": charger.car.starts,
        "interruptions": charger.car.interruptions,
    }


def _excess(feeder: Feeder) -> Json:
    return {
        str(line): {
            "total_as": round(feeder.excess[line.place].total_as, DECIMALS),
            "ours_as": round(feeder.excess[line.place].ours_as, DECIMALS),
            "worst_a": round(feeder.excess[line.place].worst_a, DECIMALS),
            "longest_s": round(feeder.excess[line.place].longest_s, DECIMALS),
            "our_longest_s": round(feeder.excess[line.place].our_longest_s, DECIMALS),
        }
        for line in LINES
    }


def _rounded(current_a: Phases) -> Json:
    return [round(value, DECIMALS) for value in current_a]
