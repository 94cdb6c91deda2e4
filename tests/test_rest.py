"""REST as a client uses it: a real server, real HTTP, real files."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from gpen_ui.api.now import WHY_BYTES
from gpen_ui.options import option_specs
from gpen_ui.presets import preset_names
from gpen_ui.texts import LANGUAGES, Language, say
from tests.jobs_lab import draw
from tests.pictures import crowd
from tests.rest_server import RestServer, ended, running_rest, until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestServer]:
    with running_rest(tmp_path_factory.mktemp("rest"), upload_mb=1, submission_mb=2, photo_megapixels=4) as running:
        with running.client() as client:
            until(lambda: client.get("/health").json()["status"] == "ready")
        yield running


@pytest.fixture
def client(server: RestServer) -> Iterator[httpx.Client]:
    with server.client() as given:
        yield given


@pytest.fixture(scope="module")
def faced(server: RestServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run that is done: one photo with two faces."""
    with server.client() as given:
        run = submitted(given, draw(tmp_path_factory.mktemp("faced") / "two.png", 2))
        return str(ended(given, run["id"])["id"])


def files_of(*paths: Path) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", (path.name, path.read_bytes())) for path in paths]


def submitted(client: httpx.Client, *paths: Path, **fields: str) -> dict[str, Any]:
    answer = client.post("/runs/upload", files=files_of(*paths), data=fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


def events_of(text: str) -> list[dict[str, Any]]:
    """The events of a stream, comments left out."""
    events = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if fields:
            events.append({**fields, "data": json.loads(fields["data"])})
    return events


class TestOnePhoto:
    def test_the_answer_is_the_restored_file(self, client: httpx.Client, tmp_path: Path):
        photo = draw(tmp_path / "Grandma 祖母.png", 1)
        fields = {"strength": "100", "output_format": "jpeg"}
        answer = client.post("/restore", files={"file": (photo.name, photo.read_bytes())}, data=fields)
        assert answer.status_code == 200 and answer.headers["content-type"] == "image/jpeg"
        assert "filename*=UTF-8''Grandma%20%E7%A5%96%E6%AF%8D_gpen.jpg" in answer.headers["content-disposition"]
        assert answer.headers["x-faces-found"] == answer.headers["x-faces-restored"] == "1"
        before, after = np.asarray(Image.open(photo)), np.asarray(Image.open(io.BytesIO(answer.content)))
        assert before.shape == after.shape and np.abs(before.astype(int) - after).max() > 20

    def test_options_and_presets_take_effect(self, client: httpx.Client, tmp_path: Path):
        file = draw(tmp_path / "a.png", 0).read_bytes()
        twice = client.post("/restore", files={"file": ("a.png", file)}, data={"output_scale": "2"})
        assert Image.open(io.BytesIO(twice.content)).width == 2 * Image.open(io.BytesIO(file)).width
        sharp = client.post("/restore", files={"file": ("a.png", file)}, data={"preset": "high-quality"})
        assert sharp.content != client.post("/restore", files={"file": ("a.png", file)}).content

    def test_single_faces_can_be_chosen(self, client: httpx.Client, tmp_path: Path):
        photo = draw(tmp_path / "a.png", 1)
        fields = {"faces": "1=off", "output_format": "png"}
        answer = client.post("/restore", files={"file": ("a.png", photo.read_bytes())}, data=fields)
        assert (answer.headers["x-faces-found"], answer.headers["x-faces-restored"]) == ("1", "0")
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(answer.content))), np.asarray(Image.open(photo)))

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_what_there_is_to_say_of_a_face_is_said(self, client: httpx.Client, tmp_path: Path, language: Language):
        photo = draw(tmp_path / "a.png", 2).read_bytes()
        fields = {"faces": "1=off", "likeness_guard": "off"}
        answer = client.post(
            "/restore", files={"file": ("a.png", photo)}, data=fields, headers={"accept-language": language}
        )
        assert answer.headers["x-faces-why"] == "face_off, -"
        assert json.loads(answer.headers["x-faces-why-text"]) == {"1": say("note.face_off", language)}

    def test_of_many_faces_every_key_is_said_and_as_many_sentences_as_fit(self, client: httpx.Client, tmp_path: Path):
        photo = tmp_path / "many.png"
        Image.fromarray(crowd(10, 4)).save(photo)
        fields = {"smallest_face_px": "200"}
        answer = client.post(
            "/restore", files={"file": ("a.png", photo.read_bytes())}, data=fields, headers={"accept-language": "zh"}
        )
        keys, texts = answer.headers["x-faces-why"].split(", "), json.loads(answer.headers["x-faces-why-text"])
        assert keys == ["face_small"] * 40 and 0 < len(texts) < 40
        assert len(answer.headers["x-faces-why"]) + len(answer.headers["x-faces-why-text"]) <= WHY_BYTES
        run = ended(client, submitted(client, photo, **fields)["id"])
        faces = client.get(f"/runs/{run['id']}/photos/1", headers={"accept-language": "zh"}).json()["faces"]
        assert [face["why_key"] for face in faces] == keys
        assert {str(face["number"]): face["why"] for face in faces}.items() >= texts.items()

    @pytest.mark.parametrize(
        ("content", "fields", "status", "key"),
        [
            (None, {"faces": "1=maybe"}, 422, "faces_typed"),
            (b"no picture", {}, 422, "photo_not_image"),
            (b"", {}, 422, "photo_empty"),
            (None, {"strength": "900"}, 422, "option_range"),
            (None, {"strength": "much"}, 422, "option_range"),
            (None, {"mode": "best"}, 422, "option_choice"),
            (None, {"preset": "none"}, 422, "preset_unknown"),
            (None, {"output_format": "docx"}, 422, "option_choice"),
            (None, {"suffix": "../../up"}, 422, "setting_value"),
            (None, {"colour": "red"}, 422, "api_field_unknown_here"),
            (b"x" * 2_000_000, {}, 413, "api_file_too_large"),
            (b"x" * 4_000_000, {}, 413, "api_upload_too_large"),
        ],
    )
    def test_what_is_wrong_is_one_sentence(
        self, client: httpx.Client, tmp_path: Path, content: bytes | None, fields: dict[str, str], status: int, key: str
    ):
        data = draw(tmp_path / "a.png", 0).read_bytes() if content is None else content
        answer = client.post("/restore", files={"file": ("a.png", data)}, data=fields)
        error = answer.json()["error"]
        assert (answer.status_code, error["key"]) == (status, key) and error["message"].endswith(".")

    def test_a_picture_bomb_is_refused_by_the_reader(self, client: httpx.Client):
        bomb = io.BytesIO()
        Image.new("L", (3000, 3000)).save(bomb, "PNG")
        answer = client.post("/restore", files={"file": ("bomb.png", bomb.getvalue())})
        assert answer.status_code == 413 and answer.json()["error"]["key"].startswith("photo_")

    def test_errors_follow_the_language(self, client: httpx.Client):
        answer = client.post("/restore", files={"file": ("a.png", b"")}, headers={"accept-language": "zh-CN"})
        assert "照片" in answer.json()["error"]["message"] or "文件" in answer.json()["error"]["message"]

    def test_nothing_of_the_photo_stays_on_the_server(self, client: httpx.Client, server: RestServer, tmp_path: Path):
        client.post("/restore", files={"file": ("a.png", draw(tmp_path / "a.png", 0).read_bytes())})
        assert not list((server.outputs / ".gpen-ui" / "uploads").glob("now-*"))


