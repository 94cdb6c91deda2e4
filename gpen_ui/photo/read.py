"""A file on disk, bytes of an upload or an array -> a `Photo`, upright and in RGB."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from gpen_ui.errors import PhotoError, PhotoReadError, PhotoTooLargeError, reason_of
from gpen_ui.paths import shown
from gpen_ui.photo.collect import TURNED_BY_DECODER, collect
from gpen_ui.photo.colour import Decoded, fitting_profile, from_deep, is_gray, to_rgb
from gpen_ui.photo.deep import decode_deep, turned
from gpen_ui.photo.exif import PREFIX, upright
from gpen_ui.photo.heif import open_heic
from gpen_ui.photo.kinds import SHOWN_FORMATS, SNIFF_BYTES, can_read, foreign_format, picture_format
from gpen_ui.photo.mend import without_end_marker
from gpen_ui.photo.png import PngParts, take_apart
from gpen_ui.photo.tiff import claims_too_much, planes_apart
from gpen_ui.photo.types import Photo, PhotoFile, PhotoMetadata, Remark

_TURNS = {  # Exif 2.32, tag Orientation -> what makes the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_REDUCED_PICTURE = 254  # TIFF NewSubfileType; bit 0: this is only a preview, as in the raw files of cameras
_DNG_VERSION = 50706
_BITS, _PHOTOMETRIC, _ORIENTATION, _PLANES, _EXTRA_SAMPLES = 258, 262, 274, 284, 338
_RGB = 2
_APART = 2  # PlanarConfiguration
_PREMULTIPLIED = 1


class _Tiff(TiffImagePlugin.TiffImageFile):
    """Pillow's reader without its own limit of pixels, which would warn through a global; ours ran on the header."""

    def load_prepare(self) -> None:
        if self._im is None:
            self.im = Image.new(self.mode, getattr(self, "_tile_size", self.size)).im
        super().load_prepare()


# Opened by class and not through Image.open: that would apply Pillow's global limit of pixels instead of ours.
OPENERS: dict[str, Callable[[IO[bytes], str], ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": _Tiff,
    "GIF": GifImagePlugin.GifImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "HEIC": open_heic,
}


def read_photo(source: Path | str | PhotoFile, *, max_megapixels: int = 150) -> Photo:
    """Reads the first picture of a file, whatever its name says it is.

    Orientation is applied. Sixteen bits of a PNG or TIFF stay sixteen. Transparency becomes `alpha` (None when there is
    none). CMYK and Lab are converted to sRGB, through the embedded profile when there is one; `metadata.remarks` says
    that, and what else was not taken as it is.

    Args:
        source: a path, or a file that is in memory already; the same photo comes of both.
        max_megapixels: larger pictures are refused from the header, before anything is decoded.

    Raises:
        PhotoReadError: missing, a folder, empty, no picture, of an unsupported type, cut off, or not readable.
        PhotoTooLargeError: more pixels than allowed, or than fit into memory.
    """
    if isinstance(source, PhotoFile):
        photo = photo_from_bytes(source.data, source.path.name, max_megapixels=max_megapixels)
        return replace(photo, path=source.path, metadata=replace(photo.metadata, modified_ns=source.modified_ns))
    path = Path(source)
    with opened(path) as (stream, facts):
        photo = _read(stream, shown(path.name or path), path, max_megapixels)
        return replace(photo, metadata=replace(photo.metadata, modified_ns=facts.st_mtime_ns))


def load_file(path: Path, *, most_bytes: int) -> PhotoFile:
    """A photo's file with its bytes as they are; what they hold is seen when they are decoded.

    Raises:
        PhotoReadError: missing, a folder or device, or not readable; as from `read_photo`.
        PhotoTooLargeError: more bytes than allowed, or than fit into memory.
    """
    with opened(path) as (stream, facts):
        if facts.st_size > most_bytes:
            size_mb, most_mb = facts.st_size >> 20, most_bytes >> 20
            raise PhotoTooLargeError("photo_too_many_bytes", name=shown(path.name), size=size_mb, most=most_mb)
        try:
            return PhotoFile(path, stream.read(), facts.st_mtime_ns)
        except MemoryError as error:
            raise PhotoTooLargeError("photo_memory", name=shown(path.name)) from error


@contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], os.stat_result]]:
    """A file and its facts; what the disk says against it, in the block too, becomes one of our errors."""
    name = shown(path.name or path)
    try:
        facts = path.stat()
        if stat.S_ISDIR(facts.st_mode):
            raise PhotoReadError("photo_is_folder", name=name)
        if not stat.S_ISREG(facts.st_mode):  # a pipe or device could block or never end
            raise PhotoReadError("photo_not_image", name=name, known=SHOWN_FORMATS)
        with path.open("rb") as stream:
            yield stream, facts
    except FileNotFoundError as error:
        raise PhotoReadError("photo_missing", name=shown(path)) from error
    except NotADirectoryError as error:
        raise PhotoReadError("photo_missing", name=shown(path)) from error
    except PermissionError as error:
        raise PhotoReadError("photo_forbidden", name=name) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise PhotoReadError("photo_unreadable", name=name, reason=reason_of(error)) from error


