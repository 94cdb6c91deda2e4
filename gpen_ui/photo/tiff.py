"""Writes a TIFF with everything that belongs to the photo.

An EXIF block is a TIFF file without a picture; so the picture is appended to it. Nothing in the block moves, and
offsets inside the maker's private notes stay right. TIFF 6.0 sections 2 (structure), 8 (baseline RGB), 14 (predictor)
and 18 (extra samples); TIFF Technical Note "Adobe Photoshop", 2002 (deflate).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import IO, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpen_ui.photo.exif import BYTE_ORDERS, BYTES_OF_KIND, PREFIX, Entry, entries_of, first_directory

# Tags that describe how a TIFF stores its pixels (TIFF 6.0 section 8 and 12 to 22): wrong in any other file.
STORAGE_TAGS = {
    *range(254, 267), 273, 274, 277, 278, 279, 280, 281, 284, 290, 291, 292, 293, 297, 301, 317, 318, 319, 320,
    *range(321, 326), 330, 332, 333, 334, 336, 337, 338, 339, 340, 341, 342, 347, *range(512, 522),
    529, 530, 531, 532, 700, 33723, 34377, 34675, 37724,
}  # fmt: skip
_DIRECTORY_TAGS = (0x8769, 0x8825, 0xA005)  # of EXIF, of GPS, and of interoperability inside EXIF
_PIXEL_TAGS = {273, 279, 324, 325}  # long, and of no meaning in another file
_OF_A_PLANE = {256, 257, 259, 266, 278, 317, 322, 323, 339}  # sizes, compression and predictor: the same for all
_RESOLUTION_TAGS = {282, 283, 296}
_SHORT, _LONG, _RATIONAL, _UNDEFINED, _BYTE = 3, 4, 5, 7, 1
_DEFLATE, _HORIZONTAL, _INCH, _UNASSOCIATED_ALPHA = 8, 2, 2, 2
_STRIP_BYTES = 1 << 20  # before compression; readers need one strip in memory
_COMPRESSION_LEVEL = 4
_MOST_BYTES = 64 << 20  # of the values of one directory: many tags may point at the same place of a file
_CLAIM_MARGIN = 1 << 20
_MOST_PAGES = 100_000
_NAMES: dict[str, Literal["little", "big"]] = {"<": "little", ">": "big"}


class StoredTag(NamedTuple):
    """A row of a directory with its value as it is stored."""

    tag: int
    kind: int
    values: int
    stored: bytes


def stored_value(stream: IO[bytes], tag: int) -> bytes | None:
    """The bytes of a tag in the first directory of a TIFF file, whatever type they claim; None when it is not there."""
    order = _order_of(stream)
    rows = _stored_directory(stream, _first(stream, order), order, {tag}) if order else []
    return rows[0].stored if rows else None


def claims_too_much(stream: IO[bytes]) -> bool:
    """Whether the values of the first directory are together longer than the file: a bomb made of tags that all point
    at the same bytes. Pillow would load every one of them."""
    order = _order_of(stream)
    if order is None:
        return False
    stream.seek(0, 2)
    size = stream.tell()
    stream.seek(_first(stream, order))
    table = stream.read(12 * int.from_bytes(stream.read(2), _NAMES[order]))
    rows = (struct.unpack_from(f"{order}HHI", table, at) for at in range(0, len(table) - 11, 12))
    claimed: int = sum(values * BYTES_OF_KIND.get(kind, 0) for _, kind, values in rows)
    return claimed > size + _CLAIM_MARGIN


def pages_in(stream: IO[bytes]) -> int:
    """How many directories a TIFF file chains; their values are not looked at."""
    order = _order_of(stream)
    if order is None:
        return 1
    seen: set[int] = set()
    start = _first(stream, order)
    while start and start not in seen and len(seen) < _MOST_PAGES:
        stream.seek(start)
        head = stream.read(2)
        stream.seek(12 * int.from_bytes(head, _NAMES[order]), 1)
        pointer = stream.read(4)
        if len(head) < 2 or len(pointer) < 4:
            break
        seen.add(start)
        start = struct.unpack(f"{order}I", pointer)[0]
    return max(1, len(seen))


def exif_of_tiff(stream: IO[bytes]) -> bytes | None:
    """An EXIF block of what a TIFF file says about itself: every value byte by byte, without what tells how the
    pixels are stored. None when nothing is left."""
    order = _order_of(stream)
    if order is None:
        return None
    rows = [row for row in _stored_directory(stream, _first(stream, order), order) if row.tag not in STORAGE_TAGS]
    if not rows:
        return None
    block = bytearray({"<": b"II*\x00", ">": b"MM\x00*"}[order] + struct.pack(f"{order}I", 8))
    _append_directory(block, rows, stream, order, _DIRECTORY_TAGS)
    return PREFIX + bytes(block)


def _append_directory(
    block: bytearray, rows: list[StoredTag], stream: IO[bytes], order: Literal["<", ">"], directories: tuple[int, ...]
) -> None:
    """Puts a directory, its values and the directories below it at the end of the block."""
    table = len(block)
    block += struct.pack(f"{order}H", len(rows)) + bytes(12 * len(rows) + 4)
    for number, row in enumerate(sorted(rows)):
        place, values = row.stored.ljust(4, b"\x00"), row.values
        if row.tag in directories and len(row.stored) == 4:
            below = _stored_directory(stream, struct.unpack(f"{order}I", row.stored)[0], order)
            place = struct.pack(f"{order}I", len(block))
            _append_directory(block, below, stream, order, tuple(tag for tag in directories if tag != row.tag))
        elif len(row.stored) > 4:
            place = struct.pack(f"{order}I", len(block))
            block += row.stored + bytes(len(row.stored) % 2)
        at = table + 2 + 12 * number
        block[at : at + 12] = struct.pack(f"{order}HHI", row.tag, row.kind, values) + place


def _order_of(stream: IO[bytes]) -> Literal["<", ">"] | None:
    stream.seek(0)
    return BYTE_ORDERS.get(stream.read(4))


def _first(stream: IO[bytes], order: str) -> int:
    stream.seek(4)
    return int(struct.unpack(f"{order}I", stream.read(4))[0])


def _stored_directory(
    stream: IO[bytes], start: int, order: Literal["<", ">"], wanted: set[int] | None = None
) -> list[StoredTag]:
    """The rows of a directory with their values, up to the first damage; values that reach beyond the file are left
    out."""
    stream.seek(start)
    head = stream.read(2)
    table = stream.read(12 * int.from_bytes(head, _NAMES[order]))
    found = []
    room = _MOST_BYTES
    for at in range(0, len(table) - 11, 12):
        tag, kind, values = struct.unpack_from(f"{order}HHI", table, at)
        length = values * BYTES_OF_KIND.get(kind, 0)
        if (wanted is not None and tag not in wanted) or not 0 < length <= room or tag in _PIXEL_TAGS:
            continue
        stored = table[at + 8 : at + 8 + length] if length <= 4 else b""
        if length > 4:
            stream.seek(struct.unpack_from(f"{order}I", table, at + 8)[0])
            stored = stream.read(length)
        room -= len(stored)
        if len(stored) == length:
            found.append(StoredTag(tag, kind, values, stored))
    return found


def planes_apart(data: bytes) -> list[bytes]:
    """One grey TIFF for each channel of a TIFF that stores its samples in planes (PlanarConfiguration 2).

    Each is the whole file with a directory of its own at the end.

    Raises:
        struct.error, KeyError: a damaged directory.
    """
    order = BYTE_ORDERS[data[:4]]
    rows = {entry.tag: entry for entry in entries_of(data, first_directory(data, order), order)}
    numbers = {tag: _numbers(data, rows[tag], order) for tag in rows.keys() & {273, 277, 279, 324, 325}}
    kept = {tag: data[row.value_at - 8 : row.value_at + 4] for tag, row in rows.items() if tag in _OF_A_PLANE}
    channels = numbers[277][0]
    files = []
    for channel in range(channels):
        tags: dict[int, tuple[int, list[int] | bytes]] = {258: (_SHORT, [16]), 262: (_SHORT, [1]), 277: (_SHORT, [1])}
        for tag in numbers.keys() - {277}:
            share = len(numbers[tag]) // channels
            tags[tag] = (_LONG, numbers[tag][channel * share : (channel + 1) * share])
        files.append(_finished(bytearray(data), tags, kept, order))
    return files


def _numbers(data: bytes, row: Entry, order: str) -> list[int]:
    letter, size = ("H", 2) if row.kind == _SHORT else ("I", 4)
    at = row.value_at if size * row.values <= 4 else struct.unpack_from(f"{order}I", data, row.value_at)[0]
    return list(struct.unpack_from(f"{order}{row.values}{letter}", data, at))


def encode_tiff(
    samples: NDArray[np.uint8 | np.uint16],
    *,
    alpha: bool,
    exif: bytes | None,
    icc: bytes | None,
    xmp: bytes | None,
    resources: bytes | None,
    iptc: bytes | None,
    dpi: tuple[float, float] | None,
) -> bytes:
    """The bytes of a TIFF, deflated.

    Args:
        samples: (H, W, channels): grey or RGB, with alpha behind it.
        alpha: the last channel is alpha.
        exif: the EXIF block; its first directory becomes the file's, as far as it does not speak of storage.

    Raises:
        struct.error: the file would be larger than 4 GB.
    """
    block = (exif or b"").removeprefix(PREFIX) or b"II*\x00" + struct.pack("<IHI", 8, 0, 0)
    order = BYTE_ORDERS[block[:4]]
    file = bytearray(block) + bytes(len(block) % 2)
    height, width, channels = samples.shape
    rows = max(1, _STRIP_BYTES // (width * channels * samples.itemsize))
    starts, lengths = [], []
    for strip in _strips(samples, rows, order):
        starts.append(len(file))
        lengths.append(len(strip))
        file += strip + bytes(len(strip) % 2)
    colours = channels - alpha
    tags: dict[int, tuple[int, list[int] | bytes]] = {
        256: (_LONG, [width]),
        257: (_LONG, [height]),
        258: (_SHORT, [8 * samples.itemsize] * channels),
        259: (_SHORT, [_DEFLATE]),
        262: (_SHORT, [2 if colours == 3 else 1]),  # RGB, or black is zero
        273: (_LONG, starts),
        277: (_SHORT, [channels]),
        278: (_LONG, [rows]),
        279: (_LONG, lengths),
        284: (_SHORT, [1]),  # samples of a pixel stand together
        317: (_SHORT, [_HORIZONTAL]),
        **({338: (_SHORT, [_UNASSOCIATED_ALPHA])} if alpha else {}),
        **({700: (_BYTE, xmp)} if xmp else {}),
        **({33723: (_UNDEFINED, iptc)} if iptc else {}),
        **({34377: (_BYTE, resources)} if resources else {}),
        **({34675: (_UNDEFINED, icc)} if icc else {}),
    }
    kept = {
        entry.tag: block[entry.value_at - 8 : entry.value_at + 4]
        for entry in entries_of(block, first_directory(block, order), order)
        if entry.tag not in STORAGE_TAGS
    }
    if dpi is not None and not _RESOLUTION_TAGS & set(kept):
        for tag, value in ((282, dpi[0]), (283, dpi[1])):
            tags[tag] = (_RATIONAL, [round(value * 10000), 10000])
        tags[296] = (_SHORT, [_INCH])
    return _finished(file, tags, kept, order)


def _strips(samples: NDArray[np.uint8 | np.uint16], rows: int, order: Literal["<", ">"]) -> Iterator[bytes]:
    """Compressed strips: each sample less its left neighbour, which deflates far better."""
    for top in range(0, len(samples), rows):
        strip = samples[top : top + rows]
        differences = strip.copy()
        differences[:, 1:] -= strip[:, :-1]
        yield zlib.compress(
            differences.astype(strip.dtype.newbyteorder(order), copy=False).tobytes(), _COMPRESSION_LEVEL
        )


def _finished(
    file: bytearray, tags: dict[int, tuple[int, list[int] | bytes]], kept: dict[int, bytes], order: Literal["<", ">"]
) -> bytes:
    """Appends the values and the directory, and points the header at it."""
    rows = dict(kept)
    for tag, (kind, value) in tags.items():
        letter = {_SHORT: "H", _LONG: "I", _RATIONAL: "I"}.get(kind, "")
        packed = value if isinstance(value, bytes) else struct.pack(f"{order}{len(value)}{letter}", *value)
        count = len(value) // 2 if kind == _RATIONAL else len(value)
        if len(packed) > 4:
            file += bytes(len(file) % 2)
            place = struct.pack(f"{order}I", len(file))
            file += packed
        else:
            place = packed.ljust(4, b"\x00")
        rows[tag] = struct.pack(f"{order}HHI", tag, kind, count) + place
    file += bytes(len(file) % 2)
    struct.pack_into(f"{order}I", file, 4, len(file))
    file += struct.pack(f"{order}H", len(rows)) + b"".join(rows[tag] for tag in sorted(rows)) + bytes(4)
    return bytes(file)
