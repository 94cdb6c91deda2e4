"""Skin protection: moles, freckles and pores of the original come back; noise, blocks and blur do not.

Crops are (S, S, 3) float32 RGB, 0 to 255, aligned on GPEN's template.
"""

from __future__ import annotations

import itertools
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from gpen_ui.look.blur import gaussian
from gpen_ui.look.channels import Crop, Plane, in_channels, luminance
from gpen_ui.look.order import quantile

# Two bands, between these Gaussians (shares of the crop's side): pores and the rims of moles; moles and freckles.
FINEST_SIGMA, FINE_SIGMA, MIDDLE_SIGMA = 1 / 512, 1 / 256, 1 / 40
WINDOW_SIGMA = 3 / 256  # of the local energy; large enough for about ten independent values of the wider band
WINDOW_REACH = 5  # of the Gaussian of that window, in sigmas and rounded up: OpenCV's ends at 4
GRID_PX = 16  # the coarsest of the reduced grids that it takes for crops of up to 2048 px
NOISE_MARGIN = 3.0  # a place holds texture where its energy is above that many times the noise's
LEAST_ENERGY = 0.5  # levels squared, at one crop pixel per photo pixel: what strong JPEG leaves on smooth skin
QUIET_SHARE = 0.15  # texture that this quietest part of the crop shows as well is grain, not skin
OPEN_LEVELS = (12.0, 243.0)  # darker and lighter parts have their grain cut off and prove nothing
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
    sigmas_px = [share * side_px for share in (MIDDLE_SIGMA, FINE_SIGMA, FINEST_SIGMA)]
    light, light_now = luminance(original), luminance(picture)
    window_px = WINDOW_SIGMA * side_px
    open_part = (light > OPEN_LEVELS[0]) & (light < OPEN_LEVELS[1])
    skin = carried * skin_mask(side_px)
    least = LEAST_ENERGY * max(1.0, scale_px) ** 2  # blocks of JPEG grow with the face
    here = _skin_box(side_px, int(np.ceil(WINDOW_REACH * window_px)))
    change = np.zeros_like(light[here])
    blurred, blurred_now = (gaussian(plane, sigmas_px[0]) for plane in (light, light_now))
    for wider_px, finer_px in itertools.pairwise(sigmas_px):
        finer, finer_now = gaussian(light, finer_px), gaussian(light_now, finer_px)
        band = finer - blurred
        missing = _missing(band[here], finer_now[here] - blurred_now[here])
        noise_energy = max(_band_noise_energy(noise, scale_px, finer_px, wider_px), _quiet(band, window_px, open_part))
        share = gaussian(missing * missing, window_px)
        np.divide(-(least + NOISE_MARGIN * noise_energy), np.maximum(share, 1e-6, out=share), out=share)
        share += 1
        np.maximum(share, 0, out=share)
        share *= missing
        change += share
        blurred, blurred_now = finer, finer_now
    change *= skin[here]
    result = picture.copy()
    place = result[here]
    cv2.add(place, in_channels(change), place)
    np.clip(place, 0, 255, out=place)
    return result


def _missing(band: Plane, present: Plane) -> Plane:
    """What `present` lacks of `band`. Where it has more of the same sign it is left as it is."""
    lacking, twice = band - present, 2 * band
    np.minimum(lacking, np.maximum(twice, 0), out=lacking)
    return np.asarray(np.maximum(lacking, np.minimum(twice, 0, out=twice), out=lacking), np.float32)


def _quiet(band: Plane, window_px: float, open_part: NDArray[np.bool_]) -> float:
    """Energy of a band in the quietest part of the crop; every fourth pixel each way tells."""
    values = gaussian(band * band, window_px)[::4, ::4][open_part[::4, ::4]]
    return quantile(values, QUIET_SHARE) if values.size else 0.0


def _band_noise_energy(noise: float, scale_px: float, finer_px: float, wider_px: float) -> float:
    """Energy of the photo's white noise between two Gaussians in the crop: integral of their squared difference."""
    overlap = 1 / finer_px**2 + 1 / wider_px**2 - 4 / (finer_px**2 + wider_px**2)
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


@lru_cache(maxsize=8)
def _skin_box(side_px: int, margin_px: int) -> tuple[slice, slice]:
    """Rows and columns that hold all skin of the mask, and at least so much more on each side; they begin on the
    reduced grids of `gaussian`, so that it gives there what it would give in the whole crop."""
    mask = skin_mask(side_px)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))

    def around(places: NDArray[np.intp]) -> slice:
        low, high = int(places[0]) - margin_px, int(places[-1]) + 1 + margin_px
        return slice(max(0, low - low % GRID_PX), min(side_px, high + -high % GRID_PX))

    return around(rows), around(columns)


def _ellipse(side_px: int, ellipse: tuple[float, float, float, float]) -> Plane:
    centre_x, centre_y, half_width, half_height = ellipse
    y, x = (np.mgrid[0:side_px, 0:side_px].astype(np.float32) + 0.5) / side_px
    inside = ((x - centre_x) / half_width) ** 2 + ((y - centre_y) / half_height) ** 2 <= 1
    return np.asarray(inside, np.float32)
