"""A `Photo` -> a new file: never over another one, never half of one."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from gpen_ui.errors import PhotoError, PhotoWriteError, reason_of
from gpen_ui.paths import shown
from gpen_ui.photo.encode import MetadataWish, WriteFormat, encode_file
from gpen_ui.photo.names import result_names
from gpen_ui.photo.types import Photo

TEMPORARY_PREFIX = ".gpen-"  # hidden, and without a photo's extension: no scan takes it for a photo
TEMPORARY_SUFFIX = ".part"

Stamp = tuple[int, int]


def save_photo(
    photo: Photo,
    folder: Path | str,
    *,
    name: str,
    suffix: str = "_gpen",
    output_format: WriteFormat = "same",
    metadata: MetadataWish = "keep",
    note: Mapping[str, str] | None = None,
    keep_time: bool = True,
) -> Path:
    """Writes a photo as `<name>_gpen.<ext>`, or `<name>_gpen_2.<ext>` and so on when that name is taken.

    Args:
        name, suffix: see `save_encoded`.
        output_format, metadata, note: see `encode_file`.
        keep_time: the file gets the time of the source's last change, so that photos without a date inside keep their
            place in a folder that is sorted by time.

    Returns:
        The path of the new file.

    Raises:
        PhotoWriteError: it cannot be encoded, or as from `save_encoded`.
    """
    encoded = encode_file(photo, output_format, metadata=metadata, note=note)
    modified_ns = photo.metadata.modified_ns if keep_time else None
    return save_encoded(
        encoded.data, folder, name=name, suffix=suffix, extension=encoded.extension, modified_ns=modified_ns
    )


def save_encoded(
    data: bytes, folder: Path | str, *, name: str, suffix: str, extension: str, modified_ns: int | None = None
) -> Path:
    """Writes the bytes of a result under the first name that is free.

    The file appears under its name only when it is whole and on the disk; an existing file is never replaced, also
    when several processes write into the folder.

    Args:
        folder: made when it is missing.
        name: of the source, with or without its extension.
        suffix: stands between the name and the extension.
        modified_ns: time of the file; None for now.

    Raises:
        PhotoWriteError: the folder cannot be made or written to, the disk is full, the name is too long.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _write_new(folder, data, name, suffix, extension, modified_ns)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _write_error(error, folder, name) from error


def write_named(
    data: bytes, final: Path, temporary: Path, modified_ns: int | None = None, *, over: bool = False
) -> bool:
    """Writes a file under a name that was chosen before; whole or not at all, never over another file unless asked to.

    Args:
        final: its folder is made when it is missing. An empty file there counts as the caller's own, left by a write
            that was killed where there are no hard links.
        temporary: in the folder of `final`; replaced when it exists, and gone after.
        modified_ns: time of the file; None for now.
        over: the file that is there is the caller's own and goes, in one step.

    Returns:
        False when the name is taken.

    Raises:
        PhotoWriteError: as from `save_photo`.
    """
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        try:
            _fill(temporary, data, modified_ns)
            if over or (final.is_file() and final.stat().st_size == 0):
                temporary.replace(final)
            elif not _claim(temporary, final):
                return False
            _sync_folder(final.parent)
            return True
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise _write_error(error, final.parent, final.name) from error


def stamp_of(path: Path) -> Stamp | None:
    """What tells whether a file was touched since: bytes and time of the last change; None for no file."""
    try:
        facts = path.stat()
    except (OSError, ValueError):
        return None
    return facts.st_size, facts.st_mtime_ns


def replace_encoded(data: bytes, path: Path, written: Stamp | None, *, modified_ns: int | None = None) -> bool:
    """Puts a newer form of a result in the place of the one that this program wrote, in one step.

    Args:
        written: `stamp_of` the file when it was written.

    Returns:
        False when the file is another one by now, or gone: then nothing was written.

    Raises:
        PhotoWriteError: as from `save_encoded`; the file is as it was.
    """
    if written is None or stamp_of(path) != written:
        return False
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")
    try:
        try:
            _fill(temporary, data, modified_ns)
            temporary.replace(path)
            _sync_folder(path.parent)
            return True
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise _write_error(error, path.parent, path.name) from error


def _write_new(folder: Path, data: bytes, name: str, suffix: str, extension: str, modified_ns: int | None) -> Path:
    temporary = folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
    try:
        _fill(temporary, data, modified_ns)
        for candidate in result_names(name, suffix, extension):
            final = folder / candidate
            if _claim(temporary, final):
                _sync_folder(folder)
                return final
    finally:
        temporary.unlink(missing_ok=True)
    raise AssertionError("result_names never ends")


def _fill(temporary: Path, data: bytes, modified_ns: int | None) -> None:
    """Writes a new file through to the disk."""
    # Not tempfile: its files can be read by their owner only, and results are often shared over a network.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        if modified_ns is not None:
            with contextlib.suppress(OSError, OverflowError):  # not every drive takes every time
                os.utime(temporary, ns=(modified_ns, modified_ns))
        os.fsync(stream.fileno())


def _claim(temporary: Path, final: Path) -> bool:
    """Gives the file its name unless the name is taken; both in one step that no other process can come between."""
    try:
        os.link(temporary, final)
        return True
    except FileExistsError:
        return False
    except OSError:
        pass  # exFAT and some network drives know no hard links, each with its own error; a true one comes again below
    try:  # an empty file reserves the name, then it is replaced
        os.close(os.open(final, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except FileExistsError:
        return False
    try:
        temporary.replace(final)
    except BaseException:
        final.unlink(missing_ok=True)
        raise
    return True


def _sync_folder(folder: Path) -> None:
    """Puts the new name itself on the disk; where folders cannot be synced the file is there all the same."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def _write_error(error: OSError | ValueError, folder: Path, name: str) -> PhotoError:
    number = error.errno if isinstance(error, OSError) else None
    facts = {"name": shown(name), "folder": shown(folder)}
    if number in (errno.ENOSPC, errno.EDQUOT):
        return PhotoWriteError("photo_disk_full", **facts)
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return PhotoWriteError("photo_folder_readonly", **facts)
    if number == errno.ENAMETOOLONG:
        return PhotoWriteError("photo_name_too_long", **facts)
    if number in (errno.EEXIST, errno.ENOTDIR):
        return PhotoWriteError("photo_folder_is_file", **facts)
    return PhotoWriteError("photo_not_written", reason=reason_of(error), **facts)
