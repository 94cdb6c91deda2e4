"""The end of one photo: its result on the disk under a name that the store knew before, or the reason why not."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gpen_ui.engine.output import Output, as_notes, encode_restored, file_time
from gpen_ui.errors import GpenError, PhotoReadError
from gpen_ui.jobs.digest import digest_of, digest_of_file
from gpen_ui.jobs.ledger import Facts
from gpen_ui.jobs.names import candidates
from gpen_ui.jobs.patience import Patience, Stopwatch
from gpen_ui.jobs.review import temporary_of
from gpen_ui.jobs.room import is_full
from gpen_ui.jobs.store import RunStore
from gpen_ui.jobs.thumbnails import thumbnails_of
from gpen_ui.jobs.told import told
from gpen_ui.jobs.types import FaceRecord, PhotoRecord, RunRecord, Told
from gpen_ui.photo import write_named

if TYPE_CHECKING:
    from gpen_ui.engine.results import RestoredPhoto


def settle(
    store: RunStore,
    run: RunRecord,
    photo: PhotoRecord,
    restored: RestoredPhoto,
    recipe: str,
    patience: Patience,
    watch: Stopwatch,
) -> None:
    """Brings a photo to its end in the store.

    Args:
        photo: with the size and time that its file had when it was taken.
        watch: tells the seconds since the photo before.

    Raises:
        Interrupted: something else was wished while the run was held.
        GpenError: the disk is full, see `is_full`; calling again, with more room, goes on.
    """
    facts = facts_of(photo, restored, recipe)
    why = _failure(restored, facts)
    if why is None and restored.photo is not None:
        try:
            _write(store, run, photo, restored, facts, patience)
        except GpenError as error:
            if is_full(error) or error.key.startswith("error.runs_store"):
                raise
            why = told(error)
    if why is None:
        store.ledger.done(run.id, photo.id, watch.lap_s)
    else:
        store.ledger.fail(run.id, photo.id, why, facts, watch.lap_s)


def facts_of(photo: PhotoRecord, restored: RestoredPhoto | None, recipe: str) -> Facts:
    """What is kept about a photo besides its result; `restored` is None when the engine never gave one."""
    if restored is None:
        return Facts(recipe, "", photo.size_bytes, photo.mtime_ns)
    original, result = restored.original, restored.photo
    faces = tuple(
        FaceRecord(face.number, face.box_xyxy, face.score, face.state, told(face.why) if face.why else None)
        for face in restored.faces
    )
    return Facts(
        recipe=recipe,
        content_hash=digest_of_file(photo.path),
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


def missing_root(photo: PhotoRecord, restored: RestoredPhoto) -> Path | None:
    """The input folder of a photo that could not be read, when that folder as a whole is gone: an unplugged disk or a
    lost network drive must not fail thousands of photos one by one."""
    is_lost = isinstance(restored.error, PhotoReadError) and photo.root != photo.path and not photo.root.is_dir()
    return photo.root if is_lost else None


def _failure(restored: RestoredPhoto, facts: Facts) -> Told | None:
    """Why the photo counts as failed. A photo of which no face could be restored, though one should have been, is one:
    an unrestored copy is not passed off as a result."""
    if restored.error is not None:
        return told(restored.error)
    failed = [face for face in facts.faces if face.state == "failed"]
    if failed and not any(face.state == "restored" for face in facts.faces):
        return failed[0].why or told(GpenError("run_no_face_restored"))
    return None


def _write(
    store: RunStore, run: RunRecord, photo: PhotoRecord, restored: RestoredPhoto, facts: Facts, patience: Patience
) -> None:
    output = _output(run)
    encoded = encode_restored(restored, output)
    data, extension = encoded.data, encoded.extension
    facts = replace(facts, notes=facts.notes + tuple(told(note) for note in as_notes(encoded.remarks)))
    folder = run.output_folder / photo.subfolder
    patience.until_room(folder, len(data), run.settings.reserve_mb)
    digest = digest_of(data)
    settings = run.settings
    for name in candidates(
        settings.template, name=photo.path.name, suffix=settings.suffix, extension=extension, number=photo.number
    ):
        result = folder / name
        if os.path.lexists(result) and not _is_own_rubbish(store, photo, result):
            continue
        if not store.ledger.reserve(run.id, photo.id, result, digest, facts, len(data)):
            continue
        if write_named(data, result, temporary_of(result, run.id, photo.id), file_time(restored, output)):
            return


def _output(run: RunRecord) -> Output:
    settings = run.settings
    return Output(settings.output_format, settings.suffix, settings.metadata, settings.ai_note, settings.keep_time)


def _is_own_rubbish(store: RunStore, photo: PhotoRecord, result: Path) -> bool:
    """An empty file under a name of this photo: left where there are no hard links and the process was killed."""
    try:
        return result.stat().st_size == 0 and store.ledger.result_owner(result) == photo.id
    except OSError:
        return False
