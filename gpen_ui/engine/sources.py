"""What a restoration starts from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gpen_ui.choices import FaceChoice
from gpen_ui.photo.types import Photo, PhotoFile

Source = str | Path | PhotoFile | Photo


@dataclass(frozen=True, eq=False)
class Chosen:
    """A source and what is asked of single faces of it; goes wherever a source goes."""

    source: Source
    faces: tuple[FaceChoice, ...] = ()
