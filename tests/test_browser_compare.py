"""The comparison, the ways in for photos and the facts of a result, as a person uses them in real Chromium. What is
seen is judged on screenshots."""

from __future__ import annotations

import base64
import io
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import skimage.data
from PIL import Image
from typer.testing import CliRunner

from gpen_ui.texts import say
from tests.browsing import NEEDS_CHROMIUM, RUN_MS, foreign, open_tab
from tests.page_server import running_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = NEEDS_CHROMIUM
WIDE_WH = (3000, 2000)  # larger than a preview, so that its full size comes in tiles
PASTE = """([name, data, how]) => {
  const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
  const all = new DataTransfer();
  all.items.add(new File([bytes], name, {type: name.endsWith('.png') ? 'image/png' : 'text/plain'}));
  const about = {bubbles: true, cancelable: true};
  document.body.dispatchEvent(how === 'paste' ? new ClipboardEvent('paste', {...about, clipboardData: all})
    : new DragEvent(how, {...about, dataTransfer: all}));
}"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compare")


@pytest.fixture(scope="module")
def head() -> Image.Image:
    return Image.fromarray(skimage.data.astronaut()).crop((130, 0, 320, 190))


@pytest.fixture(scope="module")
def photos(place: Path, head: Image.Image) -> list[Path]:
    """A portrait, and a wide photo with a face before a pattern whose single pixels tell where one is."""
    head.resize((300, 300)).save(place / "anna.png")
    width, height = WIDE_WH
    ys, xs = np.mgrid[0:height, 0:width]
    wide = np.stack([xs % 256, ys % 256, (xs // 8 + ys // 8) % 2 * 255], axis=-1).astype(np.uint8)
    picture = Image.fromarray(wide)
    picture.paste(head.resize((400, 400)), (100, 100))
    picture.save(place / "wide.png", compress_level=1)
    return [place / "anna.png", place / "wide.png"]


@pytest.fixture(scope="module")
def url(place: Path) -> Iterator[str]:
    settings = {"outputs_folder": str(place / "outputs"), "model": "gpen-lite-512", "device": "cpu"}
    with running_page(place / "server.log", **settings) as address:
        yield address


@pytest.fixture(scope="module")
def page(browser: Browser, url: str, photos: list[Path]) -> Iterator[Page]:
    """Both photos restored and compared, with brightness 20, so that every pixel shows which side it is of."""
    context = browser.new_context(locale="en-GB", viewport={"width": 1200, "height": 1000})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(RUN_MS)
    strangers: list[str] = []
    page.on("request", lambda request: strangers.append(request.url) if foreign(request.url, url) else None)
    page.goto(url)
    page.locator("#single-settings .hint").wait_for()  # what this browser kept is there
    open_tab(page, "parameters")
    page.fill("#option-brightness input[type=number]", "20")
    page.keyboard.press("Tab")
    open_tab(page, "single")
    page.locator("#single-settings", has_text="Brightness 20").wait_for()
    page.set_input_files("#single-files input[type=file]", [str(photo) for photo in photos])
    page.get_by_text("wide", exact=False).first.wait_for()
    page.click("#single-start")
    page.wait_for_selector("#single-progress .all-done")
    page.wait_for_selector("#single-start")
    yield page
    context.close()
    assert strangers == []


@pytest.fixture
def view(page: Page) -> Locator:
    """The comparison at its beginning: the first photo as a whole, the divider in the middle."""
    view = page.locator("photo-compare")
    view.scroll_into_view_if_needed()
    if view.locator("button.lens").get_attribute("aria-pressed") == "true":
        view.locator("button.lens").click()
    choose(page, 0)
    view.locator("button.fit").click()
    view.evaluate("view => view.divide(0.5)")
    return view


def choose(page: Page, place: int) -> None:
    page.locator("photo-compare .strip button").nth(place).click()
    page.locator("#single-facts dd", has_text=("anna.png", "wide.png")[place]).first.wait_for()
    page.evaluate(
        "async () => { for (const image of document.querySelector('photo-compare').shadowRoot"
        ".querySelectorAll('.layer .sheet > img:first-child')) await image.decode();"
        " await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))); }"
    )


def seen(view: Locator) -> np.ndarray:
    """The stage as it is on the screen, (H, W, 3)."""
    with Image.open(io.BytesIO(view.locator(".stage").screenshot())) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def brightness_right_and_left(view: Locator) -> tuple[float, float]:
    """Mean of two strips of the picture, left and right of its middle, far from tags and the divider's handle."""
    picture = seen(view)
    height, width = picture.shape[:2]
    side = min(height, width)
    rows = slice(round(0.75 * height), round(0.95 * height))
    left = picture[rows, (width - side) // 2 + round(0.1 * side) : (width - side) // 2 + round(0.3 * side)]
    right = picture[rows, (width - side) // 2 + round(0.7 * side) : (width - side) // 2 + round(0.9 * side)]
    return float(left.mean()), float(right.mean())


def test_the_divider_is_dragged_and_what_is_seen_changes(page: Page, view: Locator) -> None:
    left, right = brightness_right_and_left(view)
    handle = view.locator(".divider i").bounding_box()
    assert handle is not None
    x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 600, y, steps=4)
    page.mouse.up()
    all_restored = brightness_right_and_left(view)
    assert all_restored[0] > left + 3 and all_restored[1] == pytest.approx(right, abs=1)
    assert view.locator(".divider").get_attribute("aria-valuenow") == "0"


def test_the_divider_is_a_slider_for_the_keyboard(page: Page, view: Locator) -> None:
    slider = page.get_by_role("slider", name=say("page.compare.divider"))
    left, right = brightness_right_and_left(view)
    slider.focus()
    page.keyboard.press("End")
    assert slider.get_attribute("aria-valuetext") == "100 % original, 0 % restored"
    assert brightness_right_and_left(view)[1] < right - 3
    page.keyboard.press("Home")
    assert brightness_right_and_left(view)[0] > left + 3
    for key, now in (("ArrowRight", "2"), ("PageUp", "12"), ("ArrowLeft", "10")):
        page.keyboard.press(key)
        assert slider.get_attribute("aria-valuenow") == now
    outline = view.locator(".divider i").evaluate("handle => getComputedStyle(handle).outlineStyle")
    assert outline == "solid"  # who uses the keyboard sees where it is


def test_the_original_is_seen_for_as_long_as_button_or_key_is_held(page: Page, view: Locator) -> None:
    view.evaluate("view => view.divide(0)")
    restored = brightness_right_and_left(view)
    button = view.locator("button.hold").bounding_box()
    assert button is not None
    page.mouse.move(button["x"] + 20, button["y"] + 15)
    page.mouse.down()
    held = brightness_right_and_left(view)
    assert view.locator("button.hold").get_attribute("aria-pressed") == "true"
    page.mouse.up()
    assert held[0] < restored[0] - 3 and held[1] < restored[1] - 3
    assert brightness_right_and_left(view) == pytest.approx(restored, abs=1)
    view.locator(".divider").focus()
    page.keyboard.down("o")
    assert brightness_right_and_left(view) == pytest.approx(held, abs=1)
    page.keyboard.up("o")
    assert brightness_right_and_left(view) == pytest.approx(restored, abs=1)


def result_of(place: Path, name: str) -> np.ndarray:
    with Image.open(place / "outputs" / name) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def tiles_are_here(page: Page, where: str) -> None:
    page.wait_for_function(
        f"[...document.querySelector('photo-compare').shadowRoot.querySelectorAll('{where} .tile')].length > 0 && "
        f"[...document.querySelector('photo-compare').shadowRoot.querySelectorAll('{where} .tile')]"
        ".every(tile => tile.complete && tile.naturalWidth)"
    )


def test_the_lens_shows_full_size_pixels(page: Page, view: Locator, place: Path) -> None:
    choose(page, 1)
    view.locator("button.lens").click()
    stage = view.locator(".stage").bounding_box()
    assert stage is not None
    page.mouse.move(stage["x"] + 0.6 * stage["width"], stage["y"] + 0.7 * stage["height"])
    tiles_are_here(page, ".pane")
    glass = view.locator(".glass")
    assert "100 %" in glass.inner_text()
    x, y = (int(number) for number in (glass.get_attribute("data-at") or "").split(","))
    with Image.open(io.BytesIO(view.locator(".pane").nth(1).screenshot())) as picture:
        shown = np.asarray(picture.convert("RGB")).astype(int)
    height, width = shown.shape[:2]
    whole = result_of(place, "wide_gpen.png")
    inner = np.s_[20 : height - 45, 20 : width - 50]  # without corners and the lens's label
    best = min(
        np.abs(shown - whole[top : top + height, left : left + width])[inner].mean()
        for top in range(y - height // 2 - 2, y - height // 2 + 3)
        for left in range(x - width // 2 - 2, x - width // 2 + 3)
    )
    assert best < 6  # the JPEG's error; off by a pixel the pattern is off by more than 8


def test_actual_pixels_are_loaded_on_demand_and_moved(page: Page, view: Locator) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/pictures/" in request.url else None)
    choose(page, 1)
    assert not any("/after/" in address for address in asked)  # a preview alone
    view.evaluate("view => view.divide(0)")
    view.locator("button.one").click()
    tiles_are_here(page, ".layer.after")
    assert any("/after/" in address for address in asked)
    assert view.locator("button.one").get_attribute("aria-pressed") == "true"
    before = seen(view)
    stage = view.locator(".stage").bounding_box()
    assert stage is not None
    x, y = stage["x"] + 700, stage["y"] + 500
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 96, y - 48, steps=3)
    page.mouse.up()
    tiles_are_here(page, ".layer.after")
    after = seen(view)
    inner = np.s_[120:400, 200:800]
    assert np.abs(after[inner] - np.roll(before, (-48, -96), (0, 1))[inner]).mean() < 3
    view.locator(".divider").focus()
    page.keyboard.press("0")
    assert view.locator("button.fit").get_attribute("aria-pressed") == "true"


def test_next_and_previous_bring_the_facts_along(page: Page, view: Locator) -> None:
    view.locator("button.next").click()
    page.locator("#single-facts dd", has_text="wide.png").first.wait_for()
    assert view.locator("button.next").is_disabled()
    view.locator(".divider").focus()
    page.keyboard.press("p")
    page.locator("#single-facts dd", has_text="anna.png").first.wait_for()
    assert view.locator(".strip [aria-current]").get_attribute("aria-label") == "anna.png"


def test_the_screen_is_filled_and_given_back(page: Page, view: Locator) -> None:
    view.locator("button.screen").click()
    page.wait_for_function("document.fullscreenElement?.localName === 'photo-compare'")
    page.evaluate("document.exitFullscreen()")
    page.wait_for_function("!document.fullscreenElement")


def test_the_copied_command_is_taken_by_the_command_line(
    page: Page, view: Locator, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gpen_ui.cli import enhance
    from gpen_ui.cli.program import build_program

    page.click("#single-used [data-copy]")
    page.locator("#single-used [data-copy]", has_text=say("page.used.copied")).wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    words = shlex.split(copied)
    assert words[:2] == ["./run.sh", "enhance"] and words[-2:] == ["--", "anna.png"]
    plans: list[Any] = []
    monkeypatch.setattr(enhance, "_run", lambda plan, report: plans.append(plan))
    answer = CliRunner().invoke(build_program("en"), words[1:])
    assert answer.exit_code == 0, answer.output
    assert plans[0].options.brightness == 20 and plans[0].settings.model == "gpen-lite-512"
    assert plans[0].inputs == [Path("anna.png")]


def test_the_settings_of_a_photo_come_back(page: Page, view: Locator) -> None:
    open_tab(page, "parameters")
    page.click("#reset")
    page.wait_for_function("document.querySelector('#option-brightness input[type=number]').value === '0'")
    open_tab(page, "single")
    page.click("#single-reuse")
    page.locator("[data-testid=toast-body]", has_text=say("page.used.done")).wait_for()
    page.locator("#single-settings", has_text="Brightness 20").wait_for()
    open_tab(page, "parameters")
    assert page.locator("#option-brightness input[type=number]").input_value() == "20"
    open_tab(page, "single")


def test_a_result_says_why_it_looks_like_this(page: Page, view: Locator) -> None:
    said = page.inner_text("#single-facts .why")
    assert "One face was found and restored." in said and "512 px that the network works with" in said
    assert "Strength 80: 20 % of the original is mixed in." in said and "Brightness 20" in said


@pytest.fixture
def fresh(browser: Browser, url: str) -> Iterator[Page]:
    context = browser.new_context(locale="zh-CN", viewport={"width": 1000, "height": 800})
    page = context.new_page()
    page.set_default_timeout(RUN_MS)
    page.goto(url)
    page.wait_for_selector("#single-files input[type=file]", state="attached")
    page.wait_for_function("Boolean(customElements.get('photo-intake'))")
    yield page
    context.close()


def send(page: Page, how: str, name: str, data: bytes) -> None:
    page.evaluate(PASTE, [name, base64.b64encode(data).decode(), how])


def test_photos_are_pasted_and_dropped_anywhere(fresh: Page, photos: list[Path]) -> None:
    data = photos[0].read_bytes()
    send(fresh, "paste", "image.png", data)
    fresh.locator("#single-files", has_text="pasted-").wait_for()
    send(fresh, "dragover", "x.png", b"")
    fresh.get_by_text(say("page.intake.drop", "zh")).wait_for()
    send(fresh, "drop", "奶奶.png", data)
    fresh.locator("#single-files", has_text="奶奶").wait_for()
    assert fresh.locator("#single-files", has_text="pasted-").count() == 1  # added, not replaced


def test_what_is_no_photo_is_refused_in_the_pages_language(fresh: Page) -> None:
    send(fresh, "drop", "notes.txt", b"no photo")
    fresh.get_by_text(say("page.intake.kind", "zh", name="notes.txt")).wait_for()
    fresh.set_input_files(
        "#single-files input[type=file]", [{"name": "a.pdf", "mimeType": "application/pdf", "buffer": b"x"}]
    )
    fresh.get_by_text(say("page.intake.kind", "zh", name="a.pdf")).wait_for()
    assert "Invalid file" not in fresh.inner_text("body")


def test_on_a_phone_a_touch_moves_the_divider_and_nothing_scrolls_sideways(browser: Browser, url: str) -> None:
    context = browser.new_context(locale="en-GB", viewport={"width": 390, "height": 800}, has_touch=True)
    page = context.new_page()
    page.set_default_timeout(RUN_MS)
    page.goto(url)
    page.click("#single-sample")
    page.wait_for_selector("#single-progress .all-done")
    view = page.locator("photo-compare")
    view.locator(".stage").wait_for()
    page.evaluate(
        "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )  # it scrolls into sight
    stage = view.locator(".stage").bounding_box()
    assert stage is not None
    page.touchscreen.tap(stage["x"] + 0.2 * stage["width"], stage["y"] + 0.5 * stage["height"])
    assert 0 <= int(view.locator(".divider").get_attribute("aria-valuenow") or 50) < 35
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    sizes = view.locator(".tools button").evaluate_all(
        "buttons => buttons.map(each => Math.min(each.offsetWidth, each.offsetHeight))"
    )
    assert min(sizes) >= 44  # fingers are not pointers
    context.close()


def test_pictures_are_given_by_their_key_alone(page: Page, view: Locator, url: str) -> None:
    photo = json.loads(view.get_attribute("photos") or "")[1]
    home = photo["tiles"].removeprefix("..")
    for path, status in (
        (f"{home}/before.jpg", 200),
        (f"{home}/after/0-0.jpg", 200),
        (f"{home}/after/99-0.jpg", 404),
        (f"{home}/other.jpg", 404),
        (f"/pictures/{'0' * 32}/before.jpg", 404),
        ("/web/compare.js", 200),
        ("/web/..%2fserver.py", 404),
        ("/web/tab_single.py", 404),
    ):
        assert page.request.get(url + path).status == status, path
    assert "/tmp" not in (view.get_attribute("photos") or "")
