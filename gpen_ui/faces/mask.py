"""Where a restored crop replaces the photo: a soft shape that follows the face and reaches zero inside the crop."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.float32]

# The face on GPEN's template: from above the brows' hairline to below the chin, ears included (shares of the side).
CENTRE_XY = (0.5, 0.52)
RADII_XY = (0.43, 0.465)
ROUNDNESS = 2.5  # exponent of the superellipse: 2 is an ellipse, large values a rectangle
FEATHER = 0.38  # share of the radius over which the mask falls from one to zero

# ParseNet's classes that are face or belong to it; 0 background, 14 hat and 18 clothes stay the photo's.
KEPT_CLASSES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17)
PARSED_FEATHER = 0.02  # sigma of the blur of a parsed mask, share of the side


@lru_cache(maxsize=8)
def shape_mask(crop_px: int) -> Mask:
    """(crop_px, crop_px) 0..1: a superellipse with a smooth fall, the same for every aligned face; read-only."""
    at = (np.arange(crop_px, dtype=np.float32) + 0.5) / crop_px
    x = np.abs(at - CENTRE_XY[0]) / RADII_XY[0]
    y = np.abs(at - CENTRE_XY[1]) / RADII_XY[1]
    radius = (x[None, :] ** ROUNDNESS + y[:, None] ** ROUNDNESS) ** (1 / ROUNDNESS)
    mask = smoothstep((1 - radius) / FEATHER).astype(np.float32)
    mask.flags.writeable = False
    return mask


def parsed_mask(classes: NDArray[np.int64], crop_px: int) -> Mask:
    """The mask from a parsing of the crop, soft-edged and still zero at the crop's border.

    Args:
        classes: (H, W) ParseNet class of each pixel of the crop.
    """
    import cv2

    kept = np.isin(classes, KEPT_CLASSES).astype(np.float32)
    kept = np.asarray(cv2.resize(kept, (crop_px, crop_px), interpolation=cv2.INTER_LINEAR), np.float32)
    sigma_px = PARSED_FEATHER * crop_px
    # Shrunk by the blur's reach first, so that the soft edge lies inside the face and not on the background.
    reach = 2 * round(sigma_px) + 1
    kept = np.asarray(cv2.erode(kept, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))), np.float32)
    kept = np.asarray(cv2.GaussianBlur(kept, (0, 0), sigma_px), np.float32)
    return kept * border_mask(crop_px)


@lru_cache(maxsize=8)
def border_mask(crop_px: int) -> Mask:
    """(crop_px, crop_px) one inside, falling smoothly to exactly zero over the outer twelfth of the crop."""
    at = np.arange(crop_px, dtype=np.float32) / (crop_px - 1)
    edge = smoothstep(np.minimum(at, 1 - at) * 12)
    return np.minimum(edge[None, :], edge[:, None]).astype(np.float32)


def smoothstep(x: NDArray[Any]) -> NDArray[np.float32]:
    """0 below 0, 1 above 1, with a level tangent at both ends."""
    t = np.clip(x, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)
