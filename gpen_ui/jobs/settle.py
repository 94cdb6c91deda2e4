"""The end of one photo: its result on the disk under a name that the store knew before, or the reason why not."""

from __future__ import annotations

import os
from pathlib import Path

from gpen_ui.errors import GpenError
from gpen_ui.jobs.digest import digest_of, digest_of_file
from gpen_ui.jobs.names import candidates
from gpen_ui.jobs.outcome import Outcome
from gpen_ui.jobs.patience import Patience, Stopwatch
from gpen_ui.jobs.review import temporary_of
from gpen_ui.jobs.room import is_full
from gpen_ui.jobs.store import RunStore
from gpen_ui.jobs.told import told
from gpen_ui.jobs.types import OldResult, PhotoRecord, RunRecord
from gpen_ui.photo import write_named


def settle(
    store: RunStore, run: RunRecord, photo: PhotoRecord, outcome: Outcome, patience: Patience, watch: Stopwatch
) -> None:
    """Brings a photo to its end in the store.

    Args:
        watch: tells the seconds since the photo before.

    Raises:
        Interrupted: something else was wished while the run was held.
        GpenError: the disk is full, see `is_full`; calling again, with more room, goes on.
    """
    why = outcome.why
    if why is None:
        try:
            _write(store, run, photo, outcome, patience)
        except GpenError as error:
            if is_full(error) or error.key.startswith("error.runs_store"):
                raise
            why = told(error)
    if why is None:
        store.ledger.done(run.id, photo.id, watch.lap_s)
    else:
        store.ledger.fail(run.id, photo.id, why, outcome.facts, watch.lap_s)


def missing_root(photo: PhotoRecord, outcome: Outcome) -> Path | None:
    """The input folder of a photo that could not be read, when that folder as a whole is gone: an unplugged disk or a
    lost network drive must not fail thousands of photos one by one."""
    is_lost = outcome.is_unreadable and photo.root != photo.path and not photo.root.is_dir()
    return photo.root if is_lost else None


def _write(store: RunStore, run: RunRecord, photo: PhotoRecord, outcome: Outcome, patience: Patience) -> None:
    data, folder, settings = outcome.data, run.output_folder / photo.subfolder, run.settings
    patience.until_room(folder, len(data), settings.reserve_mb)
    digest = digest_of(data)
    old = _untouched(photo.old_result, folder, outcome.extension)
    if old is not None and store.ledger.reserve(run.id, photo.id, old, digest, outcome.facts, len(data)):
        write_named(data, old, temporary_of(old, run.id, photo.id), outcome.modified_ns, over=True)
        return
    for name in candidates(
        settings.template,
        name=photo.path.name,
        suffix=settings.suffix,
        extension=outcome.extension,
        number=photo.number,
    ):
        result = folder / name
        if os.path.lexists(result) and not _is_own_rubbish(store, photo, result):
            continue
        if not store.ledger.reserve(run.id, photo.id, result, digest, outcome.facts, len(data)):
            continue
        if write_named(data, result, temporary_of(result, run.id, photo.id), outcome.modified_ns):
            return


def _untouched(old: OldResult | None, folder: Path, extension: str) -> Path | None:
    """The file whose place the result takes: still the one that this program wrote, byte by byte, where and how the
    result would be called now; None where there is none."""
    if old is None or old.path.parent != folder or old.path.suffix != extension:
        return None
    return old.path if digest_of_file(old.path) == old.digest else None


def _is_own_rubbish(store: RunStore, photo: PhotoRecord, result: Path) -> bool:
    """An empty file under a name of this photo: left where there are no hard links and the process was killed."""
    try:
        return result.stat().st_size == 0 and store.ledger.result_owner(result) == photo.id
    except OSError:
        return False
