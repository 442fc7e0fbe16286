"""The HTTP application: routes, the page, and how a refusal looks."""

from __future__ import annotations

import mimetypes
from importlib.metadata import version
from pathlib import Path
from typing import Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from ampherd_api.context import Context, context_of
from ampherd_api.documents import Failure, failures
from ampherd_api.errors import RefusedError
from ampherd_api.guard import Guard, content_policy
from ampherd_api.routes import (
    chargers,
    events,
    health,
    history,
    limit,
    meters,
    metrics,
    policy,
    session,
    settings,
    state,
)

PAGE: Final = Path(__file__).with_name("page")

_ROUTERS: Final = (state, chargers, settings, limit, meters, policy, history, events, session, health)
_FAILURES: Final = failures(
    {
        400: "The request cannot be read.",
        401: "No token, or a wrong one.",
        403: "The token may not do this.",
        404: "There is no such thing here.",
        413: "The body is too large.",
        422: "The request says something impossible.",
        429: "Too many wrong tokens from this address.",
        503: "What is needed for it is away.",
    }
)


log = structlog.get_logger()


def create_app(context: Context) -> FastAPI:
    """The app for one context."""
    # A machine's own table of media types may not know modules; a browser runs no module of another type.
    mimetypes.add_type("text/javascript", ".js")
    app = FastAPI(
        title="Ampherd",
        version=version("ampherd-api"),
        summary="Shares one mains connection among EV chargers, the house and the sun.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=_FAILURES,
    )
    app.state.context = context
    for module in _ROUTERS:
        app.include_router(module.router, prefix="/api")
    app.include_router(metrics.router)
    app.mount("/", StaticFiles(directory=PAGE, html=True), name="page")
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _failed)
    app.add_middleware(Guard, refused=context.refused, content_policy=content_policy(PAGE))
    return app


async def _refused(request: Request, err: Exception) -> JSONResponse:
    assert isinstance(err, RefusedError)  # noqa: S101 - registered for this class alone
    return _answer(request, err)


async def _invalid(request: Request, err: Exception) -> JSONResponse:
    assert isinstance(err, RequestValidationError)  # noqa: S101 - registered for this class alone
    details = [{"field": ".".join(map(str, e["loc"])), "reason": e["msg"]} for e in err.errors()[:10]]
    first = details[0]
    return _answer(request, RefusedError(422, "invalid", f"{first['field']}: {first['reason']}.", details=details))


async def _failed(request: Request, err: Exception) -> JSONResponse:
    assert isinstance(err, HTTPException)  # noqa: S101 - registered for this class alone
    code = {404: "not-found", 405: "wrong-method"}.get(err.status_code, "malformed")
    return _answer(request, RefusedError(err.status_code, code, f"{err.detail}.", headers=err.headers))


def _answer(request: Request, refusal: RefusedError) -> JSONResponse:
    refused = context_of(request).refused
    refused[refusal.code] += 1
    (log.warning if refused[refusal.code] == 1 else log.debug)(
        "request_refused", cause=refusal.code, path=request.url.path[:100], why=refusal.message
    )
    body = Failure(error=refusal.code, message=refusal.message, details=refusal.details)
    return JSONResponse(body.model_dump(mode="json", exclude_none=True), refusal.status, refusal.headers)
