"""How many cores OpenCV takes for one picture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_core_each(pictures: int) -> Iterator[None]:
    """Keeps OpenCV from taking all cores for each of several pictures that are worked on at the same time."""
    import cv2

    before = cv2.getNumThreads()
    if pictures > 1:
        cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
