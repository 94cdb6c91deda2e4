"""Names of photos: which files of a folder are photos, in which order, and how a result is called."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

from gpen_ui.errors import PhotoReadError, reason_of
from gpen_ui.paths import shown

PHOTO_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif", ".avif",
    ".heic", ".heif", ".hif",
)  # fmt: skip
_NOT_IN_NAMES = re.compile(r"[/\\\x00-\x1f\x7f]")


def find_photos(folder: Path, recursive: bool = False) -> list[Path]:
    """Files whose name ends like a photo's, hidden ones left out, in natural order (2 before 10).

    Args:
        recursive: also look into the folders below; links to folders are not followed.

    Raises:
        PhotoReadError: the folder is missing, is a file, or may not be read.
    """
    folder = Path(folder)
    try:
        if not folder.is_dir():
            key = "photo_folder_is_file" if folder.exists() else "photo_folder_missing"
            raise PhotoReadError(key, folder=shown(folder))
        found: list[Path] = []
        for parent, children, files in os.walk(folder, onerror=_raise):
            children[:] = [child for child in children if recursive and not child.startswith(".")]
            found += [Path(parent, file) for file in files if _looks_like_photo(file)]
        found = [path for path in found if path.is_file()]
    except (OSError, ValueError) as error:
        raise PhotoReadError("photo_folder_unreadable", folder=shown(folder), reason=reason_of(error)) from error
    return sorted(found, key=lambda path: _natural(path.relative_to(folder)))


def result_names(name: str, suffix: str, extension: str) -> Iterator[str]:
    """Names for a result, in the order in which they are tried: `a_gpen.jpg`, `a_gpen_2.jpg`, `a_gpen_3.jpg`, ...

    Args:
        name: of the source, with or without a photo's extension; folders in front of it are ignored.
        extension: of the result, with its dot.
    """
    stem = _NOT_IN_NAMES.sub("_", re.split(r"[/\\]", name)[-1])
    if stem.lower().endswith(PHOTO_SUFFIXES):
        stem = stem[: stem.rindex(".")]
    stem = stem.strip() or "photo"
    yield f"{stem}{suffix}{extension}"
    for number in itertools.count(2):
        yield f"{stem}{suffix}_{number}{extension}"


def _raise(error: OSError) -> None:
    raise error


def _looks_like_photo(file: str) -> bool:
    return not file.startswith(".") and file.lower().endswith(PHOTO_SUFFIXES)


def _natural(path: Path) -> list[list[tuple[int, int, str]]]:
    """A key that compares digits as numbers: folders and names part by part."""
    return [
        [(0, int(piece), piece) if piece.isdecimal() else (1, 0, piece.casefold()) for piece in _pieces(part)]
        for part in path.parts
    ]


def _pieces(part: str) -> list[str]:
    return [piece for piece in re.split(r"(\d+)", part) if piece]
