"""What stays, as a person meets it in real Chromium: parameters after a reload, presets, hidden options, the first
visit, and downloads that a reload does not end."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gpen_ui.presets import OWN_MOST
from gpen_ui.texts import Language
from tests.browsing import NEEDS_CHROMIUM, RUN_MS, open_tab
from tests.page_server import running_page
from tests.serving import Habits, Server, running_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = NEEDS_CHROMIUM
WEIGHTS = b"weights" * 500_000
NAME = "奶奶的相册"


@pytest.fixture(scope="module")
def source() -> Iterator[Server]:
    with running_server() as server:
        server.paths["/slow"] = Habits(WEIGHTS, stalls=[len(WEIGHTS) // 2])
        server.paths["/gone"] = Habits(status=404)
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that the server has: results, models, and its user's configuration."""
    return tmp_path_factory.mktemp("settings")


@pytest.fixture(scope="module")
def url(source: Server, folder: Path) -> Iterator[str]:
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    known = {"sha256": digest, "bytes": len(WEIGHTS)}
    catalogue = {
        "gpen-bfr-512": {**known, "sources": [source.url("/slow")]},
        "parsenet": {**known, "sources": [source.url("/gone")]},
    }
    settings = {"outputs_folder": str(folder / "outputs"), "models_folder": str(folder / "models"), "device": "cpu"}
    with running_page(folder / "server.log", catalogue=catalogue, **settings) as address:
        yield address


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser of its own, which knows nothing yet."""
    context = browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(RUN_MS)
    yield context
    context.close()


def visit(context: BrowserContext, url: str, language: Language = "en") -> Page:
    page = context.new_page()
    page.goto(f"{url}/{language}/")
    ready(page)
    return page


def ready(page: Page) -> None:
    """The page is there, with its parameters."""
    page.locator("#single-settings .hint").wait_for()


def strength(page: Page) -> str:
    return page.locator("#option-strength input[type=number]").input_value()


def set_strength(page: Page, value: int) -> None:
    page.fill("#option-strength input[type=number]", str(value))
    page.keyboard.press("Tab")
    page.locator("#single-settings", has_text=str(value)).wait_for(state="attached")


def choose_preset(page: Page, title: str) -> None:
    page.click("#preset-choice input")
    page.get_by_role("option", name=title).click()


def test_parameters_come_back_after_a_reload_and_in_the_other_language(context: BrowserContext, url: str) -> None:
    page = visit(context, url)
    open_tab(page, "parameters")
    set_strength(page, 37)
    page.locator("#option-detail_enhancement input").check()
    page.locator("#single-settings", has_text="Detail enhancement").wait_for(state="attached")
    page.reload()
    page.locator("#single-settings", has_text="Strength 37").wait_for()
    open_tab(page, "parameters")
    assert strength(page) == "37" and page.locator("#option-detail_enhancement input").is_checked()
    chinese = visit(context, url, "zh")
    chinese.locator("#single-settings", has_text="37").wait_for()
    open_tab(chinese, "parameters", "zh")
    chinese.click("#reset")
    chinese.locator("#single-settings", has_text="80").wait_for(state="attached")
    chinese.reload()
    chinese.locator("#single-settings", has_text="80").wait_for()


def test_what_a_browser_kept_may_be_rubbish(context: BrowserContext, url: str) -> None:
    page = visit(context, url)
    page.evaluate("localStorage.setItem('gpen-ui-parameters', 'no:thing')")
    page.reload()
    page.locator("#single-settings", has_text="Strength 80").wait_for()


def test_a_preset_is_saved_exported_deleted_and_imported(context: BrowserContext, url: str, tmp_path: Path) -> None:
    page = visit(context, url)
    open_tab(page, "parameters")
    set_strength(page, 12)
    page.locator("#own-presets button").first.click()
    page.fill("#preset-name input, #preset-name textarea", NAME)
    page.click("#preset-save")
    page.locator("[data-testid=toast-body]", has_text=NAME).wait_for()
    choose_preset(page, "Everyday")
    page.locator("#single-settings", has_text="Strength 50").wait_for(state="attached")
    choose_preset(page, NAME)
    page.locator("#single-settings", has_text="Strength 12").wait_for(state="attached")
    with page.expect_download() as coming:
        page.click("#preset-export")
    assert coming.value.suggested_filename == f"{NAME}.toml"
    coming.value.save_as(tmp_path / "mine.toml")
    page.click("#preset-delete")
    page.locator("#preset-question", has_text=NAME).wait_for()
    page.click("#preset-yes")
    page.locator("[data-testid=toast-body]", has_text="deleted").wait_for()
    with page.expect_file_chooser() as choosing:
        page.click("#preset-import")
    choosing.value.set_files(tmp_path / "mine.toml")
    page.wait_for_function(f"document.querySelector('#preset-choice input').value === '{NAME}'")


def test_where_no_preset_more_is_kept_the_page_says_so_and_loses_nothing(
    context: BrowserContext, url: str, folder: Path
) -> None:
    kept = folder / "config" / "gpen-ui" / "presets"
    kept.mkdir(parents=True, exist_ok=True)
    for file in kept.iterdir():  # of the tests before
        file.unlink()
    files = [kept / f"album {number:03}.toml" for number in range(OWN_MOST)]
    for file in files:
        file.write_text("[options]\nstrength = 10\n", encoding="utf-8")
    page = visit(context, url)
    open_tab(page, "parameters")
    set_strength(page, 12)
    page.locator("#own-presets button").first.click()
    page.fill("#preset-name input, #preset-name textarea", "one more")
    page.click("#preset-save")
    page.locator("[data-testid=toast-body]", has_text="as many as are kept").wait_for()
    name = page.locator("#preset-name input, #preset-name textarea")
    assert strength(page) == "12" and name.input_value() == "one more"
    choose_preset(page, "album 000")
    page.click("#preset-delete")
    page.click("#preset-yes")
    page.locator("[data-testid=toast-body]", has_text="deleted").wait_for()
    page.click("#preset-save")
    page.wait_for_function("document.querySelector('#preset-choice input').value === 'one more'")
    assert sorted(kept.iterdir()) == sorted([*files[1:], kept / "one more.toml"])
    for file in kept.iterdir():
        file.unlink()


def test_options_without_use_are_hidden_with_the_reason(context: BrowserContext, url: str) -> None:
    page = visit(context, url)
    open_tab(page, "parameters")
    page.locator("#option-aligned input").check()
    page.locator("#option-strength").wait_for(state="hidden")
    assert "Strength" in page.locator("#hidden-face").inner_text()
    page.locator("#option-aligned input").uncheck()
    page.locator("#option-strength").wait_for()
    assert strength(page) == "80"


def test_the_first_visit_is_told_about_the_model_once(context: BrowserContext, url: str) -> None:
    page = visit(context, url)
    page.locator("#welcome").wait_for()
    page.click("#welcome-more")
    page.locator("#model-list").wait_for()
    page.click("#welcome-dismiss")
    page.locator("#welcome").wait_for(state="hidden")
    page.reload()
    ready(page)
    assert not page.locator("#welcome").is_visible()


def test_a_download_survives_a_reload_and_is_seen_elsewhere(
    context: BrowserContext, browser: Browser, url: str, source: Server
) -> None:
    page = visit(context, url)
    open_tab(page, "model")
    get = page.locator("[data-key='get:gpen-bfr-512']")
    get.wait_for()
    assert get.is_disabled()
    page.check("[data-key='agree:gpen-bfr-512']")
    page.wait_for_selector("[data-key='get:gpen-bfr-512']:enabled")
    get.click()
    page.locator("#model-downloads", has_text="127.0.0.1").wait_for()
    page.reload()
    open_tab(page, "model")
    page.locator("#model-downloads", has_text="127.0.0.1").wait_for()
    other = browser.new_context(locale="zh-CN")
    elsewhere = visit(other, url, "zh")
    open_tab(elsewhere, "model", "zh")
    elsewhere.locator("[data-key='stop:gpen-bfr-512']").click()
    page.locator("[data-key='agree:gpen-bfr-512']").wait_for()  # the first page sees that it was stopped
    other.close()
    page.check("[data-key='agree:gpen-bfr-512']")
    page.wait_for_selector("[data-key='get:gpen-bfr-512']:enabled")
    get.click()
    page.locator("#model-list li", has_text="GPEN-BFR-512").locator(".state.present").wait_for()
    assert source.requests[-1][1] is not None  # it went on where it was

    page.click("[data-key='get:parsenet']")
    page.locator("#model-list .trouble", has_text="HTTP 404").wait_for()


def test_a_list_drawn_anew_between_press_and_release_loses_no_press(context: BrowserContext, url: str) -> None:
    page = visit(context, url)
    open_tab(page, "model")
    box = page.locator("[data-key='agree:gpen-bfr-1024']")
    box.scroll_into_view_if_needed()
    assert not box.is_checked()
    place = box.bounding_box()
    assert place is not None
    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    page.mouse.down()
    page.evaluate("document.querySelectorAll('#model-list ul').forEach(list => list.replaceWith(list.cloneNode(true)))")
    page.mouse.up()
    page.wait_for_selector("[data-key='get:gpen-bfr-1024']:enabled")


def test_a_file_that_is_no_model_is_refused_in_the_page(context: BrowserContext, url: str, tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(b"<html>log in first</html>")
    page = visit(context, url)
    open_tab(page, "model")
    page.set_input_files("#model-import input[type=file]", tmp_path / "net.pth")
    page.locator("#model-import .said.trouble", has_text="web page").wait_for()
