"""A photo's grain, band by band, as it really is: scanned, enlarged or compressed grain is not white.

Bands are those of the undecimated B3-spline wavelet ("à trous"; Starck and Murtagh, "Astronomical Image and Data
Analysis", 2002). JPEG takes the finest part of the grain away and leaves the rest, so an estimate from the finest part
alone would call such a photo clean.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from gpen_ui.look.channels import Pixels, Plane
from gpen_ui.look.noise import BLOCK_PX, DARKEST_OPEN, LIGHTEST_OPEN, estimate_noise, quietest

B3_SPLINE = np.array([1, 4, 6, 4, 1], np.float32) / 16
MID_GRAY = 128
# Of a larger photo that many pixels are looked at, in strips of such height.
SAMPLE_PIXELS, SAMPLE_ROWS = 2_000_000, 128
MOST_OF_WHITE = 5.0  # in levels per level of Immerkaer's estimate: grain under strong JPEG shows 5.6, texture far more
MOST_OF_FINEST = (1.0, 0.8, 0.5)  # of the finest band: grain fades towards the wider ones, texture and light do not
MOST_OF_LIGHT = 2.0  # colour noise in any band, of the finest band's grain of luminance, unless its own finest is more


def split(plane: Plane, step_px: int) -> tuple[Plane, Plane]:
    """(H, W) into one band of detail and the smooth rest; the spline's taps lie `step_px` apart."""
    kernel = np.zeros(4 * step_px + 1, np.float32)
    kernel[::step_px] = B3_SPLINE
    smooth = cv2.sepFilter2D(plane, cv2.CV_32F, kernel, kernel, borderType=cv2.BORDER_REFLECT_101)
    return plane - smooth, np.asarray(smooth, np.float32)


def halved(plane: Plane) -> Plane:
    """Half the size, for the wider bands of colour."""
    height, width = plane.shape
    size_wh = (max(1, width // 2), max(1, height // 2))
    return np.asarray(cv2.resize(plane, size_wh, interpolation=cv2.INTER_AREA), np.float32)


def light_grain(planes: list[Plane], bands: int) -> list[float]:
    """Deviation of the grain in each band of luminance, in levels; `planes` are parts of one photo, see `samples`."""
    structure, cut, energies = _measure(planes, [2**band for band in range(bands)], halve=False)
    if not len(structure):
        return [0.0] * bands
    measured = _deviations(structure, cut, energies)
    white = float(np.median([estimate_noise(plane) for plane in planes]))
    finest = min(measured[0], MOST_OF_WHITE * white)
    return [min(each, most * finest) for each, most in zip(measured, MOST_OF_FINEST[:bands], strict=True)]


def colour_grain(planes: list[Plane], bands: int, light_finest: float) -> list[float]:
    """The same for a colour difference, (H, W) around 0; all bands but the first are measured at half the size."""
    steps = [1, *(2**band for band in range(bands - 1))]
    structure, cut, energies = _measure(planes, steps, halve=True)
    if not len(structure):
        return [0.0] * bands
    measured = _deviations(structure, np.zeros_like(cut), energies)
    white = float(np.median([estimate_noise(plane + MID_GRAY) for plane in planes]))  # as if nothing were cut off
    finest = min(measured[0], MOST_OF_WHITE * white)
    return [finest, *(min(each, max(finest, MOST_OF_LIGHT * light_finest)) for each in measured[1:])]


def samples(pixels: Pixels) -> Iterator[Pixels]:
    """The photo itself, or strips of a large one, evenly spread."""
    height, width = pixels.shape[:2]
    count = max(1, SAMPLE_PIXELS // (SAMPLE_ROWS * width))
    if height * width <= SAMPLE_PIXELS or count * SAMPLE_ROWS >= height:
        yield pixels
        return
    for number in range(count):
        top = (height - SAMPLE_ROWS) * (2 * number + 1) // (2 * count)
        yield pixels[top : top + SAMPLE_ROWS]


def _measure(
    planes: list[Plane], steps_px: list[int], halve: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Blocks of the planes: structure (N,), share of pixels that are cut off (N,), energy in each band (bands, N)."""
    structure: list[NDArray[np.float32]] = []
    cut: list[NDArray[np.float32]] = []
    energies: list[list[NDArray[np.float32]]] = []
    for plane in planes:
        rows, columns = plane.shape[0] // BLOCK_PX, plane.shape[1] // BLOCK_PX
        if not rows * columns:
            continue
        whole = plane[: rows * BLOCK_PX, : columns * BLOCK_PX]
        coarse = cv2.resize(whole, (columns * 4, rows * 4), interpolation=cv2.INTER_AREA)
        structure.append(coarse.reshape(rows, 4, columns, 4).std(axis=(1, 3)).ravel())
        outside = ((whole < DARKEST_OPEN) | (whole > LIGHTEST_OPEN)).astype(np.float32)
        cut.append(_block_means(outside, rows, columns))
        energies.append([])
        for band, step_px in enumerate(steps_px):
            if halve and band == 1:
                whole = halved(whole)
            detail, whole = split(whole, step_px)
            energies[-1].append(_block_means(detail * detail, rows, columns))
    if not structure:
        nothing = np.zeros(0, np.float32)
        return nothing, nothing, nothing
    return np.concatenate(structure), np.concatenate(cut), np.concatenate(energies, axis=1)


def _block_means(values: Plane, rows: int, columns: int) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(values, (columns, rows), interpolation=cv2.INTER_AREA), np.float32).ravel()


def _deviations(structure: NDArray[np.float32], cut: NDArray[np.float32], energies: NDArray[np.float32]) -> list[float]:
    quiet = quietest(structure, cut)
    return [float(np.sqrt(np.median(band[quiet]))) if len(quiet) else 0.0 for band in energies]
