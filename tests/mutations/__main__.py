"""`make mutants`: breaks each promise on purpose and says how soon a random story shows it, as a table in Markdown."""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor

from tests.mutations.hunt import Caught, hunt
from tests.mutations.mutants import MUTANTS


def main() -> None:
    """Hunt each mutant until it is caught, or for so long."""
    arguments = _parser().parse_args()
    print("| promise | broken on purpose | caught after | by | how |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    survivors = 0
    with ProcessPoolExecutor(arguments.jobs) as pool:
        hunts = [pool.submit(_hunt, number, arguments.seconds, arguments.seed) for number in range(len(MUTANTS))]
        for mutant, each in zip(MUTANTS, hunts, strict=True):
            caught = each.result()
            survivors += caught is None
            row = (
                "| not | | |" if caught is None else f"| {caught.took_s:.1f} s, story {caught.stories} | {caught.how} |"
            )
            print(f"| {mutant.promise} | {mutant.title} {row}", flush=True)
    sys.exit(1 if survivors else 0)


def _hunt(number: int, seconds: float, seed: int) -> Caught | None:
    return hunt(MUTANTS[number], seconds=seconds, seed=seed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mutants")
    parser.add_argument("--seconds", type=float, default=60.0, help="processor time that each may cost")
    parser.add_argument("--seed", type=int, default=1, help="the first story")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once")
    return parser


if __name__ == "__main__":
    main()
