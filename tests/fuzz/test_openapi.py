"""The API answers as its own OpenAPI document says, for what the document allows and for what it forbids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fuzz.requests import Requests, requests

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    negative_data_rejection,
]
STREAM = "/api/live"
QUICK = settings(
    max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
ANYTHING = ("/api/policy", "/api/policy/check")
"""Any text is allowed there; what it says is judged, and told."""


@pytest.fixture(scope="module")
def served() -> Iterator[Requests]:
    with requests() as target:
        yield target


@pytest.mark.parametrize("generation", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_answers_as_documented(served: Requests, generation: GenerationMode) -> None:
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", served.app).exclude(path=STREAM)
    authorised = {"Authorization": f"Bearer {served.token('write')}"}
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    assert len(operations) > 10
    for operation in operations:
        if generation is GenerationMode.NEGATIVE and (
            operation.path in ANYTHING or not (operation.body or operation.query)
        ):
            continue

        @QUICK
        @given(case=operation.as_strategy(generation_mode=generation))
        def answers(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(headers=authorised, checks=CHECKS)

        answers()
