"""`python -m tests.faults`: many rounds of random process faults with cars charging, as a table."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.faults.rounds import Fault, Kind, Outcome, doubled_or_lost, play, random_faults, site_with_four_cars


def main() -> None:
    """Play, print, and exit with 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="tests.faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    outcomes, wrong = asyncio.run(_play(list(random_faults(arguments.rounds, arguments.seed))))
    print(*_table(outcomes), *wrong, sep="\n")
    print(f"{len(outcomes)} rounds, seed {arguments.seed}: {len(wrong)} wrong")
    sys.exit(bool(wrong))


async def _play(faults: Sequence[Fault]) -> tuple[list[Outcome], list[str]]:
    outcomes: list[Outcome] = []
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="ampherd-faults-") as name:
        async with site_with_four_cars(Path(name)) as site:
            for place, fault in enumerate(faults, start=1):
                try:
                    outcome = await play(site, fault)
                except AssertionError as err:
                    wrong.append(f"{fault}: {err}")
                    continue
                outcomes.append(outcome)
                wrong += outcome.faults
                print(
                    f"{place}: {fault}: {outcome.our_longest_s:.0f} s and {outcome.ours_as:.0f} A s over by our doing,"
                    f" well after {outcome.well_after_s:.1f} s",
                    file=sys.stderr,
                    flush=True,
                )
            wrong += doubled_or_lost(site, outcomes)
    return outcomes, wrong


def _table(outcomes: Sequence[Outcome]) -> list[str]:
    rows = [
        "| fault of | kind | rounds | longest over by our doing, s | most A·s in a round | slowest recovery, s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for kind in Kind:
        for victim in sorted({victim for outcome in outcomes for victim in outcome.fault.victims}):
            hit = [o for o in outcomes if o.fault.kind is kind and victim in o.fault.victims]
            if hit:
                longest_s, most_as = max(o.our_longest_s for o in hit), max(o.ours_as for o in hit)
                slowest_s = max(o.well_after_s for o in hit)
                rows.append(f"| {victim} | {kind} | {len(hit)} | {longest_s:.0f} | {most_as:.0f} | {slowest_s:.1f} |")
    return rows


if __name__ == "__main__":
    main()
