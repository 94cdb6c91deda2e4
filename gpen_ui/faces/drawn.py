"""A face that a person has drawn a box around because the detector missed it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpen_ui.choices import Box
from gpen_ui.faces.detect import Detector
from gpen_ui.faces.types import Face

LOOK_SIDE_PX = 160  # the box is brought to this width before the detector looks at it once more
AROUND = 1.0  # of the box's sides shown to the detector on each side of it
LOOK_THRESHOLD = 0.15  # somebody says that a face is there: far less certainty is enough
BOX_ASPECT = 1.28  # height over width of the boxes that the detector gives; median of 58 faces
# Where the five points lie in such a box, as shares of its sides; medians of the same faces, made symmetric.
POINTS_IN_BOX = ((0.265, 0.389), (0.735, 0.389), (0.5, 0.598), (0.312, 0.752), (0.688, 0.752))


def face_in_box(pixels: NDArray[np.uint8], box: Box, detector: Detector) -> Face:
    """The face in a drawn box: where the detector finds it on an enlarged copy, else upright and in the middle.

    Args:
        pixels: (H, W, 3) RGB uint8, the whole photo.
        box: left, top, right, bottom in its pixels; may reach beyond.

    Returns:
        A face with the detector's score, or with score 0 where only the box says that there is one.
    """
    found = _found(pixels, box, detector)
    if found is not None:
        return found
    left, top, right, bottom = box
    centre_x, centre_y = (left + right) / 2, (top + bottom) / 2
    width = min(right - left, (bottom - top) / BOX_ASPECT)
    corner = np.array((centre_x - width / 2, centre_y - BOX_ASPECT * width / 2))
    points = corner + np.array(POINTS_IN_BOX) * (width, BOX_ASPECT * width)
    return Face(box, points.astype(np.float32), 0.0)


def _found(pixels: NDArray[np.uint8], box: Box, detector: Detector) -> Face | None:
    """The surest face whose middle lies in the box and that is about as large."""
    import cv2

    left, top, right, bottom = box
    wide, high = right - left, bottom - top
    x0, y0 = max(0, int(left - AROUND * wide)), max(0, int(top - AROUND * high))
    x1, y1 = min(pixels.shape[1], int(right + AROUND * wide) + 1), min(pixels.shape[0], int(bottom + AROUND * high) + 1)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return None
    scale = LOOK_SIDE_PX / min(wide, high)
    size_wh = (max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale)))
    method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    part = np.asarray(cv2.resize(pixels[y0:y1, x0:x1], size_wh, interpolation=method), np.uint8)
    to_photo = np.array(((x1 - x0) / size_wh[0], (y1 - y0) / size_wh[1]))
    inside = [
        face
        for face in (each.moved(to_photo, (x0, y0)) for each in detector.detect(part, LOOK_THRESHOLD))
        if left <= sum(face.box_xyxy[::2]) / 2 <= right
        and top <= sum(face.box_xyxy[1::2]) / 2 <= bottom
        and 0.4 < face.side_px / min(wide, high) < 2
    ]
    return max(inside, key=lambda face: face.score, default=None)
