"""Rules for side and blurred faces: what they measure, where they trip, and that a person's own choice wins."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
import torch

from gpen_ui.choices import FaceChoice
from gpen_ui.engine import Chosen, Restorer
from gpen_ui.engine.results import FaceOutcome
from gpen_ui.faces import Face, blur_px, small_detector, turned_degrees
from gpen_ui.network import Gpen, GpenConfig
from gpen_ui.options import RestoreOptions
from gpen_ui.photo import Photo
from tests import pictures

# A head in mm: eyes, tip of the nose, corners of the mouth; x to the right, y down, z towards us.
HEAD_MM = np.array([(-31, -30, 0), (31, -30, 0), (0, 5, 26), (-25, 35, 0), (25, 35, 0)], float)


def head_points(turned: float, *, nodding: float = 0, tilted: float = 0, size: float = 1.5) -> np.ndarray:
    """(5, 2) of the head seen from far away, after turns in degrees about the three axes."""
    turn, nod, tilt = np.deg2rad((turned, nodding, tilted))
    about_y = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(nod), -np.sin(nod)], [0, np.sin(nod), np.cos(nod)]])
    about_z = np.array([[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]])
    seen = HEAD_MM @ (about_z @ about_x @ about_y).T
    return (size * seen[:, :2] + (300, 200)).astype(np.float32)


@pytest.mark.parametrize("turned", [0, 20, 45, 60, 80])
@pytest.mark.parametrize("tilted", [-30, 0, 50])
@pytest.mark.parametrize("size", [0.2, 4.0])
def test_the_turn_to_the_side_is_read_from_five_points(turned: float, tilted: float, size: float) -> None:
    for side in (-turned, turned):
        points = head_points(side, tilted=tilted, size=size)
        assert turned_degrees(points) == pytest.approx(turned, abs=1.5)
    nodding = head_points(turned, nodding=15, tilted=tilted, size=size)
    assert turned_degrees(nodding) == pytest.approx(turned, abs=12)


def test_points_on_one_spot_have_no_side() -> None:
    assert turned_degrees(np.zeros((5, 2), np.float32)) == 0


@pytest.fixture(scope="module")
def portrait() -> tuple[np.ndarray, Face]:
    photo = cv2.resize(pictures.astronaut()[:320, 60:400], None, fx=2, fy=2, interpolation=cv2.INTER_AREA)
    (face,) = small_detector(1).detect(photo, 0.7)
    return photo, face


def spoiled(photo: np.ndarray, sigma_px: float, noise: float = 3.0) -> np.ndarray:
    blurred = cv2.GaussianBlur(photo.astype(np.float32), (0, 0), sigma_px) if sigma_px else photo
    grain = np.random.default_rng(0).normal(0, noise, photo.shape)
    return np.clip(np.rint(blurred + grain), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("sigma_px", [3, 6, 10])
@pytest.mark.parametrize("noise", [0.0, 5.0])
def test_blur_is_told_in_pixels_of_the_photo(portrait: tuple[np.ndarray, Face], sigma_px: float, noise: float) -> None:
    photo, face = portrait
    assert blur_px(spoiled(photo, sigma_px, noise), face) == pytest.approx(sigma_px, rel=0.3)


def test_blur_grows_with_the_photo_and_does_not_depend_on_its_depth(portrait: tuple[np.ndarray, Face]) -> None:
    photo, face = portrait
    blurred = spoiled(photo, 4)
    before = blur_px(blurred, face)
    half = cv2.resize(blurred, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    assert blur_px(half, face.moved(np.array((0.5, 0.5)), (0, 0))) == pytest.approx(before / 2, rel=0.2)
    assert blur_px(blurred.astype(np.uint16) * 257, face) == pytest.approx(before, rel=0.01)


def test_a_sharp_small_face_is_not_called_blurred() -> None:
    photo = cv2.resize(pictures.astronaut(), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    (face,) = small_detector(1).detect(photo, 0.7)
    assert face.side_px < 50 and blur_px(photo, face) < 1.2


def test_a_flat_face_and_one_beyond_the_photo_have_some_blur_and_no_error() -> None:
    points = head_points(0)
    face = Face((200, 100, 400, 300), points, 1.0)
    for pixels in (np.full((400, 600, 3), 90, np.uint8), np.full((3, 3, 3), 90, np.uint8)):
        assert np.isfinite(blur_px(pixels, face))


@pytest.fixture(scope="module")
def restorer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restorer]:
    torch.manual_seed(1)
    file = tmp_path_factory.mktemp("models") / "tiny-64.pth"
    torch.save(Gpen(GpenConfig(64, 1, 1 / 16)).state_dict(), file)
    with Restorer.load(file, device="cpu") as loaded:
        yield loaded


def only_face(restorer: Restorer, photo: Photo, options: RestoreOptions, *choices: FaceChoice) -> FaceOutcome:
    result = next(restorer.restore_many([Chosen(photo, choices)], options))
    assert result.photo is not None
    (face,) = result.faces
    if face.state == "left":
        assert np.array_equal(result.photo.pixels, photo.pixels)
    return face


def numbers(face: FaceOutcome, key: str) -> dict[str, object]:
    assert face.state == "left" and face.why is not None and face.why.key == key
    for language in ("en", "zh"):
        assert all(str(value) in face.why.sentence(language) for value in face.why.values.values())
    return face.why.values


def turned_portrait() -> np.ndarray:
    """The astronaut with one half of the face drawn together, as a head is that turns away."""
    photo = pictures.astronaut()
    nose = 224
    narrow = cv2.resize(photo[:, :nose], None, fx=0.4, fy=1, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(np.concatenate((narrow, photo[:, nose:]), axis=1))


def test_a_face_turned_too_far_is_left_says_so_and_a_choice_wins(restorer: Restorer) -> None:
    photo = Photo(turned_portrait())
    default = RestoreOptions(likeness_guard="off")
    assert only_face(restorer, photo, default).state == "restored"
    (found,) = small_detector(1).detect(photo.pixels, 0.7)
    turned = round(turned_degrees(found.points_xy))
    assert 15 < turned < 60
    just = RestoreOptions(likeness_guard="off", most_turned_deg=turned)
    assert only_face(restorer, photo, just).state == "restored"
    strict = RestoreOptions(likeness_guard="off", most_turned_deg=turned - 1)
    assert numbers(only_face(restorer, photo, strict), "face_turned") == {"turned": turned, "limit": turned - 1}
    assert only_face(restorer, photo, strict, FaceChoice(number=1)).state == "restored"


def test_a_face_blurred_too_much_is_left_says_so_and_a_choice_wins(
    restorer: Restorer, portrait: tuple[np.ndarray, Face]
) -> None:
    blurred = Photo(spoiled(portrait[0], 8))
    (found,) = small_detector(1).detect(blurred.pixels, 0.7)
    percent = 100 * blur_px(blurred.pixels, found) / found.side_px
    assert 3 < percent < 12
    loose = RestoreOptions(likeness_guard="off", most_blur_percent=int(percent) + 1)
    assert only_face(restorer, blurred, loose).state == "restored"
    strict = RestoreOptions(likeness_guard="off", most_blur_percent=int(percent))
    values = numbers(only_face(restorer, blurred, strict), "face_blurred")
    assert values["limit"] == int(percent) and values["percent"] == pytest.approx(percent, abs=0.06)
    assert only_face(restorer, blurred, strict, FaceChoice(number=1)).state == "restored"
    assert only_face(restorer, Photo(portrait[0]), strict).state == "restored"


def test_at_the_end_of_its_range_blur_is_not_measured(restorer: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpen_ui.engine.selection.blur_px", lambda *_: pytest.fail("measured"))
    options = RestoreOptions(likeness_guard="off", most_blur_percent=50)
    assert only_face(restorer, Photo(pictures.astronaut()), options).state == "restored"
