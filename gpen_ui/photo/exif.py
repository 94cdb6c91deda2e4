"""Keeps an EXIF block true while its picture is turned or changes size, without rewriting it.

The block is patched in place: a rewritten block would move the maker's private notes, whose offsets then point astray.
Layout: TIFF 6.0 section 2 (header, directories of 12-byte entries) and Exif 2.32 section 4.6 (tags).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

PREFIX = b"Exif\x00\x00"

_ORIENTATION = 0x0112
_WIDTH_TAGS = (0x0100, 0xA002)  # ImageWidth, PixelXDimension
_HEIGHT_TAGS = (0x0101, 0xA003)  # ImageLength, PixelYDimension
_EXIF_DIRECTORY = 0x8769
_THUMBNAIL_START, _THUMBNAIL_BYTES = 0x0201, 0x0202
_SHORT, _LONG = 3, 4
_ENTRY_BYTES = 12


class _Entry(NamedTuple):
    tag: int
    kind: int
    value_at: int  # where the value, or the offset of a longer one, stands in the block


def upright(exif: bytes | None) -> bytes | None:
    """The block with Orientation 1, for pixels that have been turned; a block that cannot be read is dropped."""
    return _patched(exif, None)


def fitted(exif: bytes | None, size_wh: tuple[int, int]) -> bytes | None:
    """The block with Orientation 1, the size tags set to `size_wh` pixels, and without the outdated thumbnail."""
    return _patched(exif, size_wh)


def _patched(exif: bytes | None, size_wh: tuple[int, int] | None) -> bytes | None:
    if not exif:
        return None
    block = bytearray(exif.removeprefix(PREFIX))
    try:
        order = {b"II*\x00": "<", b"MM\x00*": ">"}[bytes(block[:4])]
        start = _number(block, 4, order, _LONG)
        _patch_directory(block, start, order, size_wh)
        if size_wh is not None:
            _drop_thumbnail(block, start, order)
    except (KeyError, struct.error):
        return None
    return PREFIX + bytes(block)


def _patch_directory(block: bytearray, start: int, order: str, size_wh: tuple[int, int] | None) -> None:
    for entry in _entries(block, start, order):
        if entry.tag == _ORIENTATION:
            _set_number(block, entry, order, 1)
        elif size_wh is not None and entry.tag in _WIDTH_TAGS:
            _set_number(block, entry, order, size_wh[0])
        elif size_wh is not None and entry.tag in _HEIGHT_TAGS:
            _set_number(block, entry, order, size_wh[1])
        elif entry.tag == _EXIF_DIRECTORY and (inner := _number(block, entry.value_at, order, _LONG)) != start:
            for detail in _entries(block, inner, order):
                if size_wh is not None and detail.tag in _WIDTH_TAGS + _HEIGHT_TAGS:
                    _set_number(block, detail, order, size_wh[detail.tag in _HEIGHT_TAGS])


def _drop_thumbnail(block: bytearray, start: int, order: str) -> None:
    """Unlinks the second directory and wipes the small picture that it describes: it shows the face as it was."""
    next_at = start + 2 + _ENTRY_BYTES * _count(block, start, order)
    second = _number(block, next_at, order, _LONG)
    if second == 0:
        return
    facts = {entry.tag: _number(block, entry.value_at, order, _LONG) for entry in _entries(block, second, order)}
    struct.pack_into(f"{order}I", block, next_at, 0)
    begin = facts.get(_THUMBNAIL_START, 0)
    end = min(begin + facts.get(_THUMBNAIL_BYTES, 0), len(block))
    if 8 <= begin < end:
        if end == len(block):
            del block[begin:]
        else:
            block[begin:end] = bytes(end - begin)


def _entries(block: bytearray, start: int, order: str) -> Iterator[_Entry]:
    for number in range(_count(block, start, order)):
        at = start + 2 + _ENTRY_BYTES * number
        tag, kind = struct.unpack_from(f"{order}HH", block, at)
        yield _Entry(tag, kind, at + 8)


def _count(block: bytearray, start: int, order: str) -> int:
    return _number(block, start, order, _SHORT)


def _number(block: bytearray, at: int, order: str, kind: int) -> int:
    return int(struct.unpack_from(order + ("H" if kind == _SHORT else "I"), block, at)[0])


def _set_number(block: bytearray, entry: _Entry, order: str, value: int) -> None:
    if entry.kind == _SHORT:
        struct.pack_into(f"{order}H", block, entry.value_at, min(value, 0xFFFF))
    elif entry.kind == _LONG:
        struct.pack_into(f"{order}I", block, entry.value_at, value)
