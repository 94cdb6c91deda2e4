"""Which photo of a run is worked on next, with its file as it is now."""

from __future__ import annotations

import dataclasses
import logging
import threading

from gpen_ui.jobs.digest import digest_of_file
from gpen_ui.jobs.patience import Patience
from gpen_ui.jobs.plan import is_still_inside
from gpen_ui.jobs.recipe import with_choices
from gpen_ui.jobs.store import RunStore
from gpen_ui.jobs.types import PhotoRecord, RunRecord, Told
from gpen_ui.paths import shown

log = logging.getLogger(__name__)


def next_photo(
    store: RunStore, run: RunRecord, recipe: str, patience: Patience, stop: threading.Event, most_attempts: int
) -> PhotoRecord | None:
    """The next photo for the engine, "working" now; ones that another run has done are skipped.

    Args:
        most_attempts: photos that were begun so often already wait.

    Returns:
        None when none waits, or `stop` was set.
    """
    while not stop.is_set():
        taken = patience.insist(store.ledger.take, run.id, most_attempts)
        if taken is None:
            return None
        if not is_still_inside(taken):
            patience.insist(store.ledger.skip, run.id, taken.id, Told("runs.ignored.link"))
            log.warning("refused: %s, found in a folder, leads out of it now", ascii(str(taken.path))[:300])
            continue
        photo = _with_its_own_choices(as_it_is(taken), store, patience)
        folder = run.output_folder / photo.subfolder
        twin = store.ledger.twin(run.id, photo, folder, with_choices(recipe, photo.choices))
        if twin is None or run.settings.again or photo.old_result is not None:
            return photo
        why = Told("runs.skipped.done", {"run": twin[0], "result": shown(twin[1])})
        patience.insist(store.ledger.skip, run.id, photo.id, why)
    return None


def as_it_is(photo: PhotoRecord) -> PhotoRecord:
    """The photo with the size and time that its file has now."""
    try:
        facts = photo.path.stat()
    except (OSError, ValueError):
        return dataclasses.replace(photo, size_bytes=-1, mtime_ns=-1)
    return dataclasses.replace(photo, size_bytes=facts.st_size, mtime_ns=facts.st_mtime_ns)


def _with_its_own_choices(photo: PhotoRecord, store: RunStore, patience: Patience) -> PhotoRecord:
    """Without what was asked of faces of another picture that the file held before."""
    if not photo.content_hash or not (photo.choices or photo.old_result):
        return photo
    if digest_of_file(photo.path) in (photo.content_hash, ""):  # the same, or gone
        return photo
    patience.insist(store.ledger.forget_choices, photo.id)
    return dataclasses.replace(photo, choices=(), old_result=None)
