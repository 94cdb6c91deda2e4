"""The reports of a run say what happened, in both languages, and the archive is made while it is sent."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from gpen_ui.engine import Note
from gpen_ui.errors import PhotoReadError
from gpen_ui.jobs import RunStore, contact_sheet, report_csv, report_json, stream_zip
from gpen_ui.jobs.archive import BLOCK_BYTES
from gpen_ui.jobs.told import pack, told, unpack
from tests import pictures
from tests.jobs_lab import Lab, draw, one_thread


@pytest.fixture(scope="module", autouse=True)
def single_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, str]]:
    """A run with photos of every kind and names that try to break out."""
    folder = tmp_path_factory.mktemp("report")
    lab = Lab(folder, folder / "tiny.pth")
    draw(lab.photos / "two faces.png", 2)
    draw(lab.photos / "sub" / "奶奶.jpg", 1)
    draw(lab.photos / "<script>alert(1)</script>.png".replace("/", "_"), 0)
    draw(lab.photos / "=1+1.png", 0)
    Image.fromarray(pictures.astronaut()).save(lab.photos / "small face.png")
    (lab.photos / "text.jpg").write_text("no photo")
    (lab.photos / "notes.txt").write_text("ignored")
    run = lab.plan()
    lab.do(run)
    yield lab, run
    lab.close()


def test_json_holds_every_photo_with_its_faces_and_every_reason(done: tuple[Lab, str]):
    lab, run = done
    report = json.loads("".join(report_json(lab.store, lab.runs.run(run), "en")))
    assert report["counts"]["planned"] == 6 == len(report["photos"])
    assert (report["counts"]["done"], report["counts"]["failed"], report["counts"]["ignored"]) == (5, 1, 1)
    by_name = {Path(photo["source"]).name: photo for photo in report["photos"]}
    two = by_name["two faces.png"]
    assert two["faces_restored"] == 2 == len(two["faces"]) and two["outcome"] == "done"
    assert two["seconds_total"] > 0 and two["device"] and Path(two["result"]).is_file()
    assert "not a picture" in by_name["text.jpg"]["error"] and by_name["text.jpg"]["result"] is None
    assert by_name["text.jpg"]["error_key"] == "photo_not_image"
    assert report["ignored"] == [{"path": str(lab.photos / "notes.txt"), "reason": "not a photo"}]
    assert report["run"]["model_sha256"] and report["run"]["options"]["strength"] == 80


def test_csv_opens_in_a_table_program_without_computing_anything(done: tuple[Lab, str]):
    lab, run = done
    text = "".join(report_csv(lab.store, lab.runs.run(run), "zh"))
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert len(rows) == 6 and {row["outcome"] for row in rows} == {"完成", "失败"}
    assert "不是图片" in next(row["reason"] for row in rows if row["source"].endswith("text.jpg"))
    assert not any(value.startswith(("=", "+", "@")) for row in rows for value in row.values())


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_contact_sheet_stands_alone_and_shows_before_and_after(done: tuple[Lab, str], language: str):
    lab, run = done
    page = "".join(contact_sheet(lab.store, lab.runs.run(run), language))  # type: ignore[arg-type]
    assert page.count("<article") == 6 and page.count("data:image/jpeg;base64,") == 5 * 2 + 2
    assert not re.search(r'(src|href)="(?!data:)', page) and "<script" not in page
    assert page.index("text.jpg") < page.index("two faces.png")  # failures first
    assert {"en": "6 planned = 5 done", "zh": "计划 6 = 完成 5"}[language] in page
    assert {"en": "2 of 2 faces restored", "zh": "找到 2 张人脸"}[language] in page and "奶奶" in page


def test_the_archive_holds_results_in_their_folders_and_the_report(done: tuple[Lab, str]):
    lab, run = done
    archive = zipfile.ZipFile(io.BytesIO(b"".join(stream_zip(lab.store, lab.runs.run(run), "en"))))
    assert archive.testzip() is None
    assert {"sub/奶奶_gpen.jpg", "two faces_gpen.png", "report.json", "report.csv", "report.html"} <= set(
        archive.namelist()
    )
    assert archive.read("sub/奶奶_gpen.jpg") == (lab.results / "sub" / "奶奶_gpen.jpg").read_bytes()
    json.loads(archive.read("report.json"))


def test_the_archive_needs_no_memory_for_the_whole_and_survives_a_result_that_went_away(
    tmp_path: Path, done: tuple[Lab, str]
):
    lab = Lab(tmp_path, done[0].folder / "tiny.pth")
    draw(lab.photos / "a.png", 0)
    draw(lab.photos / "b.png", 0)
    run = lab.plan()
    lab.do(run)
    (lab.results / "a_gpen.png").unlink()
    Image.effect_noise((2500, 2500), 90).save(lab.results / "b_gpen.png")
    pieces = list(stream_zip(lab.store, lab.runs.run(run), "en"))
    whole = (lab.results / "b_gpen.png").stat().st_size
    assert sum(map(len, pieces)) > whole > 8 * BLOCK_BYTES and max(map(len, pieces)) < 3 * BLOCK_BYTES
    archive = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    assert archive.testzip() is None and "a_gpen.png" not in archive.namelist()
    lab.close()


def test_sentences_are_kept_with_the_sentences_inside_them():
    inner = PhotoReadError("photo_empty", name="a.jpg")
    kept = unpack(pack(told(Note("face_failed", {"reason": inner}))))
    assert kept is not None
    assert kept.sentence("en") == inner.sentence("en") and kept.sentence("zh") == inner.sentence("zh")


def test_a_store_that_is_no_store_is_refused_in_words(tmp_path: Path):
    (tmp_path / ".gpen-ui").mkdir()
    (tmp_path / ".gpen-ui" / "runs.sqlite").write_bytes(b"this is not a database, and longer than a header" * 50)
    with pytest.raises(Exception, match="cannot be used"):
        RunStore.open(tmp_path)


def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path):
    store = RunStore.open(tmp_path)
    store.database._connection.execute("PRAGMA user_version = 99")
    store.close()
    with pytest.raises(Exception, match="newer version"):
        RunStore.open(tmp_path)
