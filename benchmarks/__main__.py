"""`make bench`: every figure from one run; `--quick` takes fewer samples, `--write` keeps the report."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from benchmarks import chain, decision, footprint, virtual
from benchmarks.figures import Figure

REPORT: Final = Path(__file__).with_name("SPEED.md")


def main() -> None:
    """Measure, print, and keep what was asked for."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer samples, for a first look")
    parser.add_argument("--write", action="store_true", help=f"write {REPORT.name}, too")
    arguments = parser.parse_args()
    lines = list(_report(quick=arguments.quick))
    if arguments.write:
        body = "\n".join(lines)
        REPORT.write_text(f"# Figures\n\nWritten by `make bench`, one run.\n\n```\n{body}\n```\n", encoding="utf-8")


def _report(*, quick: bool) -> Iterator[str]:
    yield from _said(f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores")
    sections: dict[str, Callable[[], Iterable[Figure]]] = {
        "The parse and the decision alone": decision.measure,
        "Virtual time": virtual.measure,
        "The chain": lambda: _gathered(chain.measure(100 if quick else 1_000)),
        "The whole stack at 1 Hz": lambda: _gathered(footprint.measure(20 if quick else 60)),
    }
    for title, measure in sections.items():
        yield from _said("", title)
        for figure in measure():
            yield from _said(str(figure))


def _gathered(figures: AsyncIterator[Figure]) -> list[Figure]:
    async def gather() -> list[Figure]:
        return [figure async for figure in figures]

    return asyncio.run(gather())


def _said(*lines: str) -> Iterator[str]:
    for line in lines:
        print(line, flush=True)
        yield line


if __name__ == "__main__":
    main()
