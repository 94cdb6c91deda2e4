"""Small pictures for reports and tables; never the deliverable."""

from __future__ import annotations

import io

from PIL import Image

from gpen_ui.photo.colour import thumbnail
from gpen_ui.photo.types import Photo

_QUALITY = 78  # of a JPEG that is looked at for a second


def small_jpeg(photo: Photo, long_edge_px: int) -> bytes:
    """A JPEG in sRGB, its longer side at most `long_edge_px`, transparent parts white, without any metadata."""
    small = thumbnail(photo, long_edge_px)
    picture = Image.fromarray(small.pixels)
    if small.alpha is not None:
        paper = Image.new("RGB", picture.size, "white")
        paper.paste(picture, mask=Image.fromarray(small.alpha))
        picture = paper
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue()
