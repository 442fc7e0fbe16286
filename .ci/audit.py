"""Asks whether a pinned package has a known vulnerability; one that is not accepted, with a reason and an end, fails.

Where the source of advisories cannot be reached, or does not know a package, it says so in one loud line and does not
fail: a run without a network is no proof either way.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[1]
LOCKS: Final = ("requirements.lock", "deploy/docker/requirements.lock")
ACCEPTED: Final = ROOT / ".ci/accepted-advisories.yaml"

_PATIENCE_S: Final = 240


@dataclass(frozen=True, slots=True)
class Advisory:
    """One vulnerability of one pinned package."""

    package: str
    version: str
    names: frozenset[str]
    fixed_in: str

    def __str__(self) -> str:
        remedy = f"fixed in {self.fixed_in}" if self.fixed_in else "no fix yet"
        return f"{self.package} {self.version}: {', '.join(sorted(self.names))}; {remedy}"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """An advisory that does not concern Ampherd, why, and until when somebody answers for that."""

    package: str
    advisory: str
    reason: str
    until: date

    def covers(self, advisory: Advisory, today: date) -> bool:
        """Whether this advisory is accepted today."""
        return advisory.package == self.package and self.advisory in advisory.names and today <= self.until


def read_acceptances(text: str) -> list[Acceptance]:
    """The file of accepted advisories; ValueError where an entry lacks its reason."""
    found = [Acceptance(**entry) for entry in yaml.safe_load(text) or []]
    for one in found:
        if not one.reason.strip() or not isinstance(one.until, date):
            raise ValueError(f"{one.advisory}: say why it is accepted, and until which day")
    return found


def advisories(report: dict[str, Any]) -> list[Advisory]:
    """Those of a report of pip-audit."""
    return [
        Advisory(
            package["name"],
            package["version"],
            frozenset({found["id"], *found.get("aliases", ())}),
            ", ".join(found.get("fix_versions", ())),
        )
        for package in report["dependencies"]
        for found in package.get("vulns", ())
    ]


def unasked(report: dict[str, Any]) -> list[str]:
    """The packages of which the source of advisories knows nothing."""
    return [package["name"] for package in report["dependencies"] if "skip_reason" in package]


def ask() -> dict[str, Any] | None:
    """What pip-audit reports; None where it cannot be asked."""
    requirements = [part for lock in LOCKS for part in ("--requirement", str(ROOT / lock))]
    options = ["--disable-pip", "--no-deps", "--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    command = [sys.executable, "-m", "pip_audit", *requirements, *options]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)  # noqa: S603
        report: dict[str, Any] = json.loads(result.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return None
    return report


def verdict(report: dict[str, Any] | None, accepted: Iterable[Acceptance], today: date) -> tuple[int, list[str]]:
    """The exit code, and what to say."""
    if report is None or len(unasked(report)) == len(report["dependencies"]):
        return 0, ["!!! NO SOURCE OF ADVISORIES CAN BE REACHED: known vulnerabilities of packages were not looked for"]
    lines = []
    if missing := unasked(report):
        lines.append(f"!!! NOT LOOKED FOR, the source of advisories does not know them: {', '.join(missing)}")
    open_ones = [one for one in advisories(report) if not any(entry.covers(one, today) for entry in accepted)]
    lines += [f"vulnerable: {one}" for one in open_ones]
    lines.append(f"{len(report['dependencies'])} packages, {len(open_ones)} open advisories")
    return (1 if open_ones else 0), lines


if __name__ == "__main__":
    today = datetime.now(UTC).date()
    code, lines = verdict(ask(), read_acceptances(ACCEPTED.read_text(encoding="utf-8")), today)
    print("\n".join(lines), flush=True)
    sys.exit(code)
