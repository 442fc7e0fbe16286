"""Every edge that is fuzzed, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.fuzz.listeners import agent, api, balancer
from tests.fuzz.plans import plans
from tests.fuzz.policies import policies
from tests.fuzz.replies import replies
from tests.fuzz.requests import requests
from tests.fuzz.stored import stored
from tests.fuzz.target import OpenTarget
from tests.fuzz.telegrams import telegrams
from tests.fuzz.values import values

TARGETS: Final[Mapping[str, OpenTarget]] = {
    "telegrams": telegrams,
    "values": values,
    "replies": replies,
    "balancer": balancer,
    "agent": agent,
    "api": api,
    "stored": stored,
    "plans": plans,
    "policies": policies,
    "requests": requests,
}

AT_MOST: Final[Mapping[str, int]] = {"policies": 200_000, "requests": 100_000}
"""What a run of a million is cut to where one input takes milliseconds: a whole file of YAML, a whole HTTP request."""
