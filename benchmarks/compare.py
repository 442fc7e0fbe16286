"""`make compare`: every contender on every case; `--quick` plays their beginnings, `--write` keeps the document."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Final

from benchmarks.case import Case
from benchmarks.comparison import document, section
from benchmarks.contest import Contest, Entry, best, contenders, in_order, play
from benchmarks.rivals.optimum import Plan
from benchmarks.scenarios import cases, missing

REPORT: Final = Path(__file__).with_name("RESULTS.md")


def main() -> None:
    """Play, print each case as it ends, and keep what was asked for."""
    arguments = _parser().parse_args()
    chosen = [case for case in cases() if not arguments.only or case.id in arguments.only]
    contests = []
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for under_way in [_begun(pool, case, is_quick=arguments.quick) for case in chosen]:
            contest = under_way.result()
            print(section(contest), flush=True)
            contests.append(contest)
    if arguments.write:
        REPORT.write_text(document(contests, missing(), is_quick=arguments.quick), encoding="utf-8")


class _UnderWay:
    """A case whose contenders are playing, each in a process of the pool."""

    def __init__(
        self,
        case: Case,
        lasts_s: float,
        entries: Sequence[Future[Entry]],
        plan: Future[Plan],
        ordered_wh: Future[float | None],
    ) -> None:
        self._case = case
        self._lasts_s = lasts_s
        self._entries = entries
        self._plan = plan
        self._ordered_wh = ordered_wh

    def result(self) -> Contest:
        """Waits for all of them."""
        entries = tuple(entry.result() for entry in self._entries)
        return Contest(self._case, self._lasts_s, entries, self._plan.result(), self._ordered_wh.result())


def _begun(pool: ProcessPoolExecutor, case: Case, *, is_quick: bool) -> _UnderWay:
    lasts_s = case.quick_s if is_quick else case.lasts_s
    entries = [pool.submit(play, case, contender.name, lasts_s) for contender in contenders(case)]
    plan, ordered_wh = pool.submit(best, case, lasts_s), pool.submit(in_order, case, lasts_s)
    return _UnderWay(case, lasts_s, entries, plan, ordered_wh)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks.compare", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only the beginning of each case, for a first look")
    parser.add_argument("--write", action="store_true", help=f"write {REPORT.name}, too")
    parser.add_argument("--only", nargs="+", default=[], metavar="CASE", help="play these cases alone")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at a time")
    return parser


if __name__ == "__main__":
    main()
