"""Skin protection: moles, freckles and pores of the original come back; noise, blocks and blur do not.

Crops are (S, S, 3) float32 RGB, 0 to 255, aligned on GPEN's template.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from gpen_ui.look.blur import gaussian
from gpen_ui.look.channels import Crop, Plane, luminance

FINE_SIGMA, MIDDLE_SIGMA = 1 / 256, 1 / 64  # shares of the crop's side, between them lies the texture of skin
NOISE_MARGIN = 4.0  # a place holds texture where its energy is above that many times the noise's
LEAST_ENERGY = 0.7**2  # levels squared: what no eye sees is not put back
CARRIED_SCALE, LOST_SCALE = 1.5, 2.25  # crop pixels per photo pixel: up to the first the photo carries the band

# Where skin is, for a face on GPEN's template (eyes at 0.39, 0.60 / 0.47, nose 0.50 / 0.59, mouth 0.50 / 0.716):
# ellipses as (centre x, centre y, half width, half height), shares of the crop's side.
FACE_ELLIPSE = (0.500, 0.580, 0.215, 0.270)
FEATURE_ELLIPSES = (
    (0.3946, 0.474, 0.075, 0.045),
    (0.6044, 0.473, 0.075, 0.045),
    (0.3850, 0.415, 0.090, 0.032),
    (0.6150, 0.415, 0.090, 0.032),
    (0.5000, 0.612, 0.055, 0.022),
    (0.5000, 0.716, 0.115, 0.055),
)
FEATHER = 0.012  # sigma of the mask's edge


def protect_skin(picture: Crop, original: Crop, *, scale_px: float, noise: float) -> Crop:
    """Puts back fine texture of the skin that the photo really shows.

    Args:
        picture: the restored crop.
        original: the photo's crop.
        scale_px: crop pixels per pixel of the photo.
        noise: deviation of the photo's white noise in levels, see `estimate_noise`.

    Returns:
        A new crop, or `picture` itself when the photo is too small to carry such texture.
    """
    carried = float(np.clip((LOST_SCALE - scale_px) / (LOST_SCALE - CARRIED_SCALE), 0, 1))
    if carried == 0:
        return picture
    side_px = picture.shape[0]
    fine_px, middle_px = FINE_SIGMA * side_px, MIDDLE_SIGMA * side_px
    band = gaussian(original, fine_px) - gaussian(original, middle_px)
    present = gaussian(picture, fine_px) - gaussian(picture, middle_px)
    light = luminance(band)
    energy = gaussian(light * light, middle_px / 2)
    floor = LEAST_ENERGY + NOISE_MARGIN * _band_noise_energy(noise, scale_px, fine_px, middle_px)
    weight = carried * skin_mask(side_px) * np.maximum(0, 1 - floor / np.maximum(energy, 1e-6))
    # Only what is missing: nowhere is texture of the picture taken away where the original has less of it.
    missing = np.sign(band) * np.clip(np.sign(band) * (band - present), 0, 2 * np.abs(band))
    return np.asarray(np.clip(picture + weight[..., None] * missing, 0, 255), np.float32)


def _band_noise_energy(noise: float, scale_px: float, fine_px: float, middle_px: float) -> float:
    """Energy of the photo's white noise between two Gaussians in the crop: integral of their squared difference."""
    overlap = 1 / fine_px**2 + 1 / middle_px**2 - 4 / (fine_px**2 + middle_px**2)
    return (noise * scale_px) ** 2 * overlap / (4 * np.pi)


@lru_cache(maxsize=8)
def skin_mask(side_px: int) -> Plane:
    """(S, S) 0 to 1: skin of a face on the template, without eyes, brows, nostrils and mouth. Read-only."""
    mask = _ellipse(side_px, FACE_ELLIPSE)
    for feature in FEATURE_ELLIPSES:
        mask = np.minimum(mask, 1 - _ellipse(side_px, feature))
    mask = gaussian(mask, FEATHER * side_px)
    mask.flags.writeable = False
    return mask


def _ellipse(side_px: int, ellipse: tuple[float, float, float, float]) -> Plane:
    centre_x, centre_y, half_width, half_height = ellipse
    y, x = (np.mgrid[0:side_px, 0:side_px].astype(np.float32) + 0.5) / side_px
    inside = ((x - centre_x) / half_width) ** 2 + ((y - centre_y) / half_height) ** 2 <= 1
    return np.asarray(inside, np.float32)
