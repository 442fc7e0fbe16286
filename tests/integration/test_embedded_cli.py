"""The `ampherd` command: what it says of a policy, of tokens, and how fast."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ampherd_embedded.cli import app
from typer.testing import CliRunner, Result

from tests.support.needs import REPOSITORY

GOOD = """\
version: 1
connection: {rating_a: 25}
meters: {grid: {role: grid, driver: dsmr, source: "tcp://192.0.2.1:2001"}}
chargers:
  garage: {driver: edgetech, link: "tcp://192.0.2.2:502"}
"""


def ampherd(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(GOOD)
    return path


def test_a_good_policy_may_run(site: Path) -> None:
    result = ampherd("check", str(site))
    assert (result.exit_code, result.output) == (0, "site.yaml: may run, with 1 charger\n")


def test_the_example_may_run() -> None:
    assert ampherd("check", str(REPOSITORY / "site.example.yaml")).exit_code == 0


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (("rating_a: 25", "rating_a: 25 A"), "site.yaml:2: connection.rating_a: "),
        (("driver: edgetech", "driver: tesla"), "site.yaml:5: chargers.garage.driver: "),
        (("chargers:", "charger:"), "site.yaml:4: charger: "),
        (("role: grid", "role: solar"), "site.yaml:3: meters: "),
    ],
)
def test_an_error_says_file_line_field_and_remedy(site: Path, edit: tuple[str, str], says: str) -> None:
    site.write_text(GOOD.replace(*edit))
    result = ampherd("check", str(site))
    assert result.exit_code == 1
    *faults, outcome = result.output.splitlines()
    assert [fault for fault in faults if fault.startswith(says)]
    assert outcome.startswith("site.yaml: refused, ")


def test_a_missing_file_is_an_error_like_any_other(tmp_path: Path) -> None:
    result = ampherd("check", str(tmp_path / "absent.yaml"))
    assert (result.exit_code, "absent.yaml:1: file: cannot be read" in result.output) == (1, True)


def test_a_warning_lets_a_policy_run(site: Path) -> None:
    site.write_text(GOOD.replace("edgetech", "smartevse-v2"))
    document = json.loads(ampherd("check", str(site), "--json").output)
    assert (document["may_run"], len(document["warnings"])) == (True, 1)
    assert set(document["warnings"][0]) == {"field", "reason", "remedy"}


def test_errors_as_json_name_their_line(site: Path) -> None:
    site.write_text(GOOD.replace("rating_a: 25", "rating_a: -1"))
    result = ampherd("check", str(site), "--json")
    (error,) = json.loads(result.output)["errors"]
    assert (result.exit_code, error["line"], error["field"]) == (1, 2, "connection.rating_a")


def test_up_refuses_a_bad_policy_with_the_code_that_stops_restarts(site: Path, tmp_path: Path) -> None:
    site.write_text("version: 2\n")
    command = [sys.executable, "-c", "from ampherd_embedded.cli import app; app()", "up", str(site)]
    result = subprocess.run(
        [*command, "--data-dir", str(tmp_path / "data")], capture_output=True, text=True, timeout=30, check=False
    )
    assert result.returncode == 78
    assert "site.yaml:1: version: " in result.stderr


def test_the_schema_is_one_of_the_policy() -> None:
    document = json.loads(ampherd("schema").output)
    assert {"connection", "chargers", "meters"} <= set(document["properties"])


def test_tokens_are_made_listed_rotated_and_revoked(tmp_path: Path) -> None:
    def token(*arguments: str) -> Result:
        return ampherd("token", *arguments, "--data-dir", str(tmp_path))

    made = token("new", "tablet", "--scope", "read").output.strip()
    assert len(made) == 32
    listed = token("list").output
    assert re.search(r"^tablet +read +20\d\d-\S+ \S+ +never$", listed, re.MULTILINE)
    assert made not in listed
    rotated = token("rotate", "tablet").output.strip()
    assert len(rotated) == 32
    assert rotated != made
    assert token("new", "tablet").exit_code == 1
    assert token("revoke", "tablet").exit_code == 0
    assert "tablet" not in token("list").output
    refusal = token("revoke", "tablet")
    assert (refusal.exit_code, "there is no token 'tablet'" in refusal.stderr) == (1, True)


def test_help_does_not_wait_for_what_it_does_not_use() -> None:
    script = (
        "import ampherd_embedded.cli, sys; print([m for m in sys.modules if m in {'pydantic', 'aiomqtt', 'redis'}])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
