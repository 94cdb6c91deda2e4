"""The newer doors of docs/security.md, tried as strangers would: pictures by their key, words of proxies, presets, what
a browser kept, licences, a command to copy, clients that send slowly, and what all of it may take."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import httpx
import numpy as np
import pytest
import uvicorn
from fastapi.testclient import TestClient
from PIL import Image
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gpen_ui.errors import OptionError, UsageError
from gpen_ui.options import RestoreOptions, option_specs
from gpen_ui.presets import parse_preset
from gpen_ui.settings import Settings
from gpen_ui.texts import LANGUAGES
from gpen_ui.ui import build_app, model_files, patience, pictures, service, why
from gpen_ui.ui.batch_size import batch_size_of
from gpen_ui.ui.kept import OPTIONS_MOST, STORE_KEY
from gpen_ui.ui.outside import ProxiesOnly
from gpen_ui.ui.patience import BodiesInTime, HeadsInTime
from gpen_ui.ui.pictures import Pair
from gpen_ui.ui.scratch import FILE_COSTS, Scratch
from gpen_ui.ui.service import Service
from gpen_ui.ui.speech import Speech
from gpen_ui.ui.tab_parameters import control_values
from tests.jobs_lab import draw
from tests.rest_server import RestServer, ended, running_rest, until
from tests.test_compare import outcome_of

JSON = {"content-type": "application/json"}
LOGIN = ("anna", "geheim")
WIDE_WH = (2700, 1100)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestServer]:
    with running_rest(tmp_path_factory.mktemp("strangers"), upload_mb=1, submission_mb=2) as running:
        yield running


@pytest.fixture
def page(server: RestServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client:
        yield client


class Built:
    """The whole application in this process, behind a password, with a pair of pictures that somebody compares."""

    def __init__(self, folder: Path) -> None:
        self.models = folder / "models"
        settings = Settings(
            outputs_folder=folder / "outputs", models_folder=self.models, allowed_folders=(), auth=":".join(LOGIN)
        )
        self.service = Service(settings, folder)
        self.app = build_app(self.service, settings)
        self.session = self.service.session("anna")
        Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(folder / "photo.png")
        files, size = (folder / "photo.png", folder / "photo.png"), (64, 48)
        self.pair = Pair("a.png", *files, size, size, self.session.folder, (folder,))

    def client(self, address: str = "127.0.0.1", **how: Any) -> TestClient:
        return TestClient(self.app, base_url="http://127.0.0.1", client=(address, 50000), **how)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built(tmp_path_factory.mktemp("built"))


def tried(page: httpx.Client, step: dict[str, Any], data: list[Any], session: str, event: Any = None) -> str:
    """Everything that the page is told of an event."""
    body = {"data": data, "fn_index": step["id"], "session_hash": session, "event_data": event}
    answer = page.post("/en/gradio_api/queue/join", content=json.dumps(body), headers=JSON)
    assert answer.status_code == 200, answer.text
    said = ""
    with page.stream("GET", "/en/gradio_api/queue/data", params={"session_hash": session}) as stream:
        for line in stream.iter_lines():
            said += line
            if "process_completed" in line:
                return said
    raise AssertionError("the event did not end")


@pytest.fixture(scope="module")
def config(server: RestServer) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{server.url}/en/config", trust_env=False).json()
    return found


def kept_step(config: dict[str, Any]) -> dict[str, Any]:
    """The event that takes what a browser kept."""
    stores = [each for each in config["components"] if each["props"].get("storage_key") == STORE_KEY]
    found: dict[str, Any] = next(each for each in config["dependencies"] if each["inputs"] == [stores[0]["id"]])
    return found


class TestPictures:
    def test_they_go_by_their_key_with_the_password_until_their_page_is_closed(self, built: Built):
        key = built.service.pictures.offer(built.pair)
        own, stranger = built.client(), built.client("10.0.0.5")
        own.auth = LOGIN
        for place in ("before.jpg", "after.jpg", "small.jpg", "before/0-0.jpg", "after/0-0.jpg"):
            assert own.get(f"/pictures/{key}/{place}").headers["content-type"] == "image/jpeg"
            assert stranger.get(f"/pictures/{key}/{place}").status_code == 401
            other_site = own.get(f"/pictures/{key}/{place}", headers={"sec-fetch-site": "cross-site"})
            assert other_site.status_code == 403
        built.service.forget("anna")
        for place in ("before.jpg", "before/0-0.jpg"):
            assert own.get(f"/pictures/{key}/{place}").status_code == 404

    @pytest.mark.parametrize(
        "place",
        [
            "../before.jpg", "before/../../x", "%2e%2e/%2e%2e/etc/passwd", "preview.jpg", "before.jpg%00",
            "before/0-1.jpg", "before/1-0.jpg", "before/-1-0.jpg", "before/0.jpg", "before/٣-0.jpg",
            f"before/{'9' * 5000}-0.jpg",
            f"before/0-{10**18}.jpg", "etc/0-0.jpg", "before/1e9-0.jpg", "before/0-0.jpg/..",
        ],
    )  # fmt: skip
    def test_there_is_nothing_else(self, built: Built, place: str):
        client = built.client(raise_server_exceptions=False, follow_redirects=False)
        client.auth = LOGIN
        key = built.service.pictures.offer(built.pair)
        for guess in (key, key[:-1] + "g", "..", "*", "0" * 32):
            assert client.get(f"/pictures/{guess}/{place}").status_code in (404, 307)
        assert client.get(f"/runs/photos/{'9' * 5000}/after.jpg").status_code == 404

    def test_the_oldest_pairs_are_forgotten(self, built: Built, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(pictures, "PAIRS_MOST", 3)
        kept = pictures.Pictures(built.service.temporary, 10)
        offered = [Pair(str(number), *[getattr(built.pair, name) for name in (
            "before", "after", "before_wh", "after_wh", "folder", "within")]) for number in range(5)]  # fmt: skip
        keys = [kept.offer(each) for each in offered]
        assert [kept.tile(key, "before", 0, 0) is None for key in keys[:2]] == [True, True]
        assert len(kept._pairs) == len(kept._keys) == 3 and keys[4] == kept.offer(offered[4])

    def test_the_pages_own_scripts_are_all_that_is_given(self, built: Built):
        client = built.client(follow_redirects=False)
        client.auth = LOGIN
        for name in ("page.css", "..%2fshield.py", "%2e%2e/shield.py", "compare.js%00", "/etc/passwd", "COMPARE.JS"):
            assert client.get(f"/web/{name}").status_code in (404, 307)
        assert client.get("/web/compare.js").headers["content-type"].startswith("text/javascript")


class TestProxies:
    SAID: ClassVar = {
        "x-forwarded-host": "evil.example", "x-forwarded-prefix": "/evil", "x-forwarded-proto": "https",
        "x-forwarded-for": "10.66.66.66", "x-gradio-server": "http://evil.example/", "forwarded": "host=evil.example",
    }  # fmt: skip

    @pytest.mark.parametrize("address", ["10.0.0.5", "192.168.1.1", "::2", "testclient"])
    def test_strangers_words_change_nothing(self, built: Built, address: str, caplog: pytest.LogCaptureFixture):
        client = built.client(address, follow_redirects=False)
        client.auth = LOGIN
        for path in ("/", "/en", "/en/", "/en/config", "/language/zh", "/web/compare.js/"):
            plain, told = client.get(path), client.get(path, headers=self.SAID)
            assert plain.status_code == told.status_code
            assert plain.headers.get("location") == told.headers.get("location")
            assert "evil" not in told.text and "https://127" not in told.text
        assert client.get("/nowhere", headers=self.SAID).status_code == 404
        assert "10.66.66.66" not in caplog.text and f"from {address}" in caplog.text
        other_site = client.get("/en/config", headers={**self.SAID, "origin": "http://evil.example"})
        assert other_site.status_code == 403

    def test_a_proxy_on_this_machine_is_believed(self, built: Built):
        client = built.client("127.0.0.1", follow_redirects=False)
        client.auth = LOGIN
        said = {"x-forwarded-host": "faces.example", "x-forwarded-prefix": "/faces", "x-forwarded-proto": "https"}
        assert client.get("/en", headers=said).headers["location"] == "https://faces.example/faces/en/"
        for bad in ("//evil.example", '/a/../b"><script>', "https://evil.example", "/" + "a" * 300, "/a\tb"):
            told = client.get("/en", headers={"x-forwarded-prefix": bad, "x-forwarded-host": f'evil{bad}"'})
            assert told.headers["location"] == "http://127.0.0.1/en/"

    @pytest.mark.parametrize(
        ("believed", "address", "expected"),
        [
            (["10.0.0.0/8"], "10.2.3.4", True), (["10.0.0.0/8"], "11.2.3.4", False), (["*"], "1.2.3.4", True),
            (["127.0.0.1", "::1"], "::1", True), (["127.0.0.1"], "127.0.0.2", False), ([], "127.0.0.1", False),
            (["nonsense", "10.0.0.1/8"], "10.0.0.1", False), (["10.0.0.1"], "", False),
        ],
    )  # fmt: skip
    def test_who_is_believed_is_what_the_variable_says(self, believed: list[str], address: str, expected: bool):
        seen: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            seen.extend(scope["headers"])

        headers = [(b"x-forwarded-host", b"a"), (b"host", b"b")]
        scope = {"type": "http", "client": (address, 1), "headers": headers}
        asyncio.run(ProxiesOnly(app, believed)(scope, None, None))  # type: ignore[arg-type]
        assert (len(seen) == 2) == expected and (b"host", b"b") in seen


class TestWhatIsSent:
    BOMBS = (
        "a." * 30_000 + "a = 1", "[options]\nstrength." + "a." * 30_000 + "a = 1", "[" + "a." * 30_000 + "a]",
        "[options]\nstrength = 0x" + "f" * 60_000, "batch_size = 0x" + "f" * 490, "name = 0x" + "f" * 490,
        "[options]\nstrength = " + "[\n" * 20_000, "[options]\nstrength = [" + "{a=[" * 100 + "]}" * 100 + "]",
        "[options]\n" + "\n".join(f"strength.{'a.' * 200}b{number} = 1" for number in range(120)),
        "[options]\nstrength = nan", "[options]\nstrength = -inf", "[options]\nstrength = 1979-05-27",
        "[[options]]\n" * 5000, "name = '../../x'\n[options]", 'name = "a\\u0000b"\n[options]',
        "name = 'CON'\n[options]",
    )  # fmt: skip

    @pytest.mark.parametrize("number", range(len(BOMBS)))
    def test_a_bomb_in_a_preset_is_a_short_sentence(self, number: int):
        with pytest.raises(OptionError) as caught:
            parse_preset(self.BOMBS[number], "bomb.toml")
        for language in ("en", "zh"):
            assert len(caught.value.sentence(language)) < 1500  # also names every option

    @pytest.mark.parametrize("value", [10**400, "9" * 5000, {"a": {}}, [1] * 10_000, float("nan"), "\ud800", True, -1])
    def test_a_batch_size_is_a_small_number(self, value: Any):
        with pytest.raises(UsageError) as caught:
            batch_size_of(value)
        assert len(caught.value.sentence("en").encode()) < 500

    @pytest.mark.parametrize(
        "kept",
        [
            {"options": {"<img src=x onerror=1>": 1, "strength": float("nan"), "mode": ["x"], "contrast": 10**400}},
            {"options": {str(number): number for number in range(60_000)}},
            {"options": {"strength": {"a": [1] * 5000}}},
            {"options": [1], "batch_size": {"a": 1}, "output_format": ["png"]}, "x" * 500_000, [[[]]], 10**300, True,
        ],
    )  # fmt: skip
    def test_what_a_browser_kept_is_judged(
        self, server: RestServer, page: httpx.Client, config: dict[str, Any], kept: Any
    ):
        step = kept_step(config)
        before = len(server.log.read_text(errors="replace"))
        said = tried(page, step, [kept], "kept")
        shown = json.loads(said[said.rindex('{"msg":"process_completed"') :])
        assert shown["success"] and shown["output"]["data"] == ["auto", "same", *control_values(RestoreOptions())]
        assert "<img" not in said and len(said) < 20_000
        assert "Traceback" not in server.log.read_text(errors="replace")[before:]

    def test_choices_of_faces_in_a_run_are_judged(self, server: RestServer):
        """The largest box that can be typed is taken, and does the photo no harm."""
        (server.photos / "faces").mkdir()
        draw(server.photos / "faces" / "a.png", 1)
        with server.client() as client:
            run = ended(client, client.post("/runs/folder", json={"folder": str(server.photos / "faces")}).json()["id"])
            place = f"/runs/{run['id']}/photos"
            for number in ("0", "-1", "9" * 30, "9" * 5000, "1e3", "2"):
                assert client.post(f"{place}/{number}/faces", json={"faces": "1=on"}).status_code in (404, 422)
            many = ",".join(["1=on"] * 1001)
            for faces in (many, "1=on@../../x", "1=1e9", "-1x5+0+0=on", "1e9x5+0+0=on", "infxnan+0+0=on", "7" * 20_001):
                assert client.post(f"{place}/1/faces", json={"faces": faces}).status_code == 422
            for body in ('{"faces": NaN}', '{"faces": [{"box_xyxy": [1e999, 0, 1, 1]}]}', '{"faces": "\\ud800"}', "[]",
                         '{"faces": ' + "[" * 5000 + "]" * 5000 + "}", '{"faces": ' + "1" * 5000 + "}"):  # fmt: skip
                assert client.post(f"{place}/1/faces", content=body, headers=JSON).status_code == 422
            assert client.get(f"{place}/1").json()["result_url"]  # nothing of it did anything
            largest = client.post(f"{place}/1/faces", json={"faces": "99999x99999+0+0=on,99999x1+99999+99999=on"})
            assert largest.status_code == 200
            assert ended(client, run["id"])["state"] == "done" and client.get(f"{place}/1/result").status_code == 200
            stranger = client.post(f"{place}/1/faces", json={"faces": "1=on"}, headers={"sec-fetch-site": "cross-site"})
            assert stranger.status_code == 403

    def test_half_a_character_is_no_event(self, page: httpx.Client, config: dict[str, Any]):
        step = kept_step(config)["id"]
        body = '{"data": ["%s"], "fn_index": %d, "session_hash": "half"}'
        for text, status in (("\\ud800", 400), ("\\uDC00\\ud800", 400), ("\\ud83d\\ude00", 200), ("\\\\ud800", 200)):
            answer = page.post("/en/gradio_api/queue/join", content=body % (text, step), headers=JSON)
            assert answer.status_code == status

    def test_a_licence_is_not_passed_by_an_event(self, page: httpx.Client, config: dict[str, Any]):
        ids = {each["props"].get("elem_id"): each["id"] for each in config["components"]}
        clicked = [ids["model-list"], "click"]
        step = next(each for each in config["dependencies"] if clicked in each["targets"])
        for number, key in enumerate(("get:gpen-bfr-512", "get:../../x", "agree:<b>", "get:", "agree:" + "x" * 10_000)):
            said = tried(page, step, [], f"licence{number}", {"key": key})
            assert '"success":false' in said and "<b>" not in said and len(said) < 12_000
        assert "model-downloads" not in tried(page, step, [], "licence", {"key": "stop:../../x"})

    def test_a_models_file_needs_login_and_room(self, built: Built, monkeypatch: pytest.MonkeyPatch):
        client = built.client()
        headers = {"x-file-name": "a.pth"}
        assert client.post("/models/import", content=b"x", headers=headers).status_code == 401
        client.auth = LOGIN
        other_site = client.post("/models/import", content=b"x", headers={**headers, "sec-fetch-site": "cross-site"})
        assert other_site.status_code == 403
        monkeypatch.setattr(model_files.shutil, "disk_usage", lambda _: SimpleNamespace(free=model_files.RESERVE_BYTES))
        assert "MB" in client.post("/models/import", content=b"x", headers=headers).json()["detail"]
        assert not built.models.exists() or list(built.models.iterdir()) == []

    def test_a_models_file_that_is_broken_off_leaves_nothing(self, server: RestServer, page: httpx.Client):
        host, port = server.url.removeprefix("http://").split(":")
        ask = f"POST /models/import HTTP/1.1\r\nHost: {host}\r\nX-File-Name: cut.pth\r\nContent-Length: 900\r\n\r\nx"
        with socket.create_connection((host, int(port)), 10) as raw:
            raw.sendall(ask.encode())
        busy = {"x-file-name": "..%2f..%2fb.pth"}  # the next one may come in as soon as it is gone
        until(lambda: "b.pth" in page.post("/models/import", content=b"x", headers=busy).text)


class TestCommand:
    NAMES = (
        "a'b.png", "$(touch hacked).png", "`touch hacked`.png", "-rf.png", "a\nb.png", 'a"b;touch hacked.png', "!!.png",
        "a\\b.png", "*.png", "~root.png", "a\x03\ntouch hacked\n.png", "\x1b[201~\ntouch hacked\n.png",
        "\u202egnp.a.png", "<img src=x onerror=1>.png", "&amp;.png", "\ud800.png",
    )  # fmt: skip

    @pytest.mark.parametrize("name", NAMES)
    def test_it_is_one_line_of_words_for_a_shell_and_text_for_a_browser(self, name: str, tmp_path: Path):
        html = why.settings_used(outcome_of(name, RestoreOptions()), "gpen-lite-512", Settings(), Speech("en"))
        assert "<img" not in html
        shown = html.partition("<code")[2].partition(">")[2].partition("</code>")[0]
        command = unescape(shown)
        assert not any(ord(letter) < 32 or letter in "\x7f\x9b\u202e\ud800" for letter in command)
        words = command.replace("./run.sh enhance", "printf '%s\\n'", 1)
        done = subprocess.run(["sh", "-c", words], cwd=tmp_path, capture_output=True, check=True)
        assert done.stdout.decode().splitlines()[-2:] == ["--", why.NOT_TYPED.sub("?", name)]
        assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """The limits of the server around a small application, with times that a test can wait for."""

    class Hurried(HeadsInTime):
        head_s = 0.3

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = await Request(scope, receive).body()
        answer: Response = PlainTextResponse(str(len(body)))
        await answer(scope, receive, send)

    listener = socket.create_server(("127.0.0.1", 0))
    how = uvicorn.Config(BodiesInTime(app, 0.3), http=Hurried, lifespan="off", log_level="error", limit_concurrency=5)
    server = uvicorn.Server(how)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield listener.getsockname()
    server.should_exit = True
    thread.join()
    listener.close()


class TestSlowClients:
    HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"

    @pytest.mark.parametrize("sent", [b"", b"GET / HT", HEAD, HEAD + b"\r\nGET"])
    def test_a_head_that_does_not_end_is_cut_off(self, address: tuple[str, int], sent: bytes):
        with socket.create_connection(address, 20) as raw:
            raw.sendall(sent)
            answer = b"".join(iter(lambda: raw.recv(65536), b""))  # ends only when the server closes
        assert answer.startswith(b"HTTP/1.1 200" if b"\r\n\r\n" in sent else b"")

    def test_a_body_that_falls_silent_is_ended_with_a_sentence(self, address: tuple[str, int]):
        with socket.create_connection(address, 20) as raw:
            raw.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
            answer = b"".join(iter(lambda: raw.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 408") and b"Send it again" in answer

    def test_others_are_served_as_ever(self, address: tuple[str, int]):
        url = f"http://{address[0]}:{address[1]}/"
        with httpx.Client(trust_env=False) as client:
            assert [client.post(url, content=b"abc").text for _ in range(3)] == ["3"] * 3

    def test_too_many_connections_are_told(self, address: tuple[str, int]):
        crowd = [socket.create_connection(address, 20) for _ in range(5)]
        answer = httpx.get(f"http://{address[0]}:{address[1]}/", trust_env=False)
        for each in crowd:
            each.close()
        assert answer.status_code == 503


class TestBounds:
    def test_events_that_wait_have_a_bound(self, built: Built):
        mounted = {getattr(route, "path", ""): route for route in built.app.routes}
        for language in LANGUAGES:
            blocks: Any = mounted[f"/{language}"].app.get_blocks()  # type: ignore[attr-defined]
            assert blocks._queue.max_size == patience.EVENTS_WAITING_MOST

    def test_sessions_that_nobody_has_open_are_ended(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(service, "SESSIONS_MOST", 3)
        place = Service(Settings(outputs_folder=tmp_path, allowed_folders=()), tmp_path)
        first = place.session("used")
        folders = [place.session(str(number)).folder for number in range(10) if place.session("used") is first]
        assert [folder.is_dir() for folder in folders] == [False] * 8 + [True] * 2 and first.folder.is_dir()

    def test_empty_files_take_room_too(self, tmp_path: Path):
        for number in range(600):
            (tmp_path / str(number)).mkdir()
            (tmp_path / str(number) / "a.png").touch()
        kept = tmp_path / "session-a"
        kept.mkdir()
        Scratch(tmp_path, 1).make_room(0)
        assert len(list(tmp_path.rglob("*.png"))) == (1 << 20) // FILE_COSTS
        assert len(list(tmp_path.iterdir())) == (1 << 20) // FILE_COSTS + 1 and kept.is_dir()

    def test_the_policy_of_the_page_is_no_wider(self, built: Built):
        client = built.client()
        client.auth = LOGIN
        headers = client.get("/en/").headers
        rules = dict(rule.strip().split(" ", 1) for rule in headers["content-security-policy"].split(";"))
        assert rules["script-src"] == "'self' 'unsafe-inline' 'unsafe-eval' blob:" and rules["default-src"] == "'self'"
        assert rules["connect-src"] == "'self' data: blob:" and rules["object-src"] == "'none'"
        for path in ("/en/", "/en/config", "/nowhere", "/web/compare.js", "/pictures/0/before.jpg"):
            may = client.get(path).headers["permissions-policy"]
            assert may.startswith("camera=(self), geolocation=(), microphone=()")
        assert "script-src" not in client.get("/en/config").headers["content-security-policy"]


def test_the_list_of_options_fits_what_is_read_of_a_browser():
    assert len(option_specs()) < OPTIONS_MOST
