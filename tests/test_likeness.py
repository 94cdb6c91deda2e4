"""Likeness: what the recogniser sees, what the number means, and what the guard does with a face's strength."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gpen_ui.engine import Restorer, likeness
from gpen_ui.engine.diagnosis import diagnose
from gpen_ui.engine.likeness import find_embedder, hold_likeness
from gpen_ui.engine.results import FaceOutcome
from gpen_ui.errors import CheckpointError
from gpen_ui.faces import FaceLayer, align_transform, crop_face, small_detector
from gpen_ui.faces.align import template_points
from gpen_ui.faces.likeness import (
    CHIP_EYES,
    CHIP_PX,
    Embedder,
    band_of,
    chip_transform,
    face_chip,
    likeness_of,
    likenesses,
    load_embedder,
    recognizer_file,
)
from gpen_ui.jobs import RunStore, contact_sheet, report_csv, report_json
from gpen_ui.jobs.likeness_marks import likeness_marks
from gpen_ui.network.recognizer import Recognizer
from gpen_ui.options import RestoreOptions
from gpen_ui.photo import Photo
from gpen_ui.weights.dlib_file import fill_recognizer
from tests import pictures
from tests.jobs_lab import Lab, draw, one_thread

NEEDS_RECOGNIZER = pytest.mark.skipif(
    recognizer_file() is None, reason="face-recognition-models is missing: pip install -r requirements-likeness.txt"
)
CROP_PX = 512
Chips = NDArray[np.uint8]


@pytest.fixture(scope="module", autouse=True)
def single_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def crop() -> NDArray[np.float32]:
    """The astronaut's face, aligned."""
    photo = pictures.astronaut()
    (found,) = small_detector().detect(photo, 0.7)
    return crop_face(photo, align_transform(found.points_xy, CROP_PX), CROP_PX)


def another_person(crop: NDArray[np.float32]) -> NDArray[np.float32]:
    """The face with its eyes, nose and mouth moved, wider and lower, as nobody's photo of her could show it."""
    y, x = np.mgrid[0:CROP_PX, 0:CROP_PX].astype(np.float32)
    away = np.exp(-(((x - 256) / 110) ** 2 + ((y - 300) / 120) ** 2))
    bent_x = x - away * 0.32 * (x - 256)
    bent_y = y + away * 26 * np.sin((y - 210) / 35)
    bent = cv2.remap(crop, bent_x.astype(np.float32), bent_y.astype(np.float32), cv2.INTER_LINEAR)
    return np.ascontiguousarray(255 - np.clip(bent[:, :, ::-1] * 0.6, 0, 255))


def by_brightness(per_level: float) -> Embedder:
    """An embedder that sees nothing but brightness: one level of 255 is so much distance."""
    return lambda chips: np.stack([np.full(1, chip.mean() * per_level, np.float32) for chip in chips])


def a_layer(strength: int) -> tuple[FaceLayer, NDArray[np.float32]]:
    """A grey face and its restoration, a hundred levels brighter at full strength; with the original."""
    original = np.full((CROP_PX, CROP_PX, 3), 50, np.float32)
    return FaceLayer(original + 100, np.ones((CROP_PX, CROP_PX), np.float32), np.eye(2, 3), strength / 100), original


# ---- what is seen and what the number means --------------------------------------------------------------------------


@pytest.mark.parametrize("crop_px", [256, 512, 1024])
def test_the_eyes_come_to_lie_where_the_recogniser_has_learnt_them(crop_px: int):
    eyes = template_points(crop_px)[:2] - 0.5  # the template counts from the corner, pixels from their centres
    to_chip = chip_transform(crop_px)
    seen = eyes @ to_chip[:, :2].T + to_chip[:, 2]
    assert np.allclose(seen + 0.5, np.array(CHIP_EYES) * CHIP_PX, atol=0.01)


