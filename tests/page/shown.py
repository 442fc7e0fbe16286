"""A page in the browser, with what stands behind it."""

from __future__ import annotations

from playwright.async_api import Locator, Page

from tests.page.make_believe import MakeBelieve
from tests.page.running_api import RunningApi

Shown = tuple[Page, RunningApi, MakeBelieve]


def card(page: Page, name: str) -> Locator:
    """A charger's card."""
    return page.locator(f"article:has(h2:text-is('{name}'))")
