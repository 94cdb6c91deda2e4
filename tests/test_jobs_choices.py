"""What is asked of single faces is part of a run: kept, done again for one photo alone, and told."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gpen_ui.choices import FaceChoice, parse_choices, read_choices
from gpen_ui.engine import Restorer
from gpen_ui.engine.runner import FaceRunner
from gpen_ui.errors import UsageError
from gpen_ui.jobs import PhotoRecord, RunStore, contact_sheet, photo_named, report_csv, report_json, with_asked
from gpen_ui.jobs.database import FILE_NAME
from gpen_ui.options import RestoreOptions
from gpen_ui.photo import read_photo
from tests.jobs_lab import Lab, draw, one_thread, save_tiny_network

# random weights draw nobody: the guard would leave every face as it was; and grain, which fits a face in, does
# not halve with the strength
PLAIN = RestoreOptions(mode="strong", skin_protection=False, strength=100, likeness_guard="off", match_look=False)


@pytest.fixture(scope="module", autouse=True)
def single_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture
def lab(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path, tmp_path_factory.getbasetemp() / "tiny.pth")
    yield lab
    lab.close()


def done_run(lab: Lab, options: RestoreOptions = PLAIN) -> str:
    """A run of two photos, the first with three faces."""
    draw(lab.photos / "a.png", 3)
    draw(lab.photos / "b.png", 1, shade=3)
    run = lab.plan(options)
    lab.do(run)
    return run


def photo_of(lab: Lab, run: str, name: str = "a.png") -> PhotoRecord:
    return photo_named(lab.store, lab.runs.run(run), name)


def choose(lab: Lab, run: str, typed: str, name: str = "a.png") -> PhotoRecord:
    """Asks, and waits for what comes of it."""
    record, photo = lab.runs.run(run), photo_of(lab, run, name)
    choices = with_asked(lab.store, record, photo, read_choices(typed), lab.folder)
    lab.runs.choose(run, photo.id, choices)
    assert lab.runs.wait(run, 60)
    return photo_of(lab, run, name)


def changed(lab: Lab, result: str = "a_gpen.png") -> list[bool]:
    """For each face of the first photo whether its third of the picture is other than before."""
    before, after = (read_photo(path).pixels for path in (lab.photos / "a.png", lab.results / result))
    pairs = zip(np.array_split(before, 3, axis=1), np.array_split(after, 3, axis=1), strict=True)
    return [not np.array_equal(one, other) for one, other in pairs]


def pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_only_the_photo_is_done_again_without_the_network_and_its_file_follows(lab: Lab, faces_seen: list[int]):
    run = done_run(lab)
    originals = {path.name: path.read_bytes() for path in lab.photos.iterdir()}
    assert changed(lab) == [True, True, True]
    full = pixels(lab.results / "a_gpen.png").astype(float)
    other = (lab.results / "b_gpen.png").stat()
    (lab.results / "b_gpen.png").rename(lab.folder / "moved.png")  # what the user moved is not missed now
    faces_seen.clear()
    photo = choose(lab, run, "2=off,1=50")
    assert not faces_seen and changed(lab) == [True, False, True]
    assert lab.files() == ["a_gpen.png"] and (lab.folder / "moved.png").stat().st_mtime_ns == other.st_mtime_ns
    before, half = pixels(lab.photos / "a.png").astype(float), pixels(lab.results / "a_gpen.png").astype(float)
    third = np.s_[:, : before.shape[1] // 3]
    whole = (full[third] > 0) & (full[third] < 255)
    assert np.abs(half[third] - (before[third] + full[third]) / 2)[whole].max() <= 1
    faces = lab.store.ledger.faces(photo.id)
    assert [(face.state, face.strength) for face in faces] == [("restored", 50), ("left", None), ("restored", 100)]
    assert photo.old_result is None and photo.state == "done" and lab.runs.run(run).state == "done"
    assert {path.name: path.read_bytes() for path in lab.photos.iterdir()} == originals
    note = read_photo(lab.results / "a_gpen.png").metadata.xmp
    assert note is not None and "FaceChoices" in note.decode()


def test_faces_that_are_not_named_keep_their_choices_until_all_are_taken_back(lab: Lab):
    run = done_run(lab)
    first = (lab.results / "a_gpen.png").read_bytes()
    choose(lab, run, "2=off")
    photo = choose(lab, run, "3=off")
    assert changed(lab) == [True, False, False] and len(photo.choices) == 2
    assert all(choice.box_xyxy is not None for choice in photo.choices)  # numbers change when a face is drawn
    photo = choose(lab, run, "2=40")
    assert changed(lab) == [True, True, False] and len(photo.choices) == 2
    photo = choose(lab, run, "")
    assert photo.choices == () and (lab.results / "a_gpen.png").read_bytes() == first
    assert lab.files() == ["a_gpen.png", "b_gpen.png"]


def test_a_result_that_somebody_changed_stays_and_the_new_one_gets_a_name_of_its_own(lab: Lab):
    run = done_run(lab)
    mine = lab.results / "a_gpen.png"
    with Image.open(mine) as picture:
        picture.rotate(180).save(mine)
    touched = mine.read_bytes()
    photo = choose(lab, run, "1=off")
    assert mine.read_bytes() == touched and photo.result == lab.results / "a_gpen_2.png"
    assert changed(lab, "a_gpen_2.png") == [False, True, True]
    assert choose(lab, run, "2=off").result == photo.result and changed(lab, "a_gpen_2.png") == [False, False, True]


def test_choices_outlive_other_options_a_resume_and_the_store(lab: Lab):
    run = done_run(lab)
    choose(lab, run, "2=off")
    lab.runs.resume(run)
    assert lab.runs.wait(run, 60) and lab.files() == ["a_gpen.png", "b_gpen.png"]
    lab.runs.resume(run, options=PLAIN.model_copy(update={"strength": 70}))
    assert lab.runs.wait(run, 60)
    assert lab.files() == ["a_gpen.png", "a_gpen_2.png", "b_gpen.png", "b_gpen_2.png"]  # results of before stay
    assert changed(lab, "a_gpen_2.png") == [True, False, True]
    again = RunStore.open(lab.folder / "store")
    assert len(photo_named(again, again.run(run), "a.png").choices) == 1
    again.close()


def test_what_was_only_noted_is_done_by_the_next_resume(lab: Lab):
    run = done_run(lab)
    photo = photo_of(lab, run)
    noted = lab.runs.choose(run, photo.id, (FaceChoice(number=1, on=False),), at_once=False)
    assert not noted and photo_of(lab, run).state == "waiting" and changed(lab) == [True, True, True]
    lab.runs.resume(run)
    assert lab.runs.wait(run, 60) and changed(lab) == [False, True, True]
    assert lab.files() == ["a_gpen.png", "b_gpen.png"]


def test_a_photo_that_failed_keeps_its_choices_when_it_is_retried(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    run = done_run(lab)
    with monkeypatch.context() as broken:
        broken.setattr("gpen_ui.jobs.outcome.encode_restored", fail)
        assert choose(lab, run, "1=off").state == "failed"
    assert lab.runs.retry_failed(run) == 1 and lab.runs.wait(run, 60)
    assert changed(lab) == [False, True, True] and lab.files() == ["a_gpen.png", "b_gpen.png"]


def fail(*_: object) -> None:
    raise UsageError("run_no_input")


def test_what_is_asked_while_the_photo_is_with_the_engine_counts(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    draw(lab.photos / "a.png", 3)
    run = lab.plan(PLAIN)
    at_work, go_on = threading.Event(), threading.Event()
    forward = FaceRunner._forward

    def slow(self: FaceRunner, crops: list) -> list:
        at_work.set()
        assert go_on.wait(30)
        return forward(self, crops)

    monkeypatch.setattr(FaceRunner, "_forward", slow)
    lab.runs.start(run)
    assert at_work.wait(30)
    assert lab.runs.choose(run, photo_of(lab, run).id, (FaceChoice(number=3, on=False),))
    go_on.set()
    assert lab.runs.wait(run, 60) and changed(lab) == [True, True, False]
    assert lab.files() == ["a_gpen.png"] and lab.runs.progress(run).left == 0


def test_wishes_one_upon_another_end_with_the_last(lab: Lab):
    run = done_run(lab)
    photo = photo_of(lab, run)
    for strength in range(0, 100, 9):
        assert lab.runs.choose(run, photo.id, (FaceChoice(number=2, strength=strength),))
    lab.runs.choose(run, photo.id, (FaceChoice(number=2, on=False),))
    while lab.runs.at_work:
        assert lab.runs.wait(run, 60)
    assert changed(lab) == [True, False, True] and lab.runs.progress(run).left == 0
    assert lab.files() == ["a_gpen.png", "b_gpen.png"]


def test_another_picture_in_the_file_has_other_faces(lab: Lab):
    run = done_run(lab)
    choose(lab, run, "1=off,2=off,3=off")
    draw(lab.photos / "a.png", 3, shade=9)
    lab.runs.resume(run)
    assert lab.runs.wait(run, 60)
    photo = photo_of(lab, run)
    assert photo.choices == () and photo.result == lab.results / "a_gpen_2.png"
    assert changed(lab, "a_gpen_2.png") == [True, True, True]


def test_another_run_is_no_twin_of_a_photo_with_choices(lab: Lab):
    run = done_run(lab)
    choose(lab, run, "2=off")
    second = lab.plan(PLAIN)
    lab.do(second)
    assert lab.outcome(second) == {"a.png": "done", "b.png": "skipped"}
    assert changed(lab, "a_gpen_2.png") == [True, True, True]


def test_a_face_through_another_network_and_a_drawn_one_are_in_the_reports(lab: Lab, tmp_path: Path):
    run = done_run(lab)
    photo = choose(lab, run, "1=off,3=40,60x70+120+130=on")
    faces = lab.store.ledger.faces(photo.id)
    record = lab.runs.run(run)
    facts = json.loads("".join(report_json(lab.store, record, "en")))["photos"]
    table = list(csv.DictReader(io.StringIO("".join(report_csv(lab.store, record, "en")).lstrip("\ufeff"))))
    assert facts[0]["choices"] == table[0]["choices"] and facts[1]["choices"] == "" == table[1]["choices"]
    drawn = next(face.number for face in faces if face.score < 0.5)
    assert set(facts[0]["choices"].split(",")) == {"1=off", f"{len(faces)}=40", f"{drawn}=on"}
    sheet = "".join(contact_sheet(lab.store, record, "en"))
    assert "Chosen for single faces: face 1: left as it was" in sheet and "strength 40" in sheet
    assert "单独设置的人脸" in "".join(contact_sheet(lab.store, record, "zh"))


def test_a_model_of_single_faces_is_known_by_its_file_and_not_by_its_name(lab: Lab, faces_seen: list[int]):
    own, other = save_tiny_network(lab.folder / "own.pth"), save_tiny_network(lab.folder / "other.pth", seed=1)
    with Restorer.load(own, device="cpu", batch_size=4, models_folder=lab.folder) as lab.restorer:
        run = done_run(lab)
        faces_seen.clear()
        choose(lab, run, f"1=100@{other.name}")
        first = pixels(lab.results / "a_gpen.png")
        choose(lab, run, f"1=50@{other.name}")
        assert faces_seen == [1]  # another strength needs no network
        save_tiny_network(other, seed=2)
        choose(lab, run, f"1=100@{other.name}")
        assert faces_seen == [1, 1]
        second = pixels(lab.results / "a_gpen.png")
        pairs = zip(np.array_split(first, 3, axis=1), np.array_split(second, 3, axis=1), strict=True)
        assert [np.array_equal(before, after) for before, after in pairs] == [False, True, True]
        other.write_bytes(own.read_bytes())
        choose(lab, run, f"1=50@{other.name}")
        assert faces_seen == [1, 1]  # the run's own network, whose faces are kept


@pytest.mark.parametrize(
    ("typed", "reason"),
    [("4=off", "no face 4 in a.png: 3 were found"), ("1=50@no-such", "no-such"), ("1=50@gpen-bfr-512", "gpen-bfr-512")],
)
def test_what_cannot_be_is_one_sentence_and_changes_nothing(lab: Lab, typed: str, reason: str):
    run = done_run(lab)
    with pytest.raises(UsageError, match=reason) as caught:
        choose(lab, run, typed)
    assert "\n" not in str(caught.value)
    assert photo_of(lab, run).state == "done" and photo_of(lab, run).choices == ()


def test_more_choices_than_a_photo_can_have_are_refused(lab: Lab):
    run = done_run(lab)
    many = tuple(FaceChoice(box_xyxy=(9.0 * place, 0, 9.0 * place + 5, 5)) for place in range(1001))
    with pytest.raises(UsageError, match="at most"):
        lab.runs.choose(run, photo_of(lab, run).id, many)
    assert photo_of(lab, run).choices == ()


def test_numbers_of_before_the_first_time_become_boxes(lab: Lab):
    draw(lab.photos / "a.png", 3)
    run = lab.plan(PLAIN)
    choices = with_asked(lab.store, lab.runs.run(run), photo_of(lab, run), read_choices("1=off,2=40"), lab.folder)
    assert choices == read_choices("1=off,2=40") and not lab.runs.choose(run, photo_of(lab, run).id, choices)
    lab.do(run)
    assert changed(lab) == [False, True, True]
    photo = choose(lab, run, "1=on")
    assert changed(lab) == [True, True, True] and len(photo.choices) == 2
    assert [face.strength for face in lab.store.ledger.faces(photo.id)] == [100, 40, 100]


def test_photos_are_named_by_number_name_or_path(lab: Lab):
    run = done_run(lab)
    draw(lab.photos / "sub" / "a.png", 1)
    lab.runs.resume(run)
    assert lab.runs.wait(run, 60)
    record = lab.runs.run(run)
    assert photo_named(lab.store, record, "2").path.name == "b.png"
    assert photo_named(lab.store, record, str(lab.photos / "sub" / "a.png")).number == 3
    for text, reason in (("a.png", "1, 3"), ("99", "has 3"), ("c.png", "has 3")):
        with pytest.raises(UsageError, match=reason):
            photo_named(lab.store, record, text)
    (lab.photos / "b.png").unlink()
    with pytest.raises(UsageError, match=r"b\.png is not where it was"):
        lab.runs.choose(run, photo_named(lab.store, record, "b.png").id, ())
    assert photo_named(lab.store, record, "b.png").state == "done"


def test_a_store_of_the_second_version_is_brought_up_to_date_and_its_photos_can_be_chosen(lab: Lab):
    run = done_run(lab)
    lab.store.close()
    connection = sqlite3.connect(lab.folder / "store" / ".gpen-ui" / FILE_NAME)
    for table, columns in (("photos", ("choices", "old_result", "old_hash")), ("faces", ("model",))):
        for column in columns:
            connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    connection.execute("PRAGMA user_version = 2")
    connection.commit()
    connection.close()
    again = Lab(lab.folder, lab.restorer.model_path)
    photo = photo_of(again, run)
    assert photo.choices == () and [face.model for face in again.store.ledger.faces(photo.id)] == [None] * 3
    again.do(run)
    assert again.files() == ["a_gpen.png", "b_gpen.png"]
    choose(again, run, "2=off")
    assert changed(again) == [True, False, True] and again.files() == ["a_gpen.png", "b_gpen.png"]
    again.store.close()


def test_the_note_in_a_runs_file_makes_the_same_choices_again(lab: Lab):
    run = done_run(lab)
    photo = choose(lab, run, "2=off,1=30")
    note = read_photo(lab.results / "a_gpen.png").metadata.xmp
    assert note is not None
    text = note.decode().partition("<gpen:FaceChoices>")[2].partition("</gpen:FaceChoices>")[0]
    assert parse_choices(text) == photo.choices