def test_a_chip_is_the_same_whatever_the_size_of_the_crop(crop: NDArray[np.float32]):
    larger = cv2.resize(crop, (1024, 1024), interpolation=cv2.INTER_CUBIC)
    assert np.abs(face_chip(larger) - face_chip(crop)).mean() < 1.5


@given(st.floats(0, 3), st.floats(0, 3))
def test_likeness_falls_with_the_distance_and_stays_between_0_and_100(one: float, other: float):
    near, far = sorted((one, other))
    assert 100 >= likeness_of(near) >= likeness_of(far) >= 0


def test_fifty_is_the_limit_of_dlib_and_colours_follow_the_number():
    assert likeness_of(0) == 100
    assert likeness_of(0.6) == pytest.approx(50)
    bands = [band_of(value) for value in (100, 70, 69.9, 50, 49.9, 0)]
    assert bands == ["high", "high", "middle", "middle", "low", "low"]


def test_a_sharper_picture_is_compared_at_the_sharpness_of_the_original(crop: NDArray[np.float32]):
    seen: list[Chips] = []

    def embed(chips: Chips) -> NDArray[np.float32]:
        seen.append(chips)
        return np.zeros((len(chips), 128), np.float32)

    sharp, soft = face_chip(crop), face_chip(cv2.GaussianBlur(crop, (0, 0), 6))
    likenesses(embed, soft, [sharp])
    likenesses(embed, sharp, [soft])
    (_, blurred), (_, kept) = seen
    assert np.abs(blurred - soft).mean() < 0.5 * np.abs(sharp - soft).mean()
    assert np.array_equal(kept, np.rint(soft).astype(np.uint8))


# ---- the recogniser --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def embed() -> Embedder:
    file = recognizer_file()
    assert file is not None
    return load_embedder(file)


@NEEDS_RECOGNIZER
def test_the_recogniser_computes_what_dlib_does(crop: NDArray[np.float32], embed: Embedder):
    dlib = pytest.importorskip("dlib", reason="dlib is not installed: pip install -r requirements-dev.txt")
    chips = np.stack([np.rint(face_chip(picture)).astype(np.uint8) for picture in (crop, another_person(crop))])
    real = dlib.face_recognition_model_v1(str(recognizer_file()))
    wanted = np.array([list(real.compute_face_descriptor(np.ascontiguousarray(chip))) for chip in chips])
    assert np.abs(embed(chips) - wanted).max() < 1e-5


@NEEDS_RECOGNIZER
def test_the_same_face_is_like_itself_also_blurred_and_another_one_is_not(crop: NDArray[np.float32], embed: Embedder):
    sharp = face_chip(crop)
    soft = face_chip(cv2.GaussianBlur(crop, (0, 0), 7))
    other = face_chip(another_person(crop))
    itself, once_blurred, another = likenesses(embed, sharp, [sharp, soft, other])
    (truth,) = likenesses(embed, soft, [sharp])  # what a perfect restoration would have
    assert itself == 100
    assert truth > 75 > another
    assert 100 > once_blurred > another
    assert another < RestoreOptions().least_likeness


