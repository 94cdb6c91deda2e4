"""Photoshop's image resources, the box in which JPEG and TIFF files carry their IPTC record.

Adobe Photoshop File Formats Specification, section "Image Resource Blocks"; IPTC-NAA Information Interchange Model 4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

JPEG_PREFIX = b"Photoshop 3.0\x00"  # of the APP13 segments that hold the blocks
_IPTC = 0x0404
_THUMBNAILS = (0x0409, 0x040C)


def tidied(resources: bytes | None) -> bytes | None:
    """The blocks without small pictures of the photo as it was; None when nothing is left."""
    if not resources:
        return None
    kept = b"".join(raw for number, _, raw in _blocks(resources) if number not in _THUMBNAILS)
    return kept or None


def iptc_of(resources: bytes | None) -> bytes | None:
    """The IPTC record among the blocks."""
    return next((body for number, body, _ in _blocks(resources or b"") if number == _IPTC), None)


def with_iptc(resources: bytes | None, iptc: bytes | None) -> bytes | None:
    """The blocks with this IPTC record, unless they have one."""
    if iptc is None or iptc_of(resources) is not None:
        return resources
    block = b"8BIM" + struct.pack(">HxxI", _IPTC, len(iptc)) + iptc
    return (resources or b"") + block + bytes(len(iptc) % 2)


def _blocks(resources: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Number, body and all bytes of each block, up to the first that is damaged."""
    at = 0
    while resources[at : at + 4] in (b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR") and at + 12 <= len(resources):
        number = int.from_bytes(resources[at + 4 : at + 6], "big")
        name_bytes = resources[at + 6] + 1
        size_at = at + 6 + name_bytes + name_bytes % 2
        size = int.from_bytes(resources[size_at : size_at + 4], "big")
        start = size_at + 4
        if start + size > len(resources):
            return
        end = start + size + size % 2
        raw = resources[at:end]
        yield number, resources[start : start + size], raw + bytes(end - at - len(raw))
        at = end
