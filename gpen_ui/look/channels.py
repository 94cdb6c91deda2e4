"""Luminance and colour of pixels, so that every adjustment treats a gray photo as exactly that.

Adjustments of light work on luminance and add one and the same change to the three channels: gray stays gray and no
hue turns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8 | np.uint16]
Plane = NDArray[np.float32]
Crop = NDArray[np.float32]

LUMA_WEIGHTS = np.array([[0.299, 0.587, 0.114]], np.float32)  # of R, G, B: ITU-R BT.601, as JPEG and OpenCV have it
STRIP_PIXELS = 4_000_000  # what one strip of a large photo holds: about 16 MB for each float plane


def luminance(pixels: NDArray[Any]) -> Plane:
    """BT.601 luma of (H, W, 3) RGB, (H, W) float32: in levels of 0 to 255 for whole numbers of either depth, in their
    own units for float32."""
    plane = np.empty(pixels.shape[:2], pixels.dtype)
    if pixels.dtype == np.uint8:
        cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY, dst=plane)
        return plane.astype(np.float32)
    cv2.transform(pixels, LUMA_WEIGHTS, dst=plane)
    return in_levels(plane) if pixels.dtype == np.uint16 else np.asarray(plane, np.float32)


def is_gray(pixels: NDArray[Any]) -> bool:
    """Whether the three channels of (H, W, 3) are exactly the same. Quick for a coloured photo: one row tells."""
    rows = pixels.shape[0]
    for part in (pixels[rows // 2 : rows // 2 + 1], pixels):
        red = part[..., 0]
        if not (np.array_equal(red, part[..., 1]) and np.array_equal(red, part[..., 2])):
            return False
    return True


def in_levels(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Pixels of either depth in levels of 0 to 255, fractions kept; a new array."""
    levels = pixels.astype(np.float32)
    level = level_of(pixels)
    return levels if level == 1 else np.divide(levels, np.float32(level), out=levels)


def level_of(pixels: NDArray[Any]) -> int:
    """What one level of 0 to 255 is in the pixels' own numbers: 1 in eight bits, 257 in sixteen."""
    return int(np.iinfo(pixels.dtype).max) // 255


def in_channels(plane: Plane) -> NDArray[np.float32]:
    """(H, W) three times, (H, W, 3), for arithmetic with pixels."""
    return np.asarray(cv2.merge((plane, plane, plane), np.empty((*plane.shape, 3), np.float32)), np.float32)


def add_to_channels(pixels: Pixels, *changes: Plane) -> Pixels:
    """Adds changes in levels, one (H, W) for all channels or one for each, to (H, W, 3); rounds and saturates."""
    deep = pixels.dtype == np.uint16
    whole: type[np.integer[Any]] = np.int32 if deep else np.int16
    rounded = [np.rint(change * level_of(pixels)).astype(whole) for change in changes]
    merged = cv2.merge(rounded * 3 if len(rounded) == 1 else rounded)
    return np.asarray(cv2.add(pixels, merged, dtype=cv2.CV_16U if deep else cv2.CV_8U), pixels.dtype)


def strips(pixels: Pixels, margin_px: int) -> Iterator[tuple[slice, slice, slice]]:
    """Cuts a photo into strips of whole rows so that filters need bounded memory.

    Yields:
        rows to write; the same rows with up to `margin_px` more on both sides, to read; and where the rows to write
        lie inside those that are read.
    """
    height, width = pixels.shape[:2]
    rows_per_strip = max(64, STRIP_PIXELS // max(width, 1))
    for top in range(0, height, rows_per_strip):
        bottom = min(top + rows_per_strip, height)
        read_top, read_bottom = max(0, top - margin_px), min(height, bottom + margin_px)
        yield slice(top, bottom), slice(read_top, read_bottom), slice(top - read_top, bottom - read_top)