def photo_from_bytes(data: bytes, name: str = "photo", *, max_megapixels: int = 150) -> Photo:
    """Reads a photo from the bytes of its file, like `read_photo`; `name` stands in the messages only."""
    return _read(io.BytesIO(data), shown(name), None, max_megapixels)


def photo_from_pixels(pixels: NDArray[np.uint8 | np.uint16]) -> Photo:
    """A photo from memory: (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA, uint8 or uint16, upright, sRGB. Copies.

    Raises:
        PhotoReadError: another type or shape, or no pixel at all.
    """
    array = np.asarray(pixels)
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if array.dtype not in (np.uint8, np.uint16) or not fits or array.size == 0:
        raise PhotoReadError("photo_pixels", shape=tuple(array.shape), dtype=array.dtype)
    if array.ndim == 2:
        return Photo(np.repeat(array[:, :, None], 3, axis=2), metadata=PhotoMetadata(gray=True))
    opaque = np.iinfo(array.dtype).max
    alpha = array[:, :, 3].copy() if array.shape[2] == 4 and (array[:, :, 3] < opaque).any() else None
    return Photo(np.array(array[:, :, :3], order="C"), alpha)


def _read(stream: IO[bytes], name: str, path: Path | None, max_megapixels: int) -> Photo:
    head = stream.read(SNIFF_BYTES)
    if not head:
        raise PhotoReadError("photo_empty", name=name)
    kind = picture_format(head)
    if kind is None or not can_read(kind):
        foreign = kind or foreign_format(head)
        if foreign is not None:
            raise PhotoReadError("photo_type", name=name, found=foreign, known=SHOWN_FORMATS)
        raise PhotoReadError("photo_not_image", name=name, known=SHOWN_FORMATS)
    try:
        return _decoded(stream, kind, name, path, max_megapixels)
    except _DamagedError as error:
        mended = without_end_marker(stream) if kind == "JPEG" and error.header_is_fine else None
        if mended is None:
            raise
    return _decoded(mended, kind, name, path, max_megapixels)


class _DamagedError(PhotoReadError):
    """The decoder gave up; `header_is_fine` says whether our own limit of pixels had been checked by then."""

    header_is_fine = False


def _decoded(stream: IO[bytes], kind: str, name: str, path: Path | None, max_megapixels: int) -> Photo:
    stream.seek(0)
    header_is_fine = False
    try:
        if kind == "TIFF" and claims_too_much(stream):
            raise PhotoReadError("photo_damaged", name=name)
        stream.seek(0)
        png = take_apart(stream.read()) if kind == "PNG" else None
        with OPENERS[kind](io.BytesIO(png.picture) if png else stream, "") as image:
            _check_header(image, name, max_megapixels)
            header_is_fine = True
            turned_from = _stored_orientation(image)
            image.load()
            return _to_photo(image, kind, stream, png, path, turned_from)
    except PhotoError:
        raise
    except MemoryError as error:
        raise PhotoTooLargeError("photo_memory", name=name) from error
    except Exception as error:  # a broken file can make Pillow raise almost anything; none of it may leave as it is
        if path is not None and isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # the disk's error; EINVAL is a broken file's wish to go before its own start
        if kind == "TIFF" and isinstance(error, SyntaxError) and "unknown pixel mode" in str(error):
            raise PhotoReadError("photo_type", name=name, found="TIFF (rare)", known=SHOWN_FORMATS) from error
        damaged = _DamagedError("photo_damaged", name=name)
        damaged.header_is_fine = header_is_fine
        raise damaged from error


