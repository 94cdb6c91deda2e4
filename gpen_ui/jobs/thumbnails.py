"""Small pictures of a photo before and after, for reports and tables."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from gpen_ui.jobs.rows import Thumbnail
from gpen_ui.photo import Photo, small_jpeg

if TYPE_CHECKING:
    from gpen_ui.engine.results import RestoredPhoto

LONG_EDGE_PX = 200
FACE_MARGIN = 0.35  # of the face's box, added on each side
FACE_SHARE = 0.45  # of the photo's shorter side; a face that fills more is seen well enough in the whole photo


def thumbnails_of(restored: RestoredPhoto) -> dict[Thumbnail, bytes]:
    """The whole photo and its largest restored face, before and after, as far as there are any."""
    pictures: dict[Thumbnail, bytes] = {}
    if restored.original is not None:
        pictures["before"] = small_jpeg(restored.original, LONG_EDGE_PX)
    if restored.photo is None or restored.original is None:
        return pictures
    pictures["after"] = small_jpeg(restored.photo, LONG_EDGE_PX)
    boxes = [face.box_xyxy for face in restored.faces if face.state == "restored"]
    if boxes:
        box = max(boxes, key=lambda each: (each[2] - each[0]) * (each[3] - each[1]))
        if max(box[2] - box[0], box[3] - box[1]) < FACE_SHARE * min(restored.photo.size_wh):
            shrink = restored.original.size_wh[0] / restored.photo.size_wh[0]
            before = tuple(edge * shrink for edge in box)
            pictures["face_before"] = small_jpeg(_part(restored.original, before), LONG_EDGE_PX)
            pictures["face_after"] = small_jpeg(_part(restored.photo, box), LONG_EDGE_PX)
    return pictures


def _part(photo: Photo, box_xyxy: tuple[float, ...]) -> Photo:
    """The photo around a box, as far as it reaches."""
    left, top, right, bottom = box_xyxy
    width, height = photo.size_wh
    margin = FACE_MARGIN * max(right - left, bottom - top)
    x0, y0 = max(0, round(left - margin)), max(0, round(top - margin))
    x1, y1 = min(width, round(right + margin)), min(height, round(bottom + margin))
    if x1 <= x0 or y1 <= y0:
        return photo
    alpha = None if photo.alpha is None else photo.alpha[y0:y1, x0:x1]
    return dataclasses.replace(photo, pixels=photo.pixels[y0:y1, x0:x1], alpha=alpha)
