"""Tab 2 in real Chromium: runs that outlive their page and their server, seen by every browser, steered by any."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from gpen_ui.jobs import Runs, RunSettings, RunStore, plan_run
from gpen_ui.texts import Language, say
from tests.browsing import NEEDS_CHROMIUM, RUN_MS, foreign, open_tab, toast
from tests.jobs_lab import draw, draw_many, save_tiny_network
from tests.page_server import running_page, started_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the page may read and write."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def url(place: Path) -> Iterator[str]:
    """A page whose network is slow enough to be met in the middle of a run."""
    settings = {"outputs_folder": str(place / "outputs"), "allowed_folders": [str(place)], "device": "cpu"}
    with running_page(place / "server.log", **settings) as address:
        yield address


@contextmanager
def visiting(browser: Browser, url: str, language: Language = "en", width: int = 1280) -> Iterator[Page]:
    """A visitor on tab 2. Whatever the page does, it must not talk to any other machine."""
    locale = {"en": "en-GB", "zh": "zh-CN"}[language]
    context = browser.new_context(locale=locale, viewport={"width": width, "height": 900}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(RUN_MS)
    strangers: list[str] = []
    page.on("request", lambda request: strangers.append(request.url) if foreign(request.url, url) else None)
    page.goto(url)
    page.wait_for_selector("#single-start")
    open_tab(page, "batch", language)
    page.wait_for_selector("#batch-runs .runs, #batch-runs .empty")
    yield page
    context.close()
    assert strangers == []


@pytest.fixture
def visit(browser: Browser, url: str) -> Iterator[Page]:
    with visiting(browser, url) as page:
        yield page


def fill(page: Page, where: str, text: str) -> None:
    page.fill(f"#batch-{where} textarea, #batch-{where} input", text)


def begin(page: Page, folder: Path, output: str) -> None:
    before = page.locator("#batch-runs li").count()
    fill(page, "folder", str(folder))
    fill(page, "output", output)
    page.click("#batch-start")
    page.wait_for_function("count => document.querySelectorAll('#batch-runs li').length > count", arg=before)


def ended(page: Page, kind: str) -> str:
    """Waits for the sentence with which a run ends."""
    sentence = page.wait_for_selector(f"#batch-progress .{kind}", timeout=RUN_MS)
    assert sentence is not None
    return sentence.inner_text()


def some_done(page: Page, count: int) -> None:
    """Waits until the table shows so many photos that are done."""
    page.wait_for_function(
        "count => document.querySelectorAll('#batch-table tr.done').length >= count", arg=count, timeout=RUN_MS
    )


def names(page: Page) -> list[str]:
    return page.locator("#batch-table tbody button span").all_inner_texts()


def show(page: Page, which: str, rows: int) -> None:
    """Chooses a filter and waits for its rows."""
    page.locator("#batch-filter label", has_text=say(f"page.batch.filter.{which}")).click()
    page.wait_for_function("rows => document.querySelectorAll('#batch-table tbody button').length === rows", arg=rows)


def results(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found)


def test_a_folder_from_start_to_zip(visit: Page, place: Path, tmp_path: Path):
    fill(visit, "folder", "/etc")
    visit.click("#batch-start")
    assert "outside" in toast(visit)

    album = place / "album"
    for number in range(3):
        draw(album / f"{number}.png", number % 2, shade=number)
    draw(album / "1927" / "奶奶😀.jpg")
    (album / "broken.jpg").write_text("no picture")
    (album / "notes.txt").write_text("no photo")
    begin(visit, album, "album")
    assert "1 failed" in ended(visit, "some-failed")
    assert results(place / "outputs" / "album") == ["0_gpen.png", "1927/奶奶😀_gpen.jpg", "1_gpen.png", "2_gpen.png"]

    show(visit, "failed", 1)
    assert names(visit) == ["broken.jpg"] and "not a picture" in visit.inner_text("#batch-table")
    show(visit, "left", 0)
    show(visit, "done", 4)
    fill(visit, "search", "奶奶")
    visit.wait_for_function("document.querySelectorAll('#batch-table tbody button').length === 1")
    visit.locator("#batch-table tbody button").focus()
    visit.keyboard.press("Enter")
    visit.locator("#batch-table photo-compare").wait_for()
    visit.wait_for_function(
        "[...document.querySelector('#batch-table photo-compare').shadowRoot.querySelectorAll('.layer img')]"
        ".every(image => image.complete && image.naturalWidth === 180)"
    )
    assert visit.locator("#batch-table .figures img").count() == 0  # the comparison shows the same
    card = visit.inner_text("#batch-table .photo-card")
    assert "1 found, 1 restored" in card and "180 × 180" in card and "奶奶😀_gpen.jpg" in card
    visit.click("#batch-ignored summary")
    assert "notes.txt" in visit.inner_text("#batch-ignored")
    visit.click("#batch-facts summary")
    assert say("option.strength") + " 80" in visit.inner_text("#batch-facts")

    with visit.expect_download() as coming:
        visit.click(f"text={say('page.batch.report.zip')}")
    coming.value.save_as(tmp_path / "run.zip")
    with zipfile.ZipFile(tmp_path / "run.zip") as archive:
        assert archive.testzip() is None
        inside = set(archive.namelist())
        report = json.loads(archive.read("report.json"))
    assert {"1927/奶奶😀_gpen.jpg", "0_gpen.png", "report.csv", "report.html"} < inside
    assert report["counts"]["done"] == 4 and report["counts"]["failed"] == 1
    with visit.expect_popup() as opened:
        visit.click(f"#batch-links >> text={say('page.batch.report.html')}")
    opened.value.wait_for_load_state()
    assert "broken.jpg" in opened.value.inner_text("body") and opened.value.locator("article img").count() >= 8


def test_where_there_is_no_comparison_the_card_shows_what_is_kept_of_the_photo(visit: Page, place: Path):
    album = place / "moved"
    draw_many(album, 2)
    begin(visit, album, "moved")
    ended(visit, "all-done")
    (place / "outputs" / "moved" / "001_gpen.png").rename(place / "elsewhere.png")
    for name, shown in (("000.png", "photo-compare"), ("001.png", ".figures")):
        visit.locator("#batch-table tbody button", has_text=name).click()
        visit.locator(f"#batch-table .opened {shown}").wait_for()
        assert visit.locator("#batch-table .opened").locator("photo-compare, .figures").count() == 1
    visit.wait_for_function(
        "[...document.querySelectorAll('#batch-table .figures img')].filter(each => each.naturalWidth > 0).length === 2"
    )


def test_a_failed_photo_is_retried_alone(visit: Page, place: Path):
    album, output = place / "retry", place / "outputs" / "retry"
    draw_many(album, 3)
    (album / "broken.png").write_text("no picture")
    begin(visit, album, "retry")
    ended(visit, "some-failed")
    before = {path.name: path.stat().st_mtime_ns for path in output.iterdir()}
    draw(album / "broken.png")
    visit.click("#batch-retry")
    assert "4 of 4" in ended(visit, "all-done")
    after = {path.name: path.stat().st_mtime_ns for path in output.iterdir()}
    assert set(after) - set(before) == {"broken_gpen.png"}
    assert all(after[name] == time for name, time in before.items())
    assert not visit.locator("#batch-retry").is_visible()


def test_other_parameters_redo_only_what_they_touch(visit: Page, place: Path):
    album = place / "apply"
    draw(album / "a.png")
    begin(visit, album, "apply")
    ended(visit, "all-done")
    assert not visit.locator("#batch-apply").is_visible()
    open_tab(visit, "parameters")
    visit.fill("#option-strength input[type=number]", "20")
    visit.keyboard.press("Tab")
    open_tab(visit, "batch")
    visit.get_by_text(say("page.batch.apply.help", settings="Strength 20, Mode natural")).wait_for()
    visit.click("#batch-apply")
    visit.locator("#batch-table", has_text="a_gpen_2.png").wait_for(timeout=RUN_MS)
    visit.wait_for_selector("#batch-apply", state="hidden")
    assert results(place / "outputs" / "apply") == ["a_gpen.png", "a_gpen_2.png"]


def test_faces_of_a_photo_are_chosen_one_by_one_and_its_file_follows(visit: Page, place: Path):
    album, output = place / "faces", place / "outputs" / "faces"
    photo = draw(album / "two.png", 2)
    begin(visit, album, "faces")
    ended(visit, "all-done")
    visit.click("#batch-table tbody button")
    visit.click("#batch-table [data-key='faces']")
    visit.wait_for_selector("#batch-faces .face-panel:focus")  # it came into view
    visit.locator("#batch-faces .face-photo .face").nth(1).click()
    visit.wait_for_selector("#batch-faces .face-photo .face.left[data-place='1']", timeout=RUN_MS)
    assert results(output) == ["two_gpen.png"]
    with Image.open(photo) as before, Image.open(output / "two_gpen.png") as after:
        halves = [(0, 0, before.width // 2, before.height), (before.width // 2, 0, before.width, before.height)]
        changed = [before.crop(half).tobytes() != after.crop(half).tobytes() for half in halves]
    assert changed == [True, False]
    slider = visit.locator("#batch-faces [data-key='strength-1']")
    slider.focus()
    slider.press("ArrowLeft")
    visit.wait_for_selector("#batch-faces [data-key='strength-1'][value='75']", timeout=RUN_MS)
    assert visit.evaluate("document.activeElement.dataset.key") == "strength-1"
    visit.locator("#batch-table .photo-card", has_text="face 2: left as it was").wait_for(timeout=RUN_MS)
    assert "two_gpen.png" in visit.inner_text("#batch-faces-busy")
    visit.click("#batch-table tbody button")
    visit.wait_for_selector("#batch-face-area", state="hidden")


def test_stop_keeps_what_is_done_and_a_removed_run_its_results(visit: Page, place: Path):
    album, output = place / "stopped", place / "outputs" / "stopped"
    photos = [draw(album / f"{number:02}.png", 2, shade=number) for number in range(12)]
    begin(visit, album, "stopped")
    some_done(visit, 1)
    visit.click("#batch-stop")
    assert "Stopped" in ended(visit, "stopped")
    done = len(results(output))
    assert 0 < done < len(photos)
    assert f"{done} of 12" in visit.inner_text("#batch-progress")
    show(visit, "skipped", 12 - done)
    assert all(photo.is_file() for photo in photos)

    runs = visit.locator("#batch-runs li").count()
    visit.click("#batch-remove")
    visit.click("#batch-remove-no")
    visit.wait_for_selector("#batch-remove")
    visit.click("#batch-remove")
    visit.click("#batch-remove-yes")
    visit.wait_for_function("count => document.querySelectorAll('#batch-runs li').length < count", arg=runs)
    assert len(results(output)) == done


def test_a_run_outlives_its_page_and_every_browser_steers_it(browser: Browser, visit: Page, url: str, place: Path):
    album, output, count = place / "shared", place / "outputs" / "shared", 14
    for number in range(count):
        draw(album / f"{number:02}.png", 2, shade=number)
    with visiting(browser, url, "zh") as other:
        begin(visit, album, "shared")
        other.locator("#batch-runs button", has_text="shared").click()
        some_done(other, 1)
        other.click("#batch-pause")
        assert "已暂停" in ended(other, "stopped")
        done = len(results(output))
        assert 0 < done < count and f"Paused: {done} of {count}" in ended(visit, "stopped")
        for page in (visit, other):
            page.locator("#batch-resume").dispatch_event("click")
        visit.wait_for_selector("#batch-progress .bar")

        visit.reload()
        visit.wait_for_selector("#single-start")
        open_tab(visit, "batch")
        some_done(visit, done)
        row = visit.locator("#batch-table tbody button").first
        row.press("Enter")
        visit.wait_for_selector("#batch-table .photo-card")
        visit.evaluate("document.querySelector('#batch-table').scrollTop = 90")
        some_done(visit, min(count, visit.locator("#batch-table tr.done").count() + 2))
        # the table was drawn anew: neither the place of the keyboard nor that of the eye is lost
        assert row.evaluate("row => row === document.activeElement")
        assert visit.evaluate("document.querySelector('#batch-table').scrollTop") == 90
        assert f"{count} of {count}" in ended(visit, "all-done")
        assert f"{count} / {count}" in ended(other, "all-done")
        assert other.locator("[data-testid=toast-body]").count() == 0
    assert results(output) == [f"{number:02}_gpen.png" for number in range(count)]


def test_a_killed_server_goes_on_with_uploads_and_each_photo_is_done_once(browser: Browser, tmp_path: Path):
    photos = [draw(tmp_path / f"photo-{number}.png", 2, shade=number) for number in range(4)]
    temporary, outputs = tmp_path / "temporary", tmp_path / "outputs"
    temporary.mkdir()
    given = {"outputs_folder": str(outputs), "allowed_folders": [], "device": "cpu"}
    with (
        started_page(tmp_path / "log", temporary=temporary, **given) as (server, address),
        visiting(browser, address) as page,
    ):
        page.set_input_files("#batch-files input[type=file]", [str(photo) for photo in photos])
        page.get_by_text("photo-3").first.wait_for()
        page.click("#batch-start")
        some_done(page, 1)
        server.kill()
    shutil.rmtree(temporary)  # whatever the first server held for itself
    temporary.mkdir()
    with (
        started_page(tmp_path / "log", temporary=temporary, **given) as (_, address),
        visiting(browser, address) as page,
    ):
        assert "4 of 4" in ended(page, "all-done")
        assert say("page.batch.uploads", count=4) in page.inner_text("#batch-runs")
    done = [path.name for path in outputs.iterdir() if path.is_file()]
    assert sorted(done) == [f"photo-{number}_gpen.png" for number in range(4)]


def test_a_long_run_is_shown_in_pages_also_on_a_phone(browser: Browser, visit: Page, url: str, place: Path):
    """The run is made by another process, and nobody works on it yet."""
    album = place / "long"
    first = draw(album / "0000.png", 0)
    for number in range(1, 60):
        shutil.copy(first, album / f"{number:04}.png")
    model = save_tiny_network(place / "tiny.pth")
    store = RunStore.open(place / "outputs")
    run = Runs(store, lambda run, stop: pytest.fail("nobody works here")).create(
        plan_run([album], place / "outputs" / "long", settings=RunSettings(model=str(model), device="cpu"))
    )
    store.close()
    chosen = visit.locator(f"#batch-runs button[data-key='{run}']")
    chosen.click()
    visit.get_by_text(say("page.batch.page", first=1, last=50, total="60")).wait_for()
    assert names(visit)[0] == "0000.png" and len(names(visit)) == 50
    assert visit.locator("#batch-before").is_disabled()
    visit.click("#batch-after")
    visit.get_by_text(say("page.batch.page", first=51, last=60, total="60")).wait_for()
    assert names(visit)[-1] == "0059.png" and visit.locator("#batch-after").is_disabled()

    with visiting(browser, url, "zh", width=390) as phone:
        phone.locator(f"#batch-runs button[data-key='{run}']").click()
        phone.get_by_text(say("page.batch.page", "zh", first=1, last=50, total="60")).wait_for()
        assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert say("page.batch.begin", "zh") in phone.inner_text("#batch-resume")
        phone.click("#batch-resume")
        assert "60 / 60" in ended(phone, "all-done")
    assert len(results(place / "outputs" / "long")) == 60
