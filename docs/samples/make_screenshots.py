"""Makes `page-*.png`, the page after its sample photo was restored, and `runs-*.png`, tab 2 with a run over it.

Run it from the repository's root with `python docs/samples/make_screenshots.py http://127.0.0.1:7860` while the page
is served there; it needs Playwright and Debian's Chromium, as the browser tests do.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from gpen_ui.texts import Language, say

FOLDER = Path(__file__).resolve().parent
WINDOW = {"width": 1280, "height": 900}
LANGUAGES: tuple[Language, ...] = ("en", "zh")
COPIES = 6
# Where this machine keeps its results is nobody's business.
HIDE_FOLDERS = r"""document.querySelectorAll('#single-facts dd').forEach(value => {
  if (value.textContent.startsWith('/')) value.textContent = 'outputs/' + value.textContent.split('/').pop();
})"""


def shoot(page: Page, address: str, language: Language) -> None:
    page.goto(f"{address}/{language}/")
    page.wait_for_timeout(2000)  # the page's own scripts
    page.click("#single-sample")
    page.wait_for_selector("#single-progress .all-done", timeout=60_000)
    page.locator("photo-compare .stage").wait_for()
    page.wait_for_timeout(3000)  # its pictures
    page.evaluate(HIDE_FOLDERS)
    save(page, f"page-{language}.png")


def shoot_runs(page: Page, address: str, language: Language, photos: list[Path]) -> None:
    page.goto(f"{address}/{language}/")
    page.wait_for_timeout(2000)
    page.get_by_role("tab", name=say("page.tab.batch", language)).click()
    page.set_input_files("#batch-files input[type=file]", [str(photo) for photo in photos])
    page.get_by_text(photos[-1].stem).first.wait_for()
    page.fill("#batch-output textarea, #batch-output input", language)
    page.click("#batch-start")
    page.wait_for_selector("#batch-progress .some-failed", timeout=120_000)
    page.locator("#batch-table tbody button").nth(1).click()
    page.wait_for_selector("#batch-table .figures img")
    page.wait_for_timeout(3000)
    save(page, f"runs-{language}.png")


def copies(folder: Path) -> list[Path]:
    """Views of the sample photo, and a file that is no photo."""
    sample = Image.open(FOLDER / "astronaut-old.jpg")
    photos = []
    for number in range(1, COPIES + 1):
        edge = 12 * number
        view = sample.crop((edge, 0, sample.width - edge // 2, sample.height - edge))
        photos.append(folder / f"astronaut-{number}.jpg")
        view.save(photos[-1], quality=92)
    photos.append(folder / "notes.jpg")
    photos[-1].write_text("no photo")
    return photos


def save(page: Page, name: str) -> None:
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(FOLDER / name, optimize=True)


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
            page = browser.new_page(viewport=WINDOW)
            with tempfile.TemporaryDirectory() as folder:
                shoot_runs(page, address, language, copies(Path(folder)))
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
