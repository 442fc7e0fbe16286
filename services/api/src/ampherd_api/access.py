"""Who asks: a bearer token, or the cookie that the page got for one; each route says what it needs."""

from __future__ import annotations

import secrets
from typing import Annotated, Final

from ampherd_core.clock import boot_s
from fastapi import Depends, Request

from ampherd_api.context import Context, Ctx
from ampherd_api.errors import RefusedError
from ampherd_api.tokens import Role, Tokens

COOKIE: Final = "ampherd"
COOKIE_S: Final = 90 * 24 * 3600
"""A tablet on the wall logs in once a season."""

CSRF_HEADER: Final = "x-ampherd"
"""Another site's form cannot send it, and its script needs a permission that is never given."""


def new_cookie(tokens: Tokens, role: Role, now_s: float) -> str:
    """A session that allows `role` until `COOKIE_S` after `now_s` (UTC, s)."""
    claim = f"{role}.{int(now_s) + COOKIE_S}.{secrets.token_hex(8)}"
    return f"{claim}.{tokens.sign(claim)}"


def role_of_cookie(tokens: Tokens, cookie: str, now_s: float) -> Role | None:
    """What a session allows; None for one that is forged or over."""
    claim, _, signature = cookie.rpartition(".")
    if not secrets.compare_digest(signature.encode(), tokens.sign(claim).encode()):
        return None
    role, until, _ = claim.split(".")
    return Role(role) if int(until) > now_s else None


def log_in(request: Request, context: Context, token: str) -> Role:
    """What a token allows; raises RefusedError, and soon listens no more to an address that keeps guessing."""
    address = request.client.host if request.client is not None else ""
    now_s = boot_s()
    wait_s = context.failures.wait_s(address, now_s)
    if wait_s > 0:
        headers = {"Retry-After": str(int(wait_s) + 1)}
        raise RefusedError(
            429, "too-many-tries", f"Too many wrong tokens; try again in {wait_s:.0f} s.", headers=headers
        )
    role = context.tokens.role_of(token)
    if role is None:
        context.failures.note(address, now_s)
        raise _unknown("This token is not known; the right ones are in the files token-read and token-write.")
    return role


def reader(request: Request, context: Ctx) -> Role:
    """Whoever may look; raises RefusedError."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme:
        if scheme.lower() != "bearer":
            raise _unknown("Send the token as `Authorization: Bearer …`.")
        return log_in(request, context, token.strip())
    role = role_of_cookie(context.tokens, request.cookies.get(COOKIE, ""), context.utc_s())
    if role is None:
        raise _unknown("Who are you? Send a token as `Authorization: Bearer …`, or log in on the page.")
    return role


def writer(request: Request, role: Annotated[Role, Depends(reader)]) -> Role:
    """Whoever may change things; raises RefusedError."""
    if not role.may_write:
        raise RefusedError(403, "read-only", "This token may look but change nothing; use the write token.")
    if "authorization" not in request.headers and CSRF_HEADER not in request.headers:
        raise RefusedError(403, "csrf", "A change with a cookie needs the header X-Ampherd.")
    return role


def _unknown(message: str) -> RefusedError:
    return RefusedError(401, "unauthorised", message, headers={"WWW-Authenticate": "Bearer"})
