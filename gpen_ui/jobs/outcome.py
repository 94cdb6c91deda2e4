"""What came of one photo, whole and apart from the store: so it can be made on another machine than the one that writes
it down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gpen_ui.engine.output import Output, as_notes, encode_restored, file_time
from gpen_ui.errors import GpenError, PhotoReadError
from gpen_ui.jobs.recipe import with_choices
from gpen_ui.jobs.rows import Facts
from gpen_ui.jobs.thumbnails import thumbnails_of
from gpen_ui.jobs.told import told
from gpen_ui.jobs.types import FaceRecord, PhotoRecord, Told

if TYPE_CHECKING:
    from gpen_ui.engine.results import RestoredPhoto


@dataclass(frozen=True)
class Outcome:
    """The end that a photo shall come to.

    Attributes:
        why: the reason of a photo that failed; None when there are bytes to be written.
        data, extension: the result's file and the end of its name, with the dot.
        modified_ns: time that the file gets; None for now.
        is_unreadable: the photo failed because its file could not be read.
    """

    facts: Facts
    why: Told | None
    data: bytes = b""
    extension: str = ""
    modified_ns: int | None = None
    is_unreadable: bool = False


def outcome_of(photo: PhotoRecord, restored: RestoredPhoto, recipe: str, content_hash: str, output: Output) -> Outcome:
    """Encodes what the engine gave.

    Args:
        photo: with the size and time that its file had, and the choices that there were, when it was taken.
        recipe: of the run; see `recipe_of`.
        content_hash: of the photo's file; see `Facts`.
    """
    facts = _facts_of(photo, restored, recipe, content_hash)
    why = _failure(restored, facts)
    if why is None:
        try:
            encoded = encode_restored(restored, output)
        except GpenError as error:
            why = told(error)
        else:
            facts = replace(facts, notes=facts.notes + tuple(told(note) for note in as_notes(encoded.remarks)))
            return Outcome(facts, None, encoded.data, encoded.extension, file_time(restored, output))
    return Outcome(facts, why, is_unreadable=isinstance(restored.error, PhotoReadError))


def failed(photo: PhotoRecord, error: GpenError, recipe: str) -> Outcome:
    """The end of a photo of which the engine gave nothing."""
    facts = Facts(with_choices(recipe, photo.choices), "", photo.size_bytes, photo.mtime_ns)
    return Outcome(facts, told(error), is_unreadable=isinstance(error, PhotoReadError))


def _facts_of(photo: PhotoRecord, restored: RestoredPhoto, recipe: str, content_hash: str) -> Facts:
    original, result = restored.original, restored.photo
    faces = tuple(
        FaceRecord(
            number=face.number,
            box_xyxy=face.box_xyxy,
            score=face.score,
            state=face.state,
            why=told(face.why) if face.why else None,
            strength=face.strength,
            likeness=face.likeness,
            model=face.model,
        )
        for face in restored.faces
    )
    return Facts(
        recipe=with_choices(recipe, photo.choices),
        content_hash=content_hash,
        size_bytes=photo.size_bytes,
        mtime_ns=photo.mtime_ns,
        before_wh=original.size_wh if original is not None else None,
        after_wh=result.size_wh if result is not None else None,
        faces=faces,
        seconds={stage: round(seconds, 4) for stage, seconds in restored.seconds.items()},
        device=restored.device,
        notes=tuple(told(note) for note in restored.notes),
        thumbnails=thumbnails_of(restored),
    )


def _failure(restored: RestoredPhoto, facts: Facts) -> Told | None:
    """Why the photo counts as failed. A photo of which no face could be restored, though one should have been, is one:
    an unrestored copy is not passed off as a result."""
    if restored.error is not None:
        return told(restored.error)
    if restored.lost_all_faces:
        reasons = (face.why for face in facts.faces if face.state == "failed")
        return next(reasons) or told(GpenError("run_no_face_restored"))
    return None
