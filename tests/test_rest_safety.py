"""What REST refuses: requests without the token, of other sites, under other names, and ways out of its folders."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from gpen_ui.api.receive import NAME_BYTES_MOST, safe_name
from gpen_ui.errors import SettingsError
from gpen_ui.settings import Settings, load_settings
from gpen_ui.ui import build_app
from gpen_ui.ui.server import check_access
from gpen_ui.ui.service import Service
from tests.commands import fingerprints
from tests.jobs_lab import draw
from tests.rest_server import TOKEN, RestServer, ended, running_rest

ROUTES = (
    ("GET", "/api/v1/health"), ("GET", "/api/v1/openapi.json"), ("GET", "/api/v1/runs"), ("POST", "/api/v1/restore"),
    ("POST", "/api/v1/runs/upload"), ("POST", "/api/v1/runs/folder"), ("GET", "/api/v1/runs/x/events"),
    ("DELETE", "/api/v1/runs/x"), ("GET", "/api/v1/runs/x/results.zip"), ("GET", "/api/v2"), ("GET", "/%61pi/v1/runs"),
)  # fmt: skip
PASSWORD = "Basic " + base64.b64encode(b"anna:geheim").decode()


@pytest.fixture(scope="module")
def make_app(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Applications of all kinds of settings; no model is loaded for them."""

    def make(**settings: Any) -> TestClient:
        folder = tmp_path_factory.mktemp("app")
        given = Settings(outputs_folder=folder / "outputs", allowed_folders=(), **settings)
        app = build_app(Service(given, folder), given)
        return TestClient(app, base_url="http://127.0.0.1", follow_redirects=False, client=("127.0.0.1", 50000))

    return make


@pytest.fixture(scope="module")
def open_to_others(make_app: Any) -> TestClient:
    return make_app(host="0.0.0.0", auth="anna:geheim", api_token=TOKEN)


@pytest.fixture(scope="module")
def local(make_app: Any) -> TestClient:
    return make_app()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestServer]:
    folder = tmp_path_factory.mktemp("paths")
    draw(folder / "secret" / "secret.png", 0)
    with running_rest(folder) as running:
        yield running


@pytest.fixture(autouse=True)
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpen_ui.ui.shield.WRONG_PASSWORD_DELAY_S", 0)
    monkeypatch.setattr("gpen_ui.ui.attempts.FREE", 1000)  # how often one may guess is tried in test_security