@NEEDS_RECOGNIZER
def test_embeddings_do_not_depend_on_company_or_thread_and_leave_the_threads_of_pytorch_alone(
    crop: NDArray[np.float32],
):
    embed = find_embedder()
    assert embed is not None
    chips = np.stack([np.rint(face_chip(each)).astype(np.uint8) for each in (crop, another_person(crop))])
    before, wanted = torch.get_num_threads(), embed(chips)
    results: list[NDArray[np.float32]] = []
    threads = [threading.Thread(target=lambda: results.append(embed(chips[:1]))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4 and all(np.abs(result - wanted[:1]).max() < 1e-5 for result in results)
    seen: list[int] = []
    later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert seen == [before] == [torch.get_num_threads()]


@pytest.mark.parametrize("content", [b"", b"no network", b"con_4\x01\x02\x01\x02\x04\xff\xff\xff\xff"])
def test_a_damaged_file_is_refused_in_words(tmp_path: Path, content: bytes):
    path = tmp_path / "broken.dat"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"broken\.dat does not hold"):
        fill_recognizer(Recognizer(), path)


@NEEDS_RECOGNIZER
def test_a_file_that_ends_early_is_refused_in_words(tmp_path: Path):
    path, whole = tmp_path / "cut.dat", recognizer_file()
    assert whole is not None
    path.write_bytes(whole.read_bytes()[:1_000_000])
    with pytest.raises(CheckpointError, match=r"cut\.dat does not hold"):
        fill_recognizer(Recognizer(), path)


# ---- the guard -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strength", "least", "expected"),
    [(80, 19, 80), (80, 59, 40), (85, 29, 70), (80, 49, 50), (35, 69, 30), (80, 89, 10), (7, 49, 7)],
)
def test_the_strength_steps_down_to_the_highest_that_holds(strength: int, least: int, expected: int):
    """Each percent of strength is one level and a hundredth of the scale: the likeness is 100 less the strength."""
    layer, original = a_layer(strength)
    options = RestoreOptions(strength=strength, least_likeness=least)
    held = hold_likeness(layer, original, strength, options, by_brightness(1.2 / 100))
    assert held.strength == expected
    assert held.layer is not None and held.layer.opacity == pytest.approx(expected / 100)
    assert held.likeness == pytest.approx(100 - expected, abs=0.6)
    assert (held.why is None) == (expected == strength)
    if held.why is not None:
        assert f"from {strength} to {expected}" in held.why.sentence("en")


def test_a_face_that_no_strength_holds_is_left_and_says_what_it_would_have_had():
    layer, original = a_layer(80)
    held = hold_likeness(layer, original, 80, RestoreOptions(least_likeness=95), by_brightness(1.2 / 100))
    assert held.layer is None and held.why is not None
    assert held.likeness == pytest.approx(20, abs=0.6)
    assert "left as it was" in held.why.sentence("en") and "95" in held.why.sentence("zh")


def test_marking_changes_nothing_but_says_so_and_off_measures_nothing():
    layer, original = a_layer(80)
    marked = hold_likeness(layer, original, 80, RestoreOptions(likeness_guard="mark"), by_brightness(1.2 / 100))
    assert marked.layer is layer and marked.strength == 80
    assert marked.why is not None and "below the limit of 50" in marked.why.sentence("en")

    def never(chips: Chips) -> NDArray[np.float32]:
        raise AssertionError("measured")

    off = hold_likeness(layer, original, 80, RestoreOptions(likeness_guard="off"), never)
    assert off.layer is layer and off.likeness is None and off.why is None
    untouched, original = a_layer(0)
    assert hold_likeness(untouched, original, 0, RestoreOptions(), never).likeness == 100


def test_a_damaged_package_fails_no_face():
    layer, original = a_layer(80)

    def broken(chips: Chips) -> NDArray[np.float32]:
        raise CheckpointError("recognizer_kind", file="x.dat")

    held = hold_likeness(layer, original, 80, RestoreOptions(), broken)
    assert held.layer is layer and held.likeness is None
    assert held.why is not None and "x.dat" in held.why.sentence("en")


# ---- through the engine, the store and the reports -------------------------------------------------------------------


def with_embedder(restorer: Restorer, embed: Embedder | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restorer, "_parts", type(restorer._parts)(**{**vars(restorer._parts), "embed": embed}))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("likeness")
    made = Lab(folder, folder / "tiny.pth")
    yield made
    made.close()


def stranger(chips: Chips) -> NDArray[np.float32]:
    """Takes everything but the first chip for somebody else, however little of it there is."""
    return np.array([[0.0], *([[0.9]] * (len(chips) - 1))], np.float32)


