"""The faces of a photo one by one, as a person asks for it in real Chromium: click, slider, comparison, drawn box."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests import pictures
from tests.browsing import NEEDS_CHROMIUM, RUN_MS
from tests.page_server import running_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faces")


@pytest.fixture(scope="module")
def pair(place: Path) -> Path:
    """Two faces, then paper."""
    picture = np.full((180, 600, 3), 200, np.uint8)
    picture[:, :360] = pictures.crowd(2, 1)
    Image.fromarray(picture).save(place / "pair.png")
    return place / "pair.png"


@pytest.fixture(scope="module")
def page(browser: Browser, place: Path, pair: Path) -> Iterator[Page]:
    """The panel of the two faces, open."""
    settings = {"outputs_folder": str(place / "outputs"), "model": "gpen-lite-512", "device": "cpu"}
    with running_page(place / "server.log", **settings) as url:
        context = browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 1000})
        page = context.new_page()
        page.set_default_timeout(RUN_MS)
        page.goto(url)
        page.set_input_files("#single-files input[type=file]", [str(pair)])
        page.get_by_text("pair", exact=False).first.wait_for()
        page.click("#single-start")
        page.wait_for_selector("#single-progress .all-done")
        page.locator("#single-face-area button").first.click()
        page.wait_for_selector(".face-photo .face")
        yield page
        context.close()


def result(place: Path) -> np.ndarray:
    """The one file that the page has written so far."""
    (path,) = (each for each in (place / "outputs").iterdir() if each.suffix == ".png")
    with Image.open(path) as picture:
        return np.asarray(picture)


def half_changed(after: np.ndarray, pair: Path) -> tuple[bool, bool]:
    with Image.open(pair) as picture:
        before = np.asarray(picture)
    return not np.array_equal(after[:, :180], before[:, :180]), not np.array_equal(
        after[:, 180:360], before[:, 180:360]
    )


def test_a_face_is_clicked_off_and_on_and_the_file_follows(page: Page, place: Path, pair: Path) -> None:
    assert half_changed(result(place), pair) == (True, True)
    page.click(".face-photo .face[data-place='1']")
    page.wait_for_selector(".face-photo .face.left[data-place='1']")
    assert half_changed(result(place), pair) == (True, False)
    page.get_by_label("Face 2", exact=True).check()
    page.wait_for_selector(".face-photo .face.restored[data-place='1']")
    assert half_changed(result(place), pair) == (True, True)


def test_a_face_gets_its_own_strength_by_the_keyboard(page: Page, place: Path) -> None:
    before = result(place).astype(int)
    slider = page.locator("[data-key='strength-1']")
    slider.focus()
    for _ in range(6):
        slider.press("ArrowLeft")
    page.wait_for_selector("[data-key='strength-1'][value='50']")
    assert page.evaluate("document.activeElement.dataset.key") == "strength-1"
    after = result(place).astype(int)
    assert not np.array_equal(after[:, :180], before[:, :180]) and np.array_equal(after[:, 180:], before[:, 180:])


def test_variants_stand_side_by_side_and_one_is_taken(page: Page) -> None:
    page.click("[data-key='compare-2']")
    page.wait_for_selector(".variants img")
    titles = page.locator(".variants li").all_inner_texts()
    assert titles == ["as it was", "strength 40", "strength 60", "strength 80", "strength 100"]
    page.locator(".variants button").nth(1).click()
    page.wait_for_selector("[data-key='strength-2'][value='40']")


def test_a_missed_face_is_drawn_with_the_mouse_and_by_the_keyboard(page: Page) -> None:
    page.click("[data-draw]")
    frame = page.locator(".face-photo img").bounding_box()
    assert frame is not None
    x, y = frame["x"] + 0.75 * frame["width"], frame["y"] + 0.2 * frame["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 0.1 * frame["width"], y + 0.45 * frame["height"], steps=3)
    page.mouse.up()
    page.wait_for_selector(".face-photo .face[data-place='2']")
    page.locator("[data-draw]").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".face-photo .drawn:focus")
    for _ in range(25):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    assert page.locator(".face-photo .drawn").count() == 0
    page.uncheck("[data-key='on-3']")  # off, a drawn face is no face
    page.wait_for_selector(".face-photo .face[data-place='2']", state="detached")
