"""`python -m ampherd_api`."""

from __future__ import annotations

import os
from typing import Final

from ampherd_core.service import start

from ampherd_api.service import ApiService

NICENESS: Final = 10
"""Who shows and records gives way to those who guard the fuse."""

if __name__ == "__main__":
    os.nice(NICENESS)
    start(ApiService, "api")
