"""The page without a browser: its routes and what guards them, its handlers, and the texts it shows."""

from __future__ import annotations

import base64
import json
import re
import shutil
import threading
import time
import urllib.error
import urllib.request
import zipfile
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
import skimage.data
from fastapi.testclient import TestClient
from PIL import Image

from gpen_ui.access import checkpoint_file, input_folder, output_folder
from gpen_ui.errors import CheckpointError, OptionError, SettingsError, Stopped, UsageError
from gpen_ui.options import RestoreOptions, option_specs, parse_options
from gpen_ui.presets import load_preset, preset_names
from gpen_ui.settings import Settings
from gpen_ui.texts import LANGUAGES, say
from gpen_ui.ui import build_app, tab_parameters, tab_single, views
from gpen_ui.ui.batch_size import batch_size_of
from gpen_ui.ui.folders import uploaded
from gpen_ui.ui.runs import Outcome
from gpen_ui.ui.server import check_access, serve
from gpen_ui.ui.service import Service
from gpen_ui.ui.shield import in_language
from gpen_ui.ui.speech import Speech
from gpen_ui.ui.turnstile import Turnstile
from tests.page_server import running_page

VISITOR: Any = SimpleNamespace(session_hash="a-visitor")
DEFAULTS = tab_parameters.control_values(RestoreOptions())


def portrait(path: Path, side_px: int = 220) -> Path:
    """The astronaut's head."""
    head = Image.fromarray(skimage.data.astronaut()).crop((130, 0, 320, 190))
    head.resize((side_px, side_px), Image.Resampling.LANCZOS).save(path)
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "photos").mkdir()
    return Settings(outputs_folder=tmp_path / "outputs", allowed_folders=(tmp_path / "photos",), device="cpu")


