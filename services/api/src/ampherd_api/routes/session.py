"""`/api/session`: the page trades a token for a cookie."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from ampherd_api.access import COOKIE, COOKIE_S, log_in, new_cookie, reader
from ampherd_api.context import Ctx
from ampherd_api.documents import Answer
from ampherd_api.tokens import Role, Token

router = APIRouter(prefix="/session", tags=["session"])


class Login(BaseModel):
    """A token."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: Annotated[str, Field(min_length=1, max_length=200)]


class SessionDocument(Answer):
    """What the session allows."""

    role: Role


@router.post("")
async def start(context: Ctx, request: Request, response: Response, login: Login) -> SessionDocument:
    """Log in: sets a cookie that no script can read."""
    token = log_in(request, context, login.token)
    response.set_cookie(
        COOKIE,
        new_cookie(context.tokens, token, context.utc_s()),
        max_age=COOKIE_S,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return SessionDocument(role=token.role)


@router.get("")
async def session(token: Annotated[Token, Depends(reader)]) -> SessionDocument:
    """What this session allows."""
    return SessionDocument(role=token.role)


@router.delete("", status_code=204)
async def end(response: Response) -> None:
    """Log out."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
