"""Brightness and contrast: one curve, applied to each channel through one table of all its values.

The curve works on the log-odds of a level x in 0..1, ln(x / (1 - x)): brightness adds to it, contrast multiplies it.
So black stays black, white stays white, nothing clips, and equal channels stay equal. Flattening (negative contrast)
is linear around mid grey instead, which lifts black and lowers white as a faded print does.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from gpen_ui.look.channels import Pixels

FULL_BRIGHTNESS = 3.0  # at +100 the odds of a level are three times as high: mid grey becomes 0.75
FULL_CONTRAST_SLOPE = 2.5  # slope of the curve at mid grey at +100
FLATTEST_SLOPE = 0.2  # and at -100


def adjust_contrast(pixels: Pixels, amount: int) -> Pixels:
    """More (positive) or less contrast around mid grey. Same object at 0.

    Args:
        pixels: (H, W, 3) RGB.
        amount: -100 to 100.
    """
    return adjust_tone(pixels, contrast=amount, brightness=0)


def adjust_brightness(pixels: Pixels, amount: int) -> Pixels:
    """Lighter (positive) or darker; black and white stay. Same object at 0.

    Args:
        pixels: (H, W, 3) RGB.
        amount: -100 to 100.
    """
    return adjust_tone(pixels, contrast=0, brightness=amount)


def adjust_tone(pixels: Pixels, contrast: int, brightness: int) -> Pixels:
    """Brightness, then contrast, in one pass. Same object when both are 0.

    Args:
        pixels: (H, W, 3) RGB.
        contrast, brightness: -100 to 100.
    """
    if contrast == 0 and brightness == 0:
        return pixels
    if pixels.dtype == np.uint16:
        return tone_table(contrast, brightness, np.uint16)[pixels]
    return np.asarray(cv2.LUT(pixels, tone_table(contrast, brightness)), np.uint8)


def tone_table(
    contrast: int, brightness: int, depth: type[np.uint8 | np.uint16] = np.uint8
) -> NDArray[np.uint8 | np.uint16]:
    """The curve as (256,) uint8 or (65536,) uint16, rising, for contrast and brightness of -100 to 100."""
    top = np.iinfo(depth).max
    level = np.arange(top + 1) / top
    odds_factor = FULL_BRIGHTNESS ** (brightness / 100)
    level = np.clip(level * odds_factor / (level * odds_factor + 1 - level), 0, 1)  # rounding must not leave 0..1
    if contrast > 0:
        slope = 1 + (FULL_CONTRAST_SLOPE - 1) * contrast / 100
        level = level**slope / (level**slope + (1 - level) ** slope)
    elif contrast < 0:
        slope = 1 + (1 - FLATTEST_SLOPE) * contrast / 100
        level = 0.5 + (level - 0.5) * slope
    return np.asarray(np.rint(level * top), depth)
