"""Changing the size of a photo: Lanczos up, area average down."""

from __future__ import annotations

import cv2
import numpy as np

from gpen_ui.look.channels import Pixels


def enlarge(pixels: Pixels, scale: int) -> Pixels:
    """Enlarges `scale` times with Lanczos (eight taps). Same object at 1.

    Args:
        pixels: (H, W, 3) RGB.
        scale: a whole number, 1 or more.

    Returns:
        (H * scale, W * scale, 3).
    """
    return _times(pixels, scale)


def enlarge_plane(plane: Pixels, scale: int) -> Pixels:
    """Enlarges one plane, for example alpha, (H, W), just as `enlarge` does the photo it belongs to."""
    return _times(plane, scale)


def reduce_long_edge(pixels: Pixels, long_edge_px: int) -> Pixels:
    """Makes the longer side at most `long_edge_px` by area averages, proportions kept.

    Args:
        pixels: (H, W, 3) RGB or one (H, W) plane.
        long_edge_px: 0 for "off".

    Returns:
        The same object when it is off or the photo is small enough; no side becomes less than one pixel.
    """
    height, width = pixels.shape[:2]
    size_wh = reduced_size((width, height), long_edge_px)
    if size_wh == (width, height):
        return pixels
    return np.asarray(cv2.resize(pixels, size_wh, interpolation=cv2.INTER_AREA), pixels.dtype)


def reduced_size(size_wh: tuple[int, int], long_edge_px: int) -> tuple[int, int]:
    """Width and height that `reduce_long_edge` leaves of a photo."""
    width, height = size_wh
    longest = max(size_wh)
    if long_edge_px <= 0 or longest <= long_edge_px:
        return size_wh
    return max(1, round(width * long_edge_px / longest)), max(1, round(height * long_edge_px / longest))


def resize(pixels: Pixels, size_wh: tuple[int, int]) -> Pixels:
    """Enlarges to a given size with Lanczos, for comparing pictures; (H, W, 3) or (H, W). Same object when it fits."""
    height, width = pixels.shape[:2]
    if (width, height) == size_wh:
        return pixels
    return np.asarray(cv2.resize(pixels, size_wh, interpolation=cv2.INTER_LANCZOS4), pixels.dtype)


def _times(pixels: Pixels, scale: int) -> Pixels:
    height, width = pixels.shape[:2]
    return resize(pixels, (width * scale, height * scale))
