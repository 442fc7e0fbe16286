"""`ampherd simulate`: a day under a policy in virtual time, and a report in the form that is asked for."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TextIO, TypedDict, Unpack

from ampherd_core.phases import LINES, Line
from ampherd_core.policy_fault import PolicyError
from ampherd_simulator.errors import SimulatorError
from ampherd_simulator.whatif.answer import Answer, answer
from ampherd_simulator.whatif.day import HOURS
from ampherd_simulator.whatif.request import Request, RequestError

from ampherd_embedded.export import ExportError, export


class Options(TypedDict):
    """The command line as it was typed; `Request` says what each means."""

    policies: tuple[Path, ...]
    history_dir: Path | None
    house: Path | None
    house_line: Line
    solar: str | None
    solar_lines: str
    solar_scale: float
    solar_from: str | None
    cars: Path | None
    begins: str | None
    hours: float | None
    tariff: Path | None
    export_price_per_kwh: float | None
    seed: int
    json_file: Path | None
    html_file: Path | None


def run_simulation(**options: Unpack[Options]) -> int:
    """Simulate, print the report and write the files; the exit code."""
    try:
        with tempfile.TemporaryDirectory(prefix="ampherd-") as folder:
            request = _with_history(_request(options), options["history_dir"], Path(folder))
            found = answer(request, _show_progress if sys.stderr.isatty() else None)
        _write(options["json_file"], options["html_file"], found)
    except (PolicyError, SimulatorError, ExportError, OSError) as err:
        sys.stderr.write(f"{err}\n")
        return 1
    sys.stdout.write(found.as_text() + "\n")
    return 0


def _with_history(request: Request, data_dir: Path | None, folder: Path) -> Request:
    """The same request for the day as it was: the recording and, unless others are named, its cars."""
    if data_dir is None:
        return request
    if request.house is not None:
        raise RequestError("--history and --house: give one of them")
    house, cars = folder / "history.csv", folder / "cars.yaml"
    hours = HOURS if request.hours is None else request.hours
    notes = export(request.policies[0], data_dir, begins=request.begins, hours=hours, out=house, cars=cars)
    if notes:
        sys.stderr.write(f"{notes}\n")
    return replace(request, house=house, cars=request.cars or cars, begins=None, hours=None)


def _request(options: Options) -> Request:
    try:
        lines = tuple(Line(name.strip()) for name in options["solar_lines"].split(","))
    except ValueError as err:
        raise RequestError(f"--solar-lines {options['solar_lines']}: write lines like L1,L3") from err
    return Request(
        policies=options["policies"],
        house=options["house"],
        house_line=options["house_line"],
        solar=options["solar"],
        solar_scale=options["solar_scale"],
        solar_lines=tuple(line for line in LINES if line in lines),
        solar_from=options["solar_from"],
        cars=options["cars"],
        begins=options["begins"],
        hours=options["hours"],
        tariff=options["tariff"],
        export_price_per_kwh=options["export_price_per_kwh"],
        seed=options["seed"],
    )


def _write(json_file: Path | None, html_file: Path | None, found: Answer) -> None:
    if json_file is not None:
        json_file.write_text(found.as_json(), encoding="utf-8")
    if html_file is not None:
        html_file.write_text(found.as_html(), encoding="utf-8")


def _show_progress(policy: str, share: float, out: TextIO = sys.stderr) -> None:
    is_done = share >= 1
    out.write("\r\033[K" if is_done else f"\r{policy}: {share:4.0%}")
    out.flush()
