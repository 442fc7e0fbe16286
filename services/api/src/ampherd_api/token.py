"""`python -m ampherd_api.token`: make, list, rotate and revoke tokens; it holds at once, without a restart."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Final

from ampherd_core.clock import utc_now

from ampherd_api.tokens import Role, Token, TokenError, Tokens

LINK: Final = "terminal"
"""The token of the link that Ampherd prints where it was started."""

_ROW: Final = "{:<20} {:<6} {:<17} {}"


def main() -> None:
    """Carry out one command."""
    arguments = _parser().parse_args()
    try:
        tokens = Tokens(Path(os.environ.get("AMPHERD_STATE_DIR", "/var/lib/ampherd")))
        text = _answer(tokens, arguments)
    except TokenError as err:
        sys.exit(str(err))
    if text:
        print(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="token", description="The tokens of the page and the API.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="names, scopes, and when each was last used")
    new = commands.add_parser("new", help="make a token; it is shown this once")
    new.add_argument("--scope", type=Role, choices=list(Role), default=Role.WRITE, help="read: look; write: change too")
    rotate = commands.add_parser("rotate", help="another token in place of an old one")
    revoke = commands.add_parser("revoke", help="end a token and all its sessions")
    for each in (new, rotate, revoke):
        each.add_argument("name")
    link = commands.add_parser("link", help="the token of the printed link, where there is none yet")
    link.add_argument("--renew", action="store_true", help="another one where there is")
    return parser


def _answer(tokens: Tokens, arguments: argparse.Namespace) -> str:
    now = utc_now()
    match arguments.command:
        case "new":
            return tokens.make(arguments.name, arguments.scope, now)
        case "rotate":
            return tokens.rotate(arguments.name, now)
        case "revoke":
            tokens.revoke(arguments.name)
            return ""
        case "link":
            return link(tokens, now, renews=arguments.renew)
    rows = [_row(tokens, token) for token in tokens.all()]
    return "\n".join([_ROW.format("name", "scope", "made", "last used"), *rows])


def link(tokens: Tokens, now: datetime, *, renews: bool) -> str:
    """A write token at the first start, when there is none; or, if it `renews`, at each."""
    if tokens.named(LINK) is not None:
        return tokens.rotate(LINK, now) if renews else ""
    return tokens.make(LINK, Role.WRITE, now) if renews or not tokens.all() else ""


def _row(tokens: Tokens, token: Token) -> str:
    used_at = tokens.used_at(token)
    return _ROW.format(token.name, token.role, f"{token.made_at:%Y-%m-%d %H:%M}", _day(used_at))


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at is not None else "never"


if __name__ == "__main__":
    main()
