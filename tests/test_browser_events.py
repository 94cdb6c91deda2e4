"""No press is lost, however the network delays what Gradio's server and page tell each other, in real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browsing import NEEDS_CHROMIUM, RUN_MS, open_tab
from tests.page_server import running_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = NEEDS_CHROMIUM

# The network holds the end of a stream of events back while `holdEnds` is set, as a slow one would; `ends` counts them.
SLOW_NETWORK = """
  const ask = window.fetch.bind(window);
  window.ends = 0;
  window.holdEnds = false;
  window.openStreams = 0;
  window.fetch = async (resource, options) => {
    const answer = await ask(resource, options);
    if (!String(resource.url ?? resource).includes('/queue/data')) return answer;
    window.openStreams += 1;
    const hold = new TransformStream({
      async transform(text, out) {
        const [before, ...end] = text.split(/(?=data: {"msg":"close_stream")/);
        out.enqueue(before);
        if (end.length === 0) return;
        window.ends += 1;
        while (window.holdEnds) await new Promise(go => setTimeout(go, 20));
        out.enqueue(end.join(''));
      },
      flush() { window.openStreams -= 1; },
    });
    const held = answer.body.pipeThrough(new TextDecoderStream()).pipeThrough(hold);
    return new Response(held.pipeThrough(new TextEncoderStream()), {status: answer.status, headers: answer.headers});
  };
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("events")
    with running_page(folder / "server.log", outputs_folder=str(folder / "outputs"), device="cpu") as address:
        yield address


@pytest.fixture
def visit(browser: Browser, url: str) -> Iterator[Page]:
    """The tab with the parameters, when nothing is on its way any more."""
    context = browser.new_context(locale="en-GB")
    context.set_default_timeout(RUN_MS)
    page = context.new_page()
    page.add_init_script(SLOW_NETWORK)
    page.goto(f"{url}/en/")
    page.locator("#single-settings .hint").wait_for()
    open_tab(page, "parameters")
    page.wait_for_function("window.openStreams === 0")
    page.evaluate("window.ends = 0")
    yield page
    context.close()


def press(page: Page, preset: str) -> None:
    """Presses a preset's button, and waits until the server has the press."""
    with page.expect_response("**/queue/join*"):
        page.click(f"#preset-{preset}")


def wait_for_strength(page: Page, value: int) -> None:
    page.wait_for_function(f"document.querySelector('#option-strength input[type=number]').value === '{value}'")


def test_a_press_while_the_stream_of_events_ends_is_not_lost(visit: Page) -> None:
    visit.evaluate("window.holdEnds = true")
    press(visit, "high-quality")
    visit.wait_for_function("window.ends > 0")  # the server has ended the stream, the page has not heard of it
    press(visit, "everyday")
    visit.evaluate("window.holdEnds = false")
    wait_for_strength(visit, 50)
    visit.wait_for_function("window.openStreams === 0")


def test_an_event_that_the_server_does_not_know_keeps_no_stream_open_for_ever(visit: Page) -> None:
    visit.route("**/queue/join*", lambda route: route.fulfill(json={"event_id": "nobody"}))
    visit.evaluate("window.holdEnds = true")
    visit.click("#reset")
    visit.unroute("**/queue/join*")
    visit.evaluate("window.holdEnds = false")
    press(visit, "high-quality")
    wait_for_strength(visit, 70)
    press(visit, "everyday")
    wait_for_strength(visit, 50)
    visit.wait_for_function("window.openStreams === 0")
