"""RetinaFace's raw numbers -> faces: anchors, decoding, and removal of double finds.

Deng et al., "RetinaFace: Single-stage Dense Face Localisation in the Wild", CVPR 2020; the anchor table and the
variances 0.1 and 0.2 are those of the public PyTorch models, which both of our detectors follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gpen_ui.faces.types import Face

Floats = NDArray[np.float32]

STRIDES_PX = (8, 16, 32)
ANCHOR_SIDES_PX = ((16, 32), (64, 128), (256, 512))
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2
SAME_FACE_IOU = 0.4  # two boxes that share more than this are one face
SAME_FACE_INSIDE = 0.7  # ... or when this share of the smaller box lies inside the larger


@lru_cache(maxsize=8)  # photos come in few sizes; a megabyte for the larger look
def anchors(width_px: int, height_px: int) -> Floats:
    """Centres and sides of all anchors: (A, 3) x, y, side in pixels, ordered as the networks' outputs; read-only."""
    rows = []
    for stride, sides in zip(STRIDES_PX, ANCHOR_SIDES_PX, strict=True):
        y, x, side = np.meshgrid(
            (np.arange(-(-height_px // stride)) + 0.5) * stride,
            (np.arange(-(-width_px // stride)) + 0.5) * stride,
            np.array(sides, np.float32),
            indexing="ij",
        )
        rows.append(np.stack((x, y, side), axis=-1).reshape(-1, 3))
    table = np.concatenate(rows).astype(np.float32)
    table.flags.writeable = False
    return table


def decode(
    boxes: Floats, scores: Floats, points: Floats, image_wh: tuple[int, int], threshold: float, scale: float
) -> list[Face]:
    """Faces above the threshold, double finds included.

    Args:
        boxes, points: (A, 4) and (A, 10), the network's offsets from its anchors.
        scores: (A,) certainty that the anchor holds a face.
        image_wh: size of the image the network saw.
        scale: that image's size over the photo's; results are in pixels of the photo.
    """
    sure = np.flatnonzero(scores >= threshold)
    base = anchors(*image_wh)[sure]
    centre, side = base[:, :2], base[:, 2:]
    middle = centre + boxes[sure, :2] * CENTRE_VARIANCE * side
    half = side * np.exp(boxes[sure, 2:] * SIZE_VARIANCE) / 2
    corners = np.concatenate((middle - half, middle + half), axis=1) / scale
    marks = centre[:, None] + points[sure].reshape(-1, 5, 2) * CENTRE_VARIANCE * side[:, None]
    marks /= scale
    return [
        Face((float(c[0]), float(c[1]), float(c[2]), float(c[3])), m.astype(np.float32), float(s))
        for c, m, s in zip(corners, marks, scores[sure], strict=True)
    ]


def merge(faces: Sequence[Face]) -> list[Face]:
    """Keeps the surest of each group of boxes that cover one face, then sorts left to right."""
    return merge_by_rank(sorted(faces, key=lambda each: -each.score))


def merge_by_rank(*ranks: Sequence[Face]) -> list[Face]:
    """Keeps the first of each group of boxes that cover one face, an earlier rank before a later one, then sorts left
    to right."""
    kept: list[Face] = []
    for face in (face for rank in ranks for face in rank):
        if not any(_same(face, other) for other in kept):
            kept.append(face)
    return sorted(kept, key=lambda each: each.box_xyxy[0])


def _same(a: Face, b: Face) -> bool:
    ax0, ay0, ax1, ay1 = a.box_xyxy
    bx0, by0, bx1, by1 = b.box_xyxy
    shared = max(0.0, min(ax1, bx1) - max(ax0, bx0)) * max(0.0, min(ay1, by1) - max(ay0, by0))
    area_a, area_b = (ax1 - ax0) * (ay1 - ay0), (bx1 - bx0) * (by1 - by0)
    return shared > SAME_FACE_IOU * (area_a + area_b - shared) or shared > SAME_FACE_INSIDE * min(area_a, area_b)
