"""The door of the HTTP server: what is oversized, malformed or another site's goes no further; answers carry rules."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from ampherd_api.documents import Failure

MAX_BODY_BYTES: Final = 256 * 1024
"""As large as a policy may be; no other request comes near it."""

_HEARD_OUT_BYTES: Final = 2 * 1024 * 1024
"""Most clients read an answer only after they have sent all; who sends still more loses the connection instead."""

_MAX_URL_BYTES: Final = 8 * 1024

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_RULES: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

log = structlog.get_logger()


class Guard:
    """Refuses bodies over `MAX_BODY_BYTES`, declared or not, and counts; adds the security headers."""

    def __init__(self, app: ASGIApp, refused: Counter[str], content_policy: str) -> None:
        self._app = app
        self._refused = refused
        self._content_policy = content_policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if is_of_another_site(scope["method"], Headers(scope=scope)):
            await self._refuse(403, "csrf", "Changes from another site's page are not taken.")(scope, receive, send)
            return
        if len(scope["raw_path"]) + len(scope["query_string"]) > _MAX_URL_BYTES:
            await self._refuse(414, "long-address", "The address is too long.")(scope, receive, send)
            return
        body = await _body(scope, receive)
        if body is None:
            await _hear_out(receive)
            kib = MAX_BODY_BYTES // 1024
            await self._refuse(413, "oversized", f"The body is larger than {kib} KiB.")(scope, receive, send)
            return

        async def decorated(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._decorate(MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, _replaying(body, receive), decorated)

    def _refuse(self, status: int, code: str, message: str) -> JSONResponse:
        self._refused[code] += 1
        headers = {"Connection": "close", "Content-Security-Policy": self._content_policy, **_RULES}
        return JSONResponse(Failure(error=code, message=message).model_dump(exclude_none=True), status, headers)

    def _decorate(self, headers: MutableHeaders) -> None:
        headers["Content-Security-Policy"] = self._content_policy
        headers.update(_RULES)
        headers.setdefault("Cache-Control", "no-cache")


def is_of_another_site(method: str, headers: Headers) -> bool:
    """Whether a browser says that a page of another site wants a change; a proxy tells the host that it was asked."""
    origin = headers.get("origin")
    if method in _READS or origin is None:
        return False
    return urlsplit(origin).netloc not in {headers.get("host"), headers.get("x-forwarded-host")}


def content_policy(page: Path) -> str:
    """What the page may load: its own files, and its one inline import map by its hash."""
    html = (page / "index.html").read_text(encoding="utf-8")
    maps = re.findall(r'<script type="importmap">(.*?)</script>', html, re.DOTALL)
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in maps)
    return (
        f"default-src 'none'; script-src 'self' {hashes}; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def counting_protocol(refused: Counter[str]) -> type[H11Protocol]:
    """The server's protocol, which counts what is no HTTP."""

    class Counting(H11Protocol):
        def send_400_response(self, msg: str) -> None:
            refused["no-http"] += 1
            (log.warning if refused["no-http"] == 1 else log.debug)("request_refused", cause="no-http", why=msg)
            super().send_400_response(msg)

    return Counting


async def _body(scope: Scope, receive: Receive) -> bytes | None:
    """The whole body; None when it is too large."""
    declared = Headers(scope=scope).get("content-length", "0")
    if not declared.isdigit() or int(declared) > MAX_BODY_BYTES:
        return None
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return bytes(body)


async def _hear_out(receive: Receive) -> None:
    heard = 0
    while heard < _HEARD_OUT_BYTES:
        message = await receive()
        heard += len(message.get("body", b""))
        if not message.get("more_body", False):
            return


def _replaying(body: bytes, receive: Receive) -> Receive:
    is_given = False

    async def replay() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
