"""Takes the grain out of a photo and leaves its edges.

Luminance and the two colour differences are taken apart into wavelet bands, and each band keeps what stands above the
grain there (Wiener's weight, local energy over noise). How much grain there is in each band is measured in the photo:
a clean one stays nearly as it is.
"""

from __future__ import annotations

import cv2
import numpy as np

from gpen_ui.look.channels import LUMA_WEIGHTS, Pixels, Plane, add_to_channels, in_levels, is_gray, luminance, strips
from gpen_ui.look.grain import colour_grain, halved, light_grain, samples, split

LIGHT_BANDS = 3
COLOUR_BANDS = 4  # colour noise is blotchy, and the eye does not miss colour detail
FULL_AMOUNT = 50  # here the grain is taken for what it was measured to be; at 100 for twice as much
WIENER_MARGIN = 1.3  # of the noise energy; above 1 because local energy is itself uncertain. Best PSNR of 1, 1.3, 1.6
COLOUR_EXCESS = 1.5  # colour noise is taken for that much more than measured
MARGIN_PX = 64  # as far as the widest band reaches


def denoise(pixels: Pixels, amount: int) -> Pixels:
    """Removes noise from light and colour. Same object at 0.

    Args:
        pixels: (H, W, 3) RGB.
        amount: 0 to 100.
    """
    if amount <= 0:
        return pixels
    grain = [[amount / FULL_AMOUNT * each for each in band] for band in _measure(pixels)]
    result = np.empty_like(pixels)
    for write, read, inner in strips(pixels, MARGIN_PX):
        result[write] = _denoise_strip(pixels[read], grain)[inner]
    return result


def _measure(pixels: Pixels) -> list[list[float]]:
    """Deviations of the grain per band: of luminance, and for a coloured photo of the two colour differences."""
    grain = [light_grain([luminance(part) for part in samples(pixels)], LIGHT_BANDS)]
    if not is_gray(pixels):
        parts = [_colour_differences(part) for part in samples(pixels)]
        for plane_parts in zip(*parts, strict=True):
            measured = colour_grain(list(plane_parts), COLOUR_BANDS, light_finest=grain[0][0])
            grain.append([COLOUR_EXCESS * each for each in measured])
    return grain


def _denoise_strip(pixels: Pixels, grain: list[list[float]]) -> Pixels:
    light = luminance(pixels)
    light_change = _shrink(light, grain[0]) - light
    if len(grain) == 1:
        return add_to_channels(pixels, light_change)
    red_change, blue_change = (
        _shrink_colour(plane, deviations) - plane
        for plane, deviations in zip(_colour_differences(pixels), grain[1:], strict=True)
    )
    red, green, blue = LUMA_WEIGHTS[0]
    green_change = -(red * red_change + blue * blue_change) / green  # so that luminance does not move
    return add_to_channels(pixels, *(light_change + change for change in (red_change, green_change, blue_change)))


def _colour_differences(pixels: Pixels) -> tuple[Plane, Plane]:
    """Red and blue less luminance, each (H, W), in levels."""
    light = luminance(pixels)
    return in_levels(pixels[..., 0]) - light, in_levels(pixels[..., 2]) - light


def _shrink(plane: Plane, deviations: list[float]) -> Plane:
    """Wiener shrinkage of (H, W) in as many bands as there are deviations of the grain."""
    kept = np.zeros_like(plane)
    for band, deviation in enumerate(deviations):
        detail, plane = split(plane, 2**band)
        kept += _above(detail, deviation, 2**band + 0.5)
    return kept + plane


def _shrink_colour(plane: Plane, deviations: list[float]) -> Plane:
    """The same for a colour difference; all bands but the first at half the size, at less than half the cost."""
    detail, smooth = split(plane, 1)
    half = halved(smooth)
    change = _shrink(half, deviations[1:]) - half
    height, width = plane.shape
    wide = cv2.resize(change, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(_above(detail, deviations[0], 1.5) + smooth + wide, np.float32)


def _above(detail: Plane, deviation: float, window_px: float) -> Plane:
    """What of a band stands above grain of this deviation."""
    energy = cv2.GaussianBlur(detail * detail, (0, 0), window_px)
    weight = np.maximum(0, 1 - WIENER_MARGIN * deviation**2 / np.maximum(energy, 1e-6))
    return np.asarray(detail * weight, np.float32)