@pytest.fixture
def service(settings: Settings, tmp_path: Path) -> Service:
    (tmp_path / "scratch").mkdir()
    return Service(settings, tmp_path / "scratch")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of the applications below; no model is loaded for them."""
    folder = tmp_path_factory.mktemp("site")
    return Settings(outputs_folder=folder / "outputs", allowed_folders=(), upload_mb=1)


@pytest.fixture(scope="module")
def app(site: Settings, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return build_app(Service(site, tmp_path_factory.mktemp("scratch")), site)


@pytest.fixture(scope="module")
def guarded_app(site: Settings, tmp_path_factory: pytest.TempPathFactory) -> Any:
    closed = site.model_copy(update={"auth": "anna:geheim:ß"})
    return build_app(Service(closed, tmp_path_factory.mktemp("scratch")), closed)


@pytest.fixture
def client(app: Any) -> TestClient:
    return TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Service:
    """A service whose model is loaded, shared by the tests that restore."""
    folder = tmp_path_factory.mktemp("engine")
    (folder / "photos").mkdir()
    given = Settings(outputs_folder=folder / "outputs", allowed_folders=(folder / "photos",), device="cpu")
    (folder / "scratch").mkdir()
    loaded = Service(given, folder / "scratch")
    loaded.begin()
    assert loaded.wait_until_loaded(60)
    return loaded


class TestLanguage:
    @pytest.mark.parametrize(
        ("accepted", "place"), [("zh", "zh/"), ("zh-CN,zh;q=0.9", "zh/"), ("en-GB", "en/"), ("fr", "en/"), ("", "en/")]
    )
    def test_the_first_visit_follows_the_browser(self, client: TestClient, accepted: str, place: str):
        answer = client.get("/", headers={"accept-language": accepted})
        assert answer.headers["location"] == place

    def test_the_switch_is_remembered(self, client: TestClient):
        answer = client.get("/language/zh")
        assert answer.headers["location"] == "../zh/"
        assert client.get("/", headers={"accept-language": "en"}).headers["location"] == "zh/"

    def test_an_unknown_language_falls_back(self, client: TestClient):
        assert client.get("/language/..%2f..%2fevil").status_code in (303, 404)
        assert client.get("/language/xx").headers["location"] == "../en/"

    def test_each_page_speaks_its_language_only(self, client: TestClient):
        pages = {language: client.get(f"/{language}/config").text for language in LANGUAGES}
        for key in ("page.single.start", "page.tab.batch", "page.model.reload", "option.strength", "preset.everyday"):
            here, there = (json.dumps(say(key, language), ensure_ascii=False) for language in LANGUAGES)
            assert here in pages["en"] and here not in pages["zh"]
            assert there in pages["zh"] and there not in pages["en"]

    def test_gradios_own_words_follow(self, client: TestClient):
        english, chinese = client.get("/en/").text, client.get("/zh/").text
        assert 'lang="zh-CN"' in chinese and "get: () => 'zh-CN'" in chinese
        assert 'lang="en"' in english and "get: () => 'en'" in english

    def test_an_index_page_of_another_gradio_is_left_alone(self):
        assert in_language(b"<html>", "zh-CN") == b"<html>"

    def test_an_unknown_address_is_answered_in_a_sentence(self, client: TestClient):
        answer = client.get("/nowhere", headers={"accept-language": "zh"})
        assert answer.status_code == 404 and answer.json()["detail"] == say("page.not_found", "zh")


class TestSafety:
    ROUTES = (
        "/", "/en/", "/zh/", "/en/config", "/zh/config", "/en/gradio_api/info", "/en/theme.css", "/language/zh",
        "/openapi.json", "/docs", "/en/gradio_api/startup-events", "/en/gradio_api/queue/data?session_hash=a",
        "/en/gradio_api/heartbeat/a", "/en/gradio_api/file=x", "/en/static/img/logo.svg", "/en/gradio_api/app_id",
        "/runs/last/zip", "/runs/last/html", "/runs/photos/1/after.jpg",
    )  # fmt: skip

    @pytest.fixture
    def guarded(self, guarded_app: Any, monkeypatch: pytest.MonkeyPatch) -> TestClient:
        monkeypatch.setattr("gpen_ui.ui.shield.WRONG_PASSWORD_DELAY_S", 0)
        monkeypatch.setattr("gpen_ui.ui.attempts.FREE", 1000)
        return TestClient(guarded_app)

    @pytest.mark.parametrize("route", ROUTES)
    def test_nothing_is_served_without_the_password(self, guarded: TestClient, route: str):
        answer = guarded.get(route)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic ")

    @pytest.mark.parametrize("route", ["/en/gradio_api/upload", "/en/gradio_api/queue/join", "/en/gradio_api/reset"])
    def test_nothing_is_taken_without_the_password(self, guarded: TestClient, route: str):
        assert guarded.post(route, json={}).status_code == 401

    @pytest.mark.parametrize(
        "header", ["Basic !", "Basic", "Bearer x", "Basic " + base64.b64encode(b"anna:x").decode()]
    )
    def test_a_wrong_password_is_refused(self, guarded: TestClient, header: str):
        assert guarded.get("/en/", headers={"authorization": header}).status_code == 401

    def test_the_password_opens(self, guarded: TestClient):
        packed = base64.b64encode("anna:geheim:ß".encode()).decode()
        assert guarded.get("/en/", headers={"authorization": f"Basic {packed}"}).status_code == 200

    def test_other_machines_demand_a_password(self):
        with pytest.raises(SettingsError, match="--auth"):
            serve(Settings(host="0.0.0.0"))
        check_access(Settings(host="0.0.0.0", auth="anna:geheim"))

    @pytest.mark.parametrize("auth", ["anna", ":geheim", "anna:"])
    def test_a_password_needs_a_name_and_a_word(self, auth: str):
        with pytest.raises(SettingsError, match="user:password"):
            check_access(Settings(auth=auth))

    def test_a_taken_port_is_one_sentence(self):
        import socket

        with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SettingsError, match="cannot be used"):
            serve(Settings(port=taken.getsockname()[1]))

    def test_no_file_of_the_machine_is_served(self, client: TestClient, site: Settings):
        site.outputs_folder.mkdir()
        result = portrait(site.outputs_folder / "a_gpen.png")
        for path in ("/etc/passwd", str(result), str(Path(__file__)), "/proc/self/environ"):
            assert client.get(f"/en/gradio_api/file={path}").status_code in (403, 404), path

    def test_headers_keep_other_sites_from_framing_the_page(self, client: TestClient):
        assert client.get("/en/").headers["x-frame-options"] == "SAMEORIGIN"

    def test_a_large_upload_is_refused(self, client: TestClient):
        answer = client.post("/en/gradio_api/upload", files={"files": ("a.jpg", b"x" * 2_000_000)})
        assert answer.status_code == 413

    def test_no_api_page_lists_the_handlers(self, client: TestClient):
        assert client.get("/en/gradio_api/info").json()["named_endpoints"] == {}
        assert client.get("/openapi.json").status_code == 404


def test_a_request_that_names_a_file_of_the_server_gets_nothing(tmp_path: Path):
    """The queue takes paths from the request; Gradio alone would open them in a mounted page, or fetch addresses."""
    secret = portrait(tmp_path / "secret.png")
    with running_page(tmp_path / "log", outputs_folder=str(tmp_path / "outputs"), model="no-such-model") as url:
        config = json.load(urllib.request.urlopen(f"{url}/en/config"))
        step = next(each for each in config["dependencies"] if len(each["inputs"]) == 3 + len(option_specs()))
        file = {"path": str(secret), "meta": {"_type": "gradio.FileData"}, "orig_name": "secret.png"}
        body = {"data": [[file], 4, "same", *DEFAULTS], "fn_index": step["id"], "session_hash": "h"}
        request = urllib.request.Request(
            f"{url}/en/gradio_api/queue/join", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)
        said = caught.value.read().decode()
        assert caught.value.code == 403 and "was not uploaded" in said and str(tmp_path) not in said
        log = (tmp_path / "log").read_text()
        assert "refused: 'POST /en/gradio_api/queue/join' from 127.0.0.1 (403 page_upload_outside)" in log
    kept = {path.name for path in (tmp_path / "outputs").rglob("*")}
    assert kept <= {".gpen-ui", "runs.sqlite", "runs.sqlite-shm", "runs.sqlite-wal"}  # the empty list of runs


class TestFolders:
    @pytest.mark.parametrize("text", ["/etc", "{photos}/..", "{photos}/../photos-2", "~root", "relative", "/"])
    def test_a_folder_outside_is_refused(self, settings: Settings, tmp_path: Path, text: str):
        (tmp_path / "photos-2").mkdir()
        with pytest.raises(UsageError, match="outside"):
            input_folder(text.format(photos=tmp_path / "photos"), settings)

    def test_a_link_to_the_outside_is_refused(self, settings: Settings, tmp_path: Path):
        (tmp_path / "private").mkdir()
        (tmp_path / "photos" / "door").symlink_to(tmp_path / "private")
        with pytest.raises(UsageError, match="outside"):
            input_folder(str(tmp_path / "photos" / "door"), settings)
        with pytest.raises(UsageError, match="outside"):
            output_folder(str(tmp_path / "photos" / "door"), settings)

    def test_a_missing_folder_is_named(self, settings: Settings, tmp_path: Path):
        with pytest.raises(UsageError, match="does not exist"):
            input_folder(str(tmp_path / "photos" / "nope"), settings)

    def test_no_folder_is_read_when_none_is_allowed(self, settings: Settings):
        with pytest.raises(UsageError, match="may not read"):
            input_folder("/etc", settings.model_copy(update={"allowed_folders": ()}))

    def test_outputs_go_below_the_outputs_folder(self, settings: Settings, tmp_path: Path):
        assert output_folder("", settings) == tmp_path / "outputs"
        assert output_folder("album", settings) == tmp_path / "outputs" / "album"
        for text in ("/etc", "../elsewhere"):
            with pytest.raises(UsageError, match="outside"):
                output_folder(text, settings)

    def test_a_checkpoint_outside_is_refused(self, settings: Settings):
        with pytest.raises(UsageError, match="outside"):
            checkpoint_file("/etc/passwd", settings)

    def test_only_uploads_count_as_uploads(self, tmp_path: Path):
        (tmp_path / "cache").mkdir()
        assert uploaded([str(portrait(tmp_path / "cache" / "a.png"))], tmp_path / "cache")
        with pytest.raises(UsageError, match="not uploaded"):
            uploaded([str(portrait(tmp_path / "b.png"))], tmp_path / "cache")


class TestParameters:
    @pytest.mark.parametrize("language", LANGUAGES)
    def test_every_option_has_a_control_with_both_ends_written(self, client: TestClient, language: Any):
        components = client.get(f"/{language}/config").json()["components"]
        by_id = {component["props"].get("elem_id"): component["props"] for component in components}
        for spec in option_specs():
            props = by_id[f"option-{spec.name}"]
            assert props["label"] == spec.title(language)
            if spec.kind in ("int", "float"):
                assert (props["minimum"], props["maximum"], props["value"]) == (spec.low, spec.high, spec.default)
                for end in ("low", "high"):
                    assert say(f"option.{spec.name}.{end}", language) in props["info"]

    def test_controls_give_the_options_back(self):
        options = RestoreOptions(strength=35, mode="detail", output_scale=4, detector_threshold=0.5, denoise=7)
        as_json = json.loads(json.dumps(tab_parameters.control_values(options)))
        as_json[0] = float(as_json[0])  # sliders give floats
        assert tab_parameters.options_from(as_json) == options

    def test_a_made_up_value_is_refused(self):
        with pytest.raises(OptionError, match="strength"):
            tab_parameters.options_from([900, *DEFAULTS[1:]])

    def test_the_settings_are_told_in_words(self):
        text = tab_parameters.in_words(RestoreOptions(strength=35, denoise=7), Speech("zh"))
        assert "35" in text and say("option.denoise", "zh") in text and say("option.sharpen", "zh") not in text


class TestWords:
    def test_errors_come_in_the_readers_language(self):
        def fails() -> None:
            raise UsageError("page_no_photos")

        with pytest.raises(gr.Error) as caught:
            Speech("zh").guard(fails)()
        assert caught.value.message == say("error.page_no_photos", "zh")

    def test_unexpected_errors_show_nothing_of_the_inside(self):
        def fails() -> Any:
            yield 1
            raise RuntimeError("/secret/place")

        stream = Speech("en").guard(fails)()
        assert next(stream) == 1
        with pytest.raises(gr.Error) as caught:
            next(stream)
        assert caught.value.message == say("page.unexpected", "en").replace("'", "&#x27;")

    def test_names_of_files_cannot_carry_html(self, tmp_path: Path):
        name = "<img src=x onerror=alert(1)>.png"
        bad = Outcome(name, None, error=UsageError("page_upload_outside", name=name))
        good = Outcome(name, tmp_path / name, before_wh=(1, 1), after_wh=(1, 1), device=name)
        speech = Speech("en")
        html = views.failures([bad], speech)
        html += views.facts(good, speech, shows_paths=True)
        assert "<img" not in html and "&lt;img" in html

    @pytest.mark.parametrize(
        ("seconds", "en", "zh"),
        [
            (0.4, "0 s", "0 秒"),
            (9.6, "10 s", "10 秒"),
            (75, "1 min 15 s", "1 分 15 秒"),
            (7260, "2 h 1 min", "2 小时 1 分"),
        ],
    )
    def test_durations(self, seconds: float, en: str, zh: str):
        assert (Speech("en").duration(seconds), Speech("zh").duration(seconds)) == (en, zh)

    @pytest.mark.parametrize(
        ("seconds", "en", "zh"),
        [
            (0.02, "0.1 s", "0.1 秒"),
            (0.68, "0.7 s", "0.7 秒"),
            (9.97, "10 s", "10 秒"),
            (75, "1 min 15 s", "1 分 15 秒"),
        ],
    )
    def test_what_a_quick_photo_took_reads_properly(self, seconds: float, en: str, zh: str):
        assert (Speech("en").took(seconds), Speech("zh").took(seconds)) == (en, zh)

    @pytest.mark.parametrize("value", [None, 0, 2.5, 257, "x", True and float("nan")])
    def test_a_batch_size_is_a_whole_number(self, value: Any):
        with pytest.raises(UsageError, match="batch size"):
            batch_size_of(value)


class TestQueue:
    def test_runs_come_one_at_a_time_in_their_order(self):
        turnstile, order = Turnstile(), []
        inside = threading.Event()

        def run(number: int) -> None:
            with turnstile.turn(threading.Event()):
                assert not inside.is_set()
                inside.set()
                time.sleep(0.01)
                order.append(number)
                inside.clear()

        threads = [threading.Thread(target=run, args=(number,)) for number in range(5)]
        for thread in threads:
            thread.start()
            time.sleep(0.005)
        for thread in threads:
            thread.join()
        assert order == [0, 1, 2, 3, 4] and turnstile.is_free

    def test_a_waiting_run_can_be_stopped(self):
        turnstile, stop = Turnstile(), threading.Event()
        stop.set()
        with turnstile.turn(threading.Event()), pytest.raises(Stopped), turnstile.turn(stop):
            pass
        assert turnstile.is_free


def last(updates: Any) -> dict[Any, Any]:
    """All updates of a handler put together, as the page ends up."""
    shown: dict[Any, Any] = {}
    for update in updates:
        shown |= update
    return shown


def photos_in(html: str) -> list[dict[str, Any]]:
    """What the comparison was given."""
    found = re.search(r'<photo-compare [^>]*photos="([^"]*)"', html)
    assert found is not None
    return json.loads(unescape(found[1]))


def compared(html: str, service: Service) -> list[str]:
    """Names of the photos of a comparison, all of which have their pictures."""
    photos = photos_in(html)
    keys = [photo["before"].split("/")[2] for photo in photos]
    assert all(service.pictures.preview(key, kind) for key in keys for kind in ("before", "after", "small"))
    return [photo["name"] for photo in photos]


def first_pictures(html: str, service: Service) -> tuple[Path, Path]:
    key = photos_in(html)[0]["before"].split("/")[2]
    before, after = service.pictures.preview(key, "before"), service.pictures.preview(key, "after")
    assert before is not None and after is not None
    return before, after


class TestRestoring:
    @pytest.fixture
    def single(self, engine: Service) -> tab_single.SingleHandlers:
        with gr.Blocks():
            tab = tab_single.lay_out(Speech("en"))
        engine.forget(VISITOR.session_hash)
        shutil.rmtree(engine.settings.outputs_folder, ignore_errors=True)
        return tab_single.SingleHandlers(tab, engine, Speech("en"))

    def test_good_photos_are_done_and_bad_ones_named(self, single: tab_single.SingleHandlers, engine: Service):
        one, other = portrait(engine.scratch / "anna.png"), engine.scratch / "more" / "anna.png"
        other.parent.mkdir(exist_ok=True)
        portrait(other, 200)
        broken = engine.scratch / "broken.jpg"
        broken.write_bytes(b"no picture")
        paths = [str(one), str(broken), str(other)]
        shown = last(single.enhance(VISITOR, paths, 4, "same", *DEFAULTS))
        tab = single.tab
        assert "broken.jpg" in shown[tab.failures] and "not a picture" in shown[tab.failures]
        assert compared(shown[tab.compare], engine) == ["anna.png", "anna.png"]
        assert "1 found, 1 restored" in shown[tab.facts]
        before, after = (np.asarray(Image.open(path)) for path in first_pictures(shown[tab.compare], engine))
        assert before.shape == after.shape and np.abs(before.astype(int) - after).max() > 20
        with zipfile.ZipFile(shown[tab.download_all]["value"]) as archive:
            assert sorted(archive.namelist()) == ["anna_gpen.png", "anna_gpen_2.png"] and archive.testzip() is None
        assert (engine.settings.outputs_folder / "anna_gpen.png").is_file()

    def test_a_photo_is_chosen_by_its_place(self, single: tab_single.SingleHandlers, engine: Service):
        photos = [portrait(engine.scratch / f"{name}.png", 150) for name in ("first", "second")]
        last(single.enhance(VISITOR, [str(photo) for photo in photos], 4, "jpeg", *DEFAULTS))
        shown = single.choose(VISITOR, SimpleNamespace(_data={"place": 1}))  # type: ignore[arg-type]
        assert "second.png" in shown[single.tab.facts]
        assert Path(shown[single.tab.download_one]["value"]).name == "second_gpen.jpg"

    def test_a_stopped_run_keeps_what_is_done(self, single: tab_single.SingleHandlers, engine: Service):
        photos = [str(portrait(engine.scratch / f"{number}.png", 150)) for number in range(12)]
        single.begin(VISITOR)
        updates = single.enhance(VISITOR, photos, 1, "same", *DEFAULTS)
        next(updates)
        single.stop(VISITOR)
        shown = last(updates)
        saved = list(engine.settings.outputs_folder.glob("*")) if engine.settings.outputs_folder.exists() else []
        assert "Stopped" in shown[single.tab.progress] and len(saved) < len(photos)
        assert f"{len(saved)} of 12" in shown[single.tab.progress]

    def test_stop_counts_before_the_run_exists(self, single: tab_single.SingleHandlers, engine: Service):
        single.begin(VISITOR)
        single.stop(VISITOR)
        photo = str(portrait(engine.scratch / "x.png", 150))
        assert "0 of 1" in last(single.enhance(VISITOR, [photo], 4, "same", *DEFAULTS))[single.tab.progress]
        single.begin(VISITOR)
        assert "Done" in last(single.enhance(VISITOR, [photo], 4, "same", *DEFAULTS))[single.tab.progress]

    def test_of_two_runs_begun_at_once_the_later_one_is_shown_to_its_end(
        self, single: tab_single.SingleHandlers, engine: Service
    ):
        photos = [str(portrait(engine.scratch / f"{number}.png", 150)) for number in range(12)]
        single.begin(VISITOR)
        single.begin(VISITOR)
        earlier = single.enhance(VISITOR, photos, 1, "same", *DEFAULTS)
        next(earlier)
        later = single.enhance(VISITOR, photos[:1], 4, "same", *DEFAULTS)
        next(later)
        shown = last(later)
        assert "Done" in shown[single.tab.progress] and compared(shown[single.tab.compare], engine) == ["0.png"]
        assert list(earlier) == [], "what was replaced draws nothing over it"
        assert [outcome.name for outcome in engine.session(VISITOR.session_hash).results] == ["0.png"]

    def test_a_closed_page_leaves_nothing_behind(self, single: tab_single.SingleHandlers, engine: Service):
        folder = engine.session(VISITOR.session_hash).folder
        last(single.enhance(VISITOR, [str(portrait(engine.scratch / "x.png", 150))], 4, "same", *DEFAULTS))
        assert any(folder.iterdir())
        engine.forget(VISITOR.session_hash)
        assert not folder.exists()

    def test_nothing_to_do_is_one_sentence(self, single: tab_single.SingleHandlers):
        with pytest.raises(UsageError, match="no photo yet"):
            next(single.enhance(VISITOR, None, 4, "same", *DEFAULTS))

    def test_the_old_model_stays_when_the_new_one_fails(self, engine: Service, tmp_path: Path):
        before = engine.restorer
        broken = tmp_path / "broken.pth"
        broken.write_bytes(b"nothing")
        with pytest.raises(CheckpointError):
            engine.reload(broken, "cpu", 4)
        assert engine.restorer is before

    def test_the_model_is_reloaded_without_a_restart(self, engine: Service):
        before = engine.restorer
        report = engine.reload("gpen-lite-512", "cpu", 2)
        assert engine.restorer is not before and report.device == "cpu"
        assert report.seconds_per_face is not None and report.seconds_per_face > 0

    def test_a_run_in_progress_is_not_disturbed_by_a_reload(self, engine: Service):
        with engine.using(4, threading.Event()), pytest.raises(UsageError, match="right now"):
            engine.reload("gpen-lite-512", "cpu", 2)


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_fits_the_controls(name: str):
    preset = load_preset(name)
    values = tab_parameters.control_values(parse_options(preset.options))
    assert tab_parameters.options_from(values) == parse_options(preset.options)
    assert batch_size_of(preset.batch_size) == preset.batch_size


def test_a_page_without_a_model_says_why(service: Service):
    service.settings = service.settings.model_copy(update={"model": "no-such-model"})
    lost = Service(service.settings, service.scratch)
    lost.begin()
    assert lost.wait_until_loaded(60)
    card = views.device_card(lost.restorer, lost.load_error, "", Speech("zh"))
    assert "no-such-model" in card and "没有名为" in card
