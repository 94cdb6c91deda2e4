"""Where a restored crop replaces the photo: a soft shape that follows the face and reaches zero inside the crop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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

# ParseNet's classes: 0 background, 1 skin, 2 nose, 3 glasses, 4 and 5 eyes, 6 and 7 brows, 8 and 9 ears, 10 inside of
# the mouth, 11 and 12 lips, 13 hair, 14 hat, 15 earring, 16 necklace, 17 neck, 18 clothes. It knows no hands, masks and
# microphones and calls them background, hat or clothes. Glasses sit on the face and are restored with it.
SKIN_AND_FEATURES = (1, 2, 3, 4, 5, 6, 7, 10, 11, 12)
HAIR = 13
RESTORED_CLASSES = (*SKIN_AND_FEATURES, 8, 9, HAIR, 15, 16, 17)
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


@dataclass(frozen=True)
class Masker:
    """Where restored crops replace the photo.

    Attributes:
        parse: (S, S, 3) float32 RGB 0..255 -> (H, W) ParseNet class of each pixel; None where ParseNet is not here, so
            that every face gets the same shape.
    """

    parse: Callable[[NDArray[np.float32]], NDArray[np.int64]] | None = None

    def mask(self, restored: NDArray[np.float32], *, keep_occluded: bool) -> Mask:
        """(S, S) 0..1 for one restored crop; it is parsed once."""
        if self.parse is None:
            return shape_mask(len(restored))
        return parsed_mask(self.parse(restored), len(restored), keep_occluded=keep_occluded)


def parsed_mask(classes: NDArray[np.int64], crop_px: int, *, keep_occluded: bool = True) -> Mask:
    """The mask from a parsing of the crop, soft-edged and still zero at the crop's border.

    Args:
        classes: (H, W) ParseNet class of each pixel of the crop.
        keep_occluded: whether what lies in front of the face stays the photo's: everything within the outline of the
            face that is neither face nor jewellery, hair that crosses it included. Hair around the face is restored
            with it either way; a hat, clothes and the background stay the photo's outside the outline.
    """
    import cv2

    restored = np.isin(classes, RESTORED_CLASSES)
    outline = _outline(np.isin(classes, SKIN_AND_FEATURES))
    restored = restored & ~(outline & (classes == HAIR)) if keep_occluded else restored | outline
    kept = restored.astype(np.float32)
    kept = np.asarray(cv2.resize(kept, (crop_px, crop_px), interpolation=cv2.INTER_LINEAR), np.float32)
    sigma_px = PARSED_FEATHER * crop_px
    # Shrunk by the blur's reach first, so that the soft edge lies inside the face and not on the background.
    reach = 2 * round(sigma_px) + 1
    kept = np.asarray(cv2.erode(kept, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))), np.float32)
    kept = np.asarray(cv2.GaussianBlur(kept, (0, 0), sigma_px), np.float32)
    return kept * border_mask(crop_px)


def _outline(face: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The convex hull of (H, W) pixels of the face; strays of a few pixels do not count."""
    import cv2

    side = 1 + 2 * (len(face) // 128)
    solid = cv2.morphologyEx(face.astype(np.uint8), cv2.MORPH_OPEN, np.ones((side, side), np.uint8))
    points = cv2.findNonZero(solid)
    hull = np.zeros(face.shape, np.uint8)
    if points is not None:
        cv2.fillConvexPoly(hull, cv2.convexHull(points), 1)
    return hull > 0


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
