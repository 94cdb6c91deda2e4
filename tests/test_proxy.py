"""The server behind nginx and Caddy, with the configuration of docs/proxy.md: whole, under a path, and not fooled."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from PIL import Image

from tests.browsing import CHROMIUM, RUN_MS
from tests.jobs_lab import draw
from tests.pictures import crowd
from tests.proxies import CADDY, NGINX, running_caddy, running_nginx
from tests.rest_server import TOKEN, WAIT_S, RestServer, running_rest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PASSWORD = ("anna", "the right one")
PROXIES = [
    pytest.param(name, marks=pytest.mark.skipif(program is None, reason=f"{name} is missing, so it is not tried"))
    for name, program in (("nginx", NGINX), ("caddy", CADDY))
]
PLACES = ["", "/faces"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestServer]:
    settings = {"auth": ":".join(PASSWORD), "api_token": TOKEN, "upload_mb": 2, "submission_mb": 2}
    with running_rest(tmp_path_factory.mktemp("behind"), **settings) as running:
        yield running


@pytest.fixture(scope="module", params=PROXIES)
def proxy(
    request: pytest.FixtureRequest, server: RestServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of one of them."""
    running = running_nginx if request.param == "nginx" else running_caddy
    with running(tmp_path_factory.mktemp(request.param), server.url) as address:
        yield address


def client(address: str, token: str | None = TOKEN, *, source: str = "127.0.0.1") -> httpx.Client:
    """A program, from one of this machine's addresses."""
    return httpx.Client(
        base_url=address,
        headers={"Authorization": f"Bearer {token}"} if token else {},
        transport=httpx.HTTPTransport(verify=False, local_address=source),
        timeout=WAIT_S,
    )


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is missing, so the page is not tried in a browser")
@pytest.mark.parametrize("place", PLACES)
def test_the_page_works_through_it(proxy: str, place: str, browser: Browser):
    login = {"username": PASSWORD[0], "password": PASSWORD[1]}
    page = browser.new_page(ignore_https_errors=True, http_credentials=login)
    failed: list[str] = []
    page.on("response", lambda answer: failed.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
    page.on("request", lambda asked: failed.append(asked.url) if f"{proxy}{place}/" not in asked.url else None)
    page.goto(f"{proxy}{place}/")
    page.wait_for_function("document.querySelector('#status')?.innerText.trim()", timeout=RUN_MS)  # comes as an event
    if place:  # where more can go wrong
        page.click("#single-sample")
        page.wait_for_selector("#single-progress .all-done", timeout=RUN_MS)
        page.locator("photo-compare .stage").wait_for()
        page.wait_for_function(
            "[...document.querySelector('photo-compare').shadowRoot.querySelectorAll('.sheet > img')]"
            ".filter(each => each.naturalWidth > 0).length >= 2"
        )
    page.click("#language")
    page.wait_for_url("**/zh/")
    page.close()
    assert [each for each in failed if not each.startswith(("blob:", "data:"))] == []


def test_a_run_is_started_and_watched_through_it(proxy: str, server: RestServer):
    """Events come while the run goes on: it watches a folder and has no end. Under a path, where more can go wrong."""
    place = PLACES[-1]
    folder = server.photos / f"{proxy.rpartition(':')[2]}{place.strip('/')}"
    folder.mkdir()
    draw(folder / "a.png", 1)
    with client(proxy) as api:
        asked = {"folder": str(folder), "watch": True}
        answer = api.post(f"{place}/api/v1/runs/folder", json=asked)
        run = answer.headers["location"]
        assert run.startswith(f"{place}/api/v1/runs/")
        with api.stream("GET", f"{run}/events") as events:
            assert any('"number": 1' in line and '"state": "done"' in line for line in events.iter_lines())
        photo = api.get(f"{run}/photos/1").json()
        assert photo["result_url"].startswith(f"{place}/api/v1/runs/")
        assert api.get(photo["result_url"]).headers["content-type"] == "image/png"
        assert api.post(f"{run}/cancel").status_code == 200


def test_the_headers_of_a_photo_with_very_many_faces_come_through(proxy: str, tmp_path: Path):
    photo = tmp_path / "many.jpg"
    Image.fromarray(crowd(30, 10, face_px=45)).save(photo)
    with client(proxy) as api:
        fields = {"smallest_face_px": "200"}
        answer = api.post("/api/v1/restore", files={"file": ("a.jpg", photo.read_bytes())}, data=fields)
    assert answer.status_code == 200
    assert answer.headers["x-faces-why"] == ", ".join(["face_small"] * 300)


def test_what_is_too_large_is_refused_by_the_server_with_its_sentence(proxy: str):
    with client(proxy) as api:
        answer = api.post("/api/v1/restore", files={"file": ("large.jpg", bytes(5 << 20))})
    assert answer.status_code == 413
    assert answer.json()["error"]["key"] == "api_upload_too_large"


def test_a_guesser_waits_alone_and_cannot_make_up_an_address(proxy: str):
    guesser = f"127.0.1.{int(proxy.rpartition(':')[2]) % 254 + 1}"  # each proxy has its own

    def guess(number: int) -> int:
        with client(proxy, f"wrong-wrong-wrong-{number}", source=guesser) as api:
            made_up = {"X-Forwarded-For": f"10.0.0.{number}", "X-Real-IP": f"10.0.0.{number}"}
            return api.get("/api/v1/runs", headers=made_up).status_code

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(guess, range(6)))
    assert guess(7) == 429
    with client(proxy) as api:
        assert api.get("/api/v1/runs").status_code == 200


def test_other_sites_are_refused_and_the_own_one_is_not(proxy: str):
    with client(proxy) as api:
        for origin, status in ((proxy, 200), ("https://evil.example", 403)):
            assert api.get("/en/config", headers={"Origin": origin}).status_code == status
        assert api.get("/en/config", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_nobody_gets_in_without_the_password(proxy: str):
    with client(proxy, None) as api:
        assert {
            api.get(f"{place}{path}").status_code for place in PLACES for path in ("/", "/en/", "/api/v1/runs")
        } == {401}
