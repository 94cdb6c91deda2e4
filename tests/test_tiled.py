"""The second look: pieces that cover a photo, small faces found once and at their place, and nothing else changed."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpen_ui.choices import overlap
from gpen_ui.faces import Detector, Face, detect_twice, small_detector
from gpen_ui.faces.tiled import LONGEST_PIECE_PX, first_scale, pieces, second_scale
from gpen_ui.options import SecondLook
from tests import pictures

FACE_PX = 48
SIDE_PX = 4200  # the first look reduces a face of 48 px to 15 px


@pytest.fixture(scope="module")
def detector() -> Detector:
    return small_detector(1)


class Counting:
    """Finds what the detector finds, and counts the looks."""

    name = "counting"

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self.pieces: list[tuple[int, int]] = []

    def detect(self, pixels: np.ndarray, threshold: float) -> list[Face]:
        return self.detector.detect(pixels, threshold)

    def detect_piece(self, pixels: np.ndarray, threshold: float) -> list[Face]:
        self.pieces.append((pixels.shape[1], pixels.shape[0]))
        return self.detector.detect_piece(pixels, threshold)


class Blind(Counting):
    """Sees no face, in no time."""

    def detect(self, pixels: np.ndarray, threshold: float) -> list[Face]:
        return []

    def detect_piece(self, pixels: np.ndarray, threshold: float) -> list[Face]:
        self.pieces.append((pixels.shape[1], pixels.shape[0]))
        return []


def head(face_px: float) -> np.ndarray:
    """The astronaut's head; the detector's box is about this wide."""
    part = pictures.astronaut()[20:240, 120:340]
    side = round(220 * face_px / 76)
    return cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA)


def wide_photo(width: int, height: int, places: list[tuple[int, int]], face_px: float = FACE_PX) -> np.ndarray:
    """Gray paper with heads whose middles lie at the places."""
    photo = np.full((height, width, 3), 128, np.uint8)
    small = head(face_px)
    for x, y in places:
        top, left = y - len(small) // 2, x - len(small) // 2
        photo[top : top + len(small), left : left + len(small)] = small
    return photo


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 16000),
    height=st.integers(1, 9000),
    scale=st.sampled_from([0.5, 0.72, 1.0, 1.33, 4.0]),
    largest=st.floats(8, 400),
)
def test_pieces_cover_the_photo_and_each_face_lies_whole_in_its_own(
    width: int, height: int, scale: float, largest: float
) -> None:
    for axis, length in enumerate((width, height)):
        spans = list(dict.fromkeys(piece[axis] for piece in pieces((width, height), scale, largest)))
        assert spans[0].start == 0 and spans[-1].stop == length
        for before, after in itertools.pairwise(spans):
            assert before.to_px == after.from_px and before.start < after.start <= before.stop
        for span in spans:
            for side, border, own in ((0, span.start, span.from_px), (length, span.stop, span.to_px)):
                assert border == side or abs(border - own) >= 1.3 * largest / 2 + 8 / scale


@pytest.mark.parametrize(
    ("size_wh", "look", "smallest", "scale"),
    [
        ((6000, 4000), "off", 24, None),
        ((6000, 4000), "auto", 24, 1.0),
        ((1920, 1080), "auto", 24, None),  # an ordinary photo costs what it did
        ((1080, 1920), "auto", 8, None),
        ((2400, 1600), "auto", 24, 1.0),
        ((6000, 4000), "auto", 64, 0.5),  # no finer than the smallest face needs it
        ((6000, 4000), "auto", 128, None),
        ((12000, 8000), "auto", 24, 0.510),  # no more than 25 megapixels
        ((800, 600), "always", 8, 4.0),
        ((800, 600), "always", 16, 2.0),
        ((800, 600), "always", 48, None),
        ((12000, 8000), "always", 24, 1.0206),  # no more than 100
    ],
)
def test_how_finely_a_photo_is_looked_at_again(
    size_wh: tuple[int, int], look: SecondLook, smallest: float, scale: float | None
) -> None:
    assert second_scale(size_wh, look, smallest) == (None if scale is None else pytest.approx(scale, abs=0.001))


def test_no_piece_is_larger_than_the_network_shall_see() -> None:
    blind = Blind(small_detector(1))
    detect_twice(blind, np.zeros((4000, 6000, 3), np.uint8), 0.7, "auto", 24)
    assert len(blind.pieces) == 15 and max(map(max, blind.pieces)) <= LONGEST_PIECE_PX


@pytest.mark.parametrize("look", ["off", "auto"])
def test_an_ordinary_photo_is_looked_at_as_before_bit_for_bit(detector: Detector, look: SecondLook) -> None:
    counting = Counting(detector)
    photo = cv2.resize(pictures.crowd(6, 3, face_px=40), (1920, 960), interpolation=cv2.INTER_AREA)
    found, before = detect_twice(counting, photo, 0.7, look, 24), detector.detect(photo, 0.7)
    assert counting.pieces == [] and len(found) == len(before) > 0
    for one, other in zip(found, before, strict=True):
        assert one.box_xyxy == other.box_xyxy and np.array_equal(one.points_xy, other.points_xy)


def test_off_looks_once_at_a_large_photo(detector: Detector) -> None:
    counting = Counting(detector)
    assert detect_twice(counting, wide_photo(SIDE_PX, 600, [(300, 300)]), 0.7, "off", 24) == []
    assert counting.pieces == []


def test_faces_on_the_borders_of_pieces_are_found_once_and_where_they_are(detector: Detector) -> None:
    """Against the same picture searched in one piece, as large as it is."""
    size_wh = (SIDE_PX, 700)
    limit_px = 32 / first_scale(size_wh)
    columns = list(dict.fromkeys(column for column, _ in pieces(size_wh, 1.0, limit_px)))
    assert len(columns) >= 3
    borders = {edge for column in columns for edge in (column.start, column.to_px, column.stop)}
    edges = sorted(int(edge) for edge in borders if 200 < edge < size_wh[0] - 200)
    places = [(edge, 170 + 360 * (number % 2)) for number, edge in enumerate(edges)]
    photo = wide_photo(*size_wh, places)
    found = detect_twice(detector, photo, 0.7, "auto", 24)
    assert len(found) == len(places)
    untiled = detector.detect_piece(photo, 0.7)
    for face in found:
        same = [other for other in untiled if overlap(face.box_xyxy, other.box_xyxy) > 0.6]
        best = max(same, key=lambda other: other.score)
        assert np.abs(np.array(face.box_xyxy) - best.box_xyxy).max() < 2
        assert np.abs(face.points_xy - best.points_xy).max() < 2


@settings(max_examples=12, deadline=None)
@given(x=st.integers(2000, 2200))
def test_a_face_is_found_once_wherever_a_border_cuts_it(detector: Detector, x: int) -> None:
    photo = wide_photo(SIDE_PX, 240, [(x, 120)])
    assert len(detect_twice(detector, photo, 0.7, "auto", 24)) == 1


def test_a_large_face_is_the_first_looks_and_no_piece_of_it_is_another(detector: Detector) -> None:
    photo = cv2.resize(pictures.astronaut(), (3000, 3000), interpolation=cv2.INTER_CUBIC)
    (found,), (before,) = detect_twice(detector, photo, 0.7, "auto", 24), detector.detect(photo, 0.7)
    assert found.box_xyxy == before.box_xyxy and found.side_px > 400


def test_small_faces_of_a_small_photo_are_found_on_an_enlarged_copy(detector: Detector) -> None:
    places = [(60 + 80 * column, 60 + 80 * row) for column in range(4) for row in range(3)]
    photo = wide_photo(380, 300, places, face_px=12)
    assert len(detect_twice(detector, photo, 0.7, "auto", 8)) < 4
    found = detect_twice(detector, photo, 0.7, "always", 8)
    assert len(found) == 12
    middles = sorted((sum(face.box_xyxy[::2]) / 2, sum(face.box_xyxy[1::2]) / 2) for face in found)
    assert np.abs(np.array(middles) - np.array(sorted(places))).max() < 6
    assert min(face.side_px for face in found) >= 8 and max(face.side_px for face in found) < 18
