"""Fuzz every edge: `python -m tests.fuzz --inputs 1000000 --seed 1 [--target telegrams] [--guided]`."""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fuzz.runner import Result

NAMES = ("telegrams", "values", "replies", "balancer", "agent", "api", "stored", "plans", "policies", "requests")
_CHILD = "AMPHERD_FUZZ_RESULT"
"""A target runs in a process of its own, for its memory is measured; this names the file for its result."""


def main() -> int:
    """The exit code: 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--inputs", type=int, default=1_000_000, help="for each target; slow ones take fewer, and say so"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=math.inf, help="for each target; then it ends, however far")
    parser.add_argument("--target", action="append", choices=NAMES, help="only this one; may stand more than once")
    parser.add_argument("--guided", action="store_true", help="by coverage, with atheris")
    parser.add_argument(
        "--findings", type=Path, default=Path("var/fuzz"), help="where inputs that break something are put"
    )
    given = parser.parse_args()
    if _CHILD in os.environ:
        _run(given, Path(os.environ[_CHILD]))
        return 0
    return _run_all(given)


def _run_all(given: argparse.Namespace) -> int:
    from tests.fuzz.catalogue import AT_MOST
    from tests.fuzz.kept import keep
    from tests.fuzz.table import findings, table

    results = {}
    given.findings.mkdir(parents=True, exist_ok=True)
    for name in given.target or NAMES:
        inputs = min(given.inputs, AT_MOST.get(name, given.inputs))
        file = given.findings / f"{name}.json"
        guided = ["--guided"] if given.guided else []
        command = [
            sys.executable,
            "-m",
            "tests.fuzz",
            "--target",
            name,
            "--inputs",
            str(inputs),
            "--seed",
            str(given.seed),
            "--minutes",
            str(given.minutes),
            *guided,
        ]
        file.unlink(missing_ok=True)
        with file.with_suffix(".log").open("wb") as log:
            subprocess.run(
                command, env={**os.environ, _CHILD: str(file)}, check=False, stdout=subprocess.DEVNULL, stderr=log
            )
        if not file.exists():
            sys.stderr.write(f"{name}: the process died, see {file.with_suffix('.log')}\n")
            return 1
        results[name] = _read(file)
        for finding in results[name].findings:
            keep(given.findings, name, finding.data)
        sys.stdout.write(f"{table({name: results[name]}).splitlines()[-1]}\n")
        sys.stdout.flush()
    sys.stdout.write(f"\n{table(results)}\n{findings(results)}\n")
    return int(any(result.findings for result in results.values()))


def _run(given: argparse.Namespace, file: Path) -> None:
    name, inputs, seed = given.target[0], given.inputs, given.seed
    if given.guided:
        from tests.fuzz.guided import guided

        guided(name, inputs, seed, lambda result: _write(file, result))
        return
    from tests.fuzz.campaign import campaign

    _write(file, campaign(name, inputs, seed, limit_s=given.minutes * 60))


def _write(file: Path, result: Result) -> None:
    plain = {
        "inputs": result.inputs,
        "seconds": result.seconds,
        "causes": dict(result.causes),
        "examples": result.examples,
        "memory_mb": [result.before_mb, result.after_mb],
        "slowest_s": result.slowest_s,
        "findings": [[finding.kind, finding.what, finding.data.hex()] for finding in result.findings],
    }
    file.write_text(json.dumps(plain, indent=1), encoding="utf-8")


def _read(file: Path) -> Result:
    from tests.fuzz.runner import Finding, Result

    plain = json.loads(file.read_text(encoding="utf-8"))
    return Result(
        inputs=plain["inputs"],
        seconds=plain["seconds"],
        causes=Counter(plain["causes"]),
        examples=plain["examples"],
        before_mb=plain["memory_mb"][0],
        after_mb=plain["memory_mb"][1],
        slowest_s=plain["slowest_s"],
        findings=[Finding(kind, what, bytes.fromhex(data)) for kind, what, data in plain["findings"]],
    )


if __name__ == "__main__":
    sys.exit(main())
