"""JPEGs that lack nothing but their end marker: some cameras and scanners leave it out, and viewers do not mind."""

from __future__ import annotations

import io
from typing import IO

import numpy as np
from PIL import JpegImagePlugin

_END = b"\xff\xd9"  # EOI, ITU T.81 table B.1
_FILLINGS = (bytes(64), b"\xaa" * 64)  # long enough to hold the codes of several blocks


def without_end_marker(stream: IO[bytes]) -> io.BytesIO | None:
    """The file with its end marker, or None when a part of the picture is missing too.

    Whatever is put in the place of missing picture data is decoded as such; so two different fillings give the same
    picture only when nothing is missing. Progressive files are never mended: cut between two scans, they would be
    accepted in the lower quality of the scans that are there.
    """
    stream.seek(0)
    data = stream.read().removesuffix(b"\xff")
    if data.endswith(_END):
        return None
    pictures = []
    for filling in _FILLINGS:
        try:
            with JpegImagePlugin.JpegImageFile(io.BytesIO(data + filling + _END)) as image:
                if "progressive" in image.info:
                    return None
                pictures.append(np.asarray(image))
        except Exception:  # as broken as it was
            return None
    return io.BytesIO(data + _END) if np.array_equal(pictures[0], pictures[1]) else None
