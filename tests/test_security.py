"""What docs/security.md promises, tried against the real server: ways out of its folders through every route of Gradio,
addresses of other machines, uploads that are too much, other sites, guessing, hostile checkpoints, and the log."""

from __future__ import annotations

import asyncio
import base64
import concurrent.futures
import io
import itertools
import json
import os
import pickle
import re
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import httpx
import pytest
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from PIL import Image

from gpen_ui.errors import UsageError
from gpen_ui.options import RestoreOptions, option_specs
from gpen_ui.settings import Settings
from gpen_ui.ui import build_app
from gpen_ui.ui.attempts import FIRST_WAIT_S, FORGOTTEN_S, FREE, LONGEST_WAIT_S, Attempts
from gpen_ui.ui.blocks import Page
from gpen_ui.ui.refusals import LineLimit
from gpen_ui.ui.scratch import LOCK, Scratch, own_folder, sweep_left
from gpen_ui.ui.service import Service
from gpen_ui.ui.speech import Speech
from gpen_ui.ui.tab_parameters import control_values
from tests.browsing import CHROMIUM, open_tab
from tests.commands import run
from tests.jobs_lab import Lab, draw
from tests.rest_server import TOKEN, RestServer, ended, running_rest, until
from tests.serving import Habits, running_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SECRET = b"the secret of the machine"
JSON = {"content-type": "application/json"}
PASSWORD = "Basic " + base64.b64encode(b"anna:geheim").decode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestServer]:
    folder = tmp_path_factory.mktemp("security")
    (folder / "secret.txt").write_bytes(SECRET)
    draw(folder / "secret.png", 0)
    with running_rest(folder, upload_mb=1, submission_mb=2) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestServer]:
    """With password, token, and little room."""
    with running_rest(
        tmp_path_factory.mktemp("guarded"), auth="anna:geheim", api_token=TOKEN, temporary_mb=1
    ) as running:
        yield running


@pytest.fixture
def page(server: RestServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client:
        yield client


class Listener:
    """Another machine's server, which must hear nothing."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(0.3)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/x.png"

    def heard(self) -> bool:
        try:
            connection, _ = self.socket.accept()
        except TimeoutError:
            return False
        connection.close()
        return True


@contextmanager
def listening() -> Iterator[Listener]:
    listener = Listener()
    try:
        yield listener
    finally:
        listener.socket.close()


def new_log(server: RestServer, before: int) -> str:
    return server.log.read_text(errors="replace")[before:]


def log_size(server: RestServer) -> int:
    return len(server.log.read_text(errors="replace"))


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same application in this process, for what is tried a thousand times."""
    folder = tmp_path_factory.mktemp("routes")
    settings = Settings(outputs_folder=folder / "outputs", allowed_folders=())
    return build_app(Service(settings, folder), settings)


@pytest.fixture(scope="module")
def routes(application: Any) -> list[tuple[str, str]]:
    """Every route that the application has, as (method, path), also those inside of what is mounted."""
    found: set[tuple[str, str]] = set()

    def walk(app: Any, prefix: str) -> None:
        for context in iter_route_contexts(app.routes):
            path = prefix + (context.path or "")
            for method in context.methods or ():
                found.add((method, path))
            inner = getattr(context.original_route, "app", None)
            if inner is not None and hasattr(inner, "routes") and not context.methods:
                walk(inner, path)

    walk(application, "")
    return sorted(found)


class TestFiles:
    FORMS = (
        "{0}", "/{0}", "/../..{0}", "./{0}", "..{0}", "%2e%2e{0}", "{1}", "{2}", "file:{0}", "file://{0}", "{0}%00.png",
        "%5c..%5c{0}", "%ef%bc%8e%ef%bc%8e{0}", "{0}/", "/proc/self/root{0}", "~/../..{0}",
    )  # fmt: skip

    def test_no_route_gives_a_file_of_the_machine(
        self, application: Any, tmp_path: Path, routes: list[tuple[str, str]]
    ):
        """Each place in each address is filled with each spelling of a path that is not offered."""
        assert len(routes) > 100  # so that a change of Gradio does not leave this empty
        client = TestClient(application, base_url="http://127.0.0.1", raise_server_exceptions=False)
        (tmp_path / "secret.txt").write_bytes(SECRET)
        secret = str(tmp_path / "secret.txt")
        once = secret.replace("/", "%2f")
        forms = [form.format(secret, once, once.replace("%", "%25")) for form in self.FORMS]
        for method, path in routes:
            if method not in ("GET", "HEAD") or "{" not in path or "heartbeat" in path or path.startswith("/zh"):
                continue
            for form in forms:
                address = re.sub(r"\{[^}]*\}", lambda _, form=form: form, path)
                answer = client.get(address)
                assert SECRET not in answer.content and answer.status_code < 500, (address, answer.status_code)

    @pytest.mark.parametrize(
        "place", ["static", "assets", "svelte", "gradio_api/file", "gradio_api/file=", "theme.css"]
    )
    def test_raw_dots_lead_nowhere(self, server: RestServer, place: str):
        """A client that does not tidy an address up before sending it, as libraries do."""
        host, port = server.url.removeprefix("http://").split(":")
        target = f"/en/{place}/../../../../../../../../..{server.folder}/secret.txt"
        with socket.create_connection((host, int(port)), 10) as raw:
            raw.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: raw.recv(65536), b""))
        assert SECRET not in answer and answer.split()[1] in (b"403", b"404")

    def test_only_what_the_page_uses_is_open(self, application: Any, routes: list[tuple[str, str]]):
        client = TestClient(application, base_url="http://127.0.0.1")
        closed = (
            "proxy=", "stream/", "custom_component", "component_server", "call/", "vibe", "monitoring", "deep_link",
            "process_recording", "pwa_icon", "manifest.json", "api/{", "openapi.json", "login", "dev/reload", "file/{",
        )  # fmt: skip
        tried = 0
        for method, path in routes:
            if path.startswith("/en/") and any(part in path for part in closed):
                tried += 1
                answer = client.request(method, re.sub(r"\{[^}]*\}", "1", path))
                assert answer.status_code == 404, (method, path, answer.status_code)
        assert tried > 25

    def test_the_outputs_folder_is_not_served(self, server: RestServer, page: httpx.Client):
        draw(server.outputs / "result.png", 0)
        for path in (server.outputs / "result.png", server.outputs / ".gpen-ui" / "runs.sqlite"):
            answer = page.get(f"/en/gradio_api/file={path}")
            assert answer.status_code == 403

    def test_a_link_in_the_temporary_folder_is_followed_before_it_is_judged(
        self, server: RestServer, page: httpx.Client
    ):
        path = Path(uploaded(page, "link.png", b"x"))
        path.unlink()
        path.symlink_to(server.folder / "secret.txt")
        assert page.get(f"/en/gradio_api/file={path}").status_code == 403

    def test_a_photo_that_becomes_a_link_after_the_plan_is_not_read(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ):
        lab = Lab(tmp_path, tmp_path / "tiny.pth")
        for name in ("a.png", "b.png"):
            draw(lab.photos / name, 0)
        draw(tmp_path / "secret.png", 0)
        planned = lab.plan()
        (lab.photos / "b.png").unlink()
        (lab.photos / "b.png").symlink_to(tmp_path / "secret.png")
        lab.do(planned)
        assert lab.outcome(planned) == {"a.png": "done", "b.png": "skipped"} and len(lab.files()) == 1
        assert "leads out" in lab.reason(planned, "b.png") and "b.png" in caplog.text
        lab.close()


