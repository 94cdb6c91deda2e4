"""Photos that a browser sent, kept beside the store for as long as their run is: a server's own upload folder is gone
with the server, and a run must outlive it."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from gpen_ui.errors import GpenError, reason_of
from gpen_ui.jobs.store import RunStore
from gpen_ui.jobs.types import RunState
from gpen_ui.paths import shown

FOLDER = "uploads"
OVER: tuple[RunState, ...] = ("done", "cancelled", "broken")


def keep_uploads(store: RunStore, files: Sequence[Path]) -> list[Path]:
    """Takes uploaded files into the store's folder, in the same order; theirs may go away afterwards.

    Each lies in a folder of its own, so that photos of the same name keep it.

    Raises:
        GpenError: they cannot be kept; nothing of them is left behind.
    """
    folder = new_upload(store)
    kept = []
    try:
        for number, file in enumerate(files, 1):
            place = folder / str(number)
            place.mkdir(parents=True)
            kept.append(_put(file, place / file.name))
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise GpenError("run_upload_unkept", name=shown(file.name), reason=reason_of(error)) from error
    return kept


def new_upload(store: RunStore) -> Path:
    """A folder for one upload, which nobody has yet; it is not made."""
    return store.folder / FOLDER / secrets.token_hex(8)


def is_upload(store: RunStore, path: Path) -> bool:
    """Whether a photo was uploaded."""
    return path.is_relative_to(store.folder / FOLDER)


def upload_folders(store: RunStore, photos: Sequence[Path]) -> set[Path]:
    """The folders in which uploads of these photos lie, one for each upload; photos of other places have none."""
    uploads = store.folder / FOLDER
    tokens = {photo.relative_to(uploads).parts[0] for photo in photos if is_upload(store, photo) and photo != uploads}
    return {uploads / token for token in tokens - {".", ".."}}


def forget_uploads(store: RunStore, photos: Sequence[Path]) -> None:
    """Deletes the kept copies among these photos; photos of other places are left alone."""
    for folder in upload_folders(store, photos):
        shutil.rmtree(folder, ignore_errors=True)


def trim_uploads(store: RunStore, most_bytes: int) -> int:
    """Deletes kept uploads until so many bytes are left, those of the run that was made longest ago first.

    Only runs that are done, cancelled or broken lose theirs: nothing is left to do for them, and their results stay.

    Returns:
        The bytes that remain, which may be more.
    """
    total = _bytes_below(store.folder / FOLDER)
    if total <= most_bytes:
        return total
    for run in reversed(store.runs(limit=1 << 30)):
        if run.state not in OVER:
            continue
        for folder in upload_folders(store, run.inputs):
            total -= _bytes_below(folder)
            shutil.rmtree(folder, ignore_errors=True)
        if total <= most_bytes:
            break
    return total


def _bytes_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += 0 if path.is_dir() else path.lstat().st_size
        except OSError:  # it went meanwhile
            continue
    return total


def _put(file: Path, place: Path) -> Path:
    try:
        os.link(file, place)  # costs neither time nor room where both lie on one disk
    except OSError:
        shutil.copyfile(file, place)
    return place
