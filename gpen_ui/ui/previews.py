"""Pictures for the page: copies at one size for the comparison, and a thumbnail. Never the deliverable."""

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
WHOLE_QUALITY = 95  # of a picture that is not reduced: it is judged at 100 %, so its colours keep their resolution, too


@dataclass(frozen=True)
class Preview:
    """Three JPEG files; `before` and `after` have the same size."""

    before: Path
    after: Path
    thumbnail: Path

    def file_of(self, kind: str) -> Path:
        """The file of "before", "after" or "small"."""
        return {"before": self.before, "after": self.after, "small": self.thumbnail}[kind]


def make_preview(result: RestoredPhoto, folder: Path) -> Preview | None:
    """Writes the pictures of one result under new names, so that no browser shows older ones; None when it holds no
    photo, or when the folder went with its page."""
    if result.photo is None or result.original is None:
        return None
    return preview_of(result.original, result.photo, folder)


def preview_of(original: Photo, photo: Photo, folder: Path) -> Preview | None:
    """As `make_preview`, of a photo and its result."""
    from PIL import Image

    from gpen_ui.photo import thumbnail

    after = on_white(thumbnail(photo, PREVIEW_LONG_EDGE_PX))
    before = on_white(thumbnail(original, PREVIEW_LONG_EDGE_PX))
    whole = after.size == photo.size_wh
    if before.size != after.size:
        before = before.resize(after.size, Image.Resampling.LANCZOS)
    small = after.copy()
    small.thumbnail((THUMBNAIL_LONG_EDGE_PX, THUMBNAIL_LONG_EDGE_PX))
    name = secrets.token_hex(6)
    preview = Preview(*(folder / f"{name}-{kind}.jpg" for kind in ("before", "after", "small")))
    try:
        for picture, path in ((before, preview.before), (after, preview.after), (small, preview.thumbnail)):
            if whole and picture is not small:
                picture.save(path, "JPEG", quality=WHOLE_QUALITY, subsampling=0)
            else:
                picture.save(path, "JPEG", quality=PREVIEW_QUALITY)
    except OSError:
        if folder.is_dir():
            raise
        return None
    return preview


def preview_of_file(path: Path, folder: Path) -> Preview | None:
    """The picture of one file, in the place of all three; None when the folder went with its page.

    Raises:
        PhotoError: it cannot be read.
    """
    from gpen_ui.photo import read_photo, thumbnail

    picture = folder / f"{secrets.token_hex(6)}-file.jpg"
    small = on_white(thumbnail(read_photo(path), PREVIEW_LONG_EDGE_PX))
    try:
        small.save(picture, "JPEG", quality=PREVIEW_QUALITY)
    except OSError:
        if folder.is_dir():
            raise
        return None
    return Preview(picture, picture, picture)


def on_white(photo: Photo) -> Image:
    """The photo as Pillow's RGB image; transparent parts become white."""
    from PIL import Image

    picture = Image.fromarray(photo.pixels)
    if photo.alpha is None:
        return picture
    paper = Image.new("RGB", picture.size, "white")
    paper.paste(picture, mask=Image.fromarray(photo.alpha))
    return paper