def test_faces_that_are_left_keep_every_bit_and_the_run_reports_them(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    with_embedder(lab.restorer, stranger, monkeypatch)
    draw(lab.photos / "two.png", 2)
    run = lab.plan()
    lab.do(run)
    (photo,) = lab.store.ledger.photos(run)
    assert photo.result is not None and photo.faces_found == 2 and photo.faces_restored == 0
    before, after = (cv2.imread(str(path)) for path in (photo.path, photo.result))
    assert np.array_equal(before, after)
    for face in lab.store.ledger.faces(photo.id):
        assert (face.state, face.strength) == ("left", None)
        assert face.likeness == pytest.approx(25) and face.why is not None
    record = lab.runs.run(run)
    facts = json.loads("".join(report_json(lab.store, record, "en")))["photos"][0]["faces"]
    assert [(face["likeness"], face["strength"]) for face in facts] == [(25.0, None)] * 2
    sheet = "".join(contact_sheet(lab.store, record, "en"))
    assert 'class="likeness low"' in sheet and "face 1: 25" in sheet


def test_reports_list_likeness_and_strength_of_restored_faces(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    with_embedder(lab.restorer, lambda chips: np.zeros((len(chips), 1), np.float32), monkeypatch)
    draw(lab.photos / "two.png", 2)
    run = lab.plan(RestoreOptions(strength=60))
    lab.do(run)
    table = list(csv.DictReader(io.StringIO("".join(report_csv(lab.store, lab.runs.run(run), "en")).lstrip("\ufeff"))))
    assert (table[0]["likeness"], table[0]["strength"]) == ("1: 100, 2: 100", "1: 60, 2: 60")


def test_without_the_package_nothing_is_measured_and_only_who_asked_is_told(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    with_embedder(lab.restorer, None, monkeypatch)
    photo = Photo(pictures.crowd(1, 1))
    quiet = lab.restorer.restore(photo)
    assert [(face.state, face.likeness) for face in quiet.faces] == [("restored", None)]
    assert "likeness_missing" not in [note.key for note in quiet.notes]
    told = lab.restorer.restore(photo, RestoreOptions(least_likeness=70))
    assert "likeness_missing" in [note.key for note in told.notes]
    monkeypatch.setattr(likeness, "recognizer_file", lambda: None)
    assert find_embedder() is None
    monkeypatch.setattr("gpen_ui.engine.diagnosis.recognizer_file", lambda: None)
    assert "doctor_no_likeness" in [finding.note.key for finding in diagnose().findings]


def test_an_aligned_face_is_measured_and_marked(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    with_embedder(lab.restorer, stranger, monkeypatch)
    result = lab.restorer.restore(Photo(pictures.astronaut()), RestoreOptions(aligned=True))
    (face,) = result.faces
    assert face.state == "restored" and face.likeness == pytest.approx(25)
    assert face.why is not None and face.why.key == "likeness_low"


def test_a_mark_says_number_and_words_besides_its_colour():
    face = FaceOutcome(3, (0, 0, 9, 9), 0.9, "restored", None, 80, 83.9)
    assert likeness_marks([face], "en") == (
        '<span class="likeness high" title="face 3: 83: surely the same person">face 3: 83</span>'
    )
    assert "人脸 3：83" in likeness_marks([face], "zh")
    assert likeness_marks([FaceOutcome(1, (0, 0, 9, 9), 0.9, "restored")], "en") == ""


def test_a_store_of_the_first_version_is_brought_up_to_date(tmp_path: Path):
    store = RunStore.open(tmp_path)
    connection = store.database._connection
    for column in ("strength", "likeness", "model"):
        connection.execute(f"ALTER TABLE faces DROP COLUMN {column}")
    for column in ("choices", "old_result", "old_hash"):
        connection.execute(f"ALTER TABLE photos DROP COLUMN {column}")
    connection.execute("INSERT INTO faces VALUES (7, 1, '[1, 2, 3, 4]', 0.9, 'restored', NULL)")
    connection.execute("PRAGMA user_version = 1")
    store.close()
    store = RunStore.open(tmp_path)
    (face,) = store.ledger.faces(7)
    assert (face.state, face.strength, face.likeness) == ("restored", None, None)
    store.close()
    RunStore.open(tmp_path).close()
