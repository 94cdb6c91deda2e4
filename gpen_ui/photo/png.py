"""The chunks of a PNG: what belongs to the picture, what describes it, and putting both together again.

PNG (Third Edition), sections 5 (chunks) and 11 (their contents). Read by ourselves, so that a text of any length, or a
damaged chunk that has nothing to do with the pixels, does not cost the photo.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP_KEYWORD = "XML:com.adobe.xmp"
RAW_PROFILE = "Raw profile type "  # ImageMagick's way to store EXIF, IPTC and XMP as text; exiftool follows it

_PICTURE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
COLOUR_CHUNKS = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"cLLI")
_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_MOST_BYTES = 64 << 20  # that all compressed chunks together may unfold to; more is a bomb
_INCH_M = 0.0254


@dataclass(frozen=True)
class PngParts:
    """A PNG taken apart.

    Attributes:
        picture: the file with nothing but its pixels.
        depth: bits per sample.
        frames: of an animation, else 1.
        chunks: those that go into another PNG as they are.
        unreadable: names of metadata that are there but damaged.
    """

    picture: bytes
    depth: int
    frames: int
    exif: bytes | None
    icc: bytes | None
    xmp: bytes | None
    iptc: bytes | None
    resources: bytes | None
    dpi: tuple[float, float] | None
    texts: tuple[tuple[str, str], ...]
    chunks: tuple[tuple[bytes, bytes], ...]
    unreadable: tuple[str, ...]


def take_apart(data: bytes) -> PngParts:
    """Sorts the chunks of a file. A damaged file gives a damaged `picture`, which the decoder will refuse."""
    picture, kept, texts = bytearray(SIGNATURE), [], []
    found: dict[str, bytes] = {}
    unreadable: list[str] = []
    depth, frames, dpi = 8, 1, None
    room = _MOST_BYTES
    for name, body, raw in _walk(data):
        if name in _PICTURE or not name:
            picture += raw
            if name == b"IHDR" and len(body) == 13:
                depth = body[8]
        elif name == b"acTL" and len(body) == 8:
            frames = max(1, int.from_bytes(body[:4], "big"))
        elif name == b"eXIf":
            found.setdefault("EXIF", body)
        elif name == b"pHYs" and len(body) == 9 and body[8] == 1:
            across, down = struct.unpack(">II", body[:8])
            dpi = (across * _INCH_M, down * _INCH_M)
        elif name in COLOUR_CHUNKS or name == b"tIME":
            kept.append((name, body))
        elif name == b"iCCP" or name in _TEXT:
            try:
                keyword, content = _text(name, body, room)
            except (ValueError, zlib.error):
                unreadable.append("ICC" if name == b"iCCP" else "text")
                continue
            room -= len(content)
            if name == b"iCCP":
                found["ICC"] = content
            elif (profile := _profile(keyword, content)) is not None:
                found.setdefault(*profile)
            else:
                kept.append((name, body))
                texts.append((keyword, content.decode("utf-8" if name == b"iTXt" else "latin-1", "replace")))
    return PngParts(
        bytes(picture), depth, frames, found.get("EXIF"), found.get("ICC"), found.get("XMP"),
        found.get("IPTC"), found.get("8BIM"), dpi, tuple(texts), tuple(kept), tuple(unreadable),
    )  # fmt: skip


def text_chunk(keyword: str, text: str) -> tuple[bytes, bytes]:
    """A chunk with a text of any language."""
    name = keyword.encode("latin-1", "replace")[:79] or b"Comment"
    return b"iTXt", name + bytes(5) + text.encode("utf-8", "replace")


def put_together(
    picture: bytes,
    chunks: Iterable[tuple[bytes, bytes]],
    *,
    exif: bytes | None = None,
    icc: bytes | None = None,
    xmp: bytes | None = None,
    resources: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> bytes:
    """The file of `picture`, a PNG without metadata, with what describes it.

    Args:
        exif: TIFF structure without a prefix.
        chunks: see `PngParts`; colour chunks are left out beside a profile, which says the same better.
    """
    head_end = len(SIGNATURE) + 25  # behind IHDR
    front = []  # everything goes before the pixels, where every reader looks
    if icc is not None:
        front.append((b"iCCP", b"ICC profile\x00\x00" + zlib.compress(icc)))
    for name, body in chunks:
        if icc is None or name not in COLOUR_CHUNKS:
            front.append((name, body))
    if dpi is not None:
        across, down = (max(1, round(value / _INCH_M)) for value in dpi)
        front.append((b"pHYs", struct.pack(">IIB", across, down, 1)))
    if exif is not None:
        front.append((b"eXIf", exif))
    if xmp is not None:
        front.append((b"iTXt", XMP_KEYWORD.encode() + bytes(5) + xmp))
    if resources is not None:
        front.append((b"zTXt", _raw_profile("8bim", resources)))
    return picture[:head_end] + b"".join(_chunk(name, body) for name, body in front) + picture[head_end:]


def _walk(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Name, body and all bytes of each chunk; what cannot be cut into chunks comes last, without a name."""
    at = len(SIGNATURE)
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        end = at + 12 + length
        if end > len(data) or len(data) - at < 12:
            yield b"", b"", data[at:]
            return
        name = data[at + 4 : at + 8]
        yield name, data[at + 8 : end - 4], data[at:end]
        if name == b"IEND":
            return
        at = end


