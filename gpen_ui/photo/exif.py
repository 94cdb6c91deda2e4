"""Keeps an EXIF block true while its picture is turned or changes size, without rewriting it.

The block is patched in place: a rewritten block would move the maker's private notes, whose offsets then point astray.
Layout: TIFF 6.0 section 2 (header, directories of 12-byte entries) and Exif 2.32 section 4.6 (tags).
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from typing import Literal, NamedTuple

PREFIX = b"Exif\x00\x00"
# The first four bytes of a TIFF -> its order for `struct`.
BYTE_ORDERS: dict[bytes, Literal["<", ">"]] = {b"II*\x00": "<", b"MM\x00*": ">"}

_ORIENTATION = 0x0112
_X_RESOLUTION, _Y_RESOLUTION = 0x011A, 0x011B
_WIDTH_TAGS = (0x0100, 0xA002)  # ImageWidth, PixelXDimension
_HEIGHT_TAGS = (0x0101, 0xA003)  # ImageLength, PixelYDimension
_EXIF_DIRECTORY = 0x8769
_GPS_DIRECTORY = 0x8825
_THUMBNAIL_START, _THUMBNAIL_BYTES = 0x0201, 0x0202
_NUMBER_OF_IMAGES = 0xB001
_SHORT, _LONG = 3, 4
BYTES_OF_KIND = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_ENTRY_BYTES = 12


class Entry(NamedTuple):
    """One row of a directory."""

    tag: int
    kind: int
    values: int
    value_at: int  # where the value, or the offset of a longer one, stands in the block


def orientation_of(exif: bytes | None) -> int | None:
    """Exif 2.32, tag Orientation: 1 to 8, None when it is not there."""
    block, order, start = _opened(exif)
    for entry in entries_of(block, start, order) if order else ():
        if entry.tag == _ORIENTATION:
            value = _number(block, entry.value_at, order, _SHORT if entry.kind == _SHORT else _LONG)
            return value if 1 <= value <= 8 else 1
    return None


def pictures_in_index(index: bytes) -> int:
    """How many pictures a JPEG's Multi-Picture index lists (CIPA DC-007, tag NumberOfImages), at least 1."""
    block, order, start = _opened(index)
    numbers = [
        _number(block, entry.value_at, order, _LONG)
        for entry in (entries_of(block, start, order) if order else ())
        if entry.tag == _NUMBER_OF_IMAGES
    ]
    return max([1, *numbers])


def upright(exif: bytes | None, *, quarter_turn: bool = False) -> bytes | None:
    """The block with Orientation 1, for pixels that have been turned; None for one whose first directory is damaged.

    Args:
        quarter_turn: width and height have changed places, and so have the resolutions.
    """
    block, order, start = _opened(exif)
    if not order:
        return None
    entries = {entry.tag: entry for entry in entries_of(block, start, order)}
    if _ORIENTATION in entries:
        _set_number(block, entries[_ORIENTATION], order, 1)
    across, down = entries.get(_X_RESOLUTION), entries.get(_Y_RESOLUTION)
    if quarter_turn and across and down and across.kind == down.kind:
        first, second = (slice(entry.value_at, entry.value_at + 4) for entry in (across, down))
        block[first], block[second] = block[second], block[first]
    return PREFIX + bytes(block)


def fitted(exif: bytes | None, size_wh: tuple[int, int]) -> bytes | None:
    """The block with Orientation 1, the size tags set to `size_wh` pixels, and without the outdated thumbnail."""
    block, order, start = _opened(exif)
    if not order:
        return None
    for entry in entries_of(block, start, order):
        if entry.tag == _ORIENTATION:
            _set_number(block, entry, order, 1)
        elif entry.tag == _EXIF_DIRECTORY:
            with contextlib.suppress(struct.error):  # what is damaged deeper down stays as it is
                inner = _number(block, entry.value_at, order, _LONG)
                _set_sizes(block, inner, order, size_wh)
    _set_sizes(block, start, order, size_wh)
    with contextlib.suppress(struct.error):
        _drop_thumbnail(block, start, order)
    return PREFIX + bytes(block)


