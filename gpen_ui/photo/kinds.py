"""Which picture formats are read, told by a file's first bytes and never by its name."""

from __future__ import annotations

import importlib.util

from PIL import features

SNIFF_BYTES = 64  # enough for every signature below

SHOWN_FORMATS = "JPEG, PNG, WebP, BMP, TIFF, GIF, AVIF, HEIC"  # those that are read, as people write them

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
)
_FOREIGN_SIGNATURES = (  # recognised so that the refusal can name them
    (b"8BPS", "Photoshop"),
    (b"%PDF", "PDF"),
    (b"\x00\x00\x00\x0cjP", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x00\x00\x00\x0cJXL", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"<svg", "SVG"),
    (b"FUJIFILMCCD-RAW", "RAW"),
    (b"II*\x00\x10\x00\x00\x00CR", "RAW"),
    (b"IIU\x00", "RAW"),
    (b"II+\x00", "BigTIFF"),
    (b"MM\x00+", "BigTIFF"),
    (b"\x1aE\xdf\xa3", "video"),
    (b"PK\x03\x04", "ZIP"),
)
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")
_HEIF_BRANDS = (b"mif1", b"msf1")  # of any codec: the other brands of the file tell which


def picture_format(head: bytes) -> str | None:
    """Pillow's name of a format that is read, or None.

    Args:
        head: the first `SNIFF_BYTES` bytes of the file.
    """
    if foreign_format(head) is not None:
        return None
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if _is_avif(head):
        return "AVIF"
    if _is_heic(head):
        return "HEIC"
    return next((name for signature, name in _SIGNATURES if head.startswith(signature)), None)


def can_read(kind: str) -> bool:
    """Whether the decoder (and encoder) of a format is there."""
    if kind == "HEIC":
        return importlib.util.find_spec("pillow_heif") is not None
    return kind not in ("AVIF", "WEBP") or bool(features.check(kind.lower()))


def foreign_format(head: bytes) -> str | None:
    """The name of a known format that is not read, or None."""
    if head[4:8] == b"ftyp" and not _is_avif(head) and not _is_heic(head):
        return "RAW" if head[8:11] == b"crx" else "video"
    return next((name for signature, name in _FOREIGN_SIGNATURES if head.lstrip().startswith(signature)), None)


def _is_avif(head: bytes) -> bool:
    """The major brand, or one of the compatible brands, of an ISO media file says AVIF."""
    return head[4:8] == b"ftyp" and (b"avif" in head[8:] or b"avis" in head[8:])


def _is_heic(head: bytes) -> bool:
    """As with AVIF; a file of the general brands counts when no other codec is named."""
    if head[4:8] != b"ftyp" or _is_avif(head):
        return False
    return head[8:12] in _HEIC_BRANDS + _HEIF_BRANDS
