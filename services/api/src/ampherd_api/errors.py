"""What the api raises."""

from __future__ import annotations

from collections.abc import Mapping


class ApiError(Exception):
    """The base of the api's own errors."""


class RefusedError(ApiError):
    """A request that is not served: status, a code for programs and a sentence for people."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None, details: object = None
    ) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        self.details = details
        super().__init__(message)
