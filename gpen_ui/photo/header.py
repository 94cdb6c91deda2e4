"""How large a photo is, from the head of its file alone."""

from __future__ import annotations

from pathlib import Path

from gpen_ui.photo.kinds import SNIFF_BYTES, can_read, picture_format
from gpen_ui.photo.read import OPENERS, opened
from gpen_ui.photo.tiff import claims_too_much


def stored_size(path: Path) -> tuple[int, int] | None:
    """Width and height in pixels as they are stored, before the photo is turned upright; None where the file is no
    photo that can be read. Milliseconds; whoever then reads the photo is told what is wrong with it."""
    try:
        with opened(path) as (stream, _):
            kind = picture_format(stream.read(SNIFF_BYTES))
            stream.seek(0)
            if kind is None or not can_read(kind) or (kind == "TIFF" and claims_too_much(stream)):
                return None
            stream.seek(0)
            with OPENERS[kind](stream, "") as image:
                width, height = image.size
                return width, height
    except Exception:  # a broken file can make Pillow raise almost anything
        return None
