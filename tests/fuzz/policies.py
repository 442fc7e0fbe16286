"""The policy's text: from bytes to a policy that a balancer runs, or to faults that a person can act on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from random import Random
from typing import Final

from ampherd_balancer.core import Balancer
from ampherd_core.messages import ServiceStatus
from ampherd_core.policy import Policy
from ampherd_core.policy_check import check, warnings
from ampherd_core.policy_file import PolicyError, parse_policy

from tests.fuzz.target import Mutation, Outcome, promise
from tests.support.needs import REPOSITORY

SMALL: Final = b"""version: 1
connection: {rating_a: 25, house_max_a: 10}
circuits:
  carport: {limit_a: 20, reserve_a: 2}
meters:
  grid: {role: grid, driver: dsmr, source: 'tcp://bridge:23'}
  bay: {role: charger, driver: sensorbox, source: 'rtu:///dev/ttyUSB1', unit: 4}
chargers:
  left: {driver: edgetech, link: 'tcp://wallbox:502', circuit: carport, fallback_a: 6, lines: [L2, L3, L1]}
  right: {driver: smartevse-v2, link: 'rtu:///dev/ttyUSB0', meter: bay, mode: fast}
timings: {lease_s: 10}
"""

FULL: Final = (
    SMALL.replace(b"mode: fast}", b"mode: fast, battery_kwh: 58, plan: {soc_percent: 80, by: '07:00'}}")
    .replace(b"fallback_a: 6, lines", b"fallback_a: 6, switches_phases: true, lines")
    .replace(b"reserve_a: 2", b"reserve_a: 2, breaker: C")
    + b"""limits:
  quarter_peak: {floor_w: 4000, house_max_w: 6000}
  operator: {device_w: 4200, devices: 3, input_topic: shellies/box/input/0}
  imbalance_a: 20
  windows:
    dinner: {power_w: 6000, start: "16:00", end: "21:00", days: [mon, tue, sat]}
solar: {feed: grid, accounting: per-phase, reserve_w: 100, min_on_s: 60, battery: {first_until_percent: 80}}
tariff:
  unit: EUR
  price: 0.31
  list_file: prices.json
  windows:
    night: {price: 0.22, start: "23:00", end: "07:00", days: [sat, sun]}
"""
)
"""Every newer section and field of the policy, too."""

_VALUES: Final = (
    b"*a", b"&a x", b"!!python/object/apply:os.system [x]", b"[[[[[[[[[[[[[[]]]]]]]]]]]]]]", b"{}", b"[]", b"null",
    b"~", b"1e309", b".inf", b".nan", b"-1", b"0", b"9" * 60, b"on", b"'\"", b'"\\UFFFFFFFF"', b'"\\ud800"',
    b'"\\x00"', b"\t", b"2026-13-45", b"1:30:00", b"0o17", b"0x1F", b"|\n  text", b">-\n  text", b"connection",
    b"carport", b"tcp://[::1]:5", b"tcp://x:99999", b"rtu:///dev/x?baudrate=7", b"file:///x?speed=-1",
    b"tcp://\xe2\x80\xae:1", b"L1", b"[L1, L1]", b"? [x]\n: y", b"<<: {a: b}", b"=", b"%YAML 9.9\n---", b"\xff",
    b"\xef\xbb\xbf", b"\xc2\x85", b"\xe2\x80\xa8", b"#", b'"a\\0b"', b"{}", b"16:00", b"'24:00'", b"[mon, mon]",
    b"{soc_percent: 80, by: '07:00'}", b"ampherd/home/event", b"a/+/#", b"per-phase", b"generation",
)  # fmt: skip


class Policies:
    """Whole files."""

    words: Sequence[bytes] = (
        *_VALUES, b"version: 1\n", b"circuits:\n", b"chargers:\n", b"  ", b": ", b"- ", b", ", b"\n---\n",
        b"\n...\n", b"\n",
    )  # fmt: skip

    def __init__(self) -> None:
        self.seeds: Sequence[bytes] = [SMALL] * 4 + [FULL] * 8 + [(REPOSITORY / "site.example.yaml").read_bytes()]
        self.mutations: Sequence[Mutation] = (_in_a_value,)

    def feed(self, data: bytes) -> Outcome:
        """One text."""
        try:
            policy = parse_policy(data)
        except PolicyError as err:
            _check_words(err)
            return Outcome(_cause(err), err.faults[0].reason)
        _check_runs(policy)
        return Outcome()


def _check_words(err: PolicyError) -> None:
    """Each fault says where, why and what to do, and can be told on the bus, in a log and over HTTP."""
    promise(bool(err.faults), "a refusal without a fault")
    for fault in err.faults:
        promise(fault.line >= 1 and bool(fault.reason) and bool(fault.remedy), f"a fault that helps nobody: {fault}")
    ServiceStatus(service="meter", is_online=True, version="1", policy_error=str(err)[:500]).to_json()


def _check_runs(policy: Policy) -> None:
    promise(not check(policy), "a policy runs that should not")
    for finding in warnings(policy):
        promise(bool(finding.reason), "a warning without words")
    balancer = Balancer(policy, epoch=1, now_s=0.0)
    balancer.decide(1.0)
    if policy.tariff.list_file is not None:
        # It may not be there; asking for it must fail as files do.
        with suppress(OSError):
            (REPOSITORY / policy.tariff.list_file).stat()


def _cause(err: PolicyError) -> str:
    fault = err.faults[0]
    return "no-yaml" if fault.field == "file" else "no-policy"


def _in_a_value(random: Random, data: bytes) -> bytes:
    """Give one field another value, or take a line away or twice."""
    lines = data.split(b"\n")
    at = random.randrange(len(lines))
    name, colon, rest = lines[at].partition(b":")
    if random.random() < 0.25:
        lines[at : at + 1] = [] if random.random() < 0.5 else [lines[at]] * 2
    elif b"{" in rest:
        fields = rest.split(b",")
        place = random.randrange(len(fields))
        key, inner, _ = fields[place].partition(b":")
        closing = b"}" if place == len(fields) - 1 else b""
        fields[place] = key + inner + b" " + random.choice(_VALUES) + closing
        lines[at] = name + colon + b",".join(fields)
    elif colon:
        lines[at] = name + colon + b" " + random.choice(_VALUES)
    return b"\n".join(lines)


@contextmanager
def policies() -> Iterator[Policies]:
    """The target."""
    yield Policies()
