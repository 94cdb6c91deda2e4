"""Room on the disk of the results."""

from __future__ import annotations

import shutil
from pathlib import Path

from gpen_ui.errors import GpenError

FULL = ("error.photo_disk_full", "error.runs_store_full")  # keys of errors that more room would mend


def has_room(folder: Path, need_bytes: int, reserve_mb: int) -> bool:
    """Whether so many bytes can be written without touching the reserve; yes where the disk does not tell."""
    existing = next((each for each in (folder, *folder.parents) if each.is_dir()), None)
    try:
        free = shutil.disk_usage(existing or folder).free
    except OSError:
        return True
    return free >= need_bytes + (reserve_mb << 20)


def is_full(error: GpenError) -> bool:
    """Whether the error says that the disk is full."""
    return error.key in FULL
