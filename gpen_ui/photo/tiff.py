"""Writes a TIFF with everything that belongs to the photo.

An EXIF block is a TIFF file without a picture; so the picture is appended to it. Nothing in the block moves, and
offsets inside the maker's private notes stay right. TIFF 6.0 sections 2 (structure), 8 (baseline RGB), 14 (predictor)
and 18 (extra samples); TIFF Technical Note "Adobe Photoshop", 2002 (deflate).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import IO, Literal

import numpy as np
from numpy.typing import NDArray

from gpen_ui.photo.exif import BYTE_ORDERS, BYTES_OF_KIND, PREFIX, Entry, entries_of, first_directory

# Tags that describe how a TIFF stores its pixels (TIFF 6.0 section 8 and 12 to 22): wrong in any other file.
STORAGE_TAGS = {
    *range(254, 267), 273, 274, 277, 278, 279, 280, 281, 284, 290, 291, 292, 293, 297, 301, 317, 318, 319, 320,
    *range(321, 326), 330, 332, 333, 334, 336, 337, 338, 339, 340, 341, 342, 347, *range(512, 522),
    529, 530, 531, 532, 700, 33723, 34377, 34675, 37724,
}  # fmt: skip
_OF_A_PLANE = {256, 257, 259, 266, 278, 317, 322, 323, 339}  # sizes, compression and predictor: the same for all
_RESOLUTION_TAGS = {282, 283, 296}
_SHORT, _LONG, _RATIONAL, _UNDEFINED, _BYTE = 3, 4, 5, 7, 1
_DEFLATE, _HORIZONTAL, _INCH, _UNASSOCIATED_ALPHA = 8, 2, 2, 2
_STRIP_BYTES = 1 << 20  # before compression; readers need one strip in memory
_COMPRESSION_LEVEL = 4
_MOST_BYTES = 64 << 20  # of one tag's value; what is longer is no metadata
_NAMES: dict[str, Literal["little", "big"]] = {"<": "little", ">": "big"}


def stored_value(stream: IO[bytes], tag: int) -> bytes | None:
    """The bytes of a tag in the first directory of a TIFF file, exactly as they are stored, whatever type they claim.

    None when the tag is not there, or points beyond the file.
    """
    stream.seek(0)
    header = stream.read(8)
    order = BYTE_ORDERS.get(header[:4])
    if order is None:
        return None
    stream.seek(int.from_bytes(header[4:8], _NAMES[order]))
    rows = int.from_bytes(stream.read(2), _NAMES[order])
    for _ in range(rows):
        row = stream.read(12)
        if len(row) < 12:
            return None
        number, kind, count = struct.unpack(f"{order}HHI", row[:8])
        if number != tag:
            continue
        length = count * BYTES_OF_KIND.get(kind, 0)
        if length <= 4:
            return row[8 : 8 + length] or None
        stream.seek(int.from_bytes(row[8:], _NAMES[order]))
        value = stream.read(min(length, _MOST_BYTES))
        return value if len(value) == length else None
    return None


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
