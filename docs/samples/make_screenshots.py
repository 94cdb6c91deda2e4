"""Makes the pictures of the four tabs in both languages: `page-*.png` (tab 1 after its sample photo was restored),
`runs-*.png` (tab 2 with a run), `parameters-*.png` and `model-*.png`, measured; and `walk-*.png`, of
docs/walk.md.

Run it from the repository's root with `python -m docs.samples.make_screenshots`; `zh` behind it makes the Chinese ones
alone. It serves the page by itself, out of a plain folder, so that no path of the machine gets into the pictures; it
needs Playwright and Debian's Chromium, as the browser tests do.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from gpen_ui.texts import Language, say
from tests.browsing import CHROMIUM, CHROMIUM_FLAGS, open_tab
from tests.page_server import started_page

FOLDER = Path(__file__).resolve().parent
MODELS = FOLDER.parent.parent / "models"
HOME = Path(tempfile.gettempdir()) / "gpen-ui"
WINDOW = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
LAPTOP = {"width": 1366, "height": 768}
GAP_PX = 16
LANGUAGES: tuple[Language, ...] = ("en", "zh")
COPIES = 6
MOST_BYTES = 195_000  # of a picture; tests/test_docs_site.py says so
FEWEST_COLOURS = 64
MEASURED_MS = 400_000
SETTLED_MS = 3000  # the page's own scripts, and messages that fade


def arrive(page: Page, address: str, language: Language) -> None:
    """Opens the page and waits for what its own first event writes, the parameters that this browser kept."""
    page.goto(f"{address}/{language}/")
    page.locator("#single-settings .hint").wait_for(timeout=MEASURED_MS)
    page.wait_for_timeout(SETTLED_MS)


def shoot_single(page: Page, language: Language) -> None:
    page.click("#single-sample")
    page.wait_for_selector("#single-progress .all-done", timeout=180_000)
    page.locator("photo-compare .stage").wait_for()
    page.wait_for_timeout(2 * SETTLED_MS)
    save(page, f"page-{language}.png")


def shoot_runs(page: Page, language: Language, photos: list[Path]) -> None:
    open_tab(page, "batch", language)
    page.set_input_files("#batch-files input[type=file]", [str(photo) for photo in photos])
    page.get_by_text(photos[-1].stem).first.wait_for()
    page.fill("#batch-output textarea, #batch-output input", language)
    runs = page.locator("#batch-runs li")
    before = runs.count()
    page.click("#batch-start")
    runs.nth(before).wait_for(timeout=120_000)  # until then the table is that of an earlier run, in the other language
    page.wait_for_selector("#batch-progress .some-failed", timeout=120_000)
    page.locator("#batch-table tbody button").nth(1).click()
    page.locator("#batch-table photo-compare .stage").wait_for(timeout=120_000)
    page.wait_for_timeout(SETTLED_MS)
    save(page, f"runs-{language}.png")


def shoot_measured(page: Page, language: Language, tab: str, button: str, shows: str) -> None:
    """A tab whose button measures something, when the text that tells of it stands there."""
    open_tab(page, tab, language)
    page.get_by_role("button", name=say(button, language)).click()
    page.get_by_text(say(shows, language, face="").partition("  ")[0]).first.wait_for(timeout=MEASURED_MS)
    page.wait_for_timeout(SETTLED_MS)
    save(page, f"{tab}-{language}.png")


def shoot_phone(browser: Browser, address: str, language: Language) -> None:
    """The first sight of the page on a phone, and beside it the result of the sample photo."""
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    arrive(page, address, language)
    first = page.screenshot()
    page.tap("#single-sample")
    page.wait_for_selector("#single-progress .all-done", timeout=180_000)
    page.wait_for_timeout(SETTLED_MS)
    pack(beside(first, page.screenshot()), f"walk-phone-{language}.png")
    context.close()


def shoot_face(browser: Browser, address: str, language: Language) -> None:
    """In the dark: a face at its actual pixels, and strengths of it side by side."""
    page = browser.new_page(viewport=WINDOW, color_scheme="dark")
    arrive(page, address, language)
    page.click("#welcome-dismiss")
    page.click("#single-sample")
    page.wait_for_selector("#single-progress .all-done", timeout=180_000)
    page.locator("photo-compare button.one").click()
    page.click("#single-face-area button")
    page.locator(".face-rows [data-compare]").click()
    page.locator(".variants button").first.wait_for(timeout=180_000)
    page.locator(".variants button").nth(3).focus()
    page.mouse.move(0, 0)
    page.wait_for_timeout(SETTLED_MS)
    save(page, f"walk-face-{language}.png")
    page.close()


def shoot_failed(page: Page, language: Language) -> None:
    """The failed photo of the run that `shoot_runs` made, alone, on a laptop, without the notice."""
    page.click("#welcome-dismiss")
    page.set_viewport_size(LAPTOP)
    page.locator("#batch-filter label", has_text=say("page.batch.filter.failed", language)).click()
    page.wait_for_timeout(SETTLED_MS)
    pack(page.screenshot(), f"walk-failed-{language}.png")
    page.set_viewport_size(WINDOW)


def beside(left: bytes, right: bytes) -> bytes:
    """Two pictures of one height as one."""
    one, other = Image.open(io.BytesIO(left)), Image.open(io.BytesIO(right))
    both = Image.new("RGB", (one.width + GAP_PX + other.width, one.height), "#94a3b8")
    both.paste(one, (0, 0))
    both.paste(other, (one.width + GAP_PX, 0))
    packed = io.BytesIO()
    both.save(packed, "PNG")
    return packed.getvalue()


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
    pack(page.screenshot(full_page=True), name)


def pack(shot: bytes, name: str) -> None:
    """With as many colours as the limit of bytes allows, and smaller where that is not enough."""
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    for colours in (256, 192, 128, 96, 64, 64, 64):
        packed = io.BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(packed, "PNG", optimize=True)
        if packed.tell() <= MOST_BYTES:
            break
        if colours == FEWEST_COLOURS:
            picture = picture.resize((picture.width * 4 // 5, picture.height * 4 // 5), Image.Resampling.LANCZOS)
    (FOLDER / name).write_bytes(packed.getvalue())


def main() -> None:
    HOME.mkdir(exist_ok=True)
    os.environ["HOME"] = str(HOME)
    shutil.copytree(MODELS, HOME / "models", dirs_exist_ok=True)
    folders = {"models_folder": str(HOME / "models"), "outputs_folder": str(HOME / "outputs")}
    try:
        with started_page(HOME / "log", device="cpu", **folders) as (_, address), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
            photos = copies(HOME)
            for language in [each for each in LANGUAGES if each in (sys.argv[1:] or LANGUAGES)]:
                page = browser.new_page(viewport=WINDOW)
                arrive(page, address, language)
                shoot_single(page, language)
                shoot_runs(page, language, photos)
                shoot_failed(page, language)
                shoot_phone(browser, address, language)
                shoot_face(browser, address, language)
                shoot_measured(page, language, "parameters", "page.prices.measure", "page.prices.known")
                shoot_measured(page, language, "model", "page.curve.measure", "page.curve.table")
                page.close()
            browser.close()
    finally:
        shutil.rmtree(HOME)


if __name__ == "__main__":
    main()
