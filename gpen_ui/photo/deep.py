"""Sixteen bits per channel, which Pillow would cut to eight: OpenCV decodes and encodes them whole (docs/files.md)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

Deep = NDArray[np.uint16]

TOP = 65535
_PNG_COMPRESSION = 4
_quiet = threading.Lock()


def decode_deep(data: bytes) -> Deep | None:
    """The picture of a PNG or TIFF as it is stored: (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA.

    Returns:
        None when OpenCV cannot read it, or it holds other numbers than sixteen-bit ones.
    """
    import cv2

    with _without_words():
        try:
            array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error:
            return None
    if array is None or array.dtype != np.uint16:
        return None
    return _swapped(np.asarray(array, np.uint16))


def encode_deep_png(samples: Deep) -> bytes:
    """A PNG of sixteen bits: (H, W, 1) grey, (H, W, 3) RGB or (H, W, 4) RGBA.

    Raises:
        ValueError: OpenCV failed.
    """
    import cv2

    done, data = cv2.imencode(".png", _swapped(samples), [cv2.IMWRITE_PNG_COMPRESSION, _PNG_COMPRESSION])
    if not done:
        raise ValueError("OpenCV")
    return data.tobytes()


def turned(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """A stored array (H, W, ...) as the eye should see it; Exif 2.32, tag Orientation."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


def to_eight_bits(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Sixteen bits rounded to eight; eight bits as they are."""
    if array.dtype == np.uint8:
        return array
    import cv2

    return np.asarray(cv2.convertScaleAbs(array, alpha=1 / (TOP // 255)), np.uint8)


def _swapped(samples: Deep) -> Deep:
    """RGB(A) to OpenCV's BGR(A) and back."""
    channels = samples.shape[2] if samples.ndim == 3 else 1
    return samples if channels < 3 else np.ascontiguousarray(samples[:, :, [2, 1, 0, 3][:channels]])


@contextmanager
def _without_words() -> Iterator[None]:
    """OpenCV writes the odd tags of a TIFF to the terminal; they are nothing to the user."""
    import cv2

    with _quiet:
        before = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            yield
        finally:
            cv2.utils.logging.setLogLevel(before)
