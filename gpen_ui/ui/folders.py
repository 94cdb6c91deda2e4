"""Photos that a browser sends. Every path is judged after its links are followed."""

from __future__ import annotations

from pathlib import Path

from gpen_ui.access import is_within
from gpen_ui.errors import UsageError
from gpen_ui.photo import PHOTO_SUFFIXES

# What a browser lets a person choose: pictures, also those whose kind it does not know by itself (HEIC).
UPLOAD_KINDS = ["image", *PHOTO_SUFFIXES]


def uploaded(paths: list[str] | None, upload_folder: Path) -> list[Path]:
    """The files that a browser sent.

    Raises:
        UsageError: a path that the request made up; Gradio passes on whatever a request names.
    """
    files = [Path(path) for path in paths or []]
    for file in files:
        if not is_within(file, (upload_folder,)):
            raise UsageError("page_upload_outside", name=file.name)
    return files
