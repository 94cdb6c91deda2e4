"""Pictures for tests: the public-domain astronaut and things drawn here."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np


@lru_cache(maxsize=1)
def astronaut() -> np.ndarray:
    """(512, 512, 3) uint8 RGB; one face, about 110 px wide. Do not write to it."""
    from skimage import data

    picture = np.ascontiguousarray(data.astronaut())
    picture.flags.writeable = False
    return picture


def degraded(picture: np.ndarray, *, factor: float = 0.5, noise: float = 6.0, seed: int = 0) -> np.ndarray:
    """A smaller, noisy copy: (H * factor, W * factor, 3) uint8."""
    small = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    small = small + np.random.default_rng(seed).normal(0, noise, small.shape)
    return np.clip(np.rint(small), 0, 255).astype(np.uint8)


def landscape(width: int = 320, height: int = 240) -> np.ndarray:
    """A drawn picture without any face."""
    picture = np.full((height, width, 3), (150, 190, 230), np.uint8)
    hills = np.array([(0, height), (0, height // 2), (width // 3, height // 3), (width, height // 2), (width, height)])
    cv2.fillPoly(picture, [hills], (60, 120, 50))
    return picture


def crowd(columns: int, rows: int, *, face_px: int = 90) -> np.ndarray:
    """The astronaut's face repeated on a grid; face_px is about the width of each face."""
    head = astronaut()[40:220, 140:320]  # the face is about 90 px wide in here
    side = round(180 * face_px / 90)
    return np.tile(cv2.resize(head, (side, side), interpolation=cv2.INTER_AREA), (rows, columns, 1))
