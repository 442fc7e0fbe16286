"""Hours of history as files, through the API's own command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


class ExportError(Exception):
    """The command was refused; the message says why."""


def export(site: Path, data_dir: Path, *, begins: str | None, hours: float, out: Path, cars: Path | None) -> str:
    """Write the recording and the timetable; what is worth knowing of them. Raises ExportError."""
    command = [sys.executable, "-m", "ampherd_api.export", str(site), "--hours", f"{hours:g}", "--out", str(out)]
    command += ["--cars", str(cars)] if cars is not None else []
    command += ["--from", begins] if begins is not None else []
    url = os.environ.get("AMPHERD_HISTORY_URL") or f"sqlite://{data_dir.resolve() / 'history.db'}"
    result = subprocess.run(  # noqa: S603 - our own module, without a shell
        command,
        env={**os.environ, "AMPHERD_HISTORY_URL": url},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise ExportError(result.stderr.strip())
    return result.stdout.strip()
