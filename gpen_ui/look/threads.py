"""How many cores OpenCV takes for one picture, and how its calls get along with other threads.

Every call of OpenCV, and most of NumPy on large arrays, lets go of Python's lock and has to get it back, which takes
the longer the more threads want it. An array that OpenCV makes for its result costs that a second time. Where photos
are finished side by side it is therefore given one (`dst`), and few large steps are better than many.
"""

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
