"""How many small faces the second look finds, where, what else it takes for a face, and what it costs.

usage: python -m benchmarks.second_look FOLDER [--without FOLDER] [--count 60] [--sizes 16 24 32 48 64 96]
           [--megapixels 24] [--threads 2] [--smallest 24] [--parts found none seconds]

FOLDER holds portraits. Their faces are put, softly cut out and reduced to the given widths, onto large smooth pictures
with noise, 30 to a picture, and each picture is searched with every value of the option. A face counts as found
when a box covers it (intersection over union of 0.4); how far its five points lie from those of the large portrait is
given in percent of the face's width.

Then pictures without a face (those of scikit-image, mirrored into large ones, and every file of `--without`) are
searched: whatever is found in the former is none. At last the seconds of one search, and of processor time in all
threads, for photos of 1, 2, 6, 12, 24 and 48 megapixels.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from gpen_ui.choices import overlap
from gpen_ui.faces import Detector, Face, small_detector
from gpen_ui.faces.tiled import detect_twice
from gpen_ui.measure.samples import portrait
from gpen_ui.options import RestoreOptions, SecondLook
from gpen_ui.photo import read_photo, to_eight_bits

FOUND_IOU = 0.4
FACES_PER_PICTURE = 30
AROUND = 0.55  # of the face's box that is cut out with it on each side
NOISE = 2.0
ASPECT = 1.5
COST_MEGAPIXELS = (1, 2, 6, 12, 24, 48)
PARTS = ("found", "none", "seconds")
FACELESS = ("brick", "chelsea", "coffee", "coins", "grass", "gravel", "hubble_deep_field", "immunohistochemistry")
FACELESS += ("moon", "page", "retina", "rocket")

LOOKS: tuple[SecondLook, ...] = get_args(SecondLook)

Picture = NDArray[np.uint8]
Search = Callable[[Picture, SecondLook], list[Face]]


@dataclass(frozen=True, eq=False)
class Portrait:
    """A face in its picture, as the detector sees it there."""

    pixels: Picture
    face: Face


def portraits(folder: Path | None, count: int, detector: Detector) -> list[Portrait]:
    """The largest face of each of `count` files, spread evenly over the folder."""
    if folder is None:
        pictures: Iterator[Picture] = iter([to_eight_bits(portrait().pixels)])
    else:
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".webp", ".png", ".jpg"))
        chosen = [files[int(place)] for place in np.linspace(0, len(files) - 1, min(count, len(files)))]
        pictures = (to_eight_bits(read_photo(path).pixels) for path in chosen)
    found = ((pixels, detector.detect(pixels, 0.8)) for pixels in pictures)
    return [Portrait(pixels, max(faces, key=lambda face: face.side_px)) for pixels, faces in found if faces]


def smooth_picture(width: int, height: int, seed: int) -> Picture:
    """Soft colours and a little noise, without a face."""
    draw = np.random.default_rng(seed)
    rough = draw.integers(30, 226, (7, 10, 3)).astype(np.uint8)
    large = cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)
    noise = np.empty((height, width, 3), np.int8)
    cv2.setRNGSeed(seed)
    cv2.randn(noise, (0, 0, 0), (NOISE, NOISE, NOISE))
    return np.asarray(cv2.add(large, noise, dtype=cv2.CV_8U), np.uint8)


def put(picture: Picture, of: Portrait, side_px: float, at: tuple[int, int]) -> Face:
    """Puts a face of this width into the picture, its middle at about `at`; gives where it now is."""
    left, top, right, bottom = of.face.box_xyxy
    wide, high = (right - left) * AROUND, (bottom - top) * AROUND
    x0, y0 = max(0, int(left - wide)), max(0, int(top - high))
    x1, y1 = min(of.pixels.shape[1], int(right + wide)), min(of.pixels.shape[0], int(bottom + high))
    part = of.pixels[y0:y1, x0:x1]
    factor = side_px / of.face.side_px
    size_wh = (max(1, round(part.shape[1] * factor)), max(1, round(part.shape[0] * factor)))
    small = cv2.resize(part, size_wh, interpolation=cv2.INTER_AREA).astype(np.float32)
    mask = np.zeros(size_wh[::-1], np.float32)
    middle = (size_wh[0] / 2, size_wh[1] / 2)
    cv2.ellipse(mask, (middle, (0.8 * size_wh[0], 0.8 * size_wh[1]), 0), 1, -1)
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.5, 0.06 * size_wh[0]))[..., None]
    x, y = at[0] - size_wh[0] // 2, at[1] - size_wh[1] // 2
    target = picture[y : y + size_wh[1], x : x + size_wh[0]]
    target[:] = np.rint(target + (small - target) * soft).astype(np.uint8)
    to_picture = np.array((size_wh[0] / (x1 - x0), size_wh[1] / (y1 - y0)))
    box = (np.array(of.face.box_xyxy).reshape(2, 2) + 0.5 - (x0, y0)) * to_picture - 0.5 + (x, y)
    points = (of.face.points_xy + 0.5 - (x0, y0)) * to_picture - 0.5 + (x, y)
    return Face(tuple(map(float, box.ravel())), points.astype(np.float32), 1.0)  # type: ignore[arg-type]


def scenes(of: Sequence[Portrait], side_px: int, size_wh: tuple[int, int]) -> Iterator[tuple[Picture, list[Face]]]:
    """Large pictures, each with some of the faces at random places of a grid, so that none covers another."""
    draw = np.random.default_rng(side_px)
    width, height = size_wh
    for start in range(0, len(of), FACES_PER_PICTURE):
        picture = smooth_picture(width, height, start)
        places = draw.permutation(FACES_PER_PICTURE)
        cell = np.array((width / 6, height / 5))
        truth = []
        for one, place in zip(of[start : start + FACES_PER_PICTURE], places, strict=False):
            corner = np.array((place % 6, place // 6)) * cell
            room = np.maximum(1, cell - 3.2 * side_px)
            x, y = corner + 1.6 * side_px + draw.random(2) * room
            truth.append(put(picture, one, side_px, (int(x), int(y))))
        yield picture, truth


@dataclass
class Score:
    """What was found of the faces that are there, and how far the points are off, in shares of the width."""

    there: int = 0
    found: int = 0
    twice: int = 0
    none: int = 0
    off: list[float] | None = None

    def add(self, truth: Sequence[Face], faces: Sequence[Face]) -> None:
        self.off = self.off or []
        meant = 0
        for true in truth:
            hits = [face for face in faces if overlap(true.box_xyxy, face.box_xyxy) >= FOUND_IOU]
            self.found += bool(hits)
            self.twice += len(hits) > 1
            meant += len(hits)
            if hits:
                away = np.hypot(*(hits[0].points_xy - true.points_xy).T).mean()
                self.off.append(float(away) / true.side_px)
        self.there += len(truth)
        self.none += len(faces) - meant

    def __str__(self) -> str:
        off = f"{100 * statistics.median(self.off):.1f} %" if self.off else "-"
        return f"{100 * self.found / max(1, self.there):.0f} % ({off})" + (f", {self.twice} twice" * bool(self.twice))


def faceless(folder: Path | None, megapixels: float) -> Iterator[tuple[str, Picture]]:
    """Pictures that show nobody, mirrored into large ones; and those of the folder as they are."""
    from skimage import data

    for name in FACELESS:
        picture = np.asarray(getattr(data, name)())[..., :3]
        rgb = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
        width, height = _size_wh(megapixels)
        rows, columns = -(-height // rgb.shape[0]), -(-width // rgb.shape[1])
        pair = np.concatenate((rgb, rgb[:, ::-1]), axis=1)
        block = np.concatenate((pair, pair[::-1]), axis=0)
        large = np.tile(block, (-(-rows // 2), -(-columns // 2), 1))
        yield name, np.ascontiguousarray(large[:height, :width])
    for path in sorted(folder.rglob("*")) if folder else ():
        if path.is_file():
            yield path.name, to_eight_bits(read_photo(path).pixels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--without", type=Path)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--sizes", type=int, nargs="+", default=[16, 24, 32, 48, 64, 96])
    parser.add_argument("--megapixels", type=float, default=24)
    parser.add_argument("--smallest", type=int, default=RestoreOptions().smallest_face_px, help="--smallest-face")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    wishes = parser.parse_args()
    cv2.setNumThreads(wishes.threads)
    detector, options = small_detector(wishes.threads), RestoreOptions()

    def search(picture: Picture, look: SecondLook) -> list[Face]:
        return detect_twice(detector, picture, options.detector_threshold, look, wishes.smallest)

    if "found" in wishes.parts:
        print_found(portraits(wishes.folder, wishes.count, detector), wishes.sizes, wishes.megapixels, search)
    if "none" in wishes.parts:
        print_none(faceless(wishes.without, wishes.megapixels), search)
    if "seconds" in wishes.parts:
        print(f"\n{wishes.threads} threads")
        print_seconds(search)


def print_found(faces: Sequence[Portrait], sides_px: Sequence[int], megapixels: float, search: Search) -> None:
    size_wh = _size_wh(megapixels)
    print(f"{len(faces)} faces in photos of {size_wh[0]}x{size_wh[1]}: found (points off by), what else was found")
    _head("width")
    for side in sides_px:
        scores = {look: Score() for look in LOOKS}
        for picture, truth in scenes(faces, side, size_wh):
            for look in LOOKS:
                scores[look].add(truth, search(picture, look))
        cells = [f"{score}, {score.none}" for score in scores.values()]
        print(f"| {side} px | " + " | ".join(cells) + " |", flush=True)


def print_none(pictures: Iterator[tuple[str, Picture]], search: Search) -> None:
    print()
    _head("faces found in", "pixels")
    for name, picture in pictures:
        counts = [len(search(picture, look)) for look in LOOKS]
        print(f"| {name} | {picture.shape[1]}x{picture.shape[0]} | " + " | ".join(map(str, counts)) + " |", flush=True)


def print_seconds(search: Search) -> None:
    _head("megapixels")
    for megapixels in COST_MEGAPIXELS:
        picture = smooth_picture(*_size_wh(megapixels), 0)
        cells = [_seconds(search, picture, look) for look in LOOKS]
        print(f"| {megapixels} | " + " | ".join(cells) + " |", flush=True)


def _head(*columns: str) -> None:
    print("| " + " | ".join((*columns, *LOOKS)) + " |")
    print("| --- " * (len(columns) + len(LOOKS)) + "|")


def _size_wh(megapixels: float) -> tuple[int, int]:
    width = round((megapixels * 1e6 * ASPECT) ** 0.5)
    return width, round(width / ASPECT)


def _seconds(search: Search, picture: Picture, look: SecondLook) -> str:
    """The best of three: on the clock, and of processor time in all threads."""
    clock, worked = [], []
    for _ in range(3):
        start, start_worked = time.perf_counter(), time.process_time()
        search(picture, look)
        clock.append(time.perf_counter() - start)
        worked.append(time.process_time() - start_worked)
    return f"{min(clock):.2f} ({min(worked):.2f})"


if __name__ == "__main__":
    main()
