"""The API's tokens, through the API's own command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


class TokensError(Exception):
    """The command was refused; the message says why."""


def ask(state_dir: Path, *arguments: str) -> str:
    """What `python -m ampherd_api.token` answers; raises TokensError."""
    result = subprocess.run(  # noqa: S603 - our own module, without a shell
        [sys.executable, "-m", "ampherd_api.token", *arguments],
        env={**os.environ, "AMPHERD_STATE_DIR": str(state_dir)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise TokensError(result.stderr.strip())
    return result.stdout.strip()
