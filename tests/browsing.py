"""What the tests that drive Chromium share."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from gpen_ui.texts import Language, say

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMIUM_FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip
RUN_MS = 240_000  # far more than a run takes, also on a busy machine
NEEDS_CHROMIUM = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None,
        reason="Chromium is missing, so the page is not tried in a browser: install it with `apt-get install chromium`",
    ),
]


def foreign(address: str, home: str) -> bool:
    return not address.startswith((home, "data:", "blob:", "about:"))


def open_tab(page: Page, key: str, language: Language = "en") -> None:
    page.get_by_role("tab", name=say(f"page.tab.{key}", language)).click()


def toast(page: Page) -> str:
    message = page.locator("[data-testid=toast-body]").last
    message.wait_for()
    return message.inner_text()
