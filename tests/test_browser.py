"""The page as a person uses it, in real Chromium: photos, comparison, downloads, language, presets, model, folders."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import skimage.data
from PIL import Image

from gpen_ui.texts import say
from tests.browsing import NEEDS_CHROMIUM, RUN_MS, foreign, open_tab, toast
from tests.page_server import running_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the page may read and write."""
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def url(place: Path) -> Iterator[str]:
    settings = {"outputs_folder": str(place / "outputs"), "allowed_folders": [str(place)], "device": "auto"}
    with running_page(place / "server.log", **settings) as address:
        yield address


@pytest.fixture
def visit(browser: Browser, url: str) -> Iterator[Page]:
    """An English visitor's page. Whatever it does, it must not talk to any other machine."""
    context = browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 900}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(RUN_MS)
    strangers: list[str] = []
    page.on("request", lambda request: strangers.append(request.url) if foreign(request.url, url) else None)
    page.goto(url)
    page.locator("#single-settings .hint").wait_for()  # what this browser kept is there
    yield page
    context.close()
    assert strangers == []


@pytest.fixture(scope="module")
def photos(place: Path) -> list[Path]:
    """Two portraits and a file that only pretends to be one."""
    head = Image.fromarray(skimage.data.astronaut()).crop((130, 0, 320, 190))
    head.resize((200, 200)).save(place / "anna.png")
    head.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((160, 160)).save(place / "祖母😀.jpg")
    (place / "broken.jpg").write_text("no picture")
    return [place / "anna.png", place / "祖母😀.jpg", place / "broken.jpg"]


def upload(page: Page, files: list[Path], where: str = "single-files") -> None:
    page.set_input_files(f"#{where} input[type=file]", [str(file) for file in files])
    for file in files:
        page.get_by_text(file.stem, exact=False).first.wait_for()


def enhance(page: Page) -> None:
    page.click("#single-start")
    page.wait_for_selector("#single-progress .all-done, #single-progress .some-failed", timeout=RUN_MS)
    page.wait_for_selector("#single-start")


