"""A `Photo` -> a new file: never over another one, never half of one."""

from __future__ import annotations

import errno
import io
import os
import secrets
from pathlib import Path
from typing import Any, Literal, NamedTuple

from PIL import Image

from gpen_ui.errors import PhotoError, PhotoWriteError, reason_of
from gpen_ui.paths import shown
from gpen_ui.photo.colour import colour_space, is_gray
from gpen_ui.photo.exif import fitted
from gpen_ui.photo.kinds import can_read
from gpen_ui.photo.names import result_names
from gpen_ui.photo.types import Photo

WriteFormat = Literal["same", "png", "jpeg", "webp"]

TEMPORARY_PREFIX = ".gpen-"  # hidden, and without a photo's extension: no scan takes it for a photo
TEMPORARY_SUFFIX = ".part"
_JPEG_EXIF_MOST_BYTES = 65533  # one marker segment, Exif 2.32 section 4.7.2


class _Target(NamedTuple):
    """How one format is written: whether it holds alpha and single channels, and the options for Pillow."""

    extension: str
    longest_side_px: int
    alpha: bool
    one_channel: bool
    options: dict[str, Any]


_TARGETS = {
    "JPEG": _Target(".jpg", 65500, False, True, {"quality": 95, "subsampling": 0}),
    "PNG": _Target(".png", 2**31 - 1, True, True, {"compress_level": 4}),
    "WEBP": _Target(".webp", 16383, True, False, {"quality": 95, "method": 4}),
    "TIFF": _Target(".tif", 2**31 - 1, True, True, {"compression": "tiff_adobe_deflate"}),
    "BMP": _Target(".bmp", 2**31 - 1, False, True, {}),
    "AVIF": _Target(".avif", 65535, True, False, {"quality": 92, "subsampling": "4:4:4", "speed": 7}),
}
_ASKED = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP"}


def written_format(photo: Photo, output_format: WriteFormat = "same") -> str:
    """The format that `save_photo` will really write, by Pillow's name.

    "same" is the format of the source, or PNG when that one is not written (GIF). PNG also takes the place of a format
    that cannot hold the photo: JPEG and BMP have no transparency, WebP ends at 16383 pixels. Nothing is lost that way,
    while a flattened background could not be brought back.
    """
    wanted = _ASKED.get(output_format, photo.metadata.format)
    target = _TARGETS.get(wanted)
    if target is None or not can_read(wanted):
        return "PNG"
    fits = max(photo.size_wh) <= target.longest_side_px and (target.alpha or photo.alpha is None)
    return wanted if fits else "PNG"


def encode_photo(photo: Photo, output_format: WriteFormat = "same") -> tuple[bytes, str]:
    """The bytes of the photo's file and its extension with the dot.

    EXIF (its sizes right, no old thumbnail) and ICC go along where the format holds them. A photo that was grey and
    still is becomes one channel again.

    Raises:
        PhotoWriteError: it cannot be encoded.
    """
    kind = written_format(photo, output_format)
    target = _TARGETS[kind]
    icc, space = photo.metadata.icc, colour_space(photo.metadata.icc)
    one_channel = target.one_channel and photo.metadata.gray and space != "RGB" and is_gray(photo.pixels)
    options = dict(target.options)
    if icc is not None and space == ("GRAY" if one_channel else "RGB"):
        options["icc_profile"] = icc
    exif = fitted(photo.metadata.exif, photo.size_wh)
    if exif is not None and (kind != "JPEG" or len(exif) <= _JPEG_EXIF_MOST_BYTES):
        options["exif"] = exif
        if kind == "TIFF":
            del options["compression"]  # Pillow cannot write a camera's directories together with a compression
    buffer = io.BytesIO()
    try:
        _image(photo, one_channel).save(buffer, kind, **options)
    except Exception as error:  # the encoders of Pillow have no common error
        raise PhotoWriteError("photo_encode", name=shown(photo.name), format=kind, reason=reason_of(error)) from error
    return buffer.getvalue(), target.extension


def save_photo(
    photo: Photo, folder: Path | str, *, name: str, suffix: str = "_gpen", output_format: WriteFormat = "same"
) -> Path:
    """Writes a photo as `<name>_gpen.<ext>`, or `<name>_gpen_2.<ext>` and so on when that name is taken.

    The file appears under its name only when it is whole and on the disk; an existing file is never replaced, also
    when several processes write into the folder.

    Args:
        folder: made when it is missing.
        name: of the source, with or without its extension.
        suffix: stands between the name and the extension.
        output_format: see `written_format`.

    Returns:
        The path of the new file.

    Raises:
        PhotoWriteError: the folder cannot be made or written to, the disk is full, the name is too long.
    """
    folder = Path(folder)
    data, extension = encode_photo(photo, output_format)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _write_new(folder, data, name, suffix, extension)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _write_error(error, folder, name) from error


def write_named(data: bytes, final: Path, temporary: Path) -> bool:
    """Writes a file under a name that was chosen before; whole or not at all, never over another file.

    Args:
        final: its folder is made when it is missing. An empty file there counts as the caller's own, left by a write
            that was killed where there are no hard links.
        temporary: in the folder of `final`; replaced when it exists, and gone after.

    Returns:
        False when the name is taken.

    Raises:
        PhotoWriteError: as from `save_photo`.
    """
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        try:
            _fill(temporary, data)
            if final.is_file() and final.stat().st_size == 0:
                temporary.replace(final)
            elif not _claim(temporary, final):
                return False
            _sync_folder(final.parent)
            return True
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise _write_error(error, final.parent, final.name) from error


def _image(photo: Photo, one_channel: bool) -> Image.Image:
    image = Image.fromarray(photo.pixels[:, :, 0] if one_channel else photo.pixels)
    if photo.alpha is not None:
        image.putalpha(Image.fromarray(photo.alpha))
    return image


def _write_new(folder: Path, data: bytes, name: str, suffix: str, extension: str) -> Path:
    temporary = folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
    try:
        _fill(temporary, data)
        for candidate in result_names(name, suffix, extension):
            final = folder / candidate
            if _claim(temporary, final):
                _sync_folder(folder)
                return final
    finally:
        temporary.unlink(missing_ok=True)
    raise AssertionError("result_names never ends")


def _fill(temporary: Path, data: bytes) -> None:
    """Writes a new file through to the disk."""
    # Not tempfile: its files can be read by their owner only, and results are often shared over a network.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
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
