"""The photo that everything is measured on: NASA's portrait of Eileen Collins, which is in the public domain.

It comes with the package, so that an installed copy measures the same picture everywhere.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gpen_ui import look
from gpen_ui.photo import Photo, photo_from_pixels, read_photo
from gpen_ui.photo.types import Pixels

SAMPLE = Path(__file__).with_name("astronaut.jpg")  # 512 x 384, one face
LARGE_SCALE = 5  # the sample at 2560 x 1920
PORTRAIT_LONG_EDGE_PX = 1280
LOST_SCALE = 8  # an old small print, scanned large: what the large sample really holds is an eighth of its size
GRAIN = 6.0  # levels, standard deviation


def clean_photo() -> Photo:
    """The sample at 2560 x 1920, undamaged."""
    return photo_from_pixels(look.enlarge(read_photo(SAMPLE).pixels, LARGE_SCALE))


def portrait() -> Photo:
    """The sample at 1280 x 960: the size for which users of GPEN pages state their times."""
    return photo_from_pixels(look.reduce_long_edge(clean_photo().pixels, PORTRAIT_LONG_EDGE_PX))


def degraded(clean: Photo) -> Photo:
    """The same picture as the scan of a small old print: detail is lost and soft grain lies on it. Always the same."""
    width, height = clean.size_wh
    small = look.reduce_long_edge(clean.pixels, max(width, height) // LOST_SCALE)
    scan = look.resize(small, (width, height))
    flakes = np.random.default_rng(1).normal(0, GRAIN, (height // 2, width // 2, 1)).astype(np.float32)
    grain = np.repeat(np.repeat(flakes, 2, axis=0), 2, axis=1)
    return photo_from_pixels(np.clip(np.rint(scan + grain), 0, 255).astype(np.uint8))


def psnr(pixels: Pixels, clean: Pixels) -> float:
    """Peak signal to noise in decibels between two (H, W, 3) uint8 pictures; infinite when they are the same."""
    error = float(np.mean(np.square(pixels.astype(np.float32) - clean.astype(np.float32))))
    return float(10 * np.log10(255**2 / error)) if error else float("inf")
