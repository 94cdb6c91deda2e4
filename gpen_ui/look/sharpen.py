"""Unsharp masking on luminance that leaves noise alone and draws no halos."""

from __future__ import annotations

import cv2
import numpy as np

from gpen_ui.look.channels import Pixels, Plane, add_to_channels, luminance, strips
from gpen_ui.look.grain import light_grain, samples

SIGMA_PX = 1.0  # that of the B3 spline, so that the measured grain of the finest band is that of this band
FULL_GAIN = 1.5  # of the band finer than SIGMA_PX, at 100
NOISE_MARGIN = 2.0  # a band's energy counts as detail above that many times the noise's
OVERSHOOT = 0.12  # how far beyond the darkest and lightest neighbour, as a share of their difference
MARGIN_PX = 16


def sharpen(pixels: Pixels, amount: int) -> Pixels:
    """Makes edges and detail crisper; hues stay. Same object at 0.

    Args:
        pixels: (H, W, 3) RGB.
        amount: 0 to 100.
    """
    if amount <= 0:
        return pixels
    (grain,) = light_grain([luminance(part) for part in samples(pixels)], bands=1)
    result = np.empty_like(pixels)
    for write, read, inner in strips(pixels, MARGIN_PX):
        light = luminance(pixels[read])
        change = _sharper(light, FULL_GAIN * amount / 100, grain) - light
        result[write] = add_to_channels(pixels[read], change)[inner]
    return result


def _sharper(light: Plane, gain: float, grain: float) -> Plane:
    band = light - cv2.GaussianBlur(light, (0, 0), SIGMA_PX)
    energy = cv2.GaussianBlur(band * band, (0, 0), 1.5 * SIGMA_PX)
    noise_energy = NOISE_MARGIN * grain**2
    detail = band * np.maximum(0, 1 - noise_energy / np.maximum(energy, 1e-6))
    neighbours = np.ones((3, 3), np.uint8)
    lightest, darkest = cv2.dilate(light, neighbours), cv2.erode(light, neighbours)
    room = OVERSHOOT * (lightest - darkest)
    return np.clip(light + gain * detail, darkest - room, lightest + room)
