"""The audit of pinned packages: what fails a run, what is only said."""

from __future__ import annotations

import sys
from datetime import date
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import pytest

from tests.support.needs import REPOSITORY

_SPEC = spec_from_file_location("audit", REPOSITORY / ".ci/audit.py")
assert _SPEC is not None
assert _SPEC.loader is not None
audit = module_from_spec(_SPEC)
sys.modules["audit"] = audit
_SPEC.loader.exec_module(audit)

TODAY = date(2026, 5, 1)
GOOD = {"name": "pyyaml", "version": "6.0", "vulns": []}
BAD = {
    "name": "h11",
    "version": "0.1",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-2026-1"], "fix_versions": ["0.2"], "description": "smuggling"}],
}
UNKNOWN = {"name": "iotcore", "skip_reason": "not found"}


def entry(**edits: object) -> str:
    given = {
        "package": "h11",
        "advisory": "CVE-2026-1",
        "reason": "behind our own guard",
        "until": "2026-06-01",
    } | edits
    return "- {" + ", ".join(f"{name}: {value}" for name, value in given.items()) + "}"


@pytest.mark.parametrize(
    ("packages", "accepted", "code", "says"),
    [
        ([GOOD], "[]", 0, "1 packages, 0 open"),
        ([GOOD, BAD], "[]", 1, "vulnerable: h11 0.1: CVE-2026-1, PYSEC-1; fixed in 0.2"),
        ([GOOD, BAD], entry(), 0, "2 packages, 0 open"),
        ([GOOD, BAD], entry(until="2026-05-01"), 0, "0 open"),
        ([GOOD, BAD], entry(until="2026-04-30"), 1, "vulnerable: h11"),
        ([GOOD, BAD], entry(package="pyyaml"), 1, "vulnerable: h11"),
        ([GOOD, BAD], entry(advisory="CVE-2026-2"), 1, "vulnerable: h11"),
        ([GOOD, UNKNOWN], "[]", 0, "!!! NOT LOOKED FOR, the source of advisories does not know them: iotcore"),
        ([UNKNOWN, BAD], "[]", 1, "vulnerable: h11"),
        ([UNKNOWN], "[]", 0, "!!! NO SOURCE OF ADVISORIES CAN BE REACHED"),
    ],
)
def test_an_open_advisory_fails_and_an_accepted_one_until_its_end(
    packages: list[dict[str, Any]], accepted: str, code: int, says: str
) -> None:
    found, lines = audit.verdict({"dependencies": packages}, audit.read_acceptances(accepted), TODAY)
    assert (found, says in "\n".join(lines)) == (code, True), lines


def test_without_a_network_it_says_so_in_one_line_and_does_not_fail() -> None:
    code, lines = audit.verdict(None, [], TODAY)
    assert (code, len(lines)) == (0, 1)
    assert lines[0].startswith("!!!")


@pytest.mark.parametrize("edits", [{"reason": "''"}, {"until": "never"}])
def test_nothing_is_accepted_without_a_reason_and_an_end(edits: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="say why"):
        audit.read_acceptances(entry(**edits))


def test_the_committed_file_is_one_that_can_be_read() -> None:
    audit.read_acceptances(audit.ACCEPTED.read_text())
