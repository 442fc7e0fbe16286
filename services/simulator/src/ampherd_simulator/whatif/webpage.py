"""The report as one HTML page: figures, tables and charts, without a script and without anything from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from importlib import resources
from typing import Final

from ampherd_core.phases import LINES

from ampherd_simulator.whatif.chart import Chart, Curve, Mark
from ampherd_simulator.whatif.day import Day
from ampherd_simulator.whatif.figures import Block, Table, blocks, tables
from ampherd_simulator.whatif.study import Study

KILO: Final = 1_000.0
CAR_COLOURS: Final = 8

_STYLE: Final = "report.css"


def as_html(title: str, day: Day, studies: Sequence[Study]) -> str:
    """The whole page."""
    body = "".join(_body(day, studies))
    style = resources.files(__package__).joinpath(_STYLE).read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head>\n"
        "<body><h1>What would the policy have done?</h1>"
        f"<p>{escape(title)}. Made by <code>ampherd simulate</code>.</p>\n"
        f"{body}</body></html>\n"
    )


def _body(day: Day, studies: Sequence[Study]) -> Iterator[str]:
    yield _figures(blocks(studies), [study.name for study in studies])
    for study in studies:
        yield f"<h2>{escape(study.name)}</h2>\n"
        yield from map(_table, tables(study))
        for heading, note, chart in _charts(study):
            yield f"<h3>{escape(heading)}</h3><p>{escape(note)}</p>{chart.as_svg(day)}{chart.as_legend()}\n"


def _figures(found: Sequence[Block], names: Sequence[str]) -> str:
    columns = "".join(f"<th>{escape(name)}</th>" for name in names)
    parts = [f'<div class="wide"><table><thead><tr><th></th>{columns}</tr></thead><tbody>']
    for block in found:
        parts.append(f'<tr><th colspan="{len(names) + 1}">{escape(block.title)}</th></tr>')
        for row in block.rows:
            values = "".join(f"<td>{escape(value)}</td>" for value in row.values)
            parts.append(f"<tr><td>{escape(row.label)}</td>{values}</tr>")
    return "".join([*parts, "</tbody></table></div>\n"])


def _table(table: Table) -> str:
    columns = "".join(f"<th>{'<br>'.join(map(escape, column.split(' ', 1)))}</th>" for column in table.columns)
    rows = "".join("<tr>" + "".join(f"<td>{escape(value)}</td>" for value in row) + "</tr>" for row in table.rows)
    return f'<div class="wide"><table><thead><tr>{columns}</tr></thead><tbody>{rows}</tbody></table></div>\n'


def _charts(study: Study) -> Iterator[tuple[str, str, Chart]]:
    yield "Power", "The house, the cars on top of it, and the sun.", _power(study)
    connection, traces = study.policy.connection, study.traces
    lines = [Curve(str(line), f"line{line.place}", traces.line_a[line.place]) for line in LINES[: connection.phases]]
    rating = Mark(f"rating {connection.rating_a:g} A", connection.rating_a)
    yield (
        "Mains current",
        "Of each stretch of the chart the highest, import positive; what is above the rating may last a second.",
        Chart("A", lines, [rating]),
    )
    for place, (charger_id, car) in enumerate(traces.cars.items()):
        drawn = Curve("drawn", _car_colour(place), car.drawn_a, [0.0] * len(car.drawn_a))
        offered = Curve("offered", "offer", car.offer_a)
        yield f"Car at {charger_id}", "Current per phase.", Chart("A", [drawn, offered], height=130)


def _power(study: Study) -> Chart:
    traces = study.traces
    below = [watts / KILO for watts in traces.house_w]
    curves = [Curve("house", "house", below, [0.0] * len(below))]
    for place, (charger_id, car) in enumerate(traces.cars.items()):
        top = [base + watts / KILO for base, watts in zip(below, car.power_w, strict=True)]
        curves.append(Curve(charger_id, _car_colour(place), top, below))
        below = top
    if any(traces.solar_w):
        curves.append(Curve("sun", "sun", [watts / KILO for watts in traces.solar_w]))
    return Chart("kW", curves, height=260)


def _car_colour(place: int) -> str:
    return f"car{place % CAR_COLOURS}"