class TestRuns:
    def test_from_upload_to_zip(self, client: httpx.Client, server: RestServer, tmp_path: Path):
        one, two, broken = draw(tmp_path / "a.png", 1), draw(tmp_path / "more" / "a.png", 2), tmp_path / "broken.jpg"
        broken.write_bytes(b"no picture")
        run = submitted(client, one, two, broken, strength="70")
        assert run["inputs"] == ["a.png", "a.png", "broken.jpg"] and run["options"]["strength"] == 70
        end = ended(client, run["id"])
        assert (end["state"], end["done"], end["failed"], end["faces_restored"]) == ("done", 2, 1, 3)

        photos = client.get(f"/runs/{run['id']}/photos").json()["photos"]
        assert [(photo["name"], photo["outcome"]) for photo in photos] == [
            ("a.png", "done"),
            ("a.png", "done"),
            ("broken.jpg", "failed"),
        ]
        assert photos[2]["error"].endswith(".") and photos[2]["result_url"] is None
        result = httpx.get(server.url + photos[1]["result_url"], trust_env=False)
        assert result.headers["content-type"] == "image/png"
        assert Path(photos[1]["result"]).read_bytes() == result.content
        only = client.get(f"/runs/{run['id']}/photos", params={"state": "failed"}).json()["photos"]
        assert [photo["number"] for photo in only] == [3]
        assert client.get(f"/runs/{run['id']}/photos/3").json() == photos[2]
        assert client.get(f"/runs/{run['id']}/photos/3/result").status_code == 404

        with zipfile.ZipFile(io.BytesIO(client.get(f"/runs/{run['id']}/results.zip").content)) as archive:
            assert archive.testzip() is None
            assert sorted(archive.namelist()) == [
                "a_gpen.png", "a_gpen_2.png", "report.csv", "report.html", "report.json",
            ]  # fmt: skip
        report = client.get(f"/runs/{run['id']}/report.json").json()
        assert report["counts"]["done"] == 2 and len(report["photos"]) == 3
        rows = list(
            csv.DictReader(io.StringIO(client.get(f"/runs/{run['id']}/report.csv").text.removeprefix("\ufeff")))
        )
        assert [row["number"] for row in rows] == ["1", "2", "3"]
        sheet = client.get(f"/runs/{run['id']}/report.html", headers={"accept-language": "zh"})
        assert 'lang="zh"' in sheet.text and "default-src 'none'" in sheet.headers["content-security-policy"]

    def test_pages_of_photos(self, client: httpx.Client, tmp_path: Path):
        run = submitted(client, *(draw(tmp_path / f"{number}.png", 0, shade=number) for number in range(5)))
        first = client.get(f"/runs/{run['id']}/photos", params={"limit": 3}).json()
        rest = client.get(f"/runs/{run['id']}/photos", params={"limit": 3, "after": first["next_after"]}).json()
        assert [photo["number"] for photo in first["photos"] + rest["photos"]] == [1, 2, 3, 4, 5]
        assert rest["next_after"] is None
        ended(client, run["id"])

    def test_a_folder_of_the_server(self, client: httpx.Client, server: RestServer):
        draw(server.photos / "album" / "a.png", 1)
        draw(server.photos / "album" / "1927" / "b.png", 0)
        (server.photos / "album" / "notes.txt").write_text("x")
        body = {"folder": str(server.photos / "album"), "recursive": True, "output": "album", "strength": 55}
        answer = client.post("/runs/folder", json=body)
        assert answer.status_code == 201
        run = ended(client, answer.json()["id"])
        assert (run["done"], run["ignored"], run["options"]["strength"]) == (2, 1, 55)
        assert answer.headers["location"] == f"/api/v1/runs/{run['id']}"
        assert (server.outputs / "album" / "a_gpen.png").is_file()
        assert (server.outputs / "album" / "1927" / "b_gpen.png").is_file()

    def test_resume_with_another_option_and_retry(self, client: httpx.Client, tmp_path: Path):
        broken = tmp_path / "broken.jpg"
        broken.write_bytes(b"no picture")
        run = submitted(client, draw(tmp_path / "a.png", 1), broken)
        ended(client, run["id"])
        retried = client.post(f"/runs/{run['id']}/retry-failed")
        assert retried.json()["retried"] == 1
        assert ended(client, run["id"])["failed"] == 1
        resumed = client.post(f"/runs/{run['id']}/resume", json={"strength": 10})
        assert resumed.status_code == 200 and resumed.json()["options"]["strength"] == 10
        assert ended(client, run["id"])["done"] == 1
        (photo,) = client.get(f"/runs/{run['id']}/photos", params={"state": "done"}).json()["photos"]
        assert photo["result"].endswith("a_gpen_2.png")  # nothing is overwritten

    def test_faces_of_one_photo_are_chosen_and_only_it_is_done_again(self, client: httpx.Client, tmp_path: Path):
        two, one = draw(tmp_path / "two.png", 2), draw(tmp_path / "one.png", 1)
        run = submitted(client, two, one, likeness_guard="off", strength="100")
        ended(client, run["id"])
        route = f"/runs/{run['id']}/photos/1"
        before = [client.get(f"/runs/{run['id']}/photos/{number}/result").content for number in (1, 2)]
        answer = client.post(f"{route}/faces", json={"faces": "1=off,2=30"})
        assert answer.status_code == 200 and answer.json()["choices"] == "1=off,2=30"
        until(lambda: client.get(route).json()["outcome"] == "done")
        photo = client.get(route).json()
        assert [(face["state"], face["strength"]) for face in photo["faces"]] == [("left", None), ("restored", 30)]
        assert photo["result"].endswith("two_gpen.png")  # in the place of the one before, which nobody had touched
        after = np.asarray(Image.open(io.BytesIO(client.get(f"{route}/result").content)))
        source = np.asarray(Image.open(two))
        half = source.shape[1] // 2
        assert np.array_equal(after[:, :half], source[:, :half]) and not np.array_equal(after, source)
        assert client.get(f"/runs/{run['id']}/photos/2/result").content == before[1]
        assert client.post(f"{route}/faces", json={"faces": ""}).json()["choices"] == ""
        until(lambda: client.get(route).json()["outcome"] == "done")
        assert client.get(f"{route}/result").content == before[0]
        assert ended(client, run["id"])["state"] == "done"

    @pytest.mark.parametrize(
        ("number", "body", "status", "key"),
        [
            (1, {"faces": "3=off"}, 404, "run_face_unknown"),
            (9, {"faces": "1=off"}, 404, "api_photo_unknown"),
            (1, {"faces": "1=maybe"}, 422, "faces_typed"),
            (1, {"faces": "1=50@gpen-bfr-512"}, 422, "faces_model"),
            (1, {"faces": [1]}, 422, "api_field_text"),
            (1, {}, 422, "api_field_missing"),
            (1, {"faces": "1=off", "strength": 20}, 422, "api_field_unknown_here"),
        ],
    )
    def test_faces_that_cannot_be_chosen_are_one_sentence_in_both_languages(
        self, client: httpx.Client, faced: str, number: int, body: dict[str, Any], status: int, key: str
    ):
        said = set()
        for language in ("en", "zh"):
            headers = {"accept-language": language}
            answer = client.post(f"/runs/{faced}/photos/{number}/faces", json=body, headers=headers)
            assert (answer.status_code, answer.json()["error"]["key"]) == (status, key)
            said.add(answer.json()["error"]["message"])
        assert len(said) == 2 and not any("\n" in sentence for sentence in said)
        assert client.get(f"/runs/{faced}/photos/1").json()["outcome"] == "done"

    def test_pause_resume_cancel_and_remove(self, client: httpx.Client, server: RestServer, tmp_path: Path):
        photos = [draw(tmp_path / f"{number}.png", 1, shade=number) for number in range(30)]
        run = submitted(client, *photos, output_scale="2")
        client.post(f"/runs/{run['id']}/pause")
        paused = ended(client, run["id"])
        assert paused["state"] == "paused" and paused["left"] > 0
        assert client.post(f"/runs/{run['id']}/resume").json()["state"] in ("queued", "running")
        refused = client.delete(f"/runs/{run['id']}")
        assert (refused.status_code, refused.json()["error"]["key"]) == (409, "run_busy")
        client.post(f"/runs/{run['id']}/cancel")
        cancelled = ended(client, run["id"])
        assert cancelled["state"] == "cancelled" and cancelled["left"] == 0 and cancelled["skipped"] > 0
        uploads = server.outputs / ".gpen-ui" / "uploads"
        before = len(list(uploads.iterdir()))
        assert client.delete(f"/runs/{run['id']}").status_code == 204
        assert client.get(f"/runs/{run['id']}").status_code == 404
        assert len(list(uploads.iterdir())) == before - 1
        assert len(list(Path(run["output_folder"]).glob("*.png"))) == cancelled["done"]

    def test_the_newest_run_comes_first(self, client: httpx.Client, tmp_path: Path):
        ids = [submitted(client, draw(tmp_path / f"{number}.png", 0))["id"] for number in range(2)]
        listed = [run["id"] for run in client.get("/runs", params={"limit": 2}).json()["runs"]]
        assert listed == ids[::-1]
        for run_id in ids:
            ended(client, run_id)

    def test_a_form_without_its_end_is_refused_and_leaves_nothing(self, client: httpx.Client, server: RestServer):
        before = list((server.outputs / ".gpen-ui" / "uploads").iterdir())
        body = b'--b\r\ncontent-disposition: form-data; name="files"; filename="a.png"\r\n\r\nhalf'
        answer = client.post("/runs/upload", content=body, headers={"content-type": "multipart/form-data; boundary=b"})
        assert (answer.status_code, answer.json()["error"]["key"]) == (422, "api_form_broken")
        assert list((server.outputs / ".gpen-ui" / "uploads").iterdir()) == before


