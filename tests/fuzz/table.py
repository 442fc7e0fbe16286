"""A run's account as a Markdown table, and the findings below it."""

from __future__ import annotations

from collections.abc import Mapping

from tests.fuzz.runner import Result

_MOST_CAUSES = 12
_HEAD = "| target | inputs | seconds | a second | slowest, ms | memory, MB | taken | refused, by class | findings |"


def table(results: Mapping[str, Result]) -> str:
    """One row a target."""
    rows = [_HEAD, "| --- | ---: | ---: | ---: | ---: | --- | ---: | --- | ---: |"]
    rows += [_row(name, result) for name, result in results.items()]
    return "\n".join(rows)


def findings(results: Mapping[str, Result]) -> str:
    """What was broken, and by which input."""
    return "\n".join(
        f"{name}: {finding.kind}: {finding.what}\n    {finding.data[:200]!r}"
        for name, result in results.items()
        for finding in result.findings
    )


def _row(name: str, result: Result) -> str:
    causes = [(cause, count) for cause, count in result.causes.most_common() if cause != "taken"]
    shown = ", ".join(f"{cause} {count:,}" for cause, count in causes[:_MOST_CAUSES])
    rest = sum(count for _, count in causes[_MOST_CAUSES:])
    shown += f", {len(causes) - _MOST_CAUSES} more classes {rest:,}" if rest else ""
    memory = f"{result.before_mb:.1f} → {result.after_mb:.1f}"
    speed = result.inputs / max(result.seconds, 0.001)
    return (
        f"| {name} | {result.inputs:,} | {result.seconds:,.0f} | {speed:,.0f} | {result.slowest_s * 1000:.0f} "
        f"| {memory} | {result.causes['taken']:,} | {shown} | {len(result.findings)} |"
    )
