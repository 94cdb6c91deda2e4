"""Geometry of faces: alignment, cropping, masks and pasting."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpen_ui.faces import (
    Affine,
    FaceLayer,
    align_transform,
    crop_face,
    face_rectangle,
    paste_faces,
    rescaled,
    shape_mask,
)
from gpen_ui.faces.align import compose, inverse, scale_of, template_points, uncrop
from gpen_ui.faces.mask import border_mask, parsed_mask
from gpen_ui.faces.paste import clean_share

RNG = np.random.default_rng


def similarity(scale: float, degrees: float, shift_xy: tuple[float, float]) -> Affine:
    turn = np.deg2rad(degrees)
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    return np.array([[c, -s, shift_xy[0]], [s, c, shift_xy[1]]])


def smooth_photo(width: int, height: int, seed: int = 0) -> np.ndarray:
    rough = RNG(seed).integers(0, 255, (max(2, height // 16), max(2, width // 16), 3)).astype(np.uint8)
    return cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)


@settings(max_examples=40, deadline=None)
@given(
    scale=st.floats(0.05, 20),
    degrees=st.floats(-180, 180),
    x=st.floats(-500, 4000),
    y=st.floats(-500, 4000),
    crop_px=st.sampled_from([64, 256, 512, 1024]),
)
def test_alignment_undoes_any_similarity(scale: float, degrees: float, x: float, y: float, crop_px: int) -> None:
    moved = similarity(scale, degrees, (x, y))
    points = template_points(crop_px) @ moved[:, :2].T + moved[:, 2]
    back = compose(align_transform(points.astype(np.float64), crop_px), moved)
    np.testing.assert_allclose(back, [[1, 0, 0], [0, 1, 0]], atol=1e-5 * crop_px)


def test_alignment_is_the_least_squares_similarity_without_a_mirror() -> None:
    points = template_points(512) + RNG(1).normal(0, 12, (5, 2))
    points[:, 0] = 512 - points[:, 0]  # a mirrored face must be turned, never mirrored
    found = align_transform(points, 512)
    assert np.linalg.det(found[:, :2]) > 0

    def error(transform: Affine) -> float:
        return float(((points @ transform[:, :2].T + transform[:, 2] - template_points(512)) ** 2).sum())

    for index in np.ndindex(2, 2):
        for step in (-1e-3, 1e-3):
            nudged = found.copy()
            row, column = index
            if row == column:
                nudged[0, 0] += step
                nudged[1, 1] += step
            else:
                nudged[0, 1] -= step
                nudged[1, 0] += step
            assert error(nudged) > error(found)


def test_a_face_larger_than_the_crop_is_not_aliased() -> None:
    stripes = np.zeros((1600, 1600, 3), np.uint8)
    stripes[:, ::2] = 255  # finer than the crop can hold: the right answer is flat grey
    crop = crop_face(stripes, similarity(64 / 1600, 0, (0, 0)), 64)
    assert np.abs(crop[4:-4, 4:-4] - 127.5).max() < 4


def test_beyond_the_edge_the_photo_is_mirrored_and_never_black() -> None:
    photo = np.full((300, 300, 3), 200, np.uint8)
    crop = crop_face(photo, similarity(1, 10, (200, 150)), 256)
    assert crop.min() > 195


@pytest.mark.parametrize("scale", [0.3, 0.8, 1.0, 1.7, 4.0])
@pytest.mark.parametrize("degrees", [0.0, 23.0])
def test_a_crop_brought_back_is_the_photo(scale: float, degrees: float) -> None:
    photo = cv2.GaussianBlur(smooth_photo(700, 600), (0, 0), 6)
    to_crop = similarity(scale, degrees, (-150 * scale, -120 * scale))
    rectangle = face_rectangle(to_crop, 256, (700, 600))
    left, top, right, bottom = rectangle
    back = uncrop(crop_face(photo, to_crop, 256), to_crop, rectangle)
    inside = uncrop(np.ones((256, 256), np.float32), to_crop, rectangle)
    inside = cv2.erode(inside, np.ones((9, 9))) > 0.999
    difference = np.abs(back - photo[top:bottom, left:right])[inside]
    assert difference.mean() < 1.0
    assert np.percentile(difference, 99) < 4


def test_cutting_only_the_rectangle_changes_nothing_inside() -> None:
    photo = RNG(3).integers(0, 255, (900, 1200, 3)).astype(np.uint8)
    to_crop = similarity(0.4, 15, (-120, -90))
    whole = cv2.GaussianBlur(photo.astype(np.float32), (0, 0), 0.5 * np.sqrt(1 / 0.16 - 1))
    expected = cv2.warpAffine(whole, to_crop, (128, 128), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    assert np.abs(crop_face(photo, to_crop, 128) - expected).max() < 0.5


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1)])
@pytest.mark.parametrize("scale", [0.5, 3.0, 64.0])
def test_a_photo_of_one_line_comes_to_an_end(shape: tuple[int, int], scale: float) -> None:
    pixels = np.full((*shape, 3), 90, np.uint8)
    assert np.allclose(crop_face(pixels, np.array([[scale, 0, 5], [0, scale, 5]]), 64), 90, atol=0.01)


def test_an_enlarged_photo_keeps_its_faces_in_place() -> None:
    photo = smooth_photo(200, 160)
    to_crop = similarity(1.1, -8, (-30, -20))
    large = cv2.resize(photo, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    difference = np.abs(crop_face(large, rescaled(to_crop, 2), 128) - crop_face(photo, to_crop, 128))
    assert difference.mean() < 1.5


@pytest.mark.parametrize("crop_px", [64, 512, 2048])
def test_masks_are_zero_on_the_border_one_in_the_middle_and_smooth(crop_px: int) -> None:
    face = np.zeros((512, 512), np.int64)
    face[:, 60:450] = 1  # parsed as face down to the very edge
    for mask in (shape_mask(crop_px), parsed_mask(face, crop_px)):
        assert mask.shape == (crop_px, crop_px)
        assert max(mask[0].max(), mask[-1].max(), mask[:, 0].max(), mask[:, -1].max()) == 0
        assert mask[crop_px // 2, crop_px // 2] > 0.99
        assert np.abs(np.diff(mask, axis=0)).max() < 24 / crop_px


def test_a_hat_and_clothes_stay_the_photos() -> None:
    classes = np.full((512, 512), 1)
    classes[:150] = 14  # hat
    classes[460:] = 18  # clothes
    mask = parsed_mask(classes, 256)
    assert mask[:60].max() < 0.05 and mask[235:].max() < 0.05 and mask[150, 128] > 0.99


def layer(value: float, to_crop: Affine, *, crop_px: int = 128, opacity: float = 1.0) -> FaceLayer:
    picture = np.full((crop_px, crop_px, 3), value, np.float32)
    return FaceLayer(picture, shape_mask(crop_px), to_crop, opacity)


def test_pixels_outside_the_mask_are_bit_identical() -> None:
    photo = RNG(5).integers(0, 255, (400, 500, 3)).astype(np.uint8)
    to_crop = similarity(0.9, 12, (-110, -60))
    pasted = paste_faces(photo, [layer(250, to_crop)])
    mask = uncrop(shape_mask(128), to_crop, (0, 0, 500, 400))
    assert np.array_equal(pasted[mask <= 0], photo[mask <= 0])
    assert (pasted != photo).any()


def test_no_opacity_no_change() -> None:
    photo = RNG(6).integers(0, 255, (200, 200, 3)).astype(np.uint8)
    assert np.array_equal(paste_faces(photo, [layer(250, similarity(1, 0, (0, 0)), opacity=0)]), photo)


@pytest.mark.parametrize("face_px", [60, 128, 500, 1400])
def test_no_rectangle_shows_on_a_flat_background(face_px: int) -> None:
    """A restored crop 12 levels brighter than a flat photo fades in so slowly that no edge can be seen."""
    side = face_px * 2
    photo = np.full((side, side, 3), 120, np.uint8)
    scale = 128 / face_px
    to_crop = similarity(scale, 0, (-side / 4 * scale, -side / 4 * scale))
    pasted = paste_faces(photo, [layer(132, to_crop)]).astype(float)
    step = max(np.abs(np.diff(pasted, axis=0)).max(), np.abs(np.diff(pasted, axis=1)).max())
    assert step <= max(1, 12 * 10 / face_px)
    assert pasted.max() == 132


def test_overlapping_faces_have_no_hard_seam_and_keep_their_middles() -> None:
    photo = np.full((300, 420, 3), 100, np.uint8)
    left, right = similarity(0.64, 0, (-20, -20)), similarity(0.64, 0, (-90, -20))
    both = [layer(60, left), layer(180, right)]
    pasted = paste_faces(photo, both)
    assert np.abs(np.diff(pasted.astype(int), axis=1)).max() < 12
    for each, value in ((left, 60), (right, 180)):
        x, y = (inverse(each) @ np.array([64, 64, 1])).round().astype(int)
        assert abs(int(pasted[y, x, 0]) - value) < 12
    assert np.abs(paste_faces(photo, both[::-1]).astype(int) - pasted).max() <= 1


def sharpness(picture: np.ndarray) -> float:
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.abs(cv2.Laplacian(gray, cv2.CV_32F)).mean())


def test_a_sharp_face_larger_than_the_crop_does_not_come_out_softer() -> None:
    photo = smooth_photo(1500, 1500)
    for number in range(400):  # fine clean lines, as hair and lashes are
        x, y = RNG(number).integers(0, 1500, 2)
        cv2.line(photo, (int(x), int(y)), (int(x) + 60, int(y) + 25), (20, 20, 20), 1, cv2.LINE_AA)
    to_crop = similarity(256 / 1500, 0, (0, 0))
    seen = crop_face(photo, to_crop, 256)  # a network that returns what it is given
    pasted = paste_faces(photo, [FaceLayer(seen, shape_mask(256), to_crop, 1.0)])
    middle = np.s_[400:1100, 400:1100]
    assert sharpness(pasted[middle]) > 0.97 * sharpness(photo[middle])


def test_noise_of_a_large_face_is_not_put_back() -> None:
    clean = cv2.GaussianBlur(smooth_photo(1500, 1500), (0, 0), 20)
    noisy = np.clip(clean + RNG(1).normal(0, 12, clean.shape), 0, 255).astype(np.uint8)
    to_crop = similarity(256 / 1500, 0, (0, 0))
    seen = crop_face(noisy, to_crop, 256)
    pasted = paste_faces(noisy, [FaceLayer(seen, shape_mask(256), to_crop, 1.0, noise=12.0)])
    middle = np.s_[500:1000, 500:1000]
    assert (pasted[middle].astype(float) - clean[middle]).std() < 0.35 * 12


def test_the_share_of_clean_detail_lies_between_nothing_and_all() -> None:
    band = RNG(2).normal(0, 5, (64, 64, 3)).astype(np.float32)
    assert clean_share(band, 0.5, noise=0.0).min() > 0.999
    assert clean_share(band, 0.5, noise=50.0).max() == 0.0


def test_border_mask_reaches_zero_on_all_four_sides() -> None:
    mask = border_mask(96)
    assert mask[48, 48] == 1.0 and max(mask[0].max(), mask[:, 0].max(), mask[-1].max(), mask[:, -1].max()) == 0


def test_scale_of_a_transform_is_crop_pixels_per_photo_pixel() -> None:
    assert scale_of(similarity(0.25, 40, (3, 4))) == pytest.approx(0.25)
