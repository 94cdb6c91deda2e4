"""Tab 2 without a browser: what its handlers begin and refuse, what many pages see, and the routes of its files."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from gpen_ui.errors import OptionError, UsageError
from gpen_ui.jobs import Plan, PlannedPhoto, RunSettings, RunStore
from gpen_ui.options import RestoreOptions
from gpen_ui.settings import Settings
from gpen_ui.texts import Language, say
from gpen_ui.ui import build_app, tab_batch, tab_parameters
from gpen_ui.ui.batch_handlers import BatchHandlers
from gpen_ui.ui.service import Asked, Service
from gpen_ui.ui.speech import Speech
from tests.jobs_lab import draw, draw_many, one_thread, save_tiny_network

VIEW = ("all", "", 4, "same", *tab_parameters.control_values(RestoreOptions()))
TEMPLATE = "{name}{suffix}{ext}"


@pytest.fixture(scope="module", autouse=True)
def single_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_network(tmp_path_factory.mktemp("model") / "tiny.pth")


@contextmanager
def serving(folder: Path, model: Path) -> Iterator[Service]:
    for name in ("photos", "scratch"):
        (folder / name).mkdir()
    settings = Settings(
        outputs_folder=folder / "outputs", allowed_folders=(folder / "photos",), device="cpu", model=str(model)
    )
    loaded = Service(settings, folder / "scratch")
    loaded.begin()
    assert loaded.wait_until_loaded(60)
    yield loaded
    loaded.close()


@pytest.fixture
def service(tmp_path: Path, model: Path) -> Iterator[Service]:
    with serving(tmp_path, model) as loaded:
        yield loaded


class Page:
    """One open page: what it was sent, put together as a browser does."""

    def __init__(self, service: Service, session: str = "a", language: Language = "en") -> None:
        with gr.Blocks():
            self.tab = tab_batch.lay_out(service.settings, Speech(language))
        self.handlers = BatchHandlers(self.tab, service, Speech(language))
        self.request: Any = SimpleNamespace(session_hash=session, client=SimpleNamespace(host="127.0.0.1"))
        self.shown: dict[Any, Any] = {}
        self.view = VIEW
        self.service = service

    def press(self, name: str, *inputs: Any) -> dict[Any, Any]:
        update = getattr(self.handlers, name)(self.request, *inputs, *self.view)
        if update == gr.skip():
            return {}
        self.shown |= update
        return dict(update)

    def choose(self, name: str, key: object) -> dict[Any, Any]:
        return self.press(name, gr.EventData(None, {"key": str(key)}))

    def start(self, *files: Path, folder: Path | str = "", output: str = "", **given: Any) -> str:
        """Begins a run and returns its id."""
        form = {"subfolders": True, "watch": False, "output": output, "template": TEMPLATE, **given}
        self.press("start", [str(file) for file in files], str(folder), *form.values())
        return self.service.runs.run("last").id

    def finish(self) -> None:
        """Looks until nobody works on the chosen run any more."""
        run_id = self.service.session("a").batch.run_id or ""
        assert self.service.runs.wait(run_id, 60)
        self.press("arrive")

    def shows(self, name: str) -> bool:
        return bool(self.shown[self.tab.buttons[name]]["visible"])


@pytest.fixture
def page(service: Service) -> Page:
    return Page(service)


def photos(service: Service) -> Path:
    return service.settings.readable_folders[0]


def results(service: Service) -> list[str]:
    outputs = service.settings.outputs_folder
    found = (path.relative_to(outputs) for path in outputs.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in found if path.parts[0] != ".gpen-ui")


class TestBeginning:
    def test_nothing_to_do_is_one_sentence(self, page: Page, service: Service):
        with pytest.raises(UsageError, match="no photo yet"):
            page.start(folder="  ")
        (photos(service) / "notes.txt").touch()
        with pytest.raises(UsageError, match=r"holds no photo.*1 file or folder was"):
            page.start(folder=photos(service))
        with pytest.raises(UsageError, match="outside"):
            page.start(folder="/etc")
        with pytest.raises(UsageError, match="outside"):
            page.start(folder=photos(service), output="../elsewhere")
        assert service.runs.runs() == []

    def test_a_refused_run_keeps_no_upload(self, page: Page, service: Service):
        photo = draw(service.scratch / "a.png")
        with pytest.raises(UsageError, match="template"):
            page.start(photo, template="{nonsense}")
        page.view = (*VIEW[:4], 900, *VIEW[5:])
        with pytest.raises(OptionError, match="strength"):
            page.start(photo)
        page.view = ("all", "", 0, *VIEW[3:])
        with pytest.raises(UsageError, match="batch size"):
            page.start(photo)
        uploads = service.runs.store.folder / "uploads"
        assert service.runs.runs() == [] and not (uploads.exists() and any(uploads.iterdir()))

    def test_uploads_are_kept_with_the_run_and_go_with_it(self, page: Page, service: Service):
        one, other = draw(service.scratch / "1" / "a.png"), draw(service.scratch / "2" / "a.png", shade=9)
        run = page.start(one, other, template="{n:03}-{name}{ext}")
        shutil.rmtree(one.parent)
        shutil.rmtree(other.parent)
        page.finish()
        assert results(service) == ["001-a.png", "002-a.png"]
        assert say("page.batch.uploads", count=2) in page.shown[page.tab.runs]
        kept = service.runs.run(run).inputs
        assert all(path.is_file() and path.is_relative_to(service.runs.store.folder) for path in kept)
        page.press("remove")
        assert page.shows("remove_yes") and not page.shows("remove")
        page.press("remove_yes")
        assert service.runs.runs() == [] and not any(path.exists() for path in kept)
        assert results(service) == ["001-a.png", "002-a.png"]

    def test_links_out_of_the_folder_are_left_out_and_named(self, page: Page, service: Service):
        draw(photos(service) / "sub" / "a.png")
        (photos(service) / "link.png").symlink_to(draw(service.scratch / "outside.png"))
        page.start(folder=photos(service), output="album")
        page.finish()
        assert results(service) == ["album/sub/a_gpen.png"]
        assert "link.png" in page.shown[page.tab.ignored]

    def test_a_watched_folder_gives_its_photos_as_they_come(self, page: Page, service: Service):
        run = page.start(folder=photos(service), watch=True)
        draw(photos(service) / "late.png")
        while service.runs.progress(run).done < 1:
            time.sleep(0.1)
        page.press("pause")
        page.finish()
        assert results(service) == ["late_gpen.png"] and page.shows("resume")


class TestSteering:
    def test_buttons_are_there_only_where_they_make_sense(self, page: Page, service: Service):
        draw_many(photos(service), 3)
        with service.turnstile.turn(threading.Event()):  # somebody else has the device
            page.start(folder=photos(service))
            page.press("tick")
            assert page.shows("pause") and page.shows("stop")
            assert not any(page.shows(name) for name in ("resume", "retry", "apply", "remove"))
            page.press("pause")
            page.finish()
            assert page.shows("resume") and page.shows("remove") and not page.shows("pause")
        page.press("resume")
        page.finish()
        assert page.shows("remove") and not any(page.shows(name) for name in ("resume", "retry", "pause", "stop"))
        assert "3 of 3 photos done" in page.shown[page.tab.progress]

    def test_another_page_sees_the_same_run_in_its_own_language(self, page: Page, service: Service):
        (photos(service) / "broken.jpg").write_text("no picture")
        page.start(folder=photos(service))
        page.finish()
        other = Page(service, "b", "zh")
        other.press("arrive")
        assert say("runs.photo.failed", "zh") in other.shown[other.tab.photos.table]
        assert "broken.jpg" in other.shown[other.tab.photos.table]
        assert say("page.batch.retry", "zh") == other.tab.buttons["retry"].value and other.shows("retry")

    def test_many_pages_pressing_at_once_do_no_harm(self, service: Service):
        """Twenty pages start, pause and resume the same run at random; then everything is there once."""
        count = 24
        draw_many(photos(service), count)
        pages = [Page(service, f"session {number}") for number in range(20)]
        pages[0].start(folder=photos(service))
        said: list[str] = []

        def presses(page: Page, seed: int) -> None:
            chance = random.Random(seed)
            for _ in range(6):
                name = chance.choice(["pause", "resume", "tick", "retry", "tick"])
                try:
                    page.press(name)
                except UsageError as error:
                    said.append(error.key)
                except Exception as error:
                    said.append(repr(error))

        threads = [threading.Thread(target=presses, args=(page, seed)) for seed, page in enumerate(pages)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(said) <= {"error.run_busy"}
        run = service.runs.run("last")
        service.runs.pause(run.id)
        assert service.runs.wait(run.id, 60)
        pages[7].press("resume")
        assert service.runs.wait(run.id, 60)
        assert len(results(service)) == count and not any("_2" in name for name in results(service))
        for page in pages:
            page.press("arrive")
            assert f"{count} of {count} photos done" in page.shown[page.tab.progress]

    def test_a_run_works_with_its_own_model_and_tab_4_keeps_its_choice(
        self, page: Page, service: Service, tmp_path: Path
    ):
        other = save_tiny_network(tmp_path / "other.pth", seed=1)
        draw(photos(service) / "a.png")
        run = page.start(folder=photos(service))
        page.finish()
        service.reload(str(other), "cpu", 4)
        page.press("arrive")
        assert page.shows("apply")  # the network of now would give another result
        service.runs.retry_failed(run)
        page.finish()
        assert service.runs.run(run).settings.model == str(service.settings.model)
        assert results(service) == ["a_gpen.png"]
        with service.using(4, threading.Event()) as restorer:
            assert restorer.model_name == "other.pth"
        assert service.chosen == Asked(str(other), "cpu", 4)
        page.press("apply")
        page.finish()
        assert results(service) == ["a_gpen.png", "a_gpen_2.png"] and not page.shows("apply")

    def test_the_folder_opens_only_for_a_reader_before_this_machine(
        self, page: Page, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        told = tmp_path / "told"
        program = tmp_path / "bin" / "xdg-open"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nprintf "%s" "$1" > "{told}.part" && mv "{told}.part" "{told}"\n')
        program.chmod(0o755)
        monkeypatch.setattr("sys.platform", "linux")
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.delenv("DISPLAY", raising=False)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        draw(photos(service) / "a.png")
        page.start(folder=photos(service), output="album")
        page.finish()
        assert not page.shows("open")  # no screen
        monkeypatch.setenv("DISPLAY", ":9")
        page.press("arrive")
        assert page.shows("open")
        page.press("open")
        while not told.exists():
            time.sleep(0.02)
        assert told.read_text() == str(service.settings.outputs_folder / "album")
        page.request.client.host = "192.0.2.7"
        page.press("arrive")
        assert not page.shows("open")
        with pytest.raises(UsageError, match="cannot be opened"):
            page.press("open")


class TestLooking:
    def test_what_has_not_changed_is_not_sent_again(self, page: Page, service: Service):
        draw(photos(service) / "a.png")
        page.start(folder=photos(service))
        page.finish()
        page.press("tick")
        assert page.press("tick") == {}

    def test_ten_thousand_photos_come_a_page_at_a_time(self, page: Page, service: Service):
        folder = photos(service)
        planned = tuple(PlannedPhoto(folder / f"{number:05}.png", Path(), 1, 1, folder) for number in range(1, 10_001))
        settings = RunSettings(model=str(service.settings.model), device="cpu")
        outputs = service.settings.outputs_folder
        run = service.runs.create(Plan((folder,), outputs, RestoreOptions(), settings, planned, ()))
        page.press("arrive")
        table, pager = page.tab.photos.table, page.tab.photos.page
        assert page.shown[table].count("<tr") == 51 and len(page.shown[table]) < 40_000
        assert "1 to 50 of 10,000" in page.shown[pager]
        page.press("page_after")
        assert "00051.png" in page.shown[table] and "51 to 100" in page.shown[pager]
        page.press("page_before")
        page.press("page_before")
        assert "1 to 50" in page.shown[pager]
        service.session("a").batch.page = 10**6
        page.press("tick")
        assert "9,951 to 10,000" in page.shown[pager] and "10000.png" in page.shown[table]
        page.view = ("all", "0777", *VIEW[2:])
        page.press("other_photos")
        assert "1 to 11 of 11" in page.shown[pager]  # 00777 and 07770 to 07779
        page.view = ("failed", "", *VIEW[2:])
        page.press("other_photos")
        assert say("page.batch.no_photos") in page.shown[table] and page.shown[pager] == ""
        assert service.runs.run(run).state == "planned"

    def test_a_run_that_another_page_removed_is_let_go(self, page: Page, service: Service):
        for name in ("a", "b"):
            draw(photos(service) / name / "x.png")
            page.start(folder=photos(service) / name)
            page.finish()
        gone = service.session("a").batch.run_id or ""
        service.runs.remove(gone)
        page.press("arrive")
        assert gone not in page.shown[page.tab.runs]
        page.choose("choose_run", gone)
        page.choose("choose_run", "../../etc")
        page.choose("choose_photo", "9" * 30)
        assert service.session("a").batch.run_id != gone

    def test_names_cannot_carry_html(self, page: Page, service: Service):
        name = "<img src=x onerror=alert(1)>"
        draw(photos(service) / name / f"{name}.png")
        (photos(service) / name / f"{name}.txt").touch()
        run = page.start(folder=photos(service) / name, output=name)
        page.finish()
        page.choose("choose_photo", service.runs.store.ledger.photos(run)[0].id)
        html = "".join(str(value) for value in page.shown.values())
        assert "<img src=x" not in html and "&lt;img src=x" in html

    def test_a_broken_list_of_runs_is_one_sentence_and_the_page_lives(self, tmp_path: Path):
        hidden = tmp_path / "outputs" / ".gpen-ui"
        hidden.mkdir(parents=True)
        (hidden / "runs.sqlite").write_text("this is no database, whatever its name says " * 50)
        service = Service(Settings(outputs_folder=tmp_path / "outputs", allowed_folders=()), tmp_path)
        page = Page(service)
        page.press("arrive")
        assert "cannot be used" in page.shown[page.tab.runs]
        assert page.shown[page.tab.area]["visible"] is False
        service.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Iterator[tuple[TestClient, Service]]:
    """A run with a result and a failure, and the application that serves it."""
    with serving(tmp_path_factory.mktemp("files"), model) as service:
        draw(photos(service) / "a.png")
        (photos(service) / "broken.jpg").write_text("no picture")
        page = Page(service)
        page.start(folder=photos(service), output="album")
        page.finish()
        yield TestClient(build_app(service, service.settings), base_url="http://127.0.0.1"), service


class TestFiles:
    def test_reports_come_in_the_language_that_is_asked_for(self, served: tuple[TestClient, Service]):
        client, service = served
        run = service.runs.run("last").id
        report = client.get(f"/runs/{run}/json?language=zh")
        assert report.json()["counts"] == report.json()["counts"] | {"done": 1, "failed": 1}
        assert "attachment" in report.headers["content-disposition"]
        assert say("runs.photo.failed", "zh") in client.get(f"/runs/{run}/csv?language=zh").text
        sheet = client.get(f"/runs/{run}/html?language=zh")
        assert say("runs.sheet.title", "zh", run=run) in sheet.text
        assert "default-src 'none'" in sheet.headers["content-security-policy"]
        assert sheet.headers["x-content-type-options"] == "nosniff"

    def test_the_zip_holds_results_and_reports(self, served: tuple[TestClient, Service]):
        client, service = served
        data = client.get(f"/runs/{service.runs.run('last').id}/zip").content
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert archive.testzip() is None
            assert archive.namelist() == ["a_gpen.png", "report.json", "report.csv", "report.html"]
            assert archive.read("a_gpen.png") == (service.settings.outputs_folder / "album/a_gpen.png").read_bytes()
            assert json.loads(archive.read("report.json"))["counts"]["planned"] == 2

    def test_pictures_are_small_jpegs(self, served: tuple[TestClient, Service]):
        client, service = served
        photo = service.runs.store.ledger.photos(service.runs.run("last").id)[0]
        answer = client.get(f"/runs/photos/{photo.id}/after.jpg")
        assert answer.headers["content-type"] == "image/jpeg" and answer.content.startswith(b"\xff\xd8")

    @pytest.mark.parametrize(
        "path",
        [
            "/runs/nothing/zip", "/runs/last/exe", "/runs/../etc/zip", "/runs/%2e%2e%2f%2e%2e/zip",
            "/runs/photos/999/after.jpg", f"/runs/photos/{'9' * 40}/after.jpg", "/runs/photos/1/..%2f..%2fx",
            "/runs/photos/1/why.jpg",
        ],
    )  # fmt: skip
    def test_what_is_not_there_is_404(self, served: tuple[TestClient, Service], path: str):
        assert served[0].get(path).status_code == 404


def test_a_server_takes_up_what_its_predecessor_left(service: Service, page: Page, tmp_path: Path):
    """Closed in the middle, the run stays at work in the store; the next service goes on with it."""
    draw_many(photos(service), 8)
    with service.turnstile.turn(threading.Event()):
        run = page.start(folder=photos(service))
        service.runs.close()
    store = RunStore.open(service.settings.outputs_folder)
    assert store.run(run).state == "queued"
    store.close()
    (tmp_path / "next").mkdir()
    successor = Service(service.settings, tmp_path / "next")
    successor.begin()
    assert successor.runs.pick_up() == [run]
    assert successor.runs.wait(run, 60)
    assert successor.runs.progress(run).done == 8 and len(results(service)) == 8
    successor.close()


# ---- faces of one photo ----


def asked(page: Page, **wish: Any) -> dict[Any, Any]:
    """Does what the panel of faces sends, and gives back its last update."""
    updates = list(page.handlers.faces.apply(page.request, gr.EventData(None, wish)))
    return dict(updates[-1])


def test_faces_of_a_photo_are_chosen_and_its_file_follows(service: Service, page: Page):
    photo = draw(photos(service) / "two.png", 2)
    draw(photos(service) / "one.png", 1)
    plain = RestoreOptions(likeness_guard="off")
    page.view = ("all", "", 4, "same", *tab_parameters.control_values(plain))
    run = page.start(folder=photos(service), output="out")
    page.finish()
    (record,) = service.runs.store.ledger.named(run, "two.png")
    page.choose("choose_photo", record.id)
    assert 'data-key="faces"' in page.shown[page.tab.photos.table]
    opened = page.choose("choose_photo", "faces")
    assert opened[page.tab.faces.area]["visible"] and opened[page.tab.faces.area]["open"]
    assert opened[page.tab.faces.panel].count('class="face restored"') == 2

    after = asked(page, act="on", place=0, on=False)
    assert after[page.tab.faces.panel].count('class="face left"') == 1
    assert "two_gpen.png" in after[page.tab.faces.busy]
    after = asked(page, act="strength", place=1, strength=30)
    assert 'value="30"' in after[page.tab.faces.panel] and results(service) == ["out/one_gpen.png", "out/two_gpen.png"]
    with Image.open(service.settings.outputs_folder / "out" / "two_gpen.png") as picture, Image.open(photo) as before:
        half = (0, 0, before.width // 2, before.height)
        assert picture.crop(half).tobytes() == before.crop(half).tobytes() and picture.tobytes() != before.tobytes()
    strip = asked(page, act="compare", place=1)[page.tab.faces.strip]
    assert strip.count("<li>") == 6  # as it was, four strengths, and the network that comes with the program
    page.press("tick")
    assert "face 1: left as it was" in page.shown[page.tab.photos.table]

    gone = page.choose("choose_photo", record.id)  # its card is closed, and the panel with it
    assert not gone[page.tab.faces.area]["visible"] and gone[page.tab.faces.panel] == ""


def test_faces_of_a_run_that_rests_are_kept_for_its_resume(service: Service, page: Page):
    draw(photos(service) / "two.png", 2)
    run = page.start(folder=photos(service), output="out")
    page.finish()
    (record,) = service.runs.store.ledger.photos(run)
    service.runs.store.set_state(run, "paused")
    page.choose("choose_photo", record.id)
    page.choose("choose_photo", "faces")
    after = asked(page, act="on", place=0, on=False)
    assert "resumed" in after[page.tab.faces.busy]
    (record,) = service.runs.store.ledger.photos(run)
    assert record.state == "waiting" and len(record.choices) == 1


@pytest.mark.parametrize(
    "wish",
    [{}, {"act": "on", "place": 7, "on": True}, {"act": "model", "place": 0, "model": "../x"}, {"act": "draw"}],
)
def test_made_up_wishes_for_faces_change_nothing(service: Service, page: Page, wish: dict[str, Any]):
    with pytest.raises(UsageError):  # no photo is in view
        asked(page, **wish)
    draw(photos(service) / "one.png", 1)
    run = page.start(folder=photos(service), output="out")
    page.finish()
    (record,) = service.runs.store.ledger.photos(run)
    page.choose("choose_photo", record.id)
    page.choose("choose_photo", "faces")
    with pytest.raises((UsageError, OptionError)):
        asked(page, **wish)
    assert service.runs.store.ledger.photos(run) == (record,)


def test_faces_of_a_photo_that_is_gone_are_refused_in_words(service: Service, page: Page):
    photo = draw(photos(service) / "one.png", 1)
    run = page.start(folder=photos(service), output="out")
    page.finish()
    (record,) = service.runs.store.ledger.photos(run)
    page.choose("choose_photo", record.id)
    page.choose("choose_photo", "faces")
    photo.unlink()
    with pytest.raises(UsageError, match="not where it was"):
        asked(page, act="on", place=0, on=False)
    (service.settings.outputs_folder / "out" / "one_gpen.png").unlink()
    opened = page.choose("choose_photo", "faces")
    assert opened[page.tab.faces.panel] == "" and "one.png" in opened[page.tab.faces.busy]
    page.choose("choose_photo", 10**12)
    assert not page.shown[page.tab.faces.area]["visible"]
