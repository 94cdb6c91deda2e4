"""Which likeness restorations have, and which another person's face has: the numbers behind the default limit.

usage: python -m benchmarks.likeness FOLDER [--count 40] [--threads 2]

FOLDER holds sharp portraits of different people, one file a person. Each face is spoiled in several ways and restored
by the network that comes along; then a table says, for each way, the likeness to the spoiled face of

- the restoration at several strengths,
- the truth: the sharp face that was spoiled, as a perfect network would bring it back,
- the sharp face of the next person, put into the spoiled one's place,

as median and the worst twentieth (of the last one the best twentieth), and how many of each fall below the limit.
The distances between different people are printed first. Without FOLDER only the astronaut is measured.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from gpen_ui.engine.finish import dress_face
from gpen_ui.engine.likeness import chips_of
from gpen_ui.engine.restorer import Restorer
from gpen_ui.faces import FaceLayer, align_transform, crop_face, scale_of, shape_mask, small_detector
from gpen_ui.faces.likeness import Embedder, face_chip, likenesses, load_embedder, recognizer_file
from gpen_ui.measure.samples import portrait
from gpen_ui.options import RestoreOptions
from gpen_ui.photo import read_photo, to_eight_bits
from gpen_ui.photo.kinds import SNIFF_BYTES, picture_format

CROP_PX = 512
LEAST_SQUARE_PX = 300  # side of a face's square in its photo; a smaller one is not sharp at 512 px
STRENGTHS = (20, 40, 60, 80, 100)
USUAL = 80  # the strength at which another person's face is put in

Crop = NDArray[np.float32]


@dataclass(frozen=True)
class Spoil:
    """How a face is spoiled: reduced by a factor, blurred (px of the reduced one), noise (of 255), JPEG quality."""

    name: str
    reduction: float
    blur_px: float
    noise: float
    quality: int


SPOILS = (
    Spoil("sharp", 1, 0.6, 2, 95),
    Spoil("256 px", 2, 1.0, 4, 85),
    Spoil("128 px", 4, 1.2, 8, 70),
    Spoil("85 px", 6, 1.2, 8, 60),
    Spoil("64 px", 8, 1.2, 12, 50),
    Spoil("32 px", 16, 1.2, 12, 50),
    Spoil("out of focus, 6 px", 1, 6, 4, 90),
    Spoil("out of focus, 14 px", 1, 14, 4, 90),
)


def spoiled(clean: Crop, how: Spoil, draw: np.random.Generator) -> Crop:
    """A bad photo of an aligned face (S, S, 3) float32 RGB 0..255."""
    side = round(len(clean) / how.reduction)
    low = cv2.GaussianBlur(cv2.resize(clean, (side, side), interpolation=cv2.INTER_AREA), (0, 0), how.blur_px)
    noisy = np.clip(low + draw.normal(0, how.noise, low.shape), 0, 255).astype(np.uint8)
    data = cv2.imencode(".jpg", noisy[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, how.quality])[1]
    read = np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])
    large = cv2.resize(read, (len(clean), len(clean)), interpolation=cv2.INTER_CUBIC)
    return np.asarray(large, np.float32)


def sharp_faces(folder: Path | None, count: int) -> Iterator[Crop]:
    """The largest face of each photo, aligned; at most `count`."""
    detector = small_detector()
    photos = (read_photo(path) for path in _pictures(folder)) if folder else (portrait(),)
    for photo in photos:
        found = detector.detect(to_eight_bits(photo.pixels), 0.8)
        if not found:
            continue
        to_crop = align_transform(max(found, key=lambda face: face.side_px).points_xy, CROP_PX)
        if CROP_PX / scale_of(to_crop) >= LEAST_SQUARE_PX or folder is None:
            yield crop_face(to_eight_bits(photo.pixels), to_crop, CROP_PX)
            count -= 1
        if not count:
            return


def _pictures(folder: Path) -> list[Path]:
    """The files of a folder that hold pictures, its subfolders in turns, so that the first few are of all kinds."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    found = [path for path in files if picture_format(path.open("rb").read(SNIFF_BYTES)) is not None]
    place = {path: number for number, path in enumerate(found)}
    first = {path.parent: place[path] for path in reversed(found)}
    return sorted(found, key=lambda path: (place[path] - first[path.parent], path.parent))


def put_in(picture: Crop, into: Crop, strengths: tuple[int, ...], embed: Embedder) -> list[float]:
    """Likeness to `into` when the picture is put into its place, for each strength."""
    layer = FaceLayer(picture, shape_mask(CROP_PX), np.eye(2, 3), 1.0)
    before, change = chips_of(layer, into)
    return likenesses(embed, before, [before + change * np.float32(strength / 100) for strength in strengths])


def numbers(values: list[float], limit: float, *, best: bool = False) -> str:
    """Median, the outer twentieth and the share below the limit."""
    outer = np.percentile(values, 95 if best else 5)
    below = np.mean(np.array(values) < limit)
    return f"{np.median(values):.0f} ({outer:.0f}), {100 * below:.0f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    wishes = parser.parse_args()
    torch.set_num_threads(wishes.threads)
    file = recognizer_file()
    if file is None:
        raise SystemExit("likeness cannot be measured here: pip install -r requirements-likeness.txt")
    embed, options, draw = load_embedder(file), RestoreOptions(), np.random.default_rng(0)
    clean = list(sharp_faces(wishes.folder, wishes.count))
    print(
        f"{len(clean)} faces, limit {options.least_likeness}: median (worst or best twentieth), share below the limit"
    )
    if len(clean) > 1:
        chips = [face_chip(face) for face in clean]
        pairs = [value for at, chip in enumerate(chips[:-1]) for value in likenesses(embed, chip, chips[at + 1 :])]
        print(f"different people, both sharp: {numbers(pairs, options.least_likeness, best=True)}\n")
    print("| spoiled | " + " | ".join(f"restored at {each} %" for each in STRENGTHS) + " | truth | another person |")
    print("| --- " * (len(STRENGTHS) + 3) + "|")
    with Restorer.load(device="cpu", batch_size=1) as restorer:
        for how in SPOILS:
            rows: list[list[float]] = []
            for number, face in enumerate(clean):
                bad = spoiled(face, how, draw)
                restored = restorer._parts.runner.run([bad])[0]
                dressed = dress_face(restored, bad, np.eye(2, 3) * how.reduction, 0.0, options)
                row = put_in(dressed, bad, STRENGTHS, embed) + put_in(face, bad, (100,), embed)
                other = clean[(number + 1) % len(clean)]
                rows.append(row + put_in(other, bad, (USUAL,), embed))
            columns = [list(column) for column in zip(*rows, strict=True)]
            cells = [numbers(column, options.least_likeness) for column in columns[:-1]]
            cells.append(numbers(columns[-1], options.least_likeness, best=True) if len(clean) > 1 else "-")
            print(f"| {how.name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