def uploaded(page: httpx.Client, name: str, data: bytes, language: str = "en") -> str:
    answer = page.post(f"/{language}/gradio_api/upload", files={"files": (name, data)})
    assert answer.status_code == 200, answer.text
    path: str = answer.json()[0]
    return path


def file_data(path: str, **more: Any) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}, **more}


@pytest.fixture(scope="module")
def config(server: RestServer) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{server.url}/en/config", trust_env=False).json()
    return found


class TestEvents:
    """Payloads that no page of ours sends."""

    def test_no_component_takes_a_file_that_was_not_uploaded(
        self, server: RestServer, page: httpx.Client, config: dict[str, Any]
    ):
        kinds = {each["id"]: each["type"] for each in config["components"]}
        with listening() as other:
            paths = [
                str(server.folder / "secret.txt"), "/etc/passwd", "../../etc/passwd", f"file://{server.folder}/secret.txt",
                other.url, other.url.upper(), "http://[::ffff:127.0.0.1]/", "", "\0", "/en/gradio_api/file=/etc/passwd",
            ]  # fmt: skip
            tried = 0
            every_path_done: set[str] = set()  # for the others of a kind two of them are enough
            for step in config["dependencies"]:
                for place, component in enumerate(step["inputs"]):
                    if kinds[component] in (
                        "file",
                        "image",
                        "imageslider",
                        "gallery",
                        "uploadbutton",
                        "downloadbutton",
                    ):
                        kind = kinds[component]
                        some = paths[:2] if kind in every_path_done else paths
                        every_path_done.add(kind)
                        for path in some:
                            for value in (file_data(path), [file_data(path)], [[{"image": file_data(path)}]]):
                                data: list[Any] = [None] * len(step["inputs"])
                                data[place] = value
                                answer = joined(page, step["id"], data)
                                assert answer.status_code == 403 and str(server.folder) not in answer.text
                                tried += 1
            assert tried >= 60 and not other.heard()

    def test_an_address_beside_an_uploaded_file_is_not_fetched(
        self, server: RestServer, page: httpx.Client, config: dict[str, Any]
    ):
        path = uploaded(page, "a.png", (server.folder / "secret.png").read_bytes())
        step = next(each for each in config["dependencies"] if len(each["inputs"]) == 3 + len(option_specs()))
        with listening() as other:
            data = [[file_data(path, url=other.url)], 4, "same", *control_values(RestoreOptions())]
            assert joined(page, step["id"], data, session="ssrf").status_code == 200
            said = finished(page, "ssrf")
            assert said["success"] is True
            for route in (f"file={other.url}", f"proxy={other.url}", f"file/{other.url}"):
                assert page.get(f"/en/gradio_api/{route}").status_code in (403, 404)
            assert not other.heard()

    @pytest.mark.parametrize(
        "event",
        [
            None, [], "x", 5, {}, {"act": "on", "place": -1}, {"act": "on", "place": 10**30}, {"act": "x", "place": 0},
            {"act": "draw", "box": [0, 0, 1e308, float("1e308")]}, {"act": "draw", "box": ["a", None, {}, []]},
            {"act": "model", "place": 0, "model": "../../etc/passwd"}, {"act": "compare", "place": True},
            {"key": "../../x"}, {"key": "٣" * 10}, {"key": "9" * 17}, {"key": {"a": 1}}, {"key": 10**400},
        ],
    )  # fmt: skip
    def test_what_a_panel_sends_is_judged(
        self, server: RestServer, page: httpx.Client, config: dict[str, Any], event: Any
    ):
        """The panels of faces (tab 1) and the lists of tab 2, with a photo in view."""
        html = {each["id"] for each in config["components"] if each["type"] == "html"}
        before, tried = log_size(server), 0
        view = ["all", "", 4, "same", *control_values(RestoreOptions())]
        for step in config["dependencies"]:
            targets = [target for target in step["targets"] if target[0] in html and target[1] in ("apply", "click")]
            if not targets:
                continue
            tried += 1
            body = {
                "data": view[: len(step["inputs"])], "fn_index": step["id"], "session_hash": "panel",
                "event_data": event, "trigger_id": targets[0][0],
            }  # fmt: skip
            route = "queue/join" if step["queue"] else "run/predict"
            answer = page.post(f"/en/gradio_api/{route}", content=json.dumps(body), headers=JSON)
            assert "Traceback" not in answer.text and str(server.folder) not in answer.text
            if step["queue"] and answer.status_code == 200:
                said = json.dumps(finished(page, "panel"))
                assert str(server.folder) not in said and "Traceback" not in said
        assert tried >= 3 and "Traceback" not in new_log(server, before)

    @pytest.mark.parametrize(
        "body",
        ["", "x", "[]", "{}", '{"data": 5}', '{"data": [], "fn_index": "0"}', "[" * 100_000,
         '{"data": [], "fn_index": 1}',
         '{"data": [], "fn_index": 99999, "session_hash": "a"}', '{"data": [1], "fn_index": -1, "session_hash": "a"}',
         '{"data": [], "fn_index": 1, "session_hash": ""}', '{"data": [], "fn_index": true, "session_hash": "a"}'],
    )  # fmt: skip
    @pytest.mark.parametrize("route", ["queue/join", "run/predict"])
    def test_a_body_that_is_no_event_is_refused(self, server: RestServer, page: httpx.Client, body: str, route: str):
        before = log_size(server)
        answer = page.post(f"/en/gradio_api/{route}", content=body, headers=JSON)
        assert 400 <= answer.status_code < 500, answer.text
        assert "Traceback" not in new_log(server, before) and "refused" in new_log(server, before)

    @pytest.mark.parametrize("route", ["queue/join", "run/predict"])
    @pytest.mark.parametrize("value", ["zzz", 7, {"a": "b\n" * 5000}, [1]])
    def test_values_that_gradio_refuses_are_one_line_each(
        self, server: RestServer, page: httpx.Client, config: dict[str, Any], value: Any, route: str
    ):
        """A list of choices, a number or files, each of a step of its own."""
        kinds = {each["id"]: each["type"] for each in config["components"]}
        before, tried = log_size(server), 0
        for kind in ("dropdown", "slider", "file"):
            step = next(each for each in config["dependencies"] if kind in [kinds[name] for name in each["inputs"]])
            body = {"data": [value] * len(step["inputs"]), "fn_index": step["id"], "session_hash": "refused"}
            answer = page.post(f"/en/gradio_api/{route}", content=json.dumps(body), headers=JSON)
            if route == "queue/join":
                said = finished(page, "refused")
                assert said["success"] is False and 0 < len(said["output"]["error"]) < 1000
            else:
                assert answer.status_code == 500 and 0 < len(answer.json()["error"]) < 1000
            tried += 1
        lines = new_log(server, before).splitlines()
        assert len(lines) == tried == 3
        for line in lines:
            assert line.startswith("refused: ") and line.endswith(" from 127.0.0.1 (page_event_broken)")
            assert len(line) < 700

    def test_an_event_without_values_or_with_lists_in_their_place_is_no_mistake_of_ours(
        self, server: RestServer, page: httpx.Client, config: dict[str, Any]
    ):
        """Gradio lets these pass as None and []."""
        names = {each["id"]: each["props"].get("elem_id") for each in config["components"]}
        by_name = ("preset-choice", "preset-delete", "model-reload", "model-model")
        before, unexpected = log_size(server), Speech("en")("page.unexpected")[:20]
        refused = set()
        for step in config["dependencies"]:
            of = next((names.get(target[0]) for target in step["targets"]), None)
            for value in (None, []) if of in by_name else (None,):
                if not step["backend_fn"] or not step["inputs"]:
                    continue
                body = {"data": [value] * len(step["inputs"]), "fn_index": step["id"], "session_hash": "nothing"}
                route = "queue/join" if step["queue"] else "run/predict"
                answer = page.post(f"/en/gradio_api/{route}", content=json.dumps(body), headers=JSON).text
                said = json.dumps(finished(page, "nothing")) if step["queue"] else answer
                assert unexpected not in said, (of, value)
                if "cannot be read" in said:
                    refused.add(of)
        assert "Traceback" not in new_log(server, before)
        assert {"preset-choice", "model-reload", "model-model"} <= refused

    def test_a_script_of_the_page_is_no_event_for_the_server(
        self, server: RestServer, page: httpx.Client, config: dict[str, Any]
    ):
        before, steps = log_size(server), [each for each in config["dependencies"] if not each["backend_fn"]]
        for step in steps:
            assert joined(page, step["id"], [None] * len(step["inputs"])).status_code == 400
        assert steps and "Traceback" not in new_log(server, before)

    def test_a_session_that_is_not_there_is_told_so(self, server: RestServer, page: httpx.Client):
        before = log_size(server)
        answer = page.get("/en/gradio_api/queue/data", params={"session_hash": "of before"})
        assert '"session_not_found":true' in answer.text
        assert new_log(server, before) == "refused: 'GET /en/gradio_api/queue/data' from 127.0.0.1 (404)\n"

    def test_what_our_own_handlers_trip_over_keeps_its_traceback(self, caplog: pytest.LogCaptureFixture):
        speech = Speech("en")

        def broken(text: str) -> None:
            raise ZeroDivisionError("a mistake of ours")

        with Page(speech) as blocks:
            text = gr.Textbox()
            text.submit(speech.guard(broken), inputs=[text])
        with pytest.raises(gr.Error, match="went wrong"):
            asyncio.run(blocks.process_api(block_fn=0, inputs=["x"]))
        assert caplog.records[-1].exc_info is not None and "a mistake of ours" in caplog.text

    @pytest.mark.parametrize("faces", ["../x=on", "1=on@../../etc", "1=on@" + "a" * 5000, "\0", "1=1e9", "9" * 19_000])
    def test_rest_judges_faces(self, server: RestServer, faces: str):
        photo = ("a.png", (server.folder / "secret.png").read_bytes())
        with server.client() as client:
            answer = client.post("/restore", files={"file": photo}, data={"faces": faces})
        assert answer.status_code == 422 and "/etc/" not in answer.text.replace("../../etc", "")


