"""The adjustments of the whole photo: each value moves the picture in its direction, the neutral one not at all."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.data import astronaut

from gpen_ui import look
from gpen_ui.look import channels
from gpen_ui.look.tone import tone_table

ADJUSTMENTS = {
    "contrast": look.adjust_contrast,
    "brightness": look.adjust_brightness,
    "denoise": look.denoise,
    "sharpen": look.sharpen,
}
Pixels = NDArray[np.uint8]


def noisy(pixels: Pixels, deviation: float, seed: int = 0) -> Pixels:
    grain = np.random.default_rng(seed).normal(0, deviation, pixels.shape)
    return np.clip(np.rint(pixels + grain), 0, 255).astype(np.uint8)


def soft_edge(contrast: float = 120, width: int = 128) -> Pixels:
    """A vertical edge, blurred over about six pixels, gray 70 to the left of the middle."""
    row = 70 + contrast / (1 + np.exp(-(np.arange(width) - width / 2) / 1.5))
    return np.repeat(np.tile(np.rint(row), (96, 1))[..., None], 3, axis=2).astype(np.uint8)


def steepest(pixels: Pixels) -> float:
    """Slope of the edge in levels per pixel, from the mean row, so that noise does not count."""
    return float(np.abs(np.diff(pixels[..., 1].mean(axis=0))).max())


def gray_astronaut(deviation: float = 6) -> Pixels:
    light = channels.luminance(astronaut())[::2, ::2]
    return np.repeat(noisy(np.rint(light).astype(np.uint8), deviation)[..., None], 3, axis=2)


def signal_to_noise(clean: Pixels, other: Pixels) -> float:
    return float(10 * np.log10(255**2 / np.mean((clean.astype(float) - other) ** 2)))


@pytest.mark.parametrize("name", ADJUSTMENTS)
def test_the_neutral_value_returns_the_photo_itself(name: str):
    photo = astronaut()
    assert ADJUSTMENTS[name](photo, 0) is photo


@pytest.mark.parametrize("name", ADJUSTMENTS)
@pytest.mark.parametrize("amount", [1, 35, 100])
def test_a_gray_photo_stays_exactly_gray(name: str, amount: int):
    photo = gray_astronaut()
    before = photo.copy()
    result = ADJUSTMENTS[name](photo, amount)
    assert look.is_gray(result)
    assert result.shape == photo.shape and result.dtype == np.uint8
    assert np.array_equal(photo, before), "the photo that came in was written to"


@pytest.mark.parametrize("name", ADJUSTMENTS)
@pytest.mark.parametrize("size_hw", [(1, 1), (1, 40), (40, 1), (3, 5)])
def test_tiny_photos_pass(name: str, size_hw: tuple[int, int]):
    photo = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), np.uint8)
    assert ADJUSTMENTS[name](photo, 70).shape == photo.shape


def test_contrast_spreads_and_flattens_the_levels():
    photo = astronaut()
    spread = [look.adjust_contrast(photo, amount).std() for amount in (-100, -40, 0, 40, 100)]
    assert spread == sorted(spread) and spread[-1] > 1.15 * spread[2] > 3 * spread[0]


def test_brightness_moves_the_mean_and_keeps_black_and_white():
    photo = astronaut()
    means = [look.adjust_brightness(photo, amount).mean() for amount in (-100, -40, 0, 40, 100)]
    assert means == sorted(means) and means[-1] > means[2] + 30
    for amount in (-100, 100):
        assert (look.adjust_brightness(photo, amount)[photo == 0] == 0).all()
        assert (look.adjust_brightness(photo, amount)[photo == 255] == 255).all()


@given(contrast=st.integers(-100, 100), brightness=st.integers(-100, 100))
def test_the_tone_curve_never_falls_and_never_clips_what_was_between(contrast: int, brightness: int):
    table = tone_table(contrast, brightness).astype(int)
    assert (np.diff(table) >= 0).all()
    if abs(contrast) <= 50 and abs(brightness) <= 50:
        assert table[12] > 0 and table[243] < 255, "shadows or highlights are clipped at a moderate value"


@given(contrast=st.integers(-100, 100))
def test_contrast_alone_keeps_mid_gray(contrast: int):
    assert abs(int(tone_table(contrast, 0)[127]) - 127) <= 1


@pytest.mark.parametrize("deviation", [4, 10, 20])
def test_denoise_removes_noise_and_keeps_an_edge(deviation: float):
    clean = soft_edge()
    photo = noisy(clean, deviation)
    result = look.denoise(photo, 50)
    flat = (slice(16, 80), slice(8, 40))
    assert result[flat].std() < 0.35 * photo[flat].std()
    kept = 0.9 if deviation <= 10 else 0.85  # grain as strong as the edge's own slope takes some of it
    assert steepest(result) > kept * steepest(clean)


def test_denoise_brings_a_noisy_photo_nearer_to_the_clean_one():
    clean = astronaut()
    photo = noisy(clean, 12)
    before, after = signal_to_noise(clean, photo), signal_to_noise(clean, look.denoise(photo, 50))
    assert after > before + 5
    assert before < signal_to_noise(clean, look.denoise(photo, 20)) < after


def test_denoise_takes_colour_noise_that_luminance_does_not_show():
    shift = np.random.default_rng(0).normal(0, 12, (128, 128))
    photo = np.full((128, 128, 3), 120.0)
    photo[..., 0] += shift
    photo[..., 1] -= shift * 0.299 / 0.587
    photo = np.clip(np.rint(photo), 0, 255).astype(np.uint8)
    assert look.denoise(photo, 50)[..., 0].std() < 0.3 * photo[..., 0].std()


@pytest.mark.parametrize("quality", [40, 70])
def test_grain_that_went_through_jpeg_is_grain_still(quality: int):
    """JPEG takes the finest part of the grain away, and with it what a plain estimate of white noise goes by."""
    clean = soft_edge()
    shot = noisy(clean, 10)
    photo = cv2.imdecode(cv2.imencode(".jpg", shot, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    result = look.denoise(photo, 50)
    flat = (slice(16, 80), slice(8, 40))
    assert result[flat].std() < 0.6 * photo[flat].std()
    assert steepest(result) > 0.85 * steepest(clean)
    assert look.sharpen(photo, 100)[flat].std() < 1.15 * photo[flat].std()


def test_denoise_leaves_a_clean_photo_nearly_untouched():
    y, x = np.mgrid[0:200, 0:200]
    clean = np.stack([120 + 60 * np.sin(x / 3), 120 + 50 * np.cos(y / 4), 100 + x / 4], axis=2).astype(np.uint8)
    clean[:70] = (150, 170, 200)  # a sky: somewhere a photo shows what its grain is
    assert np.abs(look.denoise(clean, 100).astype(int) - clean).mean() < 0.6


@pytest.mark.parametrize("amount", [30, 100])
def test_sharpen_steepens_an_edge_without_a_halo(amount: int):
    photo = soft_edge()
    result = look.sharpen(photo, amount).astype(int)
    assert steepest(result.astype(np.uint8)) > (1.02 if amount == 30 else 1.1) * steepest(photo)
    assert photo.min() - 3 <= result.min() and result.max() <= photo.max() + 3


def test_more_sharpening_is_sharper():
    photo = astronaut()
    sharpness = [np.abs(np.diff(channels.luminance(look.sharpen(photo, a)), axis=1)).mean() for a in (1, 40, 70, 100)]
    assert sharpness == sorted(sharpness) and sharpness[-1] > 1.1 * sharpness[0]


def test_sharpen_does_not_raise_noise():
    photo = noisy(np.full((160, 160, 3), 120, np.uint8), 8)
    assert look.sharpen(photo, 100).std() < 1.1 * photo.std()


@pytest.mark.parametrize("adjust", [look.denoise, look.sharpen])
def test_a_large_photo_is_cut_into_strips_without_a_seam(
    adjust: Callable[[Pixels, int], Pixels], monkeypatch: pytest.MonkeyPatch
):
    photo = noisy(astronaut(), 8)
    whole = adjust(photo, 60)
    monkeypatch.setattr(channels, "STRIP_PIXELS", 512 * 100)
    assert np.abs(adjust(photo, 60).astype(int) - whole).max() <= 1


@pytest.mark.parametrize("deviation", [0, 1, 3, 8, 20])
def test_noise_is_estimated_in_a_photo_full_of_texture(deviation: float):
    light = noisy(np.rint(channels.luminance(astronaut())).astype(np.uint8), deviation)
    own_grain = 1.3  # what the astronaut itself shows
    assert look.estimate_noise(light) == pytest.approx(deviation, abs=own_grain + 0.08 * deviation)


@settings(max_examples=25, deadline=None)
@given(deviation=st.floats(0.5, 30), level=st.floats(100, 155), seed=st.integers(0, 1000))
def test_noise_of_a_flat_picture_is_its_deviation(deviation: float, level: float, seed: int):
    light = np.random.default_rng(seed).normal(level, deviation, (256, 256)).astype(np.float32)
    assert look.estimate_noise(light) == pytest.approx(deviation, rel=0.1)


@pytest.mark.parametrize("shape", [(1, 1), (15, 400), (64, 64)])
def test_a_flat_or_tiny_picture_has_no_noise(shape: tuple[int, int]):
    assert look.estimate_noise(np.full(shape, 90, np.uint8)) == 0


@pytest.mark.parametrize("scale", [2, 4])
def test_enlarge_multiplies_both_sides_and_keeps_the_picture(scale: int):
    photo = astronaut()[:90, :70]
    large = look.enlarge(photo, scale)
    assert large.shape == (90 * scale, 70 * scale, 3)
    assert signal_to_noise(photo, look.reduce_long_edge(large, 90)) > 30
    assert look.enlarge_plane(photo[..., 0], scale).shape == (90 * scale, 70 * scale)
    assert look.is_gray(look.enlarge(gray_astronaut(), scale))


def test_enlarging_once_is_the_photo_itself():
    photo = astronaut()
    plane = photo[..., 0]
    assert look.enlarge(photo, 1) is photo and look.enlarge_plane(plane, 1) is plane


@given(height=st.integers(1, 400), width=st.integers(1, 400), long_edge=st.integers(0, 500))
@settings(max_examples=60, deadline=None)
def test_the_long_edge_is_reduced_once_and_proportions_stay(height: int, width: int, long_edge: int):
    photo = np.full((height, width, 3), 77, np.uint8)
    result = look.reduce_long_edge(photo, long_edge)
    if long_edge == 0 or max(height, width) <= long_edge:
        assert result is photo
        return
    assert max(result.shape[:2]) == long_edge and (result == 77).all()
    assert look.reduce_long_edge(result, long_edge) is result
    assert abs(result.shape[0] / long_edge - height / max(height, width)) <= 1 / long_edge


def test_reducing_averages_instead_of_dropping_pixels():
    photo = np.zeros((400, 400, 3), np.uint8)
    photo[::2] = 200
    assert np.abs(look.reduce_long_edge(photo, 200).astype(int) - 100).max() <= 1
