"""Write the reference documents: `python docs/generate.py`, with `--check` only say which are stale."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from generator import asyncapi, bus_reference, policy_reference, schemas

_DOCS = Path(__file__).resolve().parent


def main() -> int:
    """The exit code: 1 when `--check` finds a stale document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a document is stale")
    wanted = documents()
    if not parser.parse_args().check:
        write(wanted)
        return 0
    found = stale(wanted)
    for path in found:
        sys.stderr.write(f"{path.relative_to(_DOCS.parent)} is stale: run python docs/generate.py\n")
    return 1 if found else 0


def documents() -> dict[Path, str]:
    """Every document's text by its path."""
    found = {_DOCS / "schemas" / name: _json(schema) for name, schema in schemas.documents().items()}
    found[_DOCS / "asyncapi.json"] = _json(asyncapi.document())
    found[_DOCS / "policy.md"] = policy_reference.page(_DOCS.parent / "site.example.yaml")
    found[_DOCS / "mqtt.md"] = bus_reference.page()
    return found


def write(wanted: dict[Path, str]) -> None:
    """Write every document, and remove schemas of messages that are no more."""
    (_DOCS / "schemas").mkdir(exist_ok=True)
    for path in _orphans(wanted):
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")


def stale(wanted: dict[Path, str]) -> list[Path]:
    """The documents that differ from what the code says now."""
    differing = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    return [*differing, *_orphans(wanted)]


def _orphans(wanted: dict[Path, str]) -> list[Path]:
    return [path for path in sorted((_DOCS / "schemas").glob("*.json")) if path not in wanted]


def _json(document: schemas.JsonObject) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
