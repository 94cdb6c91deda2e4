"""Takes the grain out of a photo and leaves its edges.

Luminance and the two colour differences are taken apart into bands (undecimated B3-spline wavelet, "à trous"; Starck
and Murtagh, "Astronomical Image and Data Analysis", 2002), and each band keeps what stands above the noise there
(Wiener's weight, local energy over noise). How much noise there is, is measured in the photo: a clean one stays nearly
as it is.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from gpen_ui.look.channels import LUMA_WEIGHTS, Pixels, Plane, add_to_channels, in_levels, is_gray, luminance, strips
from gpen_ui.look.noise import estimate_noise

B3_SPLINE = np.array([1, 4, 6, 4, 1], np.float32) / 16
WHITE_NOISE_PER_BAND = (0.8908, 0.2007, 0.0856, 0.0413)  # deviation of unit white noise in each band, B3 spline in 2-D
LUMINANCE_BANDS = 3
COLOUR_BANDS = 4  # colour noise is blotchy, and the eye does not miss colour detail
FULL_AMOUNT = 50  # here the noise is taken for what it was measured to be; at 100 for twice as much
WIENER_MARGIN = 1.3  # of the noise energy; above 1 because local energy is itself uncertain. Best PSNR of 1, 1.3, 1.6
COLOUR_EXCESS = 1.5  # colour noise is taken for that much more than measured
MID_GRAY = 128
MARGIN_PX = 64  # as far as the widest band reaches


def denoise(pixels: Pixels, amount: int) -> Pixels:
    """Removes noise from light and colour. Same object at 0.

    Args:
        pixels: (H, W, 3) RGB.
        amount: 0 to 100.
    """
    if amount <= 0:
        return pixels
    assumed = amount / FULL_AMOUNT
    gray = is_gray(pixels)
    deviations = [assumed * estimate_noise(luminance(pixels))]
    if not gray:
        # Around mid grey, since the estimate leaves out what is cut off at black or white.
        planes = (plane + MID_GRAY for plane in _colour_differences(pixels))
        deviations += [assumed * COLOUR_EXCESS * estimate_noise(plane) for plane in planes]
    result = np.empty_like(pixels)
    for write, read, inner in strips(pixels, MARGIN_PX):
        result[write] = _denoise_strip(pixels[read], deviations)[inner]
    return result


def _denoise_strip(pixels: Pixels, deviations: list[float]) -> Pixels:
    light = luminance(pixels)
    change_light = _shrink(light, deviations[0], LUMINANCE_BANDS) - light
    if len(deviations) == 1:
        return add_to_channels(pixels, change_light)
    red_change, blue_change = (
        _shrink(plane, deviation, COLOUR_BANDS) - plane
        for plane, deviation in zip(_colour_differences(pixels), deviations[1:], strict=True)
    )
    red, green, blue = LUMA_WEIGHTS[0]
    green_change = -(red * red_change + blue * blue_change) / green  # so that luminance does not move
    return add_to_channels(pixels, *(change_light + change for change in (red_change, green_change, blue_change)))


def _colour_differences(pixels: Pixels) -> tuple[Plane, Plane]:
    """Red and blue less luminance, each (H, W), in levels."""
    light = luminance(pixels)
    return in_levels(pixels[..., 0]) - light, in_levels(pixels[..., 2]) - light


def _shrink(plane: Plane, deviation: float, bands: int) -> Plane:
    """Wiener shrinkage of (H, W) in `bands` wavelet bands against white noise of this deviation."""
    kept = np.zeros_like(plane)
    for band in range(bands):
        step_px = 2**band
        kernel = _spread(step_px)
        smooth = cv2.sepFilter2D(plane, cv2.CV_32F, kernel, kernel, borderType=cv2.BORDER_REFLECT_101)
        detail = plane - smooth
        energy = cv2.GaussianBlur(detail * detail, (0, 0), step_px + 0.5)
        noise_energy = WIENER_MARGIN * (deviation * WHITE_NOISE_PER_BAND[band]) ** 2
        kept += detail * np.maximum(0, 1 - noise_energy / np.maximum(energy, 1e-6))
        plane = np.asarray(smooth, np.float32)
    return kept + plane


def _spread(step_px: int) -> NDArray[np.float32]:
    """The spline with its taps `step_px` apart."""
    kernel = np.zeros(4 * step_px + 1, np.float32)
    kernel[::step_px] = B3_SPLINE
    return kernel
