"""The `ampherd` command. What a subcommand needs is imported inside it, so that each answers at once."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Final

import typer

from ampherd_embedded.broker import BrokerKind

app = typer.Typer(
    help="Ampherd shares one mains connection among up to four EV chargers, the house and the sun.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

DEFAULT_DATA_DIR: Final = Path("var")


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
def token(
    *,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    rotate: Annotated[bool, typer.Option(help="make new tokens; the old ones end at once")] = False,
) -> None:
    """Show the tokens of the page and the API: one to look, one to change settings."""
    from ampherd_embedded.tokens import TokensMissingError, rotate_tokens, show_tokens

    state_dir = Path(os.environ.get("AMPHERD_STATE_DIR", data_dir / "state"))
    try:
        tokens = rotate_tokens(state_dir) if rotate else show_tokens(state_dir)
    except TokensMissingError as err:
        typer.echo(str(err), err=True)
        raise typer.Exit(1) from err
    for name, value in tokens.items():
        typer.echo(f"{name}: {value}")
