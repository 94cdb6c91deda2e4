"""A `Photo` -> the bytes of a file, with everything that belongs to it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gpen_ui.errors import PhotoWriteError, reason_of
from gpen_ui.paths import shown
from gpen_ui.photo import jpeg, png
from gpen_ui.photo.colour import colour_space, is_gray
from gpen_ui.photo.deep import encode_deep_png, to_eight_bits
from gpen_ui.photo.exif import PREFIX, fitted, without_gps
from gpen_ui.photo.heif import encode_heic
from gpen_ui.photo.kinds import can_read
from gpen_ui.photo.resources import iptc_of
from gpen_ui.photo.scratch import memory_file
from gpen_ui.photo.tiff import encode_tiff
from gpen_ui.photo.types import Photo, PhotoMetadata, Remark
from gpen_ui.photo.xmp import fitted_xmp, squeezed, xmp_with_note, xmp_without_gps

WriteFormat = Literal["same", "png", "jpeg", "webp", "tiff", "avif", "heic"]
MetadataWish = Literal["keep", "no-gps", "none"]


class _Target(NamedTuple):
    """How one format is written: its limits, which metadata it holds, and the options for Pillow."""

    extension: str
    longest_side_px: int
    alpha: bool
    one_channel: bool
    holds: frozenset[str]
    options: dict[str, Any]


_ALL = frozenset(("EXIF", "XMP", "IPTC", "text"))
_TARGETS = {
    "JPEG": _Target(".jpg", 65500, False, True, _ALL, {"subsampling": 0}),
    "PNG": _Target(".png", 2**31 - 1, True, True, _ALL, {"compress_level": 4}),
    "WEBP": _Target(".webp", 16383, True, False, _ALL - {"IPTC", "text"}, {"quality": 95, "method": 4, "exact": True}),
    "TIFF": _Target(".tif", 2**31 - 1, True, True, _ALL - {"text"}, {}),
    "BMP": _Target(".bmp", 2**31 - 1, False, True, frozenset(), {}),
    "AVIF": _Target(
        ".avif", 65535, True, False, _ALL - {"IPTC", "text"}, {"quality": 92, "subsampling": "4:4:4", "speed": 7}
    ),
    "HEIC": _Target(".heic", 16384, True, False, _ALL - {"IPTC", "text"}, {}),
}
_LOSSLESS_WEBP = {"lossless": True, "quality": 25, "method": 1}  # a tenth larger than the smallest, ten times as quick
_DEEP = ("PNG", "TIFF")
_ASKED = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP", "tiff": "TIFF", "avif": "AVIF", "heic": "HEIC"}
_JPEG_EXIF_MOST_BYTES = jpeg.SEGMENT_MOST_BYTES


@dataclass(frozen=True)
class Encoded:
    """The bytes of a file, its extension with the dot, and what its owner should know about it."""

    data: bytes
    extension: str
    remarks: tuple[Remark, ...]


def written_format(photo: Photo, output_format: WriteFormat = "same") -> str:
    """The format that will really be written, by Pillow's name.

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
    """The bytes of the photo's file and its extension with the dot; see `encode_file`."""
    encoded = encode_file(photo, output_format)
    return encoded.data, encoded.extension


def encode_file(
    photo: Photo,
    output_format: WriteFormat = "same",
    *,
    metadata: MetadataWish = "keep",
    note: Mapping[str, str] | None = None,
) -> Encoded:
    """The photo as a file.

    EXIF, XMP (both upright, with the sizes of the picture, without small pictures of how it was), IPTC, the ICC
    profile, resolution and texts go along where the format holds them. A photo that was grey and still is becomes one
    channel again, except with alpha in sixteen bits, which hardly any program reads. Sixteen bits become eight where
    the format ends there.

    Args:
        output_format: see `written_format`.
        metadata: "no-gps" leaves out coordinates; "none" everything but profile and resolution.
        note: properties of a note in the XMP that says how the photo was restored; None for no note.

    Raises:
        PhotoWriteError: it cannot be encoded.
    """
    kind = written_format(photo, output_format)
    target = _TARGETS[kind]
    wished = _wished(photo.metadata, metadata)
    remarks = list(_remarks(photo, kind, output_format, wished))
    fitting = _fitted(wished, kind, photo.size_wh, note)
    if wished.xmp is not None and "XMP" in target.holds and fitting.xmp is None:
        remarks.append(Remark("photo_not_held", {"format": kind, "what": "XMP"}))
    if wished.exif is not None and "EXIF" in target.holds and fitting.exif is None:
        remarks.append(Remark("photo_not_held", {"format": kind, "what": "EXIF"}))
    space = colour_space(wished.icc)
    rare = photo.alpha is not None and photo.pixels.dtype == np.uint16
    one_channel = not rare and target.one_channel and wished.gray and space != "RGB" and is_gray(photo.pixels)
    fitting = replace(fitting, icc=wished.icc if space == ("GRAY" if one_channel else "RGB") else None)
    try:
        data = _encoded(_samples(photo, kind, one_channel), kind, photo.alpha is not None, fitting)
    except Exception as error:  # the encoders have no common error
        raise PhotoWriteError("photo_encode", name=shown(photo.name), format=kind, reason=reason_of(error)) from error
    return Encoded(data, target.extension, tuple(remarks))


