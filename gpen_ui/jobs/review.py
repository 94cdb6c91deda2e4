"""What of a run is really done: looked at each time somebody begins to work on it, also after a crash.

The way of a result makes this possible: its name and the hash of its bytes are committed to the store before the file
gets that name. So a photo found in the state "writing" is done when the file of that name has that hash, and not begun
when it has not, whatever moment the process was killed at; no photo is written twice and none is lost.
"""

from __future__ import annotations

from pathlib import Path

from gpen_ui.jobs.digest import digest_of_file
from gpen_ui.jobs.recipe import with_choices
from gpen_ui.jobs.store import RunStore
from gpen_ui.jobs.types import PhotoRecord, RunRecord

PAGE = 500  # photos looked at in one query
ALONE_FROM = 3  # begun so often without an end, a photo goes through the engine after all others and without company
CRASHES_MOST = 10  # begun so often, a photo is what ends the program


def temporary_of(result: Path, run_id: str, photo_id: int) -> Path:
    """The name under which a result is written before it gets its own; known, so that a crash leaves no rubbish."""
    return result.with_name(f".gpen-{run_id}-{photo_id}.part")


def recover(store: RunStore, run: RunRecord) -> None:
    """Brings photos that a crash left in the middle to where they really are. Only for whoever holds the run."""
    for photo in store.ledger.photos(run.id, states=("working", "writing"), limit=PAGE):
        if photo.state == "writing":
            _finish_or_undo(store, run, photo)
        else:
            store.ledger.give_back(photo.id, crashed=True)


def review(store: RunStore, run: RunRecord, recipe: str) -> None:
    """Sends back to "waiting" what has to be done again: what was done with another recipe or from another content,
    whose result is gone, and what was skipped, which the worker judges anew."""
    after = 0
    while photos := store.ledger.photos(run.id, after=after, limit=PAGE):
        after = photos[-1].number
        stale = [photo for photo in photos if _is_stale(store, photo, recipe)]
        with store.database.writing():
            for photo in stale:
                store.ledger.again(photo.id)


def _is_stale(store: RunStore, photo: PhotoRecord, recipe: str) -> bool:
    if photo.state == "skipped":
        return True
    if photo.state == "done" and (photo.result is None or not photo.result.is_file()):
        return True
    return photo.state in ("done", "failed") and _is_other(store, photo, recipe)


def _finish_or_undo(store: RunStore, run: RunRecord, photo: PhotoRecord) -> None:
    assert photo.result is not None
    digest, _ = store.ledger.result_facts(photo.id)
    try:
        temporary_of(photo.result, run.id, photo.id).unlink(missing_ok=True)
        whole = photo.result.stat().st_size == photo.result_bytes and digest_of_file(photo.result) == digest
    except OSError:
        whole = False
    if whole:
        store.ledger.done(run.id, photo.id, None)
    else:
        store.ledger.give_back(photo.id, crashed=True)


def _is_other(store: RunStore, photo: PhotoRecord, recipe: str) -> bool:
    """Whether options, choices, model or format, or the photo itself, differ from what its end was reached with."""
    _, used = store.ledger.result_facts(photo.id)
    if used != with_choices(recipe, photo.choices):
        return True
    try:
        facts = photo.path.stat()
    except (OSError, ValueError):
        return False  # the source is gone; what is there is all there will be
    if (facts.st_size, facts.st_mtime_ns) == (photo.size_bytes, photo.mtime_ns):
        return False
    return facts.st_size != photo.size_bytes or digest_of_file(photo.path) != photo.content_hash