def _chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")


def _text(name: bytes, body: bytes, most_bytes: int) -> tuple[str, bytes]:
    """Keyword and content of tEXt, zTXt, iTXt or iCCP."""
    keyword, found, rest = body.partition(b"\x00")
    if not found:
        raise ValueError("no keyword")
    if name == b"tEXt":
        content = rest
    elif name in (b"zTXt", b"iCCP"):
        content = _unfolded(rest[1:], most_bytes)
    else:
        compressed, (_, _, content) = rest[:1] == b"\x01", (b"", b"", rest[2:].split(b"\x00", 2)[-1])
        content = _unfolded(content, most_bytes) if compressed else content
    return keyword.decode("latin-1"), content


def _unfolded(packed: bytes, most_bytes: int) -> bytes:
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(packed, max(1, most_bytes))
    if not unpacker.eof:
        raise ValueError("too long or cut off")
    return content


def _profile(keyword: str, content: bytes) -> tuple[str, bytes] | None:
    """Metadata in the clothes of a text: its kind and bytes, or None for a true text."""
    if keyword == XMP_KEYWORD:
        return "XMP", content
    kinds = {"exif": "EXIF", "app1": "EXIF", "iptc": "8BIM", "8bim": "8BIM", "xmp": "XMP"}
    kind = kinds.get(keyword.removeprefix(RAW_PROFILE).lower()) if keyword.startswith(RAW_PROFILE) else None
    if kind is None:
        return None
    found = re.fullmatch(rb"\s*[^\n]*\n\s*\d+\s*\n([0-9a-fA-F\s]*)", content)
    try:
        profile = bytes.fromhex(found.group(1).decode("ascii")) if found else b""
    except ValueError:
        return None
    if kind == "EXIF" and not profile.startswith(b"Exif\x00\x00"):
        kind = "XMP" if profile.startswith(b"http://ns.adobe.com/xap/") else "EXIF"
        profile = profile.partition(b"\x00")[2] if kind == "XMP" else profile
    if kind == "8BIM" and not profile.startswith(b"8BIM"):
        kind = "IPTC"
    return (kind, profile) if profile else None


def _raw_profile(kind: str, profile: bytes) -> bytes:
    lines = re.sub("(.{72})", "\\1\n", profile.hex())
    text = f"\n{kind}\n{len(profile):8d}\n{lines}\n"
    return (RAW_PROFILE + kind).encode() + b"\x00\x00" + zlib.compress(text.encode())