def without_gps(exif: bytes | None) -> bytes | None:
    """The block without its GPS directory; the places it stood in are zero."""
    block, order, start = _opened(exif)
    if not order:
        return None
    for entry in entries_of(block, start, order):
        if entry.tag == _GPS_DIRECTORY:
            gps = _number(block, entry.value_at, order, _LONG)
            with contextlib.suppress(struct.error):
                _wipe_directory(block, gps, order)
            end = start + 2 + _ENTRY_BYTES * _number(block, start, order, _SHORT) + 4
            row = entry.value_at - 8
            block[row:end] = block[row + _ENTRY_BYTES : end] + bytes(_ENTRY_BYTES)  # the entries behind move up
            struct.pack_into(f"{order}H", block, start, _number(block, start, order, _SHORT) - 1)
            break
    return PREFIX + bytes(block)


def entries_of(block: bytes | bytearray, start: int, order: str) -> list[Entry]:
    """The rows of the directory at `start`. Raises `struct.error` where it reaches beyond the block."""
    return list(_entries(block, start, order))


def first_directory(block: bytes | bytearray, order: str) -> int:
    """Where the first directory of a TIFF structure begins."""
    return _number(block, 4, order, _LONG)


def _opened(exif: bytes | None) -> tuple[bytearray, str, int]:
    """A copy of the block, its byte order and its first directory; the order is empty when that one is damaged."""
    block = bytearray((exif or b"").removeprefix(PREFIX))
    order = BYTE_ORDERS.get(bytes(block[:4]), "")
    try:
        start = first_directory(block, order) if order else 0
        if order:
            entries_of(block, start, order)
    except struct.error:
        return block, "", 0
    return block, order, start


def _set_sizes(block: bytearray, start: int, order: str, size_wh: tuple[int, int]) -> None:
    for entry in entries_of(block, start, order):
        if entry.tag in _WIDTH_TAGS + _HEIGHT_TAGS:
            _set_number(block, entry, order, size_wh[entry.tag in _HEIGHT_TAGS])


def _drop_thumbnail(block: bytearray, start: int, order: str) -> None:
    """Unlinks the second directory and wipes the small picture that it describes: it shows the face as it was."""
    next_at = start + 2 + _ENTRY_BYTES * _number(block, start, order, _SHORT)
    second = _number(block, next_at, order, _LONG)
    if second == 0:
        return
    struct.pack_into(f"{order}I", block, next_at, 0)
    facts = {entry.tag: _number(block, entry.value_at, order, _LONG) for entry in entries_of(block, second, order)}
    begin = facts.get(_THUMBNAIL_START, 0)
    end = min(begin + facts.get(_THUMBNAIL_BYTES, 0), len(block))
    if 8 <= begin < end:
        if end == len(block):
            del block[begin:]
        else:
            block[begin:end] = bytes(end - begin)


def _wipe_directory(block: bytearray, start: int, order: str) -> None:
    """Zeroes a directory and the values that its entries point to."""
    entries = entries_of(block, start, order)
    for entry in entries:
        length = BYTES_OF_KIND.get(entry.kind, 0) * entry.values
        if length > 4:
            begin = _number(block, entry.value_at, order, _LONG)
            end = min(begin + length, len(block))
            if 8 <= begin < end:
                block[begin:end] = bytes(end - begin)
    end = min(start + 2 + _ENTRY_BYTES * len(entries) + 4, len(block))
    block[start:end] = bytes(end - start)


def _entries(block: bytes | bytearray, start: int, order: str) -> Iterator[Entry]:
    for number in range(_number(block, start, order, _SHORT)):
        at = start + 2 + _ENTRY_BYTES * number
        tag, kind, count, _ = struct.unpack_from(f"{order}HHII", block, at)
        yield Entry(tag, kind, count, at + 8)


def _number(block: bytes | bytearray, at: int, order: str, kind: int) -> int:
    return int(struct.unpack_from(order + ("H" if kind == _SHORT else "I"), block, at)[0])


def _set_number(block: bytearray, entry: Entry, order: str, value: int) -> None:
    if entry.kind == _SHORT:
        struct.pack_into(f"{order}H", block, entry.value_at, min(value, 0xFFFF))
    elif entry.kind == _LONG:
        struct.pack_into(f"{order}I", block, entry.value_at, value)
