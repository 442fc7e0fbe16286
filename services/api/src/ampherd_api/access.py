"""Who asks: a bearer token, or the cookie that the page got for one; each route says what it needs."""

from __future__ import annotations

import secrets
from typing import Annotated, Final

from ampherd_core.clock import boot_s, utc_now
from fastapi import Depends, Request

from ampherd_api.allowance import Allowance
from ampherd_api.context import Context, Ctx
from ampherd_api.errors import RefusedError
from ampherd_api.tokens import Token, Tokens

COOKIE: Final = "ampherd"
COOKIE_S: Final = 90 * 24 * 3600
"""A tablet on the wall logs in once a season."""

CSRF_HEADER: Final = "x-ampherd"
"""Another site's form cannot send it, and its script needs a permission that is never given."""


def new_cookie(tokens: Tokens, token: Token, now_s: float) -> str:
    """A session that allows what the token does, until `COOKIE_S` after `now_s` (UTC, s) or the token's own end."""
    claim = f"{token.name}.{int(now_s) + COOKIE_S}.{secrets.token_hex(8)}"
    return f"{claim}.{tokens.sign(token, claim)}"


def token_of_cookie(tokens: Tokens, cookie: str, now_s: float) -> Token | None:
    """The token of a session; None for one that is forged or over."""
    claim, _, signature = cookie.rpartition(".")
    name, _, rest = claim.partition(".")
    token = tokens.named(name)
    if token is None or not secrets.compare_digest(signature.encode(), tokens.sign(token, claim).encode()):
        return None
    return token if int(rest.partition(".")[0]) > now_s else None


def log_in(request: Request, context: Context, plain: str) -> Token:
    """The token that this is; raises RefusedError, and soon listens no more to an address that keeps guessing."""
    address = request.client.host if request.client is not None else ""
    now_s = boot_s()
    _heed(context.failures, address, now_s, "too-many-tries", "Too many wrong tokens")
    token = context.tokens.find(plain)
    if token is None:
        context.failures.note(address, now_s)
        raise _unknown("This token is not known; `token new` makes one: docs/security.md.")
    return token


def reader(request: Request, context: Ctx) -> Token:
    """Whoever may look; raises RefusedError."""
    token = _token(request, context)
    context.tokens.note_use(token, utc_now())
    return token


def writer(request: Request, context: Ctx, token: Annotated[Token, Depends(reader)]) -> Token:
    """Whoever may change things, so often as a person would; raises RefusedError."""
    if not token.role.may_write:
        raise RefusedError(403, "read-only", "This token may look but change nothing; use one with the scope write.")
    if "authorization" not in request.headers and CSRF_HEADER not in request.headers:
        raise RefusedError(403, "csrf", "A change with a cookie needs the header X-Ampherd.")
    now_s = boot_s()
    _heed(context.writes, token.name, now_s, "too-many-changes", "Too many changes with this token")
    context.writes.note(token.name, now_s)
    return token


def is_still_known(request: Request, context: Context) -> bool:
    """Whether the same request would be let in now: a stream ends with its token."""
    try:
        _token(request, context)
    except RefusedError:
        return False
    return True


def _token(request: Request, context: Context) -> Token:
    scheme, _, plain = request.headers.get("authorization", "").partition(" ")
    if scheme:
        if scheme.lower() != "bearer":
            raise _unknown("Send the token as `Authorization: Bearer …`.")
        return log_in(request, context, plain.strip())
    token = token_of_cookie(context.tokens, request.cookies.get(COOKIE, ""), context.utc_s())
    if token is None:
        raise _unknown("Who are you? Send a token as `Authorization: Bearer …`, or log in on the page.")
    return token


def _heed(allowance: Allowance, who: str, now_s: float, code: str, what: str) -> None:
    wait_s = allowance.wait_s(who, now_s)
    if wait_s > 0:
        headers = {"Retry-After": str(int(wait_s) + 1)}
        raise RefusedError(429, code, f"{what}; try again in {wait_s:.0f} s.", headers=headers)


def _unknown(message: str) -> RefusedError:
    return RefusedError(401, "unauthorised", message, headers={"WWW-Authenticate": "Bearer"})
