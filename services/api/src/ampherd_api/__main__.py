"""`python -m ampherd_api`."""

from __future__ import annotations

from ampherd_core.service import start

from ampherd_api.service import ApiService

if __name__ == "__main__":
    start(ApiService, "api")
