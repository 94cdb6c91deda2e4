"""Pictures for the page: copies at one size for the before/after slider, and a thumbnail. Never the deliverable."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

    from gpen_ui.engine.results import RestoredPhoto
    from gpen_ui.photo.types import Photo

PREVIEW_LONG_EDGE_PX = 2560  # sharp on a large screen and still quick through a home network
THUMBNAIL_LONG_EDGE_PX = 360
PREVIEW_QUALITY = 92


@dataclass(frozen=True)
class Preview:
    """Three JPEG files; `before` and `after` have the same size."""

    before: Path
    after: Path
    thumbnail: Path


def make_preview(result: RestoredPhoto, folder: Path) -> Preview | None:
    """Writes the pictures of one result under new names, so that no browser shows older ones; None when it holds no
    photo, or when the folder went with its page."""
    from PIL import Image

    from gpen_ui.photo import thumbnail

    if result.photo is None or result.original is None:
        return None
    after = _on_white(thumbnail(result.photo, PREVIEW_LONG_EDGE_PX))
    before = _on_white(thumbnail(result.original, PREVIEW_LONG_EDGE_PX))
    if before.size != after.size:
        before = before.resize(after.size, Image.Resampling.LANCZOS)
    small = after.copy()
    small.thumbnail((THUMBNAIL_LONG_EDGE_PX, THUMBNAIL_LONG_EDGE_PX))
    name = secrets.token_hex(6)
    preview = Preview(*(folder / f"{name}-{kind}.jpg" for kind in ("before", "after", "small")))
    try:
        for picture, path in ((before, preview.before), (after, preview.after), (small, preview.thumbnail)):
            picture.save(path, "JPEG", quality=PREVIEW_QUALITY)
    except OSError:
        if folder.is_dir():
            raise
        return None
    return preview


def preview_of_file(path: Path, folder: Path) -> Preview:
    """The picture of one file, in the place of all three.

    Raises:
        PhotoError: it cannot be read.
    """
    from gpen_ui.photo import read_photo, thumbnail

    picture = folder / f"{secrets.token_hex(6)}-file.jpg"
    _on_white(thumbnail(read_photo(path), PREVIEW_LONG_EDGE_PX)).save(picture, "JPEG", quality=PREVIEW_QUALITY)
    return Preview(picture, picture, picture)


def _on_white(photo: Photo) -> Image:
    """The photo as Pillow's RGB image; transparent parts become white."""
    from PIL import Image

    picture = Image.fromarray(photo.pixels)
    if photo.alpha is None:
        return picture
    paper = Image.new("RGB", picture.size, "white")
    paper.paste(picture, mask=Image.fromarray(photo.alpha))
    return paper
