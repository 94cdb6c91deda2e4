"""Tab 4's list of models without a browser: downloads that belong to the server, licences, and files that are taken."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import gradio as gr
import pytest
import torch
from fastapi.testclient import TestClient

from gpen_ui.catalog import ModelSpec
from gpen_ui.errors import UnknownModelError, UsageError
from gpen_ui.settings import Settings
from gpen_ui.texts import say
from gpen_ui.ui import build_app, model_list
from gpen_ui.ui.downloads import Downloads
from gpen_ui.ui.model_list import ListHandlers
from gpen_ui.ui.service import Service
from gpen_ui.ui.speech import Speech
from tests.serving import Habits, Server, running_server

ANNA: Any = SimpleNamespace(session_hash="anna")
BEN: Any = SimpleNamespace(session_hash="ben")
DATA = b"weights" * 50_000
END_S = 20


def press(key: str) -> Any:
    return SimpleNamespace(_data={"key": key})


def until(holds: Callable[[], bool]) -> None:
    """Waits for what another thread does."""
    end = time.monotonic() + END_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with running_server() as running:
        running.paths["/net"] = Habits(DATA)
        yield running


@pytest.fixture
def spec(server: Server) -> ModelSpec:
    digest = hashlib.sha256(DATA).hexdigest()
    return ModelSpec("gpen-bfr-256", "gpen", "net.pth", 256, len(DATA), digest, (server.url("/net"),), "gpen", False)


@pytest.fixture
def handlers(spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ListHandlers:
    """The list with a catalogue of one model, which a server on this machine has."""
    for place in ("gpen_ui.ui.model_list.all_models", "gpen_ui.catalog.all_models"):
        monkeypatch.setattr(place, lambda: {spec.name: spec})
    settings = Settings(models_folder=tmp_path / "models", outputs_folder=tmp_path / "outputs", allowed_folders=())
    speech = Speech("zh")
    with gr.Blocks():
        tab = model_list.lay_out(speech)
    return ListHandlers(tab, Service(settings, tmp_path), speech)


def test_a_restricted_model_waits_for_a_yes_to_its_licence(handlers: ListHandlers):
    shown = handlers.arrive(ANNA)[handlers.tab.models]
    assert say("licence.gpen", "zh") in shown and "disabled" in shown
    with pytest.raises(UsageError) as caught:
        handlers.press(ANNA, press("get:gpen-bfr-256"))
    assert "许可" in caught.value.sentence("zh")
    agreed = handlers.press(ANNA, press("agree:gpen-bfr-256"))[handlers.tab.models]
    assert "checked" in agreed and "disabled" not in agreed
    assert "disabled" in handlers.arrive(BEN)[handlers.tab.models]  # each for himself


def test_a_download_is_seen_and_stopped_from_another_page(handlers: ListHandlers, server: Server):
    server.paths["/net"].stalls = [len(DATA) // 2]
    handlers.press(ANNA, press("agree:gpen-bfr-256"))
    handlers.press(ANNA, press("get:gpen-bfr-256"))
    handlers.service.forget(ANNA.session_hash)  # her page is closed
    downloads = handlers.service.downloads
    until(lambda: bool(downloads.all()["gpen-bfr-256"].host))
    seen = handlers.arrive(BEN)
    assert "127.0.0.1" in seen[handlers.tab.bars] and "stop:gpen-bfr-256" in seen[handlers.tab.models]
    assert seen[handlers.tab.timer].active
    handlers.press(BEN, press("stop:gpen-bfr-256"))
    assert downloads.wait("gpen-bfr-256", END_S).state == "stopped"
    later = handlers.arrive(BEN)
    assert say("page.model.state.partial", "zh") in later[handlers.tab.models] and later[handlers.tab.bars] == ""
    handlers.press(BEN, press("agree:gpen-bfr-256"))
    handlers.press(BEN, press("get:gpen-bfr-256"))  # goes on
    assert downloads.wait("gpen-bfr-256", END_S).state == "done"
    assert (handlers.service.settings.models_folder / "net.pth").read_bytes() == DATA
    assert server.requests[-1][1] is not None  # with a Range
    done = handlers.show(BEN)
    assert say("page.model.state.present", "zh") in done[handlers.tab.models] and not done[handlers.tab.timer].active


def test_a_failed_download_says_why_and_what_to_do(handlers: ListHandlers, server: Server):
    server.paths["/net"] = Habits(status=403)
    handlers.press(ANNA, press("agree:gpen-bfr-256"))
    handlers.press(ANNA, press("get:gpen-bfr-256"))
    assert handlers.service.downloads.wait("gpen-bfr-256", END_S).state == "failed"
    shown = handlers.arrive(ANNA)[handlers.tab.models]
    assert "HTTP 403" in shown and "HTTPS_PROXY" in shown and "get:gpen-bfr-256" in shown


def test_a_list_that_has_not_changed_is_not_sent_again(handlers: ListHandlers):
    assert isinstance(handlers.arrive(ANNA)[handlers.tab.models], str)
    assert not isinstance(handlers.show(ANNA)[handlers.tab.models], str)
    last = handlers.tick(ANNA)  # the page looks although nothing goes on: it may have got an older answer last
    assert isinstance(last[handlers.tab.models], str) and not last[handlers.tab.timer].active


@pytest.mark.parametrize("key", ["get:../../etc/passwd", "get:", "agree:x"])
def test_a_made_up_model_is_refused(handlers: ListHandlers, key: str):
    with pytest.raises(UnknownModelError):
        handlers.press(ANNA, press(key))
    assert handlers.press(ANNA, press("burn:all"))  # an unknown wish changes nothing


def test_pressing_twice_starts_one_download_and_few_run_at_once(spec: ModelSpec, server: Server, tmp_path: Path):
    downloads = Downloads(tmp_path)
    rows = []
    for number in range(4):
        path = f"/{number}"
        server.paths[path] = Habits(DATA, stalls=[10])
        rows.append(
            ModelSpec(**{**spec.__dict__, "name": path, "file": f"{number}.pth", "sources": (server.url(path),)})
        )
    for row in (*rows, *rows):
        downloads.start(row)
    until(lambda: len(server.requests) == 2)
    assert [progress.state for progress in downloads.all().values()].count("waiting") == 2
    downloads.stop_all()
    assert {downloads.wait(row.name, END_S).state for row in rows} == {"stopped"}
    assert len(server.requests) <= 4


# ---- import ---------------------------------------------------------------------------------------------------------


class Evil:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch /tmp/gpen-ui-was-here",)


@pytest.fixture(scope="module")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def client(models_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    folder = tmp_path_factory.mktemp("import")
    settings = Settings(outputs_folder=folder / "outputs", models_folder=models_folder, allowed_folders=(), upload_mb=1)
    return TestClient(build_app(Service(settings, folder), settings), base_url="http://127.0.0.1")


def send(client: TestClient, name: str, data: bytes, **headers: str) -> Any:
    return client.post("/models/import?language=zh", content=data, headers={"X-File-Name": quote(name), **headers})


def pickled(value: object, path: Path) -> bytes:
    torch.save(value, path)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("net.pth", b"<html>log in first</html>", "网页"),
        ("net.pth", b"", "为空"),
        ("net.pth", "evil", "执行代码"),
        ("net.pth", "other", "不是 GPEN 模型"),
        ("net.pth", "cut", "不完整"),
        ("../../net.pth", b"x", "不完整"),
        ("..", b"x", "不能用作"),
        ("CON.pth", b"x", "不能用作"),
        (".hidden.pth", b"x", "不能用作"),
    ],
)
def test_what_is_no_model_is_refused_with_the_reason(
    client: TestClient, models_folder: Path, tmp_path: Path, name: str, kind: bytes | str, told: str
):
    made = {
        "evil": lambda: pickled({"a": Evil()}, tmp_path / "a.pth"),
        "other": lambda: pickled({"conv.weight": torch.zeros(3, 3)}, tmp_path / "a.pth"),
        "cut": lambda: pickled({"a": torch.zeros(5000)}, tmp_path / "a.pth")[:9000],
    }
    answer = send(client, name, kind if isinstance(kind, bytes) else made[kind]())
    assert 400 <= answer.status_code < 500
    assert told in answer.json()["detail"], answer.json()
    assert str(models_folder) not in answer.json()["detail"]
    assert not Path("/tmp/gpen-ui-was-here").exists()
    assert list(models_folder.iterdir()) == []


def test_a_good_file_is_taken_and_never_replaced(client: TestClient, models_folder: Path, tmp_path: Path):
    from tests.test_weights import tiny_state

    first = pickled(tiny_state(), tmp_path / "a.pth")
    other = pickled({key: value * 2 for key, value in tiny_state().items()}, tmp_path / "b.pth")
    assert send(client, "家.pth", first).status_code == 200
    assert send(client, "家.pth", first).status_code == 200  # twice changes nothing
    refused = send(client, "家.pth", other)
    assert refused.status_code == 422 and "已有可用的" in refused.json()["detail"]
    assert (models_folder / "家.pth").read_bytes() == first
    (models_folder / "家.pth").write_bytes(b"damaged")
    assert send(client, "家.pth", other).status_code == 200
    assert (models_folder / "家.pth").read_bytes() == other
    assert sorted(path.name for path in models_folder.iterdir()) == ["家.pth", "家.pth.old"]


def test_other_sites_send_no_models(client: TestClient):
    assert send(client, "a.pth", b"x", Origin="https://evil.example").status_code == 403


def test_a_model_may_be_larger_than_a_photo_but_not_endless(client: TestClient):
    assert "不完整" in send(client, "a.pth", b"x" * 2_000_000).json()["detail"]  # over upload_mb, judged as a model
    assert client.post("/models/import", content=b"", headers={"Content-Length": str(5 << 30)}).status_code == 422
