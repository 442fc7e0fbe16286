"""`make mutants`: breaks each promise on purpose, and tables how soon a story or a law shows it, in Markdown."""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor

from tests.mutations.hunt import Caught, hunt
from tests.mutations.laws import hunt_by_laws
from tests.mutations.mutants import MUTANTS

HUNTERS = (hunt, hunt_by_laws)
"""Random homes, and the properties of the cores."""


def main() -> None:
    """Hunt each mutant both ways until it is caught, or for so long."""
    arguments = _parser().parse_args()
    print("| promise | broken on purpose | by a story, s | by a law, s | what was seen first |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    survivors = 0
    with ProcessPoolExecutor(arguments.jobs) as pool:
        hunts = [
            [pool.submit(_hunt, number, way, arguments.seconds, arguments.seed) for way in range(len(HUNTERS))]
            for number in range(len(MUTANTS))
        ]
        for mutant, ways in zip(MUTANTS, hunts, strict=True):
            found = [each.result() for each in ways]
            survivors += not any(found)
            print(f"| {mutant.promise} | {mutant.title} | {_row(found)} |", flush=True)
    sys.exit(1 if survivors else 0)


def _hunt(number: int, way: int, seconds: float, seed: int) -> Caught | None:
    return HUNTERS[way](MUTANTS[number], seconds=seconds, seed=seed)


def _row(found: list[Caught | None]) -> str:
    times = [f"{caught.took_s:.1f}" if caught is not None else "" for caught in found]
    first = min([caught for caught in found if caught is not None], key=lambda caught: caught.took_s, default=None)
    return " | ".join([*times, first.how if first is not None else "nothing"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mutants")
    parser.add_argument("--seconds", type=float, default=60.0, help="processor time that each hunt may cost")
    parser.add_argument("--seed", type=int, default=1, help="the first story")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once")
    return parser


if __name__ == "__main__":
    main()
