"""The segments of a JPEG besides its pixels, and quantisation that is not coarser than the source's.

ITU T.81 annex B (markers) and K.1 (tables); Exif 2.32 section 4.5.4; Adobe XMP Specification part 3, section 1.1.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from PIL import JpegImagePlugin

from gpen_ui.photo.resources import JPEG_PREFIX

SEGMENT_MOST_BYTES = 65533  # two bytes hold the length, which counts itself
XMP_MOST_BYTES = SEGMENT_MOST_BYTES - len(b"http://ns.adobe.com/xap/1.0/\x00")
QUALITY = 95
_XMP_EXTENSION = b"http://ns.adobe.com/xmp/extension/\x00"
_CMYK_PLANES = 4

# ITU T.81 tables K.1 and K.2 in natural order; what quality 50 stands for.
_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMINANCE = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66,
    *[99] * 38,
)  # fmt: skip


def tables_of(image: JpegImagePlugin.JpegImageFile) -> tuple[tuple[int, ...], ...]:
    """The quantisation tables of luminance and chrominance, as far as the file has them in this sense."""
    if len(image.layer) == _CMYK_PLANES:
        return ()
    used = [layer[3] for layer in image.layer[:2]]
    return tuple(tuple(image.quantization[number]) for number in used if number in image.quantization)


def tables_for(source: Sequence[Sequence[int]], quality: int = QUALITY) -> list[list[int]]:
    """Tables of a quality, each step at most as coarse as the source's."""
    scale = 200 - 2 * quality  # of the IJG's reference software, for qualities from 50
    tables = []
    for number, standard in enumerate((_LUMINANCE, _CHROMINANCE)):
        steps = [max(1, (step * scale + 50) // 100) for step in standard]
        if source:
            steps = [min(pair) for pair in zip(steps, source[min(number, len(source) - 1)], strict=True)]
        tables.append(steps)
    return tables


def resources_of(segments: Iterable[tuple[str, bytes]]) -> bytes | None:
    """Photoshop's blocks, put together from their segments."""
    parts = [
        data.removeprefix(JPEG_PREFIX) for name, data in segments if name == "APP13" and data.startswith(JPEG_PREFIX)
    ]
    return b"".join(parts) or None


def xmp_extension_of(segments: Iterable[tuple[str, bytes]]) -> tuple[bytes, ...]:
    """The segments with the part of the XMP that did not fit into one."""
    return tuple(data for name, data in segments if name == "APP1" and data.startswith(_XMP_EXTENSION))


def extra_segments(resources: bytes | None, xmp_extension: Iterable[bytes], comments: Iterable[bytes]) -> bytes:
    """Segments with their markers, as they stand in a file."""
    room = SEGMENT_MOST_BYTES - len(JPEG_PREFIX)
    blocks = resources or b""
    parts = [JPEG_PREFIX + blocks[at : at + room] for at in range(0, len(blocks), room)]
    segments = [(0xE1, data) for data in xmp_extension] + [(0xED, data) for data in parts]
    segments += [(0xFE, text[:SEGMENT_MOST_BYTES]) for text in comments]
    return b"".join(bytes((0xFF, mark)) + (len(data) + 2).to_bytes(2, "big") + data for mark, data in segments)