class TestEvents:
    def test_a_run_is_followed_to_its_end_and_taken_up_again(self, client: httpx.Client, tmp_path: Path):
        run = submitted(client, *(draw(tmp_path / f"{number}.png", 1, shade=number) for number in range(4)))
        with client.stream("GET", f"/runs/{run['id']}/events") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            events = events_of(stream.read().decode())
        numbers = [event["data"]["number"] for event in events if event["event"] == "photo"]
        assert sorted(numbers) == [1, 2, 3, 4]
        progress = [event["data"] for event in events if event["event"] == "progress"]
        assert progress[-1]["done"] == 4 and progress[-1]["percent"] == 100
        assert events[-1] == {"event": "end", "data": {"state": "done"}}

        kept = [event for event in events if "id" in event]
        again = events_of(client.get(f"/runs/{run['id']}/events", headers={"last-event-id": kept[3]["id"]}).text)
        assert [event["id"] for event in again if "id" in event] == [event["id"] for event in kept[4:]]

    def test_a_zip_of_a_run_at_work_is_whole(self, client: httpx.Client, tmp_path: Path):
        photos = [draw(tmp_path / f"{number}.png", 1, shade=number) for number in range(20)]
        run = submitted(client, *photos, output_scale="2")
        until(lambda: client.get(f"/runs/{run['id']}").json()["done"] >= 1)
        content = client.get(f"/runs/{run['id']}/results.zip").content
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.testzip() is None
            pictures = [name for name in archive.namelist() if name.endswith(".png")]
            assert 1 <= len(pictures) <= 20 and "report.json" in archive.namelist()
        client.post(f"/runs/{run['id']}/cancel")
        ended(client, run["id"])


