"""A photo in memory: its pixels as the eye sees them, and everything of the file that must survive."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class PhotoMetadata:
    """What the file carried besides pixels.

    Attributes:
        format: Pillow's name of the file's format, "JPEG", "PNG", ...; "PNG" for pixels that came from memory.
        exif: the EXIF block with Orientation already set to 1, or None.
        icc: the ICC profile that the pixels are meant in, or None for sRGB.
        gray: the file held one channel; the pixels repeat it three times.
    """

    format: str = "PNG"
    exif: bytes | None = None
    icc: bytes | None = None
    gray: bool = False


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo, upright.

    Attributes:
        pixels: (H, W, 3) RGB, uint8, in the file's own colour space. Read-only by agreement: functions return new ones.
        alpha: (H, W) uint8, or None for an opaque photo.
        path: the file it came from, None for pixels from memory.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    metadata: PhotoMetadata = field(default_factory=PhotoMetadata)
    path: Path | None = None

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def name(self) -> str:
        """The file's name, or "photo" for pixels from memory."""
        return self.path.name if self.path else "photo"
