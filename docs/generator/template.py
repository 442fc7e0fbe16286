"""Pages whose prose is written by hand and whose tables come from the code."""

from __future__ import annotations

from pathlib import Path


def filled(name: str, **parts: str) -> str:
    """The template `name`, each `<!-- part -->` replaced; ValueError when it lacks one."""
    page = (Path(__file__).parent / name).read_text(encoding="utf-8")
    for part, text in parts.items():
        mark = f"<!-- {part} -->"
        if mark not in page:
            raise ValueError(f"{name} has no {mark}")
        page = page.replace(mark, text)
    return page
