"""Whole visits of the page in real Chromium, one for each kind of person, with what they see at each step. docs/walk.md
tells the same visits in pictures."""

from __future__ import annotations

import io
import json
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageFilter

from gpen_ui.texts import Language, say
from tests.browsing import NEEDS_CHROMIUM, RUN_MS, open_tab, toast
from tests.page_server import running_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = NEEDS_CHROMIUM
PHONE, SMALL_PHONE, LAPTOP, DESK = (390, 760), (320, 568), (1366, 768), (1440, 900)
PORTRAITS = 60
BROKEN = 2
ACTIVE_ID = "document.activeElement.closest('[id]')?.id"
PICTURE_IS_HERE = "document.querySelector('photo-compare').shadowRoot.querySelector('.layer img').naturalWidth > 0"
# What stands in the middle of the stage, in shares of the photo.
MIDDLE = """view => {
    const {x, y, wide, high} = view.laid, {width, height} = view.box;
    return [(width / 2 - x) / wide, (height / 2 - y) / high];
}"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("walks")


@pytest.fixture(scope="module")
def url(place: Path) -> Iterator[str]:
    with running_page(place / "server.log", outputs_folder=str(place / "outputs"), device="cpu") as address:
        yield address


@pytest.fixture
def walk(browser: Browser, url: str) -> Iterator[Any]:
    """Opens the page for somebody with a window of this size, and closes it after."""
    contexts = []

    def begin(language: Language, size: tuple[int, int], address: str = url, **more: Any) -> Page:
        locale = {"en": "en-GB", "zh": "zh-CN"}[language]
        viewport = {"width": size[0], "height": size[1]}
        contexts.append(browser.new_context(locale=locale, viewport=viewport, accept_downloads=True, **more))
        page = contexts[-1].new_page()
        page.set_default_timeout(RUN_MS)
        page.goto(address)
        page.locator("#welcome").wait_for()
        page.wait_for_function("Boolean(customElements.get('photo-intake'))")
        return page

    yield begin
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    return Image.fromarray(skimage.data.astronaut())


def in_sight(part: Locator) -> bool:
    """Whether the part, and not only an edge of it, can be seen without scrolling."""
    seen: bool = part.evaluate(
        "part => { const {top, bottom} = part.getBoundingClientRect(); return top >= -1 && bottom <= innerHeight + 1; }"
    )
    return seen


def nothing_is_cut_off(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def has_focus(page: Page, name: str) -> None:
    page.wait_for_function(f"name => {ACTIVE_ID} === name", arg=name)


@pytest.mark.parametrize("size", [PHONE, SMALL_PHONE])
def test_a_newcomer_with_an_old_photo_on_a_phone(
    walk: Any, place: Path, astronaut: Image.Image, size: tuple[int, int]
) -> None:
    old = place / "外婆1962.jpg"
    astronaut.crop((90, 0, 390, 300)).resize((180, 180)).filter(ImageFilter.GaussianBlur(1)).convert("L").save(old)
    page = walk("zh", size, has_touch=True, is_mobile=True)
    assert say("page.welcome.title", "zh") in page.inner_text("#welcome")
    assert not page.locator("#welcome li").first.is_visible()  # folded: the tabs are not pushed out of sight
    for tab in ("single", "batch", "parameters", "model"):
        assert in_sight(page.get_by_role("tab", name=say(f"page.tab.{tab}", "zh")))
    nothing_is_cut_off(page)

    page.set_input_files("#single-files input[type=file]", str(old))
    page.locator("#single-files", has_text="外婆").wait_for()
    page.tap("#single-start")
    page.wait_for_selector("#single-progress .all-done")
    assert page.inner_text("#single-progress").startswith("完成，用时")
    page.wait_for_function("document.querySelector('photo-compare').getBoundingClientRect().top >= -1")
    stage = page.locator("photo-compare .stage")
    page.wait_for_function(PICTURE_IS_HERE)
    assert in_sight(stage)
    hold = page.locator("photo-compare .hold")
    box = hold.bounding_box()
    assert box is not None and box["height"] < 50 < box["width"]  # its words stand in one line
    inside = "button => button.scrollWidth <= button.clientWidth"
    assert page.locator("photo-compare .tools button").evaluate_all(f"all => all.every({inside})")
    with page.expect_download() as coming:
        page.tap("#single-download")
    assert coming.value.suggested_filename.startswith("外婆1962_gpen")
    nothing_is_cut_off(page)


def test_a_shop_owner_with_sixty_portraits_by_the_keyboard(walk: Any, place: Path, astronaut: Image.Image) -> None:
    """The buttons of the run are pressed by the keyboard alone: each gives its place to the one that replaces it."""
    head = astronaut.crop((130, 0, 320, 190))
    portraits = [place / f"portrait-{number:02d}.jpg" for number in range(PORTRAITS)]
    for number, path in enumerate(portraits):
        edge = number % 20
        head.crop((edge, edge // 2, 190, 190 - edge // 2)).resize((80, 80)).save(path)
    portraits[7].write_text("no picture")
    portraits[31].write_bytes(portraits[30].read_bytes()[:300])

    page = walk("en", LAPTOP)
    open_tab(page, "batch")
    page.set_input_files("#batch-files input[type=file]", [str(path) for path in portraits])
    page.locator("#batch-files", has_text="portrait-59").wait_for()
    assert in_sight(page.locator("#batch-start"))
    page.locator("#batch-start").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#batch-pause", state="visible")
    assert in_sight(page.locator("#batch-progress"))
    page.locator("#batch-pause").focus()
    page.keyboard.press("Enter")
    has_focus(page, "batch-resume")
    assert page.inner_text("#batch-progress").startswith("Paused: ")
    page.keyboard.press("Enter")
    has_focus(page, "batch-pause")

    page.wait_for_selector("#batch-progress .some-failed")
    assert f"{PORTRAITS - BROKEN} of {PORTRAITS} photos done" in page.inner_text("#batch-progress")
    has_focus(page, "batch-retry")
    page.locator("#batch-filter label", has_text=say("page.batch.filter.failed")).click()
    page.wait_for_function("document.querySelectorAll('#batch-table tbody tr').length === 2")
    told = page.inner_text("#batch-table")
    assert "portrait-07.jpg is not a picture" in told and "portrait-31.jpg is cut off" in told

    addresses = page.locator("#batch-links a").evaluate_all("links => links.map(link => link.href)")
    report, archive = (next(each for each in addresses if f"/{kind}?" in each) for kind in ("html", "zip"))
    assert "portrait-07.jpg" in page.request.get(report).text()
    with zipfile.ZipFile(io.BytesIO(page.request.get(archive).body())) as results:
        assert sum(name.endswith("_gpen.jpg") for name in results.namelist()) == PORTRAITS - BROKEN
    page.locator("#batch-retry").focus()
    page.keyboard.press("Enter")
    has_focus(page, "batch-retry")  # back again: the two are as broken as before
    nothing_is_cut_off(page)


def test_a_photographer_who_compares_at_full_size(walk: Any, place: Path, astronaut: Image.Image) -> None:
    deep = np.asarray(astronaut.resize((2400, 2400)).crop((0, 0, 2400, 1600)), np.uint16) * 257
    cv2.imwrite(str(place / "studio.png"), deep[..., ::-1])
    page = walk("en", DESK, color_scheme="dark")
    assert page.locator("#welcome li").first.is_visible()
    page.click("#welcome-dismiss")
    page.wait_for_function("document.activeElement.getAttribute('role') === 'tab'")
    open_tab(page, "model")
    page.locator("#model-format label", has_text="TIFF").click()
    open_tab(page, "single")
    page.set_input_files("#single-files input[type=file]", str(place / "studio.png"))
    page.locator("#single-files", has_text="studio").wait_for()
    page.locator("#single-start").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#single-progress .all-done")
    has_focus(page, "single-start")

    view = page.locator("photo-compare")
    view.locator("button.one").click()
    across, down = view.evaluate(MIDDLE)
    assert 0.38 < across < 0.5 and 0.2 < down < 0.45  # the face, and not the middle of the photo
    page.click("#single-face-area button")
    slider = page.locator(".face-rows input[type=range]")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.locator("#single-faces-busy", has_text=say("page.faces.busy")).wait_for()
    compare = page.locator(".face-rows [data-compare]")
    compare.focus()
    page.keyboard.press("Enter")  # while the face is put together, which once lost the comparison
    page.locator(".variants button").first.wait_for()
    assert page.locator(".variants button").count() >= 5
    assert page.locator(".face-rows output").inner_text() == "75"
    page.locator(".variants button", has_text="strength 40").focus()
    page.keyboard.press("Enter")
    page.locator(".face-rows output", has_text="40").wait_for()
    assert page.evaluate("document.activeElement.dataset.key") == "compare-1"

    with page.expect_download() as coming:
        page.click("#single-download")
    coming.value.save_as(place / "studio.tif")
    result = cv2.imread(str(place / "studio.tif"), cv2.IMREAD_UNCHANGED)
    assert result is not None and result.dtype == np.uint16 and result.shape == (1600, 2400, 3)
    assert '"strength": 40' in str(dict(Image.open(place / "studio.tif").getexif()).get(700, ""))


def test_an_administrator_who_opens_the_page_to_a_team(walk: Any, browser: Browser, tmp_path: Path) -> None:
    token, words = "a-long-token-for-programs", {"auth": "anna:geheim"}
    with running_page(tmp_path / "log", device="cpu", api_token=token, **words) as guarded:
        who = {"username": "anna", "password": "geheim", "origin": guarded}
        page = walk("zh", LAPTOP, guarded, http_credentials=who)
        open_tab(page, "model", "zh")
        page.locator("#model-card", has_text=say("page.model.now.speed", "zh")).wait_for()
        reload = page.locator("#model-reload")
        reload.focus()
        page.keyboard.press("Enter")
        page.locator("#model-reload", has_text=say("page.model.reloading", "zh")).wait_for()  # in its own place
        assert "gpen-lite-512" in toast(page)
        page.locator("#model-reload", has_text=say("page.model.reload", "zh")).wait_for()
        has_focus(page, "model-reload")
        listed = page.locator(".models li", has_text="GPEN-BFR-512")
        assert "284 MB" in listed.inner_text() and listed.get_by_role("button").is_disabled()
        listed.get_by_role("checkbox").check()
        listed.locator("button:not([disabled])").wait_for()
        nothing_is_cut_off(page)

        asked = urllib.request.Request(f"{guarded}/api/v1/device", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(asked) as answer:
            assert json.load(answer)["model"] == "gpen-lite-512"