class TestAbout:
    def test_options_presets_device(self, client: httpx.Client):
        options = client.get("/options", headers={"accept-language": "zh"}).json()["options"]
        assert [option["name"] for option in options] == [spec.name for spec in option_specs()]
        assert options[0]["title"] == say("option.strength", "zh")
        assert [preset["name"] for preset in client.get("/presets").json()["presets"]] == list(preset_names())
        device = client.get("/device").json()
        assert device["device"] == "cpu" and device["seconds_per_face"] > 0 and device["face_size_px"] == 64
        assert client.get("/health").json()["queue"]["limit"] == 64

    def test_the_document_speaks_both_languages_and_names_every_option(self, client: httpx.Client):
        english = client.get("/openapi.json").json()
        chinese = client.get("/openapi.json", headers={"accept-language": "zh"}).json()
        assert english["paths"]["/restore"]["post"]["summary"] == say("api.route.restore", "en")
        assert chinese["paths"]["/restore"]["post"]["summary"] == say("api.route.restore", "zh")
        form = english["paths"]["/runs/upload"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
        assert {spec.name for spec in option_specs()} < set(form["properties"])

    def test_unknown_addresses_and_methods_are_answered_in_the_same_form(self, client: httpx.Client):
        assert client.get("/nowhere").json()["error"]["key"] == "api_not_found"
        answer = client.put("/runs")
        assert (answer.status_code, answer.json()["error"]["key"]) == (405, "api_method")
        assert client.get("/runs/last").json()["error"]["key"] == "run_unknown"
        assert client.get("/runs", params={"limit": "many"}).json()["error"]["key"] == "api_invalid"