def _check_header(image: ImageFile.ImageFile, name: str, max_megapixels: int) -> None:
    width, height = image.size
    if width * height > max_megapixels * 1_000_000:
        megapixels = round(width * height / 1e6)
        raise PhotoTooLargeError(
            "photo_too_many_pixels", name=name, width=width, height=height, megapixels=megapixels, most=max_megapixels
        )
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        preview = int(image.tag_v2.get(_REDUCED_PICTURE) or 0) & 1
        if preview or _DNG_VERSION in image.tag_v2:
            raise PhotoReadError("photo_type", name=name, found="RAW", known=SHOWN_FORMATS)


def _to_photo(
    image: ImageFile.ImageFile,
    kind: str,
    stream: IO[bytes],
    png: PngParts | None,
    path: Path | None,
    turned_from: int,
) -> Photo:
    collected = collect(image, kind, stream, png, turned_from)
    metadata, orientation = collected.metadata, collected.orientation
    decoded = _deep(image, kind, stream, png, metadata.icc, orientation)
    remarks = list(metadata.remarks)
    if decoded is None:
        turn = _TURNS.get(orientation) if kind not in TURNED_BY_DECODER else None
        decoded = to_rgb(image if turn is None else image.transpose(turn), metadata.icc)
        if _stored_bits(image, png) > 8 and decoded.pixels.dtype == np.uint8:
            remarks.append(Remark("photo_depth_reduced", {"bits": _stored_bits(image, png)}))
    if decoded.converted_from is not None:
        remarks.append(Remark("photo_converted", {"space": decoded.converted_from}))
    metadata = replace(metadata, icc=decoded.icc, gray=decoded.gray, remarks=tuple(remarks))
    return Photo(decoded.pixels, decoded.alpha, metadata, path)


def _decode_planes(data: bytes) -> NDArray[np.uint16] | None:
    """A TIFF with its samples in planes, which OpenCV and Pillow both take for samples in pixels."""
    planes = [decode_deep(plane) for plane in planes_apart(data)]
    whole = [plane for plane in planes if plane is not None and plane.ndim == 2]
    if len(whole) != len(planes):
        raise ValueError("a plane cannot be decoded")
    return np.dstack(whole)


def _stored_orientation(image: ImageFile.ImageFile) -> int:
    """Of a TIFF, which Pillow turns upright while it decodes."""
    stored = image.tag_v2.get(_ORIENTATION, 1) if isinstance(image, TiffImagePlugin.TiffImageFile) else 1
    return stored if isinstance(stored, int) and 1 <= stored <= 8 else 1


def _stored_bits(image: ImageFile.ImageFile, png: PngParts | None) -> int:
    if png is not None:
        return png.depth
    bits = image.tag_v2.get(_BITS) if isinstance(image, TiffImagePlugin.TiffImageFile) else None
    return max(bits) if isinstance(bits, tuple) and bits else 8


def _deep(
    image: ImageFile.ImageFile, kind: str, stream: IO[bytes], png: PngParts | None, icc: bytes | None, orientation: int
) -> Decoded | None:
    """The picture in sixteen bits when it has them in more than one channel, turned upright; else None.

    Pillow has decoded the whole file by now, so that it is known to be sound.
    """
    if _stored_bits(image, png) != 16 or image.mode not in ("RGB", "RGBA", "RGBa", "LA"):
        return None
    premultiplied = False
    if png is not None:
        samples = decode_deep(png.picture)
    else:
        tags = getattr(image, "tag_v2", {})
        if tags.get(_PHOTOMETRIC) != _RGB:
            return None
        premultiplied = tags.get(_EXTRA_SAMPLES, (0,))[0] == _PREMULTIPLIED
        stream.seek(0)
        data = (upright(stream.read()) or b"").removeprefix(PREFIX)  # OpenCV would turn it by itself
        samples = _decode_planes(data) if tags.get(_PLANES, 1) == _APART else decode_deep(data)
        if samples is not None and samples.ndim == 3 and image.mode == "RGB":
            samples = samples[:, :, :3]  # the fourth is no alpha
    if samples is None or samples.ndim != 3:
        return None
    samples = turned(samples, orientation)
    if samples.size != image.width * image.height * samples.shape[2]:
        return None
    decoded = from_deep(samples, icc, premultiplied=premultiplied)
    one_channel = image.mode == "LA" and is_gray(decoded.pixels)
    return decoded._replace(gray=one_channel, icc=fitting_profile(icc, gray=one_channel))