def _wished(kept: PhotoMetadata, wish: MetadataWish) -> PhotoMetadata:
    """What the user wants to be in the file."""
    if wish == "none":
        colour = tuple(chunk for chunk in kept.chunks if chunk[0] in png.COLOUR_CHUNKS)
        return replace(kept, exif=None, xmp=None, xmp_extension=(), resources=None, texts=(), chunks=colour)
    if wish == "no-gps":
        extension = () if any(re.search(b"gps", part, re.I) for part in kept.xmp_extension) else kept.xmp_extension
        exif, xmp = without_gps(kept.exif), xmp_without_gps(kept.xmp)
        return replace(kept, exif=exif, xmp=xmp, xmp_extension=extension)
    return kept


def _fitted(kept: PhotoMetadata, kind: str, size_wh: tuple[int, int], note: Mapping[str, str] | None) -> PhotoMetadata:
    """The metadata true for the written picture, as far as the format holds it."""
    extended = kind == "JPEG" and bool(kept.xmp_extension)
    exif, plain = fitted(kept.exif, size_wh), fitted_xmp(kept.xmp, size_wh, extended=extended)
    xmp = plain if note is None else xmp_with_note(plain, note)
    if kind == "JPEG":
        exif = exif if len(exif or b"") <= _JPEG_EXIF_MOST_BYTES else None
        tries = (xmp, squeezed(xmp or b""), plain)
        xmp = next((packet for packet in tries if packet and len(packet) <= jpeg.XMP_MOST_BYTES), None)
    return replace(kept, exif=exif, xmp=xmp)


def _remarks(photo: Photo, kind: str, output_format: WriteFormat, wished: PhotoMetadata) -> Iterator[Remark]:
    wanted = _ASKED.get(output_format, photo.metadata.format)
    if wanted != kind:
        written = wanted in _TARGETS and can_read(wanted)
        yield Remark("photo_written_as_png" if written else "photo_format_not_written", {"format": wanted})
    if photo.pixels.dtype == np.uint16 and kind not in _DEEP:
        yield Remark("photo_depth_written", {"format": kind})
    there = {"EXIF": wished.exif, "XMP": wished.xmp, "IPTC": wished.resources, "text": wished.texts}
    missing = [what for what, value in there.items() if value and what not in _TARGETS[kind].holds]
    if missing:
        yield Remark("photo_not_held", {"format": kind, "what": ", ".join(missing)})


def _samples(photo: Photo, kind: str, one_channel: bool) -> NDArray[np.uint8 | np.uint16]:
    """(H, W, channels) in the depth of the file."""
    pixels = photo.pixels[:, :, :1] if one_channel else photo.pixels
    samples = pixels if photo.alpha is None else np.dstack((pixels, photo.alpha))
    return samples if kind in _DEEP else to_eight_bits(samples)


def _encoded(samples: NDArray[np.uint8 | np.uint16], kind: str, alpha: bool, kept: PhotoMetadata) -> bytes:
    exif, icc, xmp = kept.exif, kept.icc, kept.xmp
    if kind == "TIFF":
        iptc = iptc_of(kept.resources)
        return encode_tiff(
            samples, alpha=alpha, exif=exif, icc=icc, xmp=xmp, resources=kept.resources, iptc=iptc, dpi=kept.dpi
        )
    if kind == "PNG":
        bare = exif.removeprefix(PREFIX) if exif else None
        chunks = kept.chunks or [png.text_chunk(*text) for text in kept.texts]
        return png.put_together(
            _plain_png(samples), chunks, exif=bare, icc=icc, xmp=xmp, resources=kept.resources, dpi=kept.dpi
        )
    image = _image(samples)
    if kind == "HEIC":
        return encode_heic(image, exif=exif, icc=icc, xmp=xmp)
    options = dict(_TARGETS[kind].options)
    if kind == "WEBP" and kept.lossless:
        options |= _LOSSLESS_WEBP
    if kind == "JPEG":
        options |= _jpeg_options(kept, gray=image.mode == "L")
    if kept.dpi is not None and kind in ("JPEG", "BMP"):
        options["dpi"] = kept.dpi
    named = {"exif": exif, "icc_profile": icc, "xmp": xmp} if kind != "BMP" else {}
    with memory_file() as file:
        image.save(file, kind, **options, **{name: value for name, value in named.items() if value is not None})
        file.seek(0)
        return file.read()


def _jpeg_options(kept: PhotoMetadata, *, gray: bool) -> dict[str, Any]:
    tables = jpeg.tables_for(kept.jpeg_tables)
    lines = [text if keyword == "Comment" else f"{keyword}: {text}" for keyword, text in kept.texts]
    comments = [line.encode("utf-8", "surrogateescape") for line in lines]
    extra = jpeg.extra_segments(kept.resources, kept.xmp_extension if kept.xmp else (), comments)
    return {"qtables": tables[:1] if gray else tables, **({"extra": extra} if extra else {})}


def _plain_png(samples: NDArray[np.uint8 | np.uint16]) -> bytes:
    """A PNG without metadata."""
    if samples.dtype == np.uint8:
        buffer = io.BytesIO()
        _image(samples).save(buffer, "PNG", **_TARGETS["PNG"].options)
        return buffer.getvalue()
    return encode_deep_png(samples.astype(np.uint16, copy=False))


def _image(samples: NDArray[Any]) -> Image.Image:
    if samples.shape[2] == 1:
        return Image.fromarray(np.ascontiguousarray(samples[:, :, 0]))
    modes = {2: "LA", 3: "RGB", 4: "RGBA"}
    height, width, channels = samples.shape
    return Image.frombuffer(
        modes[channels], (width, height), np.ascontiguousarray(samples), "raw", modes[channels], 0, 1
    )


__all__ = ["Encoded", "MetadataWish", "WriteFormat", "encode_file", "encode_photo", "written_format"]
