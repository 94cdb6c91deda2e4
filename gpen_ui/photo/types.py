"""A photo in memory: its pixels as the eye sees them, and everything of the file that must survive."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8 | np.uint16]


class Remark(NamedTuple):
    """Something about a file that its owner should know: text `note.<key>` with its values."""

    key: str
    values: dict[str, object]


@dataclass(frozen=True)
class PhotoMetadata:
    """What the file carried besides pixels.

    Attributes:
        format: Pillow's name of the file's format, "JPEG", "PNG", ...; "PNG" for pixels that came from memory.
        exif: the EXIF block with Orientation already set to 1, or None.
        icc: the ICC profile that the pixels are meant in, or None for sRGB.
        gray: the file held one channel; the pixels repeat it three times.
        xmp: the XMP packet.
        xmp_extension: JPEG segments with the part of the XMP that did not fit into one.
        resources: Photoshop's image resource blocks; the IPTC record is one of them.
        dpi: pixels per inch, across and down.
        texts: keyword and text of a PNG, or the comment of a JPEG or GIF.
        chunks: PNG chunks that go into a PNG as they are: texts, time, colour.
        jpeg_tables: quantisation tables of a JPEG in natural order, luminance first.
        lossless: the file was compressed without loss although its format knows both.
        modified_ns: when the file was changed last, in nanoseconds since 1970.
        remarks: what reading changed or left out.
    """

    format: str = "PNG"
    exif: bytes | None = None
    icc: bytes | None = None
    gray: bool = False
    xmp: bytes | None = None
    xmp_extension: tuple[bytes, ...] = ()
    resources: bytes | None = None
    dpi: tuple[float, float] | None = None
    texts: tuple[tuple[str, str], ...] = ()
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    jpeg_tables: tuple[tuple[int, ...], ...] = ()
    lossless: bool = False
    modified_ns: int | None = None
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True)
class PhotoFile:
    """A photo's file in memory, read where it lies and perhaps to be decoded elsewhere.

    Attributes:
        path: where it lay; need not exist where it is decoded.
        modified_ns: when it was changed last, in nanoseconds since 1970.
    """

    path: Path
    data: bytes
    modified_ns: int | None = None


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo, upright.

    Attributes:
        pixels: (H, W, 3) RGB, uint8 or uint16, in the file's own colour space. Read-only by agreement: functions return
            new ones.
        alpha: (H, W) of the same type, or None for an opaque photo.
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
