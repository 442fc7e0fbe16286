"""The `ampherd` command. What a subcommand needs is imported inside it, so that each answers at once."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from ampherd_core.phases import Line

from ampherd_embedded.broker import BrokerKind

app = typer.Typer(
    help="Ampherd shares one mains connection among up to four EV chargers, the house and the sun.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

tokens = typer.Typer(help="The tokens of the page and the API.", no_args_is_help=True)
app.add_typer(tokens, name="token")

DEFAULT_DATA_DIR: Final = Path("var")


class Scope(StrEnum):
    """What a token allows; write includes read."""

    READ = "read"
    WRITE = "write"


TokenName = Annotated[str, typer.Argument(help="whose it is: small letters, digits and dashes")]
SiteArgument = Annotated[Path, typer.Argument(help="the policy file", metavar="SITE.YAML")]
DataDir = Annotated[Path, typer.Option(help="where state, history and logs are kept")]
HttpPort = Annotated[int | None, typer.Option(help="port of the page; 0 for any [default: 8080 if free]")]
Broker = Annotated[BrokerKind, typer.Option(help="MQTT broker to run, unless AMPHERD_MQTT_URL names one")]
MqttPort = Annotated[int, typer.Option(help="port for our services (MQTT 5); 0 for any")]
GuestPort = Annotated[int, typer.Option(help="port for guests (MQTT 3.1.1); 0 for any")]


@app.command()
def up(
    site: SiteArgument = Path("site.yaml"),
    *,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    http_host: Annotated[str, typer.Option(help="interface of the page; 0.0.0.0 for all")] = "127.0.0.1",
    http_port: HttpPort = None,
    history: Annotated[
        str | None, typer.Option(help="influxdb+http://host:8086/?org=ORG&bucket=BUCKET [default: SQLite]")
    ] = None,
    broker: Broker = BrokerKind.IOTCORE,
    mqtt_port: MqttPort = 0,
    guest_port: GuestPort = 0,
) -> None:
    """Run a site without Docker, until Ctrl-C."""
    from ampherd_embedded.stack import Options
    from ampherd_embedded.start import run_site

    raise typer.Exit(
        run_site(
            Options(
                site=site,
                data_dir=data_dir,
                http_host=http_host,
                http_port=http_port,
                history=history,
                broker=broker,
                mqtt_port=mqtt_port,
                guest_port=guest_port,
            )
        )
    )


@app.command()
def demo(
    *,
    scenario: Annotated[Path | None, typer.Option(help="house, cars and wallboxes [default: four cars]")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR / "demo",
    http_port: HttpPort = None,
    browser: Annotated[bool, typer.Option(help="open the page in a browser")] = False,
    broker: Broker = BrokerKind.IOTCORE,
) -> None:
    """Run everything on a simulated house with four cars, until Ctrl-C."""
    from ampherd_embedded.demo import run_demo

    raise typer.Exit(
        run_demo(
            scenario=scenario,
            data_dir=data_dir,
            http_port=http_port,
            opens_browser=browser,
            broker=broker,
        )
    )


@app.command()
def check(
    site: SiteArgument = Path("site.yaml"),
    *,
    as_json: Annotated[bool, typer.Option("--json", help="print errors and warnings as JSON")] = False,
) -> None:
    """Check a policy: errors with file, line, field, reason and remedy, and what is worth a look."""
    from ampherd_embedded.verdict import examine

    verdict = examine(site)
    typer.echo(verdict.as_json() if as_json else verdict.as_text())
    raise typer.Exit(0 if verdict.may_run else 1)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the policy, for editors."""
    from ampherd_core.policy import Policy

    typer.echo(json.dumps(Policy.model_json_schema(), indent=2))


