"""A second look for small faces: a large photo once more in overlapping pieces, less reduced or enlarged.

The first look sees a photo reduced to 1280 px (`detect.py`), where a face of 48 px in 24 megapixels is 10 px wide and
lost. What is found twice is one face. Which look has the say depends on how wide the face was in the first one: from
`SEEN_WELL_PX` on the first, which saw it whole in its surroundings; below that the second, which saw it larger.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpen_ui.faces.anchors import merge, merge_by_rank
from gpen_ui.faces.detect import LONG_SIDE_PX, Detector
from gpen_ui.faces.types import Face
from gpen_ui.options import SecondLook

SEEN_WELL_PX = 32.0  # width from which 96 % of faces are found, benchmarks/second_look.py; at 24 px it is 82 %
LONGEST_PIECE_PX = 1664  # side of what the network sees at once; smaller ones overlap more, larger ones gain nothing
BOX_HEIGHT = 1.3  # of a face's box over its width, rounded up
CONTEXT_PX = 16  # that a face shall have around it in a piece
SLACK = 1.15  # so much wider than by SEEN_WELL_PX may a find of the second look be: the two never measure alike

# How much finer the second look must be to be worth its time, and how many pixels it may look at.
LEAST_GAIN: dict[SecondLook, float] = {"auto": 1.5, "always": 1.2}
MOST_PIXELS: dict[SecondLook, float] = {"auto": 25e6, "always": 100e6}
LARGEST_SCALE: dict[SecondLook, float] = {"auto": 1.0, "always": 4.0}


def detect_twice(
    detector: Detector, pixels: NDArray[np.uint8], threshold: float, second_look: SecondLook, smallest_px: float
) -> list[Face]:
    """Faces of a photo (H, W, 3) RGB uint8, left to right, each once.

    Args:
        threshold: least certainty of a face, in both looks.
        second_look: "off" is `detector.detect` and nothing else.
        smallest_px: width of the smallest faces that matter; what is smaller is not looked for.
    """
    first = detector.detect(pixels, threshold)
    width, height = pixels.shape[1], pixels.shape[0]
    scale = second_scale((width, height), second_look, smallest_px)
    if scale is None:
        return first
    limit_px = SEEN_WELL_PX / first_scale((width, height))
    second = [
        face
        for piece in pieces((width, height), scale, limit_px)
        for face in _found_in(piece, detector, pixels, threshold, scale)
        if face.side_px <= SLACK * limit_px
    ]
    large = [face for face in first if face.side_px >= limit_px]
    small = [face for face in first if face.side_px < limit_px]
    return merge_by_rank(large, merge(second), small)


def first_scale(size_wh: tuple[int, int]) -> float:
    """What the first look reduces a photo by: the size that it sees over that of the photo."""
    return min(1.0, LONG_SIDE_PX / max(size_wh))


def second_scale(size_wh: tuple[int, int], second_look: SecondLook, smallest_px: float) -> float | None:
    """The size at which the second look sees a photo over the photo's own, or None where none is worth while.

    As fine as the smallest faces that matter need it (`SEEN_WELL_PX`); "auto" never enlarges.
    """
    if second_look == "off":
        return None
    wanted = min(LARGEST_SCALE[second_look], SEEN_WELL_PX / smallest_px)
    affordable = math.sqrt(MOST_PIXELS[second_look] / (size_wh[0] * size_wh[1]))
    scale = min(wanted, affordable)
    return scale if scale > LEAST_GAIN[second_look] * first_scale(size_wh) else None


@dataclass(frozen=True)
class Span:
    """A piece along one axis, in pixels of the photo: what is seen, and the part whose faces count."""

    start: int
    stop: int
    from_px: float
    to_px: float


def pieces(size_wh: tuple[int, int], scale: float, largest_px: float) -> Iterator[tuple[Span, Span]]:
    """The fewest pieces of about one size that cover a photo, as (column, row).

    Their overlap is such that each face up to `largest_px` lies whole, and with something around it, in the piece in
    whose own part its middle is.
    """
    overlap_px = math.ceil(BOX_HEIGHT * SLACK * largest_px + 2 * CONTEXT_PX / scale)
    columns, rows = (_spans(length, LONGEST_PIECE_PX / scale, overlap_px) for length in size_wh)
    return ((column, row) for row in rows for column in columns)


def _spans(length: int, longest_px: float, overlap_px: int) -> list[Span]:
    longest_px = max(longest_px, 2 * overlap_px)
    count = max(1, math.ceil((length - overlap_px) / (longest_px - overlap_px)))
    side = min(length, math.ceil((length + (count - 1) * overlap_px) / count))
    starts = [round(place * (length - side) / max(1, count - 1)) for place in range(count)]
    borders = [(start + side + after) / 2 for start, after in itertools.pairwise(starts)]
    return [
        Span(start, start + side, from_px, to_px)
        for start, from_px, to_px in zip(starts, [-math.inf, *borders], [*borders, math.inf], strict=True)
    ]


def _found_in(
    piece: tuple[Span, Span], detector: Detector, pixels: NDArray[np.uint8], threshold: float, scale: float
) -> Sequence[Face]:
    """The faces of one piece whose middle lies in its own part, in the photo's coordinates."""
    import cv2

    column, row = piece
    part = pixels[row.start : row.stop, column.start : column.stop]
    height, width = part.shape[:2]
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    if size_wh != (width, height):
        method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
        part = np.asarray(cv2.resize(part, size_wh, interpolation=method), np.uint8)
    to_photo = np.array((width / size_wh[0], height / size_wh[1]))
    faces = (face.moved(to_photo, (column.start, row.start)) for face in detector.detect_piece(part, threshold))
    slack_px = CONTEXT_PX / (2 * scale)  # two pieces do not put a face's middle at quite the same place
    return [face for face in faces if _owns(column, face, 0, slack_px) and _owns(row, face, 1, slack_px)]


def _owns(span: Span, face: Face, axis: int, slack_px: float) -> bool:
    middle = (face.box_xyxy[axis] + face.box_xyxy[axis + 2]) / 2
    return span.from_px - slack_px <= middle <= span.to_px + slack_px
