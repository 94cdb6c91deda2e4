"""What the options of the face promise, on the astronaut's face and on drawn ones."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from gpen_ui import look
from tests import pictures

SIDE_PX = 256


def face_crop(side_px: int = SIDE_PX) -> np.ndarray:
    """(S, S, 3) float32: the astronaut's face, roughly on the template."""
    part = pictures.astronaut()[10:222, 119:331]
    return cv2.resize(part, (side_px, side_px), interpolation=cv2.INTER_AREA).astype(np.float32)


def smooth(crop: np.ndarray, sigma_px: float) -> np.ndarray:
    return cv2.GaussianBlur(crop, (0, 0), sigma_px)


def restored_crop() -> np.ndarray:
    """As a network might give it: softer than the original, and of another colour and light."""
    return np.clip(smooth(face_crop(), 2) * 1.1 + (12, -6, 4), 0, 255).astype(np.float32)


def test_strong_is_the_networks_picture_itself():
    restored = restored_crop()
    assert look.apply_mode(restored, face_crop(), "strong") is restored


@pytest.mark.parametrize("mode", ["natural", "detail"])
def test_natural_and_detail_have_the_originals_coarse_colour_and_light(mode: str):
    original = np.clip(face_crop(), 30, 225)  # away from the ends of the range, where clipping would count
    restored = smooth(original, 2) * 0.9 + 10
    result = look.apply_mode(restored, original, mode)  # type: ignore[arg-type]
    difference = smooth(result - original, SIDE_PX / 8)[SIDE_PX // 4 : -SIDE_PX // 4, SIDE_PX // 4 : -SIDE_PX // 4]
    assert np.abs(difference).max() < 2
    assert np.abs(restored - original).mean() > 1.5 * np.abs(result - original).mean()


def test_detail_is_crisper_than_natural():
    original, restored = face_crop(), restored_crop()
    natural = look.apply_mode(restored, original, "natural")
    detail = look.apply_mode(restored, original, "detail")
    fine = [np.abs(each - smooth(each, SIDE_PX / 128)).mean() for each in (natural, detail)]
    assert 1.05 * fine[0] < fine[1] < 1.4 * fine[0]


def test_a_gray_original_gives_gray():
    gray = look.match_gray(face_crop())
    for mode in ("natural", "detail"):
        result = look.apply_mode(restored_crop(), gray, mode)  # type: ignore[arg-type]
        assert np.ptp(result, axis=2).max() < 1e-3
    assert np.ptp(look.match_gray(restored_crop()), axis=2).max() == 0


def skin(seed: int | None = None, noise: float = 0.0) -> np.ndarray:
    """A smooth cheek-coloured crop with moles of about 4 px, and noise if wished."""
    crop = np.full((SIDE_PX, SIDE_PX, 3), (205, 160, 140), np.float32)
    if seed is not None:
        for x, y in np.random.default_rng(seed).integers(90, 170, (12, 2)):
            cv2.circle(crop, (int(x), int(y)), 2, (150, 105, 90), -1, cv2.LINE_AA)
    return np.clip(crop + np.random.default_rng(9).normal(0, noise, crop.shape), 0, 255).astype(np.float32)


def test_moles_that_the_photo_shows_come_back():
    restored = smooth(skin(seed=1), 12)
    result = look.protect_skin(restored, skin(seed=1), scale_px=1.0, noise=0.0)
    cheek = np.s_[90:170, 90:170]
    assert np.abs(result - skin(seed=1))[cheek].mean() < 0.85 * np.abs(restored - skin(seed=1))[cheek].mean()


@pytest.mark.parametrize("noise", [3.0, 8.0])
def test_noise_is_no_skin_and_stays_out(noise: float):
    restored = skin()
    result = look.protect_skin(restored, skin(noise=noise), scale_px=1.0, noise=noise)
    assert (result - restored).std() < 0.1 * noise


def test_a_photo_too_small_to_hold_skin_changes_nothing():
    restored = restored_crop()
    assert look.protect_skin(restored, face_crop(), scale_px=3.0, noise=0.0) is restored


def test_detail_enhancement_raises_the_contrast_of_features_and_spares_skin():
    crop = skin()
    for x in range(60, 200, 6):  # strands of hair
        cv2.line(crop, (x, 40), (x + 8, 80), (60, 45, 40), 1, cv2.LINE_AA)
    result = look.enhance_detail(crop)
    hair, cheek = np.s_[45:75, 70:190], np.s_[120:220, 60:200]
    assert result[hair].std() > 1.04 * crop[hair].std()
    assert np.abs(result - crop)[cheek].max() < 0.5
    assert np.abs(result - crop).max() <= 13


def test_the_crops_that_come_in_are_not_written_to():
    original, restored = face_crop(), restored_crop()
    before = original.copy(), restored.copy()
    look.apply_mode(restored, original, "detail")
    look.protect_skin(restored, original, scale_px=1.0, noise=1.0)
    look.enhance_detail(restored)
    assert np.array_equal(original, before[0]) and np.array_equal(restored, before[1])


@pytest.mark.parametrize(("side_px", "radius_px"), [(256, 2), (512, 4), (512, 7)])
def test_a_mole_that_the_network_dropped_comes_back_with_most_of_its_contrast(side_px: int, radius_px: int) -> None:
    bare = np.full((side_px, side_px, 3), (205, 160, 140), np.float32)
    marked = bare.copy()
    for x, y in ((0.42, 0.6), (0.6, 0.62), (0.5, 0.8)):
        cv2.circle(marked, (int(x * side_px), int(y * side_px)), radius_px, (150, 105, 90), -1, cv2.LINE_AA)
    result = look.protect_skin(bare, marked, scale_px=1.0, noise=1.0)
    where = (bare - marked)[..., 0] > 25
    assert (bare - result)[where].mean() > 0.7 * (bare - marked)[where].mean()