def test_three_photos_from_upload_to_zip(visit: Page, photos: list[Path], tmp_path: Path):
    upload(visit, photos)
    enhance(visit)
    assert "broken.jpg" in visit.inner_text("#single-failures")
    thumbnails = visit.locator("photo-compare .strip button")
    assert thumbnails.count() == 2
    assert "anna.png" in visit.inner_text("#single-facts")

    thumbnails.nth(1).click()
    visit.locator("#single-facts dd", has_text="祖母").first.wait_for()
    assert "1 found, 1 restored" in visit.inner_text("#single-facts")

    with visit.expect_download() as coming:
        visit.click("#single-download-all")
    coming.value.save_as(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert sorted(archive.namelist()) == ["anna_gpen.png", "祖母😀_gpen.jpg"] and archive.testzip() is None
        archive.extractall(tmp_path)
    assert Image.open(tmp_path / "anna_gpen.png").size == (200, 200)

    with visit.expect_download() as coming:
        visit.click("#single-download")
    assert coming.value.suggested_filename == "祖母😀_gpen.jpg"


def test_the_sample_photo_with_one_click(visit: Page):
    visit.click("#single-sample")
    visit.wait_for_selector("#single-progress .all-done", timeout=RUN_MS)
    visit.locator("photo-compare .stage").wait_for()
    assert "1 found, 1 restored" in visit.inner_text("#single-facts")
    assert str(Path(__file__).resolve().parent.parent / "docs") not in visit.content()
    assert not visit.locator("photo-compare .strip").is_visible()


def test_a_run_is_stopped(visit: Page, place: Path, photos: list[Path]):
    many = [place / f"many-{number:02d}.png" for number in range(24)]
    for path in many:
        shutil.copy(photos[0], path)
    upload(visit, many[:1])
    visit.set_input_files("#single-files input[type=file]", [str(path) for path in many[1:]])
    visit.get_by_text("many-23").first.wait_for()
    visit.click("#single-start")
    visit.click("#single-stop")
    stopped = visit.wait_for_selector("#single-progress .stopped", timeout=RUN_MS)
    assert stopped is not None and "Stopped" in stopped.inner_text()
    visit.wait_for_selector("#single-start")
    for path in many:
        path.unlink()


def test_the_language_is_switched_and_kept(visit: Page, url: str):
    visit.click("#language")
    visit.wait_for_url("**/zh/")
    visit.get_by_role("button", name=say("page.single.start", "zh")).wait_for()
    visit.get_by_text("点击上传").first.wait_for()  # Gradio's own words
    assert visit.get_attribute("html", "lang") == "zh-CN"
    visit.goto(url)
    visit.wait_for_url("**/zh/")
    visit.reload()
    visit.get_by_role("button", name=say("page.single.start", "zh")).click()
    assert say("error.page_no_photos", "zh") in toast(visit)
    title = visit.locator(".toast-title").evaluate("title => getComputedStyle(title, '::before').content")
    assert say("page.error_title", "zh") in title


@pytest.mark.parametrize(("locale", "language"), [("zh", "zh"), ("zh-CN", "zh"), ("de-DE", "en")])
def test_the_first_visit_speaks_the_browsers_language(browser: Browser, url: str, locale: str, language: str):
    context = browser.new_context(locale=locale)
    page = context.new_page()
    page.goto(url)
    page.wait_for_url(f"**/{language}/")
    context.close()


def test_presets_move_the_controls_and_reset_moves_them_back(visit: Page):
    open_tab(visit, "parameters")
    visit.click("#preset-high-quality")
    strength = visit.locator("#option-strength input[type=number]")
    assert say("preset.high-quality") in toast(visit)
    visit.wait_for_function("document.querySelector('#option-strength input[type=number]').value === '70'")
    assert visit.locator("#option-denoise input[type=number]").input_value() == "50"
    assert visit.locator("#option-detail_enhancement input").is_checked()
    open_tab(visit, "model")
    assert visit.locator("#model-batch-size input").input_value() == "8"
    open_tab(visit, "single")
    visit.get_by_text("Strength 70").wait_for()
    open_tab(visit, "parameters")
    visit.click("#reset")
    visit.wait_for_function("document.querySelector('#option-strength input[type=number]').value === '80'")
    assert strength.input_value() == "80"


def test_model_and_device_change_without_a_restart(visit: Page, place: Path):
    open_tab(visit, "model")
    visit.locator("#model-card").get_by_text("a face").wait_for(timeout=RUN_MS)
    assert "gpen-lite-512" in visit.inner_text("#model-card")
    assert say("licence.research") in visit.inner_text("#model-model")

    (place / "broken.pth").write_bytes(b"nothing")
    visit.fill("#model-path textarea, #model-path input", str(place / "broken.pth"))
    visit.click("#model-reload")
    assert "broken.pth" in toast(visit)
    visit.locator("#model-card").get_by_text("gpen-lite-512").wait_for()

    shutil.copy(Path(__file__).resolve().parent.parent / "models" / "gpen-lite-512.pth", place / "mine.pth")
    visit.fill("#model-path textarea, #model-path input", str(place / "mine.pth"))
    visit.click("#model-device input")
    visit.get_by_role("option", name=say("page.model.device.cpu"), exact=True).click()
    visit.click("#model-reload")
    visit.locator("#model-card").get_by_text("mine.pth").wait_for(timeout=RUN_MS)
    assert "(cpu)" in visit.inner_text("#model-card")
    assert "does not help on the CPU" in visit.inner_text("#model-batch-size")


def test_a_guarded_page_works_with_its_password(browser: Browser, tmp_path: Path):
    with running_page(tmp_path / "log", auth="anna:geheim", model="no-such-model") as guarded:
        context = browser.new_context(
            locale="en-GB", http_credentials={"username": "anna", "password": "geheim", "origin": guarded}
        )
        page = context.new_page()
        page.set_default_timeout(RUN_MS)
        page.goto(guarded)
        page.get_by_text(say("page.status.none")).wait_for()
        page.click("#single-start")
        assert say("error.page_no_photos") in toast(page)
        context.close()


def test_nothing_is_lost_on_a_phone(browser: Browser, url: str):
    context = browser.new_context(locale="en-GB", viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("#single-start")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()


def load_small_model(page: Page, place: Path) -> None:
    """A network of 64 px, so that measuring is quick."""
    import torch

    from gpen_ui.network import Gpen, GpenConfig

    path = place / "small.pth"
    if not path.exists():
        torch.save(Gpen(GpenConfig(64, 1, 1 / 16)).state_dict(), path)
    open_tab(page, "model")
    page.locator("#model-card").get_by_text("a face").wait_for(timeout=RUN_MS)
    page.fill("#model-path textarea, #model-path input", str(path))
    page.click("#model-reload")
    page.locator("#model-card").get_by_text("small.pth").wait_for(timeout=RUN_MS)


def test_batch_sizes_are_measured_and_drawn(visit: Page, place: Path):
    load_small_model(visit, place)
    visit.get_by_text(say("page.curve.unknown")).wait_for()
    visit.click("#model-measure")
    picture = visit.wait_for_selector("#model-curve img", timeout=RUN_MS)
    assert picture is not None and "faces at once" in (picture.get_attribute("alt") or "")
    visit.wait_for_function("document.querySelector('#model-curve img').naturalWidth > 300")
    visit.click("#model-curve summary")
    rows = visit.locator("#model-curve tbody tr")
    assert rows.count() >= 2 and "ms" in rows.first.inner_text()
    visit.wait_for_selector("#model-measure:not([disabled])")
    assert "does not help on the CPU" not in visit.inner_text("#model-batch-size")


def test_prices_are_measured_shown_and_kept(visit: Page, place: Path):
    load_small_model(visit, place)
    open_tab(visit, "parameters")
    visit.get_by_text(say("page.prices.unknown")).wait_for()
    assert "Measured" not in visit.inner_text("#option-denoise")
    visit.click("#prices-measure")
    visit.click("#prices-stop")
    visit.locator("#prices-progress", has_text=say("error.measure_stopped")).wait_for()
    visit.wait_for_selector("#prices-measure")
    visit.click("#prices-measure")
    visit.locator("#option-denoise", has_text="of a face").wait_for(timeout=RUN_MS)
    for name in ("strength", "mode", "skin_protection", "detail_enhancement", "sharpen", "contrast", "brightness"):
        visit.locator(f"#option-{name}", has_text="Measured").wait_for()
    assert "4x: +" in visit.inner_text("#option-output_scale")
    visit.reload()  # kept on disk, and shown with the model
    open_tab(visit, "parameters")
    visit.locator("#option-denoise", has_text="of a face").wait_for()