class TestToken:
    @pytest.mark.parametrize(("method", "route"), ROUTES)
    @pytest.mark.parametrize("given", [None, "Bearer", "Bearer wrong", f"Bearer {TOKEN}x", f"Basic {TOKEN}", PASSWORD])
    def test_rest_opens_to_the_token_only(self, open_to_others: TestClient, method: str, route: str, given: str | None):
        headers = {} if given is None else {"authorization": given}
        answer = open_to_others.request(method, route, headers=headers)
        assert (answer.status_code, answer.json()["error"]["key"]) == (401, "api_token_wrong")
        assert answer.headers["www-authenticate"] == "Bearer"

    def test_the_token_opens_rest_and_page(self, open_to_others: TestClient):
        headers = {"authorization": f"Bearer {TOKEN}"}
        for route in ("/api/v1/runs", "/api/v1/openapi.json", "/en/", "/en/config"):
            assert open_to_others.get(route, headers=headers).status_code == 200

    @pytest.mark.parametrize("route", ["/", "/en/", "/en/config", "/docs", "/openapi.json", "/language/zh"])
    def test_the_page_opens_to_the_password_still(self, open_to_others: TestClient, route: str):
        assert open_to_others.get(route).status_code == 401
        assert open_to_others.get(route, headers={"authorization": PASSWORD}).status_code != 401

    def test_without_a_token_rest_is_closed_to_other_machines(self, make_app: Any):
        client = make_app(host="0.0.0.0", auth="anna:geheim")
        for given in ({}, {"authorization": PASSWORD}, {"authorization": "Bearer "}):
            answer = client.get("/api/v1/runs", headers=given)
            assert (answer.status_code, answer.json()["error"]["key"]) == (403, "api_token_missing")
        assert client.get("/en/", headers={"authorization": PASSWORD}).status_code == 200

    def test_this_machine_needs_none_but_keeps_one_that_is_set(self, make_app: Any):
        assert make_app().get("/api/v1/runs").json() == {"runs": []}
        with_token = make_app(api_token=TOKEN)
        assert with_token.get("/api/v1/runs").status_code == 401
        assert with_token.get("/en/").status_code == 200

    def test_this_machine_with_a_password_asks_for_it(self, make_app: Any):
        client = make_app(auth="anna:geheim")
        assert client.get("/api/v1/runs").status_code == 401
        assert client.get("/api/v1/runs", headers={"authorization": PASSWORD}).status_code == 200

    def test_a_server_of_rest_alone_is_closed_to_browsers(self, make_app: Any):
        check_access(Settings(host="0.0.0.0", api_token=TOKEN))
        client = make_app(host="0.0.0.0", api_token=TOKEN)
        assert client.get("/en/").status_code == 401
        assert client.get("/api/v1/runs", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200

    def test_a_short_token_is_refused_and_not_repeated(self):
        with pytest.raises(SettingsError, match="at least 16") as caught:
            load_settings({"api_token": "secret"}, {})
        assert "secret" not in str(caught.value)
        assert load_settings({}, {"GPEN_UI_API_TOKEN": TOKEN}).api_token == TOKEN


class TestOtherSites:
    @pytest.mark.parametrize(
        "host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "10.0.0.7", "[::2]"]
    )
    @pytest.mark.parametrize("route", ["/api/v1/runs", "/en/", "/en/config"])
    def test_a_name_that_was_pointed_here_is_refused(self, local: TestClient, host: str, route: str):
        assert local.get(route, headers={"host": host}).status_code == 421

    @pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost", "LOCALHOST:1", "[::1]:7860"])
    def test_the_own_names_are_good(self, local: TestClient, host: str):
        assert local.get("/api/v1/runs", headers={"host": host}).status_code == 200

    @pytest.mark.parametrize(
        "headers",
        [
            {"origin": "http://evil.example"},
            {"origin": "null"},
            {"origin": "http://127.0.0.1:9999"},
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site", "origin": "http://127.0.0.1"},
        ],
    )
    @pytest.mark.parametrize(("method", "route"), [route for route in ROUTES if route[0] != "GET"])
    def test_a_page_of_another_site_changes_nothing(
        self, local: TestClient, headers: dict[str, str], method: str, route: str
    ):
        answer = local.request(method, route, headers=headers)
        assert (answer.status_code, answer.json()["error"]["key"]) == (403, "api_origin_other")

    def test_a_page_of_another_site_starts_nothing_on_the_page(self, local: TestClient):
        answer = local.post("/en/gradio_api/queue/join", json={}, headers={"origin": "http://evil.example"})
        assert answer.status_code == 403

    @pytest.mark.parametrize(
        "headers",
        [
            {"origin": "http://127.0.0.1"},
            {"sec-fetch-site": "same-origin", "origin": "https://through.a.proxy"},
            {"origin": "https://photos.example", "x-forwarded-host": "photos.example"},
            {},
        ],
    )
    def test_the_own_page_and_programs_may(self, local: TestClient, headers: dict[str, str]):
        assert local.post("/api/v1/runs/folder", json={"folder": "/x"}, headers=headers).status_code == 403
        answer = local.post("/api/v1/runs/folder", json={"folder": "/x"}, headers=headers)
        assert answer.json()["error"]["key"] == "page_folder_none"

    def test_no_other_site_may_read_answers(self, local: TestClient):
        answer = local.get("/api/v1/runs", headers={"origin": "http://evil.example"})
        assert "access-control-allow-origin" not in answer.headers


class TestPaths:
    """Everything outside of the outputs folder stays as it was, and nothing outside of the photos folder is read."""

    @pytest.fixture
    def client(self, server: RestServer) -> Iterator[httpx.Client]:
        before = self.outside(server)
        with server.client() as given:
            yield given
        assert self.outside(server) == before

    @staticmethod
    def outside(server: RestServer) -> dict[str, Any]:
        found = fingerprints(server.folder)
        return {name: facts for name, facts in found.items() if not name.startswith(("outputs/", "server.log"))}

    @pytest.mark.parametrize(
        "name", ["../../../up.png", "/etc/up.png", "..\\..\\up.png", "..", ".png", "a\tb.png", ".hidden.png", "x" * 400]
    )
    def test_a_name_that_was_sent_leads_nowhere(self, client: httpx.Client, server: RestServer, name: str):
        data = (server.folder / "secret" / "secret.png").read_bytes()
        run = client.post("/runs/upload", files={"files": (name, data)}).json()
        end = ended(client, run["id"])
        (photo,) = client.get(f"/runs/{run['id']}/photos").json()["photos"]
        assert end["done"] == 1, photo
        assert Path(photo["source"]).resolve().is_relative_to(server.outputs / ".gpen-ui" / "uploads")
        assert Path(photo["result"]).resolve().parent == Path(end["output_folder"]).resolve()

    @pytest.mark.parametrize(
        "folder",
        ["{0}/secret", "{0}/photos/../secret", "{0}/photos/link", "{0}", "/", "~root", "photos", "", "\0", "x" * 5000,
         "{0}/photos/../outputs/.gpen-ui", "{0}/photos-2"],
    )  # fmt: skip
    def test_a_folder_outside_is_not_read(self, client: httpx.Client, server: RestServer, folder: str):
        link = server.photos / "link"
        link.symlink_to(server.folder / "secret")
        answer = client.post("/runs/folder", json={"folder": folder.format(server.folder)})
        link.unlink()
        assert answer.status_code in (403, 422), answer.text
        assert str(server.folder / "secret") not in answer.text.replace(folder.format(server.folder), "")

    def test_links_inside_of_a_folder_lead_nowhere(self, client: httpx.Client, server: RestServer):
        (server.photos / "album").mkdir()
        draw(server.photos / "album" / "a.png", 0)
        (server.photos / "album" / "b.png").symlink_to(server.folder / "secret" / "secret.png")
        (server.photos / "album" / "c").symlink_to(server.folder / "secret")
        run = client.post("/runs/folder", json={"folder": str(server.photos / "album"), "recursive": True}).json()
        assert ended(client, run["id"])["planned"] == 1 and run["ignored"] == 2
        shutil.rmtree(server.photos / "album")

    @pytest.mark.parametrize(
        "output",
        ["..", "../secret", "/etc", "{0}/secret", ".gpen-ui", ".gpen-ui/uploads", "a/../../b"],
    )
    def test_results_stay_in_their_folders(self, client: httpx.Client, server: RestServer, output: str):
        photo = ("a.png", (server.folder / "secret" / "secret.png").read_bytes())
        fields = {"output": output.format(server.folder)}
        answer = client.post("/runs/upload", files={"files": photo}, data=fields)
        assert (answer.status_code, answer.json()["error"]["key"]) == (403, "page_folder_outside")

    @pytest.mark.parametrize(
        "fields",
        [
            {"template": "../{name}{ext}"},
            {"template": "/{name}"},
            {"suffix": "/../x"},
            {"suffix": "\\x"},
            {"suffix": "\0"},
        ],
    )
    def test_names_of_results_are_names(self, client: httpx.Client, server: RestServer, fields: dict[str, str]):
        photo = ("a.png", (server.folder / "secret" / "secret.png").read_bytes())
        assert client.post("/runs/upload", files={"files": photo}, data=fields).status_code == 422

    @pytest.mark.parametrize(
        "path",
        ["..%2f..%2fetc", "%2e%2e", "x/photos/..%2f1", "x/photos/1/..%2f..%2fresult", "x/report.%2e%2e%2fpasswd", "%00",
         "x/photos/1/result/../../../../etc/passwd"],
    )  # fmt: skip
    def test_addresses_lead_to_runs_only(self, client: httpx.Client, path: str):
        for method in ("GET", "DELETE", "POST"):
            answer = client.request(method, f"/runs/{path}")
            assert answer.status_code in (404, 405, 422) and answer.json()["error"]["message"], answer.text


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("a.png", "a.png"),
        ("../../a.png", "a.png"),
        ("C:\\Users\\x\\a.png", "a.png"),
        ("..", "photo"),
        (".png", "png"),
        ("", "photo"),
        ("祖母😀.jpg", "祖母😀.jpg"),
        ("a\x00b\n.png", "a_b_.png"),
        ('a<b>:"|?*.png', "a_b______.png"),
        (" .hidden . ", "hidden"),
    ],
)
def test_names_are_made_safe(sent: str, kept: str):
    assert safe_name(sent) == kept


def test_a_long_name_keeps_its_end():
    name = safe_name("图" * 300 + ".jpeg")
    assert name.endswith("图.jpeg") and len(name.encode()) <= NAME_BYTES_MOST
