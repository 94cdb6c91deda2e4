"""A closer look at large finds that the detector is not sure of: is it a face at other sizes, too?

In a photo out of focus, a collar, a body or a bush passes for a face where it happens to have the size that the network
looks for. A face is one at every size. Measured in docs/faces.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from gpen_ui.choices import overlap
from gpen_ui.faces.anchors import SAME_FACE_IOU, merge
from gpen_ui.faces.types import Face

SURE = 0.97  # from this certainty on a find needs no second opinion
LARGE_PX = 128  # width in the look; smaller finds are doubtful at other sizes even where they are faces
WIDTHS_PX = (64, 96, 140, 200)  # that the find is brought to
AROUND = 1.0  # of its longer side, on each side, that is seen with it
LEAST_CERTAINTY = 0.03  # at the best of these sizes: real faces that are hard to see have 0.04 and more

Picture = NDArray[np.uint8]
Search = Callable[[Picture, float], Sequence[Face]]  # (picture, threshold) -> finds in its pixels, double ones included


def merge_confirmed(found: Sequence[Face], picture: Picture, scale: float, search: Search) -> list[Face]:
    """Each face once, left to right, without the large and doubtful finds that no other size confirms.

    Args:
        found: double finds included, in pixels of the photo.
        picture: (H, W, 3) the photo as it was looked at.
        scale: its size over the photo's.
        search: the detector, for one picture as large as it is.
    """
    while True:
        kept = merge(found)
        refused = [face for face in kept if _doubtful(face, scale) and not _stands(face, picture, scale, search)]
        if not refused:
            return kept
        found = [face for face in found if not (_doubtful(face, scale) and any(_alike(face, bad) for bad in refused))]


def _doubtful(face: Face, scale: float) -> bool:
    return face.score < SURE and face.side_px * scale >= LARGE_PX


def _alike(a: Face, b: Face) -> bool:
    return overlap(a.box_xyxy, b.box_xyxy) > SAME_FACE_IOU


def _stands(face: Face, picture: Picture, scale: float, search: Search) -> bool:
    """Whether the find is one at any of the other sizes."""
    import cv2

    left, top, right, bottom = (edge * scale for edge in face.box_xyxy)
    reach = max(right - left, bottom - top) * (0.5 + AROUND)
    x, y = (left + right) / 2, (top + bottom) / 2
    x0, y0 = max(0, round(x - reach)), max(0, round(y - reach))
    part = picture[y0 : max(y0 + 1, round(y + reach)), x0 : max(x0 + 1, round(x + reach))]
    for width_px in WIDTHS_PX:
        factor = width_px / (right - left)
        size_wh = (max(1, round(part.shape[1] * factor)), max(1, round(part.shape[0] * factor)))
        method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        seen = np.asarray(cv2.resize(part, size_wh, interpolation=method), np.uint8)
        to_photo = np.array((part.shape[1] / size_wh[0], part.shape[0] / size_wh[1])) / scale
        corner_xy = (x0 / scale, y0 / scale)
        if any(_alike(other.moved(to_photo, corner_xy), face) for other in search(seen, LEAST_CERTAINTY)):
            return True
    return False
