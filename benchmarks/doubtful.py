"""Whether large finds of which the detector is not sure are told rightly into faces and others (`faces/confirm.py`).

usage: python -m benchmarks.doubtful FOLDER [--photos 700]

FOLDER holds portraits, each a square around one face. They are laid, 330 to 940 px wide, onto plain photos of
1280 x 960, and blurred, covered with noise, compressed or darkened until the detector is in doubt. Printed: how many
doubtful finds from `LARGE_PX` on there were, faces and others, and how many of each are kept.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from gpen_ui.faces import confirm, small_detector
from gpen_ui.faces.anchors import merge
from gpen_ui.faces.detect import RetinaFaceDetector
from gpen_ui.faces.types import Face
from gpen_ui.photo import read_photo, to_eight_bits

THRESHOLD = 0.7
SIZE_WH = (1280, 960)
PORTRAIT_PX = (330, 940)
FACE_SHARE = 0.5  # of the portrait's side, about: how far a find's middle may lie from the portrait's

Picture = NDArray[np.uint8]


def spoiled(portrait: Picture, draw: np.random.Generator) -> tuple[Picture, tuple[float, float, float]]:
    """The portrait in a spoiled photo, with middle and side of its place."""
    side = int(np.exp(draw.uniform(*np.log(PORTRAIT_PX))))
    photo = np.full((SIZE_WH[1], SIZE_WH[0], 3), draw.integers(40, 200, 3), np.uint8)
    x, y = int(draw.integers(SIZE_WH[0] - side)), int(draw.integers(SIZE_WH[1] - side))
    photo[y : y + side, x : x + side] = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA)
    way = draw.integers(4)
    if way < 3:
        photo = np.asarray(cv2.GaussianBlur(photo, (0, 0), side * draw.uniform(0.01, 0.09)), np.uint8)
    if way in (1, 3):
        noisy = photo + draw.normal(0, draw.uniform(5, 45), photo.shape)
        photo = np.clip(noisy, 0, 255).astype(np.uint8)
    if way >= 2:
        _, data = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, int(draw.integers(8, 40))])
        photo = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    if way == 3:
        photo = (photo * draw.uniform(0.15, 0.6)).astype(np.uint8)
    return photo, (x + side / 2, y + side / 2, side)


def is_the_face(face: Face, place: tuple[float, float, float]) -> bool:
    x, y, side = place
    left, top, right, bottom = face.box_xyxy
    away = max(abs((left + right) / 2 - x), abs((top + bottom) / 2 - y))
    return away < 0.2 * side and 0.4 * FACE_SHARE < (right - left) / side < 2.5 * FACE_SHARE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=700)
    wishes = parser.parse_args()
    draw = np.random.default_rng(1)
    files = [path for path in sorted(wishes.folder.rglob("*")) if path.suffix in (".webp", ".png", ".jpg")]
    detector = small_detector()
    assert isinstance(detector, RetinaFaceDetector)
    counts = {True: [0, 0], False: [0, 0]}  # of faces and of others: doubtful, kept
    for number in draw.permutation(len(files))[: wishes.photos]:
        photo, place = spoiled(to_eight_bits(read_photo(files[number]).pixels), draw)
        for face in merge(detector.detect_piece(photo, THRESHOLD)):
            if face.score < confirm.SURE and face.side_px >= confirm.LARGE_PX:
                kept = confirm.merge_confirmed([face], photo, 1.0, detector.detect_piece)
                counts[is_the_face(face, place)][0] += 1
                counts[is_the_face(face, place)][1] += len(kept)
    for what, (doubtful, stayed) in (("faces", counts[True]), ("others", counts[False])):
        print(f"{what}: {doubtful} doubtful, {stayed} kept")


if __name__ == "__main__":
    main()
