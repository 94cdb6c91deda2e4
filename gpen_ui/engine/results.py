"""What a restoration gives back: the photo, what happened to each face, and notes for the user."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gpen_ui.choices import Box, FaceChoice, scaled
from gpen_ui.errors import GpenError
from gpen_ui.options import RestoreOptions
from gpen_ui.photo.types import Photo
from gpen_ui.texts import Language, say

FaceState = Literal["restored", "left", "failed"]


@dataclass(frozen=True)
class Note:
    """A sentence for the user that is not an error: text `note.<key>` with its values."""

    key: str
    values: dict[str, object] = field(default_factory=dict)

    def sentence(self, language: Language) -> str:
        return say(f"note.{self.key}", language, **self.values)


@dataclass(frozen=True)
class FaceOutcome:
    """What happened to one face.

    Attributes:
        number: counts the faces of the photo from 1, left to right.
        box_xyxy: in pixels of the result.
        state: restored, left alone on purpose, or failed.
        why: the reason of the last two, or what there is to say of a restored face: that its strength was lowered.
        strength: in percent, with which a restored face was put back; None for the others.
        model: that restored it, where it was another than the one of all faces.
        square_px: side of the square of the photo, as it was read or reduced, that the network's picture covers; None
            for a face that did not go through it.
        network_px: side of that picture.
        likeness: 0 to 100, how surely the result is still the person of the original; of a face that was left for its
            sake, what its restoration would have had. None where it was not measured.
    """

    number: int
    box_xyxy: tuple[float, float, float, float]
    score: float
    state: FaceState
    why: Note | None = None
    strength: int | None = None
    likeness: float | None = None
    model: str | None = None
    square_px: float | None = None
    network_px: int | None = None


@dataclass(frozen=True)
class Recipe:
    """What made a result, enough to make it again.

    Attributes:
        model: name of the catalogue, or the file's name.
        model_sha256: of the checkpoint's file.
        software: program and version.
    """

    model: str
    model_sha256: str
    options: RestoreOptions
    software: str


@dataclass(frozen=True, eq=False)
class RestoredPhoto:
    """The outcome of one photo.

    Attributes:
        name: of the source, for messages.
        source: the file it came from, None for pixels from memory.
        original: the photo as read, None when it could not be read.
        photo: the result, None exactly when `error` is set.
        error: why there is no result.
        faces: every face that was found, left to right.
        seconds: wall-clock time per stage: read, detect, align, network, paste, look; shared work is split evenly.
        device: where the network ran, for example "cpu" or "NVIDIA GeForce RTX 3060 (cuda:0)".
        notes: reductions, fallbacks, suggestions.
        recipe: how it was made; None for a photo that failed.
        choices: what was asked of single faces.
    """

    name: str
    source: Path | None
    original: Photo | None
    photo: Photo | None
    error: GpenError | None = None
    faces: tuple[FaceOutcome, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    device: str = ""
    notes: tuple[Note, ...] = ()
    recipe: Recipe | None = None
    choices: tuple[FaceChoice, ...] = ()

    @property
    def restored_count(self) -> int:
        return sum(face.state == "restored" for face in self.faces)

    def box_in_original(self, face: FaceOutcome) -> Box:
        """The face's box in pixels of the photo as it was read, as a `FaceChoice` names it."""
        if self.original is None or self.photo is None:
            return face.box_xyxy
        scale = self.original.size_wh[0] / self.photo.size_wh[0]
        return scaled(face.box_xyxy, scale)

    @property
    def lost_all_faces(self) -> bool:
        """Whether faces failed and none was restored: such a copy must not be passed off as a result."""
        return not self.restored_count and any(face.state == "failed" for face in self.faces)

    @property
    def total_seconds(self) -> float:
        return sum(self.seconds.values())
