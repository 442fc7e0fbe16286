"""A SmartEVSE v2's configuration items: range-checked, and saved to EEPROM at every write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """One configuration register."""

    name: str
    low: int
    high: int
    default: int


class Configuration:
    """The items by register; `eeprom_writes` counts what wears the memory."""

    def __init__(self, items: Mapping[int, Item], **changed: int) -> None:
        self.items = items
        self.values = {address: changed.get(item.name, item.default) for address, item in items.items()}
        self.eeprom_writes = 0

    def write(self, address: int, value: int) -> bool:
        """Check and save; False when out of range."""
        item = self.items.get(address)
        if item is None or not item.low <= value <= item.high:
            return False
        self.values[address] = value
        self.eeprom_writes += 1
        return True