def joined(page: httpx.Client, step: int, data: list[Any], session: str = "s") -> httpx.Response:
    body = {"data": data, "fn_index": step, "session_hash": session}
    return page.post("/en/gradio_api/queue/join", content=json.dumps(body), headers=JSON)


def finished(page: httpx.Client, session: str) -> dict[str, Any]:
    with page.stream("GET", "/en/gradio_api/queue/data", params={"session_hash": session}) as stream:
        for line in stream.iter_lines():
            if "process_completed" in line:
                said: dict[str, Any] = json.loads(line.removeprefix("data: "))
                return said
    raise AssertionError("the event did not end")


class TestUploads:
    @pytest.mark.parametrize(
        ("name", "data"),
        [
            ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(1)</script></svg>"),
            ("a.html", b"<script>alert(1)</script>"),
            ("a.png", b"<html><script>alert(1)</script></html>"),
            ("a.js", b"alert(1)"),
            ("a.pdf", b"%PDF-1.4"),
            ("a.xml", b"<x xmlns='http://www.w3.org/1999/xhtml'><script>alert(1)</script></x>"),
        ],
    )
    def test_nothing_that_was_sent_comes_back_as_a_program(self, page: httpx.Client, name: str, data: bytes):
        answer = page.get(f"/en/gradio_api/file={uploaded(page, name, data)}")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        kind = answer.headers["content-type"].partition(";")[0]
        inline = answer.headers["content-disposition"].startswith("inline")
        assert kind in ("image/png", "application/octet-stream") and inline == (kind == "image/png")

    def test_a_name_with_a_script_stays_in_its_folder(self, server: RestServer, page: httpx.Client):
        root = Path(uploaded(page, "a.png", b"x")).parents[1]
        for name in ("../../../up.png", "/etc/up.png", "..\\up.png", '"><img src=x onerror=alert(1)>.png', "x" * 300):
            path = Path(uploaded(page, name, b"x"))
            assert path.resolve().is_relative_to(root.resolve()) and path.is_file()

    def test_many_parts_together_are_too_much(self, server: RestServer, page: httpx.Client):
        """Gradio limits a file; here the sum is limited, announced or not."""
        parts = [("files", (f"{number}.png", b"x" * 900_000)) for number in range(4)]
        before = log_size(server)
        assert page.post("/en/gradio_api/upload", files=parts).status_code == 413
        request = page.build_request("POST", "/en/gradio_api/upload", files=parts)
        kind = {"content-type": request.headers["content-type"]}
        whole = request.read()
        pieces = (whole[start : start + 65536] for start in range(0, len(whole), 65536))
        with suppress(httpx.TransportError):  # cut off, which a client may see before the answer
            assert page.post("/en/gradio_api/upload", content=pieces, headers=kind).status_code == 413
        assert new_log(server, before).count("413") == 2

    @pytest.mark.parametrize("route", ["/en/gradio_api/queue/join", "/api/v1/runs/folder", "/api/v1/runs/upload"])
    def test_a_body_without_an_end_is_cut_off(self, page: httpx.Client, route: str):
        sent = 0

        def endless() -> Iterator[bytes]:
            nonlocal sent
            yield (
                b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
                if "upload" in route
                else b"["
            )
            while sent < 64 << 20:
                sent += 65536
                yield b" " * 65536

        kind = "multipart/form-data; boundary=b" if "upload" in route else "application/json"
        with suppress(httpx.TransportError):  # cut off before it had been sent
            answer = page.post(route, content=endless(), headers={"content-type": kind})
            assert answer.status_code in (413, 422)
        assert sent < 32 << 20

    def test_a_header_without_an_end_is_cut_off(self, server: RestServer):
        host, port = server.url.removeprefix("http://").split(":")
        sent, answer = 0, b""
        with socket.create_connection((host, int(port)), 10) as raw:
            try:
                raw.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
                while sent < 16 << 20:
                    raw.sendall(b"x" * 65536)
                    sent += 65536
                answer = raw.recv(100)
            except OSError:
                pass
        assert sent < 16 << 20 or answer.split()[1:2] == [b"400"]

    def test_bombs_in_pictures_end_as_a_sentence(self, server: RestServer):
        huge = io.BytesIO()
        Image.new("1", (15_000, 15_000)).save(huge, "PNG", optimize=False)
        assert len(huge.getvalue()) < 1 << 20
        frames = io.BytesIO()
        many = [Image.new("P", (64, 64), number % 200) for number in range(150)]
        many[0].save(frames, "GIF", save_all=True, append_images=many[1:], duration=10)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.png", b"\0" * (8 << 20))
        with server.client() as client:
            for name, data, status in (
                ("a.png", huge.getvalue(), 413), ("a.gif", frames.getvalue(), 200), ("a.zip", packed.getvalue(), 422),
                ("a.png", packed.getvalue(), 422), ("a.svg", b"<svg><script/></svg>", 422),
            ):  # fmt: skip
                began = time.monotonic()
                answer = client.post("/restore", files={"file": (name, data)})
                assert answer.status_code == status and time.monotonic() - began < 15, (name, answer.text[:200])


