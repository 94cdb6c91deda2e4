"""Every pixel layout that files come in -> RGB of 8 or 16 bits, alpha and the profile that still describes them."""

from __future__ import annotations

import io
import os
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from gpen_ui.photo.deep import TOP, to_eight_bits
from gpen_ui.photo.scratch import memory_file
from gpen_ui.photo.types import Photo, Pixels

_STRIP_PIXELS = 1 << 22  # copied at a time, so that a large picture is not held three times


class Decoded(NamedTuple):
    """Pixels (H, W, 3) RGB, alpha (H, W) or None, the ICC profile that describes them or None, one channel or not;
    and the colour space that they were converted from, or None."""

    pixels: Pixels
    alpha: Pixels | None
    icc: bytes | None
    gray: bool
    converted_from: str | None = None


def to_rgb(image: Image.Image, icc: bytes | None) -> Decoded:
    """Converts a decoded picture.

    CMYK and Lab become sRGB (through `icc` when it fits) and lose their profile; other pixels keep their numbers and
    their profile. A profile of another kind of picture is dropped.
    """
    mode = image.mode
    if mode.startswith("I") or mode == "F":
        return _deep_gray(image, icc)
    if mode in ("CMYK", "LAB"):
        return Decoded(_array(_converted_to_srgb(image, icc)), None, None, False, "Lab" if mode == "LAB" else mode)
    transparent = "transparency" in image.info or mode in ("LA", "La", "PA", "RGBA", "RGBa")
    if mode in ("1", "L", "LA", "La") and not (transparent and mode == "1"):
        return _gray(image, icc, transparent)
    if transparent:
        four = _array(image.convert("RGBA"))
        pixels, alpha = np.ascontiguousarray(four[:, :, :3]), _meaningful(four[:, :, 3])
    else:
        pixels, alpha = _array(image if mode == "RGB" else image.convert("RGB")), None
    gray = mode == "1" or (mode in ("P", "PA") and is_gray(pixels))
    return Decoded(pixels, alpha, fitting_profile(icc, gray=gray), gray)


def from_deep(samples: NDArray[np.uint16], icc: bytes | None, *, premultiplied: bool = False) -> Decoded:
    """RGB or RGBA samples of sixteen bits as `Decoded`; equal channels that came as RGB stay RGB.

    Args:
        samples: (H, W, 3) or (H, W, 4).
        premultiplied: the colours were multiplied by alpha (TIFF's associated alpha).
    """
    pixels = np.ascontiguousarray(samples[:, :, :3])
    if samples.shape[2] == 3:
        return Decoded(pixels, None, fitting_profile(icc, gray=False), False)
    alpha = samples[:, :, 3]
    if premultiplied:
        share = np.maximum(alpha, 1)[:, :, None] / np.float32(TOP)
        pixels = np.clip(np.rint(pixels / share), 0, TOP).astype(np.uint16)
    return Decoded(pixels, _meaningful(alpha), fitting_profile(icc, gray=False), False)


def is_gray(pixels: Pixels) -> bool:
    """Whether all three channels are exactly equal."""
    first = pixels[:, :, 0]
    return bool(np.array_equal(first, pixels[:, :, 1]) and np.array_equal(first, pixels[:, :, 2]))


def colour_space(icc: bytes | None) -> str | None:
    """The profile's kind of pixels, "RGB", "GRAY", "CMYK", ...; None for bytes that are no profile (ICC.1, 7.2)."""
    if icc is None or len(icc) < 128 or icc[36:40] != b"acsp":
        return None
    return icc[16:20].decode("ascii", "replace").strip()


def fitting_profile(icc: bytes | None, *, gray: bool) -> bytes | None:
    """The profile if it is one for such pixels."""
    return icc if colour_space(icc) in (("GRAY", "RGB") if gray else ("RGB",)) else None


def thumbnail(photo: Photo, long_edge_px: int) -> Photo:
    """A small copy for the screen: 8 bits, sRGB, alpha kept, the longer side at most `long_edge_px`; not enlarged."""
    width, height = photo.size_wh
    factor = min(1.0, long_edge_px / max(width, height))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    image = Image.fromarray(to_eight_bits(photo.pixels))
    alpha = None if photo.alpha is None else to_eight_bits(photo.alpha)
    if factor < 1:
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        alpha = None if alpha is None else _array(Image.fromarray(alpha).resize(size, Image.Resampling.BOX))
    if colour_space(photo.metadata.icc) == "RGB":
        image = _converted_to_srgb(image, photo.metadata.icc)
    return Photo(_array(image), alpha, path=photo.path)


def _gray(image: Image.Image, icc: bytes | None, transparent: bool) -> Decoded:
    alpha = None
    if transparent:
        two = _array(image.convert("RGBA" if image.mode == "L" else "LA"))
        values, alpha = two[:, :, 0], _meaningful(two[:, :, -1])
    else:
        values = _array(image.convert("L"))
    return Decoded(np.repeat(values[:, :, None], 3, axis=2), alpha, fitting_profile(icc, gray=True), True)


def _deep_gray(image: Image.Image, icc: bytes | None) -> Decoded:
    """One channel of 16 bit, 32 bit or floating point; what is no 16-bit number is scaled by the smallest common range
    that holds the values."""
    values = np.asarray(image)
    alpha = None
    if isinstance(clear := image.info.get("transparency"), int):
        alpha = _meaningful(np.where(values == clear, 0, TOP).astype(np.uint16))
    if image.mode.startswith("I;16"):
        deep = values.astype(np.uint16)
    else:
        numbers = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
        tops = (1.0, 255.0, float(TOP)) if image.mode == "F" else (float(TOP),)
        highest = float(numbers.max())
        top = next((top for top in tops if highest <= top), highest)
        deep = np.clip(np.rint(numbers * (TOP / top)), 0, TOP).astype(np.uint16)
    return Decoded(np.repeat(deep[:, :, None], 3, axis=2), alpha, fitting_profile(icc, gray=True), True)


def _converted_to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Through the profile when it fits the picture, else by the plain formula."""
    target = ImageCms.createProfile("sRGB")
    wanted = {"CMYK": "CMYK", "LAB": "Lab", "RGB": "RGB"}[image.mode]
    try:
        if colour_space(icc) == wanted and icc is not None:
            source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        elif image.mode == "LAB":
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        else:
            return image.convert("RGB")
        converted = ImageCms.profileToProfile(
            image,
            source,
            target,
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):  # a broken profile must not cost the photo
        return image.convert("RGB")
    return converted if converted is not None else image.convert("RGB")


def _meaningful(alpha: Pixels) -> Pixels | None:
    return np.ascontiguousarray(alpha) if (alpha < np.iinfo(alpha.dtype).max).any() else None


def _array(image: Image.Image) -> NDArray[np.uint8]:
    """The picture's bytes as an array of its own, (H, W) or (H, W, channels) uint8."""
    width, height = image.size
    channels = len(image.getbands())
    out: NDArray[np.uint8] = np.empty((height, width, channels) if channels > 1 else (height, width), np.uint8)
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        _copy(image if rows >= height else image.crop((0, top, width, bottom)), out[top:bottom])
    return out


def _copy(image: Image.Image, out: NDArray[np.uint8]) -> None:
    """Pixels of an image into an array of its shape."""
    if image.mode not in ("L", "RGB"):
        out[:] = np.asarray(image)
        return
    with memory_file() as file:  # as a file without compression: half of the time, and without Python's lock
        image.save(file, "PPM")
        file.seek(-out.nbytes, os.SEEK_END)
        file.readinto(out.reshape(-1))  # type: ignore[attr-defined]  # IO does not have it, its files do
