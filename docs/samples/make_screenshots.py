"""Makes `page-en.png` and `page-zh.png`: the page after its sample photo was restored.

Run it from the repository's root with `python docs/samples/make_screenshots.py http://127.0.0.1:7860` while the page
is served there; it needs Playwright and Debian's Chromium, as the browser tests do.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

FOLDER = Path(__file__).resolve().parent
WINDOW = {"width": 1280, "height": 900}
LANGUAGES = ("en", "zh")


def shoot(page: Page, address: str, language: str) -> None:
    page.goto(f"{address}/{language}/")
    page.wait_for_timeout(2000)  # the page's own scripts
    page.click("#single-sample")
    page.get_by_text("astronaut-old").first.wait_for()
    page.click("#single-start")
    page.wait_for_selector("#single-progress .all-done", timeout=60_000)
    page.wait_for_selector("#single-compare img")
    page.wait_for_timeout(6000)  # the slider's pictures, and the messages' fading
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(FOLDER / f"page-{language}.png", optimize=True)


def main() -> None:
    address = sys.argv[1].rstrip("/")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        for language in LANGUAGES:
            page = browser.new_page(viewport=WINDOW)
            shoot(page, address, language)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