class TestOtherSites:
    ROUTES = ("/", "/en/", "/en/config", "/en/gradio_api/queue/data?session_hash=a", "/api/v1/runs", "/runs/last/html",
              "/runs/photos/1/after.jpg", "/en/gradio_api/file=/etc/passwd", "/en/gradio_api/heartbeat/a")  # fmt: skip

    @pytest.mark.parametrize("route", ROUTES)
    @pytest.mark.parametrize(
        "headers",
        [
            {"origin": "http://evil.example"},
            {"origin": "null"},
            {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
            {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
            {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors", "origin": "http://127.0.0.1:1"},
        ],
    )
    def test_they_can_read_and_show_nothing(self, page: httpx.Client, route: str, headers: dict[str, str]):
        answer = page.get(route, headers=headers)
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control-")]

    def test_a_preflight_is_not_answered(self, page: httpx.Client):
        for route in ("/en/gradio_api/queue/join", "/api/v1/restore"):
            asked = {"origin": "http://evil.example", "access-control-request-method": "POST"}
            answer = page.options(route, headers=asked)
            assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers

    def test_gradios_echo_of_origins_is_taken_away(self, page: httpx.Client, server: RestServer):
        answer = page.get("/en/config", headers={"origin": server.url})
        assert answer.status_code == 200
        assert not [name for name in answer.headers if name.startswith("access-control-")]

    def test_a_link_from_another_site_opens(self, page: httpx.Client):
        headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
        assert page.get("/en/", headers=headers).status_code == 200

    def test_every_answer_says_what_it_may(self, page: httpx.Client):
        for route in ("/en/", "/nowhere", "/api/v1/runs", "/en/theme.css", "/runs/x/html"):
            headers = page.get(route).headers
            policy = headers["content-security-policy"]
            assert "frame-ancestors" in policy and headers["x-frame-options"] == "SAMEORIGIN"
            assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "connect-src 'self'" in page.get("/en/").headers["content-security-policy"]

    def test_the_only_cookie_is_closed_to_scripts_and_other_sites(self, page: httpx.Client):
        cookie = page.get("/language/zh").headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=lax" in cookie
        for route in ("/en/", "/en/config", "/api/v1/runs"):
            assert "set-cookie" not in httpx.get(f"{page.base_url}{route}", trust_env=False).headers

    def test_there_are_no_sockets(self, server: RestServer):
        host, port = server.url.removeprefix("http://").split(":")
        ask = (
            f"GET /en/gradio_api/queue/join HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Origin: http://evil.example\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n"
        )
        with socket.create_connection((host, int(port)), 10) as raw:
            raw.sendall(ask.encode())
            assert raw.recv(100).split()[1] in (b"403", b"404")


class TestGuessing:
    def test_each_further_guess_waits_twice_as_long(self):
        now = [0.0]
        attempts = Attempts(lambda: now[0])
        waits = [attempts.note_failure("10.0.0.1") for _ in range(FREE + 20)]
        assert waits[:FREE] == [0.0] * FREE
        assert waits[FREE : FREE + 3] == [FIRST_WAIT_S, 2 * FIRST_WAIT_S, 4 * FIRST_WAIT_S]
        assert waits[-1] == LONGEST_WAIT_S and attempts.wait_s("10.0.0.1") == LONGEST_WAIT_S
        assert attempts.wait_s("10.0.0.2") == 0
        now[0] += LONGEST_WAIT_S
        assert attempts.wait_s("10.0.0.1") == 0
        now[0] += FORGOTTEN_S + 1
        assert attempts.note_failure("10.0.0.1") == 0

    def test_a_network_of_version_6_is_one_visitor(self):
        attempts = Attempts(lambda: 0.0)
        for number in range(FREE + 1):
            attempts.note_failure(f"2001:db8::{number:x}")
        assert attempts.wait_s("2001:db8::ffff") > 0 and attempts.wait_s("2001:db8:0:1::1") == 0
        for _ in range(FREE + 1):
            attempts.note_failure("::ffff:10.0.0.9")
        assert attempts.wait_s("10.0.0.9") > 0

    def test_a_guesser_is_stopped_and_others_are_not(self, guarded: RestServer):
        server, before = guarded, log_size(guarded)

        def guess(number: int) -> int:
            word = base64.b64encode(f"anna:wrong-{number}".encode()).decode()
            kind = f"Basic {word}" if number % 2 else f"Bearer wrong-token-{number}"
            route = "/en/" if number % 2 else "/api/v1/runs"
            return httpx.get(server.url + route, headers={"authorization": kind}, trust_env=False).status_code

        with concurrent.futures.ThreadPoolExecutor(20) as crowd:
            answers = list(crowd.map(guess, range(20)))
        assert answers.count(401) <= FREE + 1 and answers.count(429) >= 20 - FREE - 1
        more = itertools.count(20)
        while guess(next(more)) != 429:  # a busy machine took longer than the first wait; each guess doubles it
            pass
        late = httpx.get(f"{server.url}/en/", headers={"authorization": PASSWORD}, trust_env=False)
        assert late.status_code == 429 and int(late.headers["retry-after"]) >= 1  # also a right one waits
        other = {"authorization": PASSWORD, "x-forwarded-for": "10.1.2.3"}  # as a proxy on this machine says it
        assert httpx.get(f"{server.url}/en/", headers=other, trust_env=False).status_code == 200
        log = new_log(server, before)
        assert "from 127.0.0.1 (401" in log and "(429 login_too_often)" in log
        for secret in ("wrong-", "geheim", TOKEN, base64.b64encode(b"anna:wrong-1").decode()):
            assert secret not in log

    def test_the_right_password_at_the_wrong_door_is_no_guess(self, tmp_path: Path):
        settings = Settings(outputs_folder=tmp_path, allowed_folders=(), auth="anna:geheim", api_token=TOKEN)
        client = TestClient(build_app(Service(settings, tmp_path), settings), base_url="http://127.0.0.1")
        for _ in range(FREE + 3):
            assert client.get("/api/v1/runs", headers={"authorization": PASSWORD}).status_code == 401
        assert client.get("/en/config", headers={"authorization": PASSWORD}).status_code == 200


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def hostile(folder: Path, mark: Path) -> list[Path]:
    """A pickle that runs a command, the same in torch's archive, a zip bomb, and a header that lies."""
    folder.mkdir(exist_ok=True)
    plain = pickle.dumps({"g_ema": Bomb(mark)}, protocol=2)
    (folder / "plain.pth").write_bytes(plain)
    with zipfile.ZipFile(folder / "archive.pth", "w") as archive:
        archive.writestr("archive/data.pkl", plain)
        archive.writestr("archive/version", "3")
    with zipfile.ZipFile(folder / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * (20 << 20))
        archive.writestr("archive/version", "3")
    header = b'{"a": {"dtype": "F32", "shape": [1000000000000], "data_offsets": [0, 4000000000000]}}'
    (folder / "lies.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    (folder / "long.safetensors").write_bytes((1 << 62).to_bytes(8, "little") + b"{}")
    return sorted(folder.iterdir())


class TestCheckpoints:
    def test_the_page_refuses_them_and_runs_nothing(self, server: RestServer, page: httpx.Client, tmp_path: Path):
        config = page.get("/en/config").json()
        ids = {each["props"].get("elem_id"): each["id"] for each in config["components"]}
        inputs = [ids[name] for name in ("model-device", "model-model", "model-path", "model-batch-size")]
        step = next(each for each in config["dependencies"] if each["inputs"] == inputs)
        mark = tmp_path / "ran"
        until(lambda: page.get("/api/v1/health").json()["status"] == "ready")
        outside = [Path("/etc/passwd"), server.folder / "secret.txt"]
        for number, file in enumerate([*hostile(server.photos / "models", mark), *outside]):
            before = log_size(server)
            joined(page, step["id"], ["cpu", "gpen-lite-512", str(file), "1"], session=f"m{number}")
            said = finished(page, f"m{number}")
            assert said["success"] is False and "Traceback" not in json.dumps(said)
            sentence = said["output"]["error"]
            assert (file.name in sentence or "outside" in sentence) and "unexpected" not in sentence
            log = new_log(server, before)
            assert log.count("refused:") == 1 and "from 127.0.0.1" in log and "Traceback" not in log
        assert not mark.exists()
        assert page.get("/api/v1/health").json()["status"] == "ready"  # the model of before stays

    def test_the_command_line_refuses_them_and_runs_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("GPEN_UI_MODELS_FOLDER", str(tmp_path / "m"))
        mark = tmp_path / "ran"
        for file in hostile(tmp_path / "models", mark):
            done = run("models", "import", file)
            assert done.exit_code == 1 and file.name in done.stderr and "Traceback" not in done.stderr, done.output
        assert not mark.exists() and not list((tmp_path / "m").glob("*.pth"))

    def test_rest_takes_no_model_from_outside(self, server: RestServer):
        photo = ("a.png", (server.folder / "secret.png").read_bytes())
        with server.client() as client:
            for route, field in (("/restore", "file"), ("/runs/upload", "files")):
                answer = client.post(route, files={field: photo}, data={"model": "/etc/passwd"})
                assert (answer.status_code, answer.json()["error"]["key"]) == (422, "api_field_unknown_here")


class TestTemporaryFiles:
    def test_the_oldest_go_first_and_those_in_work_stay(self, tmp_path: Path):
        files = [tmp_path / f"{number}.bin" for number in range(4)]
        for age, file in enumerate(files):
            file.write_bytes(b"x" * (400 << 10))
            os.utime(file, (age, age))
        scratch = Scratch(tmp_path, 2)
        with scratch.in_use([files[0]]):
            scratch.make_room(800 << 10)
            assert [file.exists() for file in files] == [True, False, True, True]
            with pytest.raises(UsageError, match="temporary_mb"):
                scratch.make_room(1800 << 10)
            assert files[0].exists()
        scratch.make_room(1800 << 10)
        assert not files[0].exists()

    def test_uploads_of_runs_have_a_bound(self, guarded: RestServer, tmp_path: Path):
        picture = draw(tmp_path / "a.png", 0).read_bytes()
        photo = ("a.png", picture + b"\0" * (700_000 - len(picture)))
        uploads = guarded.outputs / ".gpen-ui" / "uploads"
        # another address than the one that guesses above
        with guarded.client(authorization=f"Bearer {TOKEN}", x_forwarded_for="10.9.9.9") as client:
            first = client.post("/runs/upload", files={"files": photo}).json()
            assert ended(client, first["id"])["done"] == 1
            assert len(list(uploads.iterdir())) == 1
            second = client.post("/runs/upload", files={"files": photo}).json()
            assert ended(client, second["id"])["done"] == 1
            assert len(list(uploads.iterdir())) == 1  # the first one's went
            photos = client.get(f"/runs/{first['id']}/photos").json()["photos"]
            assert Path(photos[0]["result"]).is_file()  # its result did not
            answer = client.post("/runs/upload", files={"files": ("b.png", b"x" * (2 << 20))})
            assert (answer.status_code, answer.json()["error"]["key"]) == (507, "api_no_room")


class TestLog:
    def test_a_line_break_in_an_address_makes_no_line(self, server: RestServer, page: httpx.Client):
        before = log_size(server)
        page.get("/en/gradio_api/file=x%0d%0arefused:%20everything%20is%20fine%1b[31m?token=geheim")
        page.get("/en/gradio_api/custom_component/a%0afake/client/x/y")
        lines = new_log(server, before).splitlines()
        assert len(lines) == 2 and all(line.startswith("refused: 'GET /en/gradio_api/") for line in lines)
        assert "\\r\\n" in lines[0] and "\x1b" not in lines[0] and "geheim" not in lines[0]

    def test_rest_says_why(self, server: RestServer):
        before = log_size(server)
        with server.client() as client:
            client.post("/runs/folder", json={"folder": "/etc"})
            client.get("/nowhere")
        lines = new_log(server, before).splitlines()
        assert "'POST /api/v1/runs/folder' from 127.0.0.1 (403 page_folder_outside)" in lines[0]
        assert "(404" in lines[1] and len(lines) == 2

    def test_a_flood_is_counted_and_not_written(self):
        now = [0.0]
        limit = LineLimit(3, lambda: now[0])
        assert [limit.admit()[0] for _ in range(10)] == [True] * 3 + [False] * 7
        now[0] = 61
        assert limit.admit() == (True, 7)


def test_threads_of_a_scratch_folder_do_not_meet(tmp_path: Path):
    scratch = Scratch(tmp_path, 1)
    for number in range(50):
        (tmp_path / str(number)).write_bytes(b"x" * 100_000)
    threads = [threading.Thread(target=scratch.make_room, args=(0,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 1 << 20


def test_folders_of_killed_servers_go_and_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dead, foreign = tmp_path / "gpen-ui-dead", tmp_path / "gpen-ui-checkout"
    for folder in (dead, foreign):
        folder.mkdir()
        (folder / "photo.png").write_bytes(b"x")
    (dead / LOCK).touch()
    with own_folder() as mine:
        sweep_left(tmp_path)
        assert mine.is_dir() and foreign.is_dir() and not dead.exists()
    assert not mine.exists()


EVIL = """<html><body><iframe src="{home}/en/"></iframe><img src="{home}/runs/photos/1/after.jpg">
<form method="post" action="{home}/api/v1/runs/folder" target="none"><input name="folder" value="/"></form>
<iframe name="none"></iframe><script>
document.forms[0].submit();
window.got = [];
const tries = ['/en/config', '/api/v1/runs'].map(path => fetch('{home}' + path, {credentials: 'include'})
  .then(answer => answer.text()).then(text => got.push(text)).catch(() => 0));
tries.push(fetch('{home}/en/gradio_api/queue/join', {method: 'POST', mode: 'no-cors', body: '{}'}).catch(() => 0));
tries.push(new Promise(done => { const stream = new EventSource('{home}/en/gradio_api/queue/data?session_hash=a');
  stream.onmessage = event => got.push(event.data); stream.onerror = () => { stream.close(); done(); }; }));
Promise.all(tries).then(() => { document.title = 'tried'; });
</script></body></html>"""


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is missing: `apt-get install chromium`")
def test_in_a_browser(server: RestServer, browser: Browser):
    """A name that is a script, a page of ours that wants to reach another place, and a page of another site."""
    name = "<img src=x onerror=window.hacked=1>.png"
    draw(server.photos / "names" / name, 0)
    with server.client() as client:
        ended(client, client.post("/runs/folder", json={"folder": str(server.photos / "names")}).json()["id"])
    tab = browser.new_page()
    tab.goto(f"{server.url}/en/")
    tab.set_input_files("#single-files input[type=file]", [{"name": name, "mimeType": "image/png", "buffer": b"no"}])
    tab.get_by_text("onerror").first.wait_for()
    tab.click("#single-start")
    tab.wait_for_selector("#single-failures li")
    open_tab(tab, "batch")
    tab.locator("#batch-table").get_by_text(name).first.wait_for()  # as text, letter by letter
    assert tab.evaluate("window.hacked") is None
    with listening() as other:
        fetched = "url => fetch(url, {mode: 'no-cors'}).then(() => 'sent', () => 'held back')"
        assert tab.evaluate(fetched, other.url) == "held back"
        tab.evaluate("url => { new Image().src = url; }", other.url)
        assert not other.heard()
    before = log_size(server)
    with running_server() as site:
        site.paths["/"] = Habits(EVIL.replace("{home}", server.url).encode(), content_type="text/html")
        tab.goto(site.url("/").replace("127.0.0.1", "localhost"))
        tab.wait_for_function("document.title === 'tried'")
        assert tab.evaluate("got") == []
        assert [frame for frame in tab.frames if frame.locator("#single-start").count()] == []
    tab.close()
    log = new_log(server, before)
    for path in ("GET /en/'", "GET /runs/photos/1/after.jpg'", "POST /api/v1/runs/folder'", "GET /en/config'",
                 "POST /en/gradio_api/queue/join'", "GET /en/gradio_api/queue/data'"):  # fmt: skip
        assert f"{path} from 127.0.0.1 (403 api_origin_other)" in log, path
