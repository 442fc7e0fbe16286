"""`make mutants`: breaks each promise on purpose, and tables how soon a story or a law shows it, in Markdown."""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor

from tests.mutations.hunt import hunt
from tests.mutations.laws import hunt_by_laws
from tests.mutations.mutants import MUTANTS


def main() -> None:
    """Hunt each mutant until it is caught, or for so long."""
    arguments = _parser().parse_args()
    print("| promise | broken on purpose | shown by | after, s | what was seen |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    survivors = 0
    with ProcessPoolExecutor(arguments.jobs) as pool:
        hunts = [pool.submit(_row, number, arguments.seconds, arguments.seed) for number in range(len(MUTANTS))]
        for mutant, each in zip(MUTANTS, hunts, strict=True):
            row = each.result()
            survivors += row is None
            print(f"| {mutant.promise} | {mutant.title} | {row or 'nothing | | '} |", flush=True)
    sys.exit(1 if survivors else 0)


def _row(number: int, seconds: float, seed: int) -> str | None:
    """By a story of a random home, or, where another safeguard hides it there, by a law of one core."""
    for way, hunter in (("a story", hunt), ("a law", hunt_by_laws)):
        caught = hunter(MUTANTS[number], seconds=seconds, seed=seed)
        if caught is not None:
            return f"{way} | {caught.took_s:.1f} | {caught.how}"
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mutants")
    parser.add_argument("--seconds", type=float, default=60.0, help="processor time that each hunt may cost")
    parser.add_argument("--seed", type=int, default=1, help="the first story")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once")
    return parser


if __name__ == "__main__":
    main()
