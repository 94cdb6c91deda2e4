"""What a file carries besides its pixels, gathered from an opened picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO

from PIL import ImageFile, JpegImagePlugin

from gpen_ui.photo import jpeg
from gpen_ui.photo.colour import colour_space
from gpen_ui.photo.exif import orientation_of, pictures_in_index, upright
from gpen_ui.photo.png import PngParts
from gpen_ui.photo.resources import tidied, with_iptc
from gpen_ui.photo.tiff import exif_of_tiff, pages_in, stored_value
from gpen_ui.photo.types import PhotoMetadata, Remark
from gpen_ui.photo.xmp import orientation_in

_XMP, _IPTC, _RESOURCES = 700, 33723, 34377
_MOST_SNIFFED = 1 << 16  # bytes in which the codec's own header is looked for
_TURNED_BY_CONTAINER = ("AVIF",)  # its own property counts alone; Pillow puts that into the EXIF block
TURNED_BY_DECODER = ("HEIC", "TIFF")


@dataclass(frozen=True)
class Collected:
    """Metadata as it goes into the photo, and the orientation in which the file stores its pixels (Exif's 1 to 8)."""

    metadata: PhotoMetadata
    orientation: int


def collect(
    image: ImageFile.ImageFile, kind: str, stream: IO[bytes], png: PngParts | None, turned_from: int = 1
) -> Collected:
    """Gathers everything; what is damaged is left out and remarked.

    Args:
        image: opened; decoded or not.
        stream: of the file; its place is not kept.
        png: the file taken apart when it is a PNG; `image` then shows the bare picture.
        turned_from: the orientation of a picture that its decoder has turned upright.
    """
    tiff = kind == "TIFF"
    raw_exif = png.exif if png else exif_of_tiff(stream) if tiff else _bytes(image.info.get("exif"))
    xmp = png.xmp if png else stored_value(stream, _XMP) if tiff else _bytes(image.info.get("xmp"))
    said_by_xmp = None if kind in _TURNED_BY_CONTAINER else orientation_in(xmp)
    orientation = turned_from if kind in TURNED_BY_DECODER else orientation_of(raw_exif) or said_by_xmp or 1
    exif = upright(raw_exif, quarter_turn=orientation >= 5)
    icc = png.icc if png else image.info.get("icc_profile") or None
    unreadable = [*(png.unreadable if png else ())]
    unreadable += ["EXIF"] if raw_exif and exif is None else []
    unreadable += ["ICC"] if icc and colour_space(icc) is None else []
    metadata = PhotoMetadata(format=kind, exif=exif, icc=icc, xmp=xmp, dpi=_dpi(image, png, orientation))
    if png is not None:
        resources = tidied(with_iptc(png.resources, png.iptc))
        metadata = replace(metadata, resources=resources, texts=png.texts, chunks=png.chunks)
    elif isinstance(image, JpegImagePlugin.JpegImageFile):
        metadata = _with_jpeg_parts(metadata, image)
    elif tiff:
        iptc, resources = stored_value(stream, _IPTC), stored_value(stream, _RESOURCES)
        metadata = replace(metadata, resources=tidied(with_iptc(resources, iptc)))
    elif kind == "GIF" and isinstance(comment := image.info.get("comment"), bytes):
        metadata = replace(metadata, texts=(("Comment", comment.decode("utf-8", "replace")),))
    elif kind == "WEBP":
        metadata = replace(metadata, lossless=_webp_is_lossless(stream))
    remarks = list(_remarks(image, kind, stream, png, unreadable))
    return Collected(replace(metadata, remarks=tuple(remarks)), orientation)


def _with_jpeg_parts(metadata: PhotoMetadata, image: JpegImagePlugin.JpegImageFile) -> PhotoMetadata:
    segments = [(name, data) for name, data in image.applist if isinstance(data, bytes)]
    comments = [data.rstrip(b"\x00") for name, data in segments if name == "COM"]
    return replace(
        metadata,
        resources=tidied(jpeg.resources_of(segments)),
        xmp_extension=jpeg.xmp_extension_of(segments),
        texts=tuple(("Comment", comment.decode("utf-8", "surrogateescape")) for comment in comments if comment),
        jpeg_tables=jpeg.tables_of(image),
    )


def _remarks(
    image: ImageFile.ImageFile, kind: str, stream: IO[bytes], png: PngParts | None, unreadable: list[str]
) -> Iterator[Remark]:
    frames = pages_in(stream) if kind == "TIFF" else _frames(image, png)
    if frames > 1:
        yield Remark("photo_first_of_several", {"count": frames})
    bits = int(image.info.get("bit_depth", 8)) if kind == "HEIC" else _avif_bits(stream) if kind == "AVIF" else 8
    if bits > 8:
        yield Remark("photo_depth_reduced", {"bits": bits})
    if unreadable:
        yield Remark("photo_metadata_unreadable", {"what": ", ".join(dict.fromkeys(unreadable))})


def _frames(image: ImageFile.ImageFile, png: PngParts | None) -> int:
    if png is not None:
        return png.frames
    try:
        if isinstance(index := image.info.get("mp"), bytes):
            return pictures_in_index(index)
        return int(getattr(image, "n_frames", 1))
    except Exception:  # a damaged second picture is nothing to the first
        return 1


def _dpi(image: ImageFile.ImageFile, png: PngParts | None, orientation: int) -> tuple[float, float] | None:
    dpi = png.dpi if png else image.info.get("dpi")
    if isinstance(image, JpegImagePlugin.JpegImageFile) and image.info.get("jfif_unit") not in (1, 2):
        return None  # Pillow's guess; EXIF keeps its own
    try:
        across, down = (float(value) for value in dpi or ())
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not (0 < across < 1e5 and 0 < down < 1e5):
        return None
    return (down, across) if orientation >= 5 else (across, down)


def _bytes(value: object) -> bytes | None:
    return value if isinstance(value, bytes) and value else None


def _webp_is_lossless(stream: IO[bytes]) -> bool:
    """Whether the picture's chunk is VP8L (WebP Container Specification)."""
    stream.seek(12)
    while len(head := stream.read(8)) == 8:
        if head[:4] in (b"VP8L", b"VP8 "):
            return head[:4] == b"VP8L"
        length = int.from_bytes(head[4:], "little")
        stream.seek(length + length % 2, 1)
    return False


def _avif_bits(stream: IO[bytes]) -> int:
    """Bits per channel from the codec's configuration (AV1 Codec ISO Media File Format Binding, 2.3.3)."""
    stream.seek(0)
    head = stream.read(_MOST_SNIFFED)
    at = head.find(b"av1C")
    flags = head[at + 6] if 0 <= at < len(head) - 6 else 0
    return 8 if not flags & 0x40 else 12 if flags & 0x20 else 10
