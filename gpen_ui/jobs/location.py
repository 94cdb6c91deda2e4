"""Where the store of runs lies: in the outputs folder, unless that is on a network drive."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from gpen_ui.errors import GpenError, reason_of
from gpen_ui.jobs.types import Told
from gpen_ui.paths import shown

HIDDEN_FOLDER = ".gpen-ui"
# As /proc/self/mounts names them. SQLite's write-ahead log needs memory shared by all readers, which no network
# drive gives (sqlite.org/wal.html), and file locks over a network are often not kept.
_NETWORK_KINDS = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "9p", "ceph", "glusterfs", "lustre", "davfs")
_NETWORK_FUSE = ("sshfs", "rclone", "s3fs", "gvfsd-fuse", "davfs", "glusterfs", "ceph")
_REMOTE_DRIVE = 4  # DRIVE_REMOTE of GetDriveTypeW


@dataclass(frozen=True)
class Location:
    """The folder of the store, and why it is not in the outputs folder, if it is not."""

    folder: Path
    why: Told | None = None


def store_location(outputs_folder: Path) -> Location:
    """The folder for the store of runs; made when it is missing.

    Raises:
        GpenError: neither the outputs folder nor the user's data folder can be written.
    """
    hidden = outputs_folder / HIDDEN_FOLDER
    trouble = "note.runs_network_drive" if is_on_network(outputs_folder) else None
    if trouble is None:
        try:
            hidden.mkdir(parents=True, exist_ok=True)
            if os.access(hidden, os.W_OK):
                return Location(hidden)
        except OSError:
            pass
        trouble = "note.runs_outputs_readonly"
    name = hashlib.blake2b(os.fsencode(os.path.realpath(outputs_folder)), digest_size=6).hexdigest()
    folder = user_data_folder() / "runs" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GpenError("runs_store_unwritable", folder=shown(folder), reason=reason_of(error)) from error
    return Location(folder, Told(trouble, {"outputs": shown(outputs_folder), "folder": shown(folder)}))


def user_data_folder() -> Path:
    """Where programs keep the user's data on this system."""
    from platformdirs import user_data_path

    return user_data_path("gpen-ui", appauthor=False)


def is_on_network(folder: Path) -> bool:
    """Whether the folder, or the nearest one above it that exists, is known to lie on a network drive.

    Known on Linux from the mounts and on Windows from the drive; elsewhere the answer is no.
    """
    real = os.path.realpath(folder)
    if sys.platform == "win32":
        import ctypes

        drive = os.path.splitdrive(real)[0]
        return drive.startswith("\\\\") or ctypes.windll.kernel32.GetDriveTypeW(drive + "\\") == _REMOTE_DRIVE
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return is_network_kind(_kind_of_mount(real, mounts))


def is_network_kind(kind: str) -> bool:
    """Whether this kind of file system lies behind a network."""
    if kind.startswith("fuse."):
        return kind.removeprefix("fuse.") in _NETWORK_FUSE
    return kind in _NETWORK_KINDS


def _kind_of_mount(real: str, mounts: str) -> str:
    """The kind of the deepest mount that holds the path; of two at one place the later one."""
    found, kind = "", ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        place = fields[1].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
        inside = real == place or real.startswith(place.rstrip("/") + "/")
        if inside and len(place) >= len(found):
            found, kind = place, fields[2]
    return kind
