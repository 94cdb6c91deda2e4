"""What is asked of single faces of a photo in a run: from what a person says to what is kept, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gpen_ui.choices import FACES_MOST, SAME_FACE, FaceChoice, as_typed, merged, overlap
from gpen_ui.errors import ModelError, OptionError, UsageError
from gpen_ui.jobs.store import RunStore
from gpen_ui.jobs.types import FaceRecord, PhotoRecord, RunRecord
from gpen_ui.paths import shown
from gpen_ui.texts import Language, say
from gpen_ui.weights import find_checkpoint


def photo_named(store: RunStore, run: RunRecord, text: str) -> PhotoRecord:
    """A photo of a run by its number, by its name, or by its path.

    Raises:
        UsageError: there is none, or more than one has that name.
    """
    if text.isascii() and text.isdecimal() and len(text) < 10:
        numbered = store.ledger.photos(run.id, after=int(text) - 1, limit=1)
        if numbered and numbered[0].number == int(text):
            return numbered[0]
    found = store.ledger.named(run.id, Path(text).name)
    if len(found) > 1:
        path = Path(text).expanduser().absolute()
        found = tuple(photo for photo in found if photo.path == path) or found
    if len(found) != 1:
        numbers = ", ".join(str(photo.number) for photo in found)
        key = "run_photo_ambiguous" if found else "run_photo_unknown"
        raise UsageError(key, run=run.id, photo=text, numbers=numbers, count=store.ledger.count(run.id))
    return found[0]


def with_asked(
    store: RunStore, run: RunRecord, photo: PhotoRecord, new: Sequence[FaceChoice], models_folder: Path
) -> tuple[FaceChoice, ...]:
    """The choices of a photo after somebody has asked for these; faces that are not named keep theirs.

    The faces of a photo that was restored once are kept by their boxes: numbers change when one is drawn.

    Args:
        new: nothing at all takes every choice back.
        models_folder: where the checkpoints lie.

    Raises:
        UsageError: there is no face of that number, or the run restores aligned faces.
        OptionError: a model that is not here.
    """
    if run.options.aligned:
        raise UsageError("run_faces_aligned", run=run.id)
    for choice in new:
        if choice.model is not None and choice.on:
            _must_be_here(choice.model, models_folder)
    faces = store.ledger.faces(photo.id)
    if photo.before_wh is not None:
        numbers = {face.number for face in faces}
        missing = next((choice for choice in new if choice.number is not None and choice.number not in numbers), None)
        if missing is not None:
            name = shown(photo.path.name)
            raise UsageError("run_face_unknown", number=missing.number, name=name, found=len(faces))
    if not new:
        return ()
    return merged(asked_before(photo, faces), [_by_box(choice, photo, faces) for choice in new])


def asked_before(photo: PhotoRecord, faces: Sequence[FaceRecord]) -> tuple[FaceChoice, ...]:
    """The choices of a photo, by boxes where its faces are known by now.

    A number that stands beside a box stays: it counts the faces that are found, among which a drawn one is none.
    """
    if any(choice.number is None for choice in photo.choices):
        return photo.choices
    return tuple(_by_box(choice, photo, faces) for choice in photo.choices)


def _by_box(choice: FaceChoice, photo: PhotoRecord, faces: Sequence[FaceRecord]) -> FaceChoice:
    face = next((face for face in faces if face.number == choice.number), None)
    if face is None or photo.before_wh is None:
        return choice
    return choice.model_copy(update={"number": None, "box_xyxy": photo.box_in_original(face)})


def choices_typed(photo: PhotoRecord, faces: Sequence[FaceRecord]) -> str:
    """What is asked, as it is typed; a face that was found is called by its number."""
    return as_typed(
        choice if face is None else choice.model_copy(update={"number": face.number, "box_xyxy": None})
        for choice, face in _with_faces(photo, faces)
    )


def choices_told(photo: PhotoRecord, faces: Sequence[FaceRecord], language: Language) -> str:
    """What is asked, in words; empty when nothing is."""
    said = []
    numbered = [
        (face.number if face is not None else choice.number, choice) for choice, face in _with_faces(photo, faces)
    ]
    for number, choice in sorted(numbered, key=lambda each: each[0] or FACES_MOST):
        of_face = say("runs.chosen.face", language, number=number) if number else say("runs.chosen.drawn", language)
        said.append(f"{of_face} {_told_what(choice, language)}")
    return ", ".join(said)


def _told_what(choice: FaceChoice, language: Language) -> str:
    if not choice.on:
        return say("runs.chosen.off", language)
    parts = [say("runs.chosen.strength", language, strength=choice.strength)] if choice.strength is not None else []
    parts += [say("runs.chosen.model", language, model=choice.model)] if choice.model is not None else []
    return " ".join(parts) or say("runs.chosen.on", language)


def _with_faces(photo: PhotoRecord, faces: Sequence[FaceRecord]) -> Iterator[tuple[FaceChoice, FaceRecord | None]]:
    """Each choice with the face of the last restoration that it speaks of."""
    for choice in photo.choices:
        box = choice.box_xyxy
        shares = [] if box is None else [(overlap(box, photo.box_in_original(face)), face) for face in faces]
        best = max(shares, key=lambda each: each[0], default=(0.0, None))
        yield choice, best[1] if best[0] >= SAME_FACE else None


def _must_be_here(model: str, models_folder: Path) -> None:
    if Path(model).name != model:  # choices come from outside, too: no path of this machine
        raise OptionError("model_not_here", name=model)
    try:
        find_checkpoint(model, models_folder)
    except ModelError as error:
        raise OptionError("faces_model", model=model, reason=error) from error