@app.command()
def export(
    site: SiteArgument = Path("site.yaml"),
    *,
    out: Annotated[Path, typer.Option(help="the recording of house and sun, CSV")] = Path("house.csv"),
    cars: Annotated[Path | None, typer.Option(help="the timetable of the cars, YAML")] = None,
    begins: Annotated[
        str | None, typer.Option("--from", help="2026-06-01 or 2026-06-01T18:00 [default: the last hours]")
    ] = None,
    hours: Annotated[float, typer.Option(help="how long")] = 24.0,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Write hours of the history to files that `ampherd simulate` reads, to keep or to edit."""
    from ampherd_embedded.export import ExportError
    from ampherd_embedded.export import export as write

    try:
        notes = write(site, data_dir, begins=begins, hours=hours, out=out, cars=cars)
    except ExportError as err:
        typer.echo(str(err), err=True)
        raise typer.Exit(1) from err
    if notes:
        typer.echo(notes)


@app.command()
def simulate(
    site: SiteArgument = Path("site.yaml"),
    *,
    history: Annotated[bool, typer.Option(help="house, sun and cars as they were, out of the history")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    house: Annotated[
        Path | None, typer.Option(help="recorded house, CSV; docs/simulate.md has the columns [default: made up]")
    ] = None,
    solar: Annotated[str | None, typer.Option(help="recorded sun, CSV, or the peak of a made-up one in kW")] = None,
    cars: Annotated[Path | None, typer.Option(help="who comes when, YAML [default: each charger at 18:00]")] = None,
    begins: Annotated[
        str | None,
        typer.Option("--from", help="18:00, 2026-06-01 or 2026-06-01T18:00 [default: the recording's begin]"),
    ] = None,
    hours: Annotated[float | None, typer.Option(help="how long [default: 24, or to the recording's end]")] = None,
    tariff: Annotated[Path | None, typer.Option(help="what energy costs, CSV")] = None,
    export_price: Annotated[float | None, typer.Option(help="what feeding in earns, per kWh [default: policy]")] = None,
    house_line: Annotated[Line, typer.Option(help="the line of a house recorded on one phase")] = Line.L1,
    solar_lines: Annotated[str, typer.Option(help="the lines that the sun feeds")] = "L1,L2,L3",
    solar_scale: Annotated[float, typer.Option(help="times what was recorded")] = 1.0,
    solar_from: Annotated[
        str | None, typer.Option(help="the moment of the sun's recording to begin with [default: the same as --from]")
    ] = None,
    seed: Annotated[int, typer.Option(help="of what is made up")] = 1,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the report as JSON")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="write the report as one page with charts")] = None,
    compare: Annotated[list[Path] | None, typer.Option(help="another policy for the same day; may be repeated")] = None,
) -> None:
    """Try a policy on a day: what would have been charged, from what sun, at what cost, over what limit?"""
    from ampherd_embedded.simulate import run_simulation

    raise typer.Exit(
        run_simulation(
            policies=(site, *(compare or ())),
            history_dir=data_dir if history else None,
            house=house,
            house_line=house_line,
            solar=solar,
            solar_lines=solar_lines,
            solar_scale=solar_scale,
            solar_from=solar_from,
            cars=cars,
            begins=begins,
            hours=hours,
            tariff=tariff,
            export_price_per_kwh=export_price,
            seed=seed,
            json_file=json_file,
            html_file=html_file,
        )
    )


@tokens.command("list")
def list_tokens(*, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Names, scopes, and when each was last used."""
    _token(data_dir, "list")


@tokens.command("new")
def new_token(
    name: TokenName, *, scope: Annotated[Scope, typer.Option()] = Scope.WRITE, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Make a token; it is shown this once, for Ampherd keeps only its hash."""
    _token(data_dir, "new", name, "--scope", scope.value)


@tokens.command("rotate")
def rotate_token(name: TokenName, *, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Another token in place of an old one, which ends at once."""
    _token(data_dir, "rotate", name)


@tokens.command("revoke")
def revoke_token(name: TokenName, *, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """End a token, and all sessions that were opened with it, at once."""
    _token(data_dir, "revoke", name)


def _token(data_dir: Path, *arguments: str) -> None:
    from ampherd_embedded.tokens import TokensError, ask

    state_dir = Path(os.environ.get("AMPHERD_STATE_DIR", data_dir / "state"))
    try:
        answer = ask(state_dir, *arguments)
    except TokensError as err:
        typer.echo(str(err), err=True)
        raise typer.Exit(1) from err
    if answer:
        typer.echo(answer)
