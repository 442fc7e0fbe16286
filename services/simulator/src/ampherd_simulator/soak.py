"""`python -m ampherd_simulator.soak`: random homes and faults for a time or an amount, and what became of the promises.

Figures are of simulated site-hours: simulated seconds over 3,600.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

from ampherd_simulator.faults import Kind
from ampherd_simulator.invent import FAULTS_AN_HOUR, invent, thinned
from ampherd_simulator.invent_plans import planned
from ampherd_simulator.invent_sun import invent_sunny
from ampherd_simulator.layers import Layer, Tally
from ampherd_simulator.promises import Violation
from ampherd_simulator.shrink import breaks, shrink
from ampherd_simulator.story import Story
from ampherd_simulator.trial import try_story

BATCH: Final = 20
"""Stories that a process lives through before it reports."""

SUNNY_EVERY: Final = 8
MOST_TOLD: Final = 50
REPORT_EVERY_S: Final = 30.0
EXIT_BROKEN: Final = 1

LAYERS: Final = {
    Layer.OURS: "ours: caused or preventable",
    Layer.REACTION: "the house rose; meter, decision, wallbox and a standard car take their time",
    Layer.HOUSE: "the house alone",
    Layer.CAR: "a car draws more than it was offered for 5 s",
    Layer.WALLBOX: "a wallbox cannot be commanded; all others made room",
    Layer.BLIND: "meter, broker or balancer gone: within validity and lease",
    Layer.UNMETERED: "a car behind a wallbox without a meter takes what it left",
    Layer.LIE: "a meter or wallbox tells what is not so",
}


@dataclass(slots=True)
class Figures:
    """What was seen so far."""

    stories: int = 0
    hours: float = 0.0
    charged_wh: float = 0.0
    faults: Counter[Kind] = field(default_factory=Counter)
    tallies: dict[Layer, Tally] = field(default_factory=lambda: {layer: Tally() for layer in Layer})
    broken: list[tuple[int, Violation]] = field(default_factory=list)

    def merge(self, other: Figures) -> None:
        """Take in those of another batch."""
        self.stories += other.stories
        self.hours += other.hours
        self.charged_wh += other.charged_wh
        self.faults += other.faults
        self.broken += other.broken
        for layer, tally in other.tallies.items():
            self.tallies[layer].merge(tally)


def story_of(seed: int, faults_an_hour: float) -> Story:
    """The story of that seed: every eighth is of a changing sun, and in half of them cars have plans."""
    story = invent_sunny(seed) if seed % SUNNY_EVERY == 0 else invent(seed)
    return planned(thinned(story, faults_an_hour))


def live(first_seed: int, stories: int, faults_an_hour: float = FAULTS_AN_HOUR) -> Figures:
    """Live through so many stories."""
    figures = Figures()
    for seed in range(first_seed, first_seed + stories):
        verdict = try_story(story_of(seed, faults_an_hour))
        broken = [(seed, violation) for violation in verdict.broken]
        figures.merge(Figures(1, verdict.hours, verdict.charged_wh, verdict.faults, verdict.tallies, broken))
    return figures


def describe(figures: Figures, seed: int, took_s: float) -> str:
    """The report, in Markdown."""
    faults = sum(figures.faults.values())
    rate = faults / figures.hours if figures.hours else 0.0
    promises = Counter(violation.promise for _, violation in figures.broken)
    lines = [
        f"Seeds {seed} to {seed + figures.stories - 1}: {figures.hours:,.0f} site-hours in {figures.stories:,} homes, "
        f"{faults:,} faults ({rate:.0f} an hour), {figures.charged_wh / 1000:,.0f} kWh charged, {took_s / 60:.0f} min.",
        "",
        "| promise | broken |",
        "| --- | --- |",
        *[f"| {promise or 'limit: over 1 A for 10 s'} | {promises[promise]} |" for promise in range(9)],
        *[f"\nSeed {seed}, {each.at_s:.0f} s, promise {each.promise}: {each.text}" for seed, each in _firsts(figures)],
        "",
        "| over a limit, and whose doing | A·s | worst A | longest over 1 A, s | worst stretch A·s | with |",
        "| --- | --- | --- | --- | --- | --- |",
        *[_layer(layer, figures.tallies[layer]) for layer in LAYERS],
        "",
        "| fault | times |",
        "| --- | --- |",
        *[f"| {kind} | {times} |" for kind, times in sorted(figures.faults.items())],
    ]
    return "\n".join(lines) + "\n"


def _firsts(figures: Figures) -> list[tuple[int, Violation]]:
    """The first violation of each promise in each story, as many as a person reads."""
    firsts: dict[tuple[int, int], Violation] = {}
    for seed, violation in figures.broken:
        firsts.setdefault((seed, violation.promise), violation)
    return [(seed, violation) for (seed, _), violation in firsts.items()][:MOST_TOLD]


def main() -> None:
    """Read the command line, then soak."""
    arguments = _parser().parse_args()
    figures, began_s = Figures(), time.monotonic()
    reported_s = began_s
    batches = _batches(arguments.seed, arguments.jobs, arguments.minutes, arguments.hours, arguments.faults)
    for batch in batches:
        figures.merge(batch)
        if time.monotonic() - reported_s > REPORT_EVERY_S:
            reported_s = time.monotonic()
            _write(arguments.report, describe(figures, arguments.seed, reported_s - began_s))
    report = describe(figures, arguments.seed, time.monotonic() - began_s)
    _write(arguments.report, report)
    print(report)
    _explain(figures, arguments.stories, arguments.faults)
    sys.exit(EXIT_BROKEN if figures.broken else 0)


def _batches(seed: int, jobs: int, minutes: float | None, hours: float, faults_an_hour: float) -> Iterator[Figures]:
    """Batch by batch as they end, until the time is over or the hours are lived."""
    ends_s = time.monotonic() + minutes * 60 if minutes is not None else float("inf")
    lived_h = 0.0
    with ProcessPoolExecutor(jobs) as pool:
        seeds = count(seed, BATCH)
        running: set[Future[Figures]] = {pool.submit(live, next(seeds), BATCH, faults_an_hour) for _ in range(jobs)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                figures = future.result()
                lived_h += figures.hours
                if time.monotonic() < ends_s and (minutes is not None or lived_h < hours):
                    running.add(pool.submit(live, next(seeds), BATCH, faults_an_hour))
                yield figures


def _explain(figures: Figures, stories: int, faults_an_hour: float) -> None:
    """The first stories of each broken promise, shrunk."""
    told: Counter[int] = Counter()
    for seed, violation in figures.broken:
        if told[violation.promise] >= stories:
            continue
        told[violation.promise] += 1
        story = shrink(story_of(seed, faults_an_hour), breaks(violation.promise))
        print(
            f"## Promise {violation.promise}, seed {seed}: {violation.text}\n\n{story.tell()}\n\n{story.as_python()}\n"
        )


def _layer(layer: Layer, tally: Tally) -> str:
    return (
        f"| {LAYERS[layer]} | {tally.total_as:,.0f} | {tally.worst_a:.1f} | {tally.longest_s:.1f} | "
        f"{tally.worst_run_as:.0f} | {', '.join(tally.at_worst)} |"
    )


def _write(path: Path | None, report: str) -> None:
    if path is not None:
        path.write_text(report, encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ampherd_simulator.soak", description="Random homes, random faults.")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--minutes", type=float, help="stop after so many minutes")
    amount.add_argument("--hours", type=float, default=100.0, help="stop after so many simulated site-hours")
    parser.add_argument("--seed", type=int, default=1, help="the first story's seed; each next one is one more")
    parser.add_argument(
        "--faults", type=float, default=FAULTS_AN_HOUR, help=f"faults an hour, {FAULTS_AN_HOUR:g} at most"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once")
    parser.add_argument("--report", type=Path, help="write the figures here, too, as they come")
    parser.add_argument("--stories", type=int, default=1, help="how many failures of each promise to shrink and tell")
    return parser


if __name__ == "__main__":
    main()
