"""`/api/policy`: read, check and replace `site.yaml`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated

from ampherd_core.policy import Policy
from ampherd_core.policy_check import warnings
from ampherd_core.policy_file import PolicyError, PolicyFault
from fastapi import APIRouter, Depends, Header, Request, Response

from ampherd_api.access import reader, writer
from ampherd_api.context import Ctx
from ampherd_api.documents import Answer, failures
from ampherd_api.errors import RefusedError

router = APIRouter(prefix="/policy", tags=["policy"])

_TEXT_BODY = {"requestBody": {"content": {"application/yaml": {"schema": {"type": "string"}}}, "required": True}}
_NOT_REPLACED = failures(
    {
        409: "The file cannot be replaced from here.",
        412: "The policy was changed since it was read.",
        428: "Say which text was edited.",
    }
)


class Fault(Answer):
    """One thing that is wrong with a policy."""

    line: int
    field: str
    reason: str
    remedy: str

    @classmethod
    def of(cls, fault: PolicyFault) -> Fault:
        """The same for the wire."""
        return cls(line=fault.line, field=fault.field, reason=fault.reason, remedy=fault.remedy)


class PolicyDocument(Answer):
    """The file as it is now: its text, what it says, and why it may not run."""

    text: str
    fingerprint: str
    policy: Policy | None
    faults: list[Fault]


class Verdict(Answer):
    """Whether a policy may run; `warnings` are worth a look."""

    is_good: bool
    faults: list[Fault]
    warnings: list[Fault]


@router.get("", dependencies=[Depends(reader)])
async def read(context: Ctx, response: Response) -> PolicyDocument:
    """The policy; the ETag names this very text."""
    now = await asyncio.to_thread(context.policy.read)
    response.headers["ETag"] = f'"{now.mark}"'
    faults = [Fault.of(fault) for fault in now.faults]
    return PolicyDocument(text=now.text, fingerprint=now.mark, policy=now.policy, faults=faults)


@router.post("/check", dependencies=[Depends(reader)], openapi_extra=_TEXT_BODY)
async def check(context: Ctx, request: Request) -> Verdict:
    """Say what is wrong with a policy, and change nothing."""
    return await _verdict(context.policy.check, await request.body())


@router.put("", dependencies=[Depends(writer)], openapi_extra=_TEXT_BODY, responses=_NOT_REPLACED)
async def replace(
    context: Ctx, request: Request, response: Response, if_match: Annotated[str | None, Header()] = None
) -> Verdict:
    """Replace the policy: every service takes it up within two seconds; the previous stays as `site.yaml.bak`."""
    if if_match is None:
        raise RefusedError(428, "no-if-match", "Say which text you edited: send its ETag as If-Match, or `*`.")
    mark = if_match.removeprefix("W/").strip('"')
    verdict = await _verdict(lambda data: context.policy.replace(data, mark), await request.body())
    if not verdict.is_good:
        details = [fault.model_dump() for fault in verdict.faults]
        raise RefusedError(422, "bad-policy", "The policy has mistakes; the old one runs on.", details=details)
    now = await asyncio.to_thread(context.policy.read)
    response.headers["ETag"] = f'"{now.mark}"'
    return verdict


async def _verdict(judge: Callable[[bytes], Policy], data: bytes) -> Verdict:
    try:
        policy = await asyncio.to_thread(judge, data)
    except PolicyError as err:
        return Verdict(is_good=False, faults=[Fault.of(fault) for fault in err.faults], warnings=[])
    found = [
        Fault(line=0, field=".".join(map(str, finding.path)), reason=finding.reason, remedy=finding.remedy)
        for finding in warnings(policy)
    ]
    return Verdict(is_good=True, faults=[], warnings=found)
