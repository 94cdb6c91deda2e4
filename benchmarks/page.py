"""How long a person waits on the page: from the click on "Enhance" to the visible result, in Chromium without a window.

usage: python -m benchmarks.page [--rounds 5] [--model NAME|FILE] [--device auto]

The photo is the portrait of 1280 x 960 that `gpen-ui bench` measures, too, made old. Counted is from the click to the
moment when both pictures of the comparison are decoded and on the screen. The first round of a server also loads what
is loaded at its first use, so it is told apart. Beside it stands what the engine alone took, as the page says it.

Needs Playwright and Chromium, as the browser tests do.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from gpen_ui.measure.samples import degraded, portrait
from tests.browsing import CHROMIUM, CHROMIUM_FLAGS
from tests.page_server import running_page

PATIENCE_MS = 300_000
LOADED = ".status-line"
SHOWN = """before => {
  const view = document.querySelector('photo-compare');
  if (!view || view.hidden || view.getAttribute('photos') === before) return false;
  const pictures = [...view.shadowRoot.querySelectorAll('.layer .sheet > img:first-child')];
  return pictures.length === 2 && pictures.every(picture => picture.complete && picture.naturalWidth > 0);
}"""


def photo(folder: Path) -> Path:
    """The old portrait as a JPEG."""
    path = folder / "portrait.jpg"
    old = degraded(portrait())
    Image.fromarray(old.pixels).save(path, quality=92)
    return path


def round_trip(page: Page) -> tuple[float, str]:
    """Seconds from the click to the visible result, and the engine's own as the page tells them."""
    before = page.evaluate("document.querySelector('photo-compare')?.getAttribute('photos') ?? null")
    start = time.perf_counter()
    page.click("#single-start")
    page.wait_for_function(SHOWN, arg=before, polling="raf")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    seconds = time.perf_counter() - start
    page.wait_for_selector("#single-progress .all-done")
    page.wait_for_selector("#single-start")
    facts = page.locator("#single-facts dl").inner_text().splitlines()
    return seconds, next(line for line in facts if line.endswith(" s"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="gpen-lite-512")
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        settings = {"outputs_folder": str(folder / "outputs"), "model": asked.model, "device": asked.device}
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        with running_page(folder / "server.log", **settings) as address:
            page = browser.new_page(locale="en-GB", viewport={"width": 1280, "height": 900})
            page.set_default_timeout(PATIENCE_MS)
            page.goto(f"{address}/en/")
            page.locator(LOADED, has_text=" on ").wait_for()
            print(page.inner_text(LOADED))
            page.set_input_files("#single-files input[type=file]", str(photo(folder)))
            page.get_by_text("portrait", exact=False).first.wait_for()
            times = []
            for number in range(asked.rounds + 1):
                seconds, engine = round_trip(page)
                if number:
                    times.append(seconds)
                print(f"{'first' if number == 0 else number}: {seconds:.2f} s to the visible result, engine {engine}")
            print(f"median {statistics.median(times):.2f} s, longest {max(times):.2f} s")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
