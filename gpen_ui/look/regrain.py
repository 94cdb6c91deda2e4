"""The photo's own grain, drawn anew: what lies around a face is measured, and as much as the face lacks is put on.

Grain is a random texture that is told by its power spectrum; white noise behind a filter of that spectrum is the same
texture (Galerne, Gousseau and Morel, "Random Phase Textures: Theory and Synthesis", IEEE TIP 20(1), 2011). So size and
direction of the grain, the threads of paper and the dots of a printed page come out as they are, in luminance and in
both colour differences.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpen_ui.look.blur import gaussian
from gpen_ui.look.channels import Plane, is_gray
from gpen_ui.look.noise import DARKEST_OPEN, LIGHTEST_OPEN
from gpen_ui.look.order import quantile

BLOCK_PX, CELL_PX = 32, 16  # sides of a block whose spectrum is taken, and of a cell whose energy is
WIDEST_PX = 12.0  # longest period of grain; what is wider is light, or the picture
FINE_SIGMA_PX = 2.5  # what is finer than this Gaussian tells how strong grain is
LIGHT_BINS = 6  # grain depends on how light a place is
FLOOR_SHARE = 0.15  # so many of the cells are quieter than what counts as grain: everything else may be texture
CUT_MARGIN = 4.0  # levels; nearer to black and white grain is cut off
LEAST_CELLS = 12  # in a bin, else its neighbours speak for it
MOST_OF_OTHERS = 1.5  # deviation in a bin, of that in the second quietest: grain changes little, texture much
BLOCKS_A_BIN = 12
LEAST_GRAIN = 0.5  # levels in the fine band; less is rounding
FULL_GRAIN, MOST_GRAIN = 4.0, 8.0  # up to the first all of it comes back, of any more less and less, see `wanted`
SKIN_CELL_PX, SKIN_SHARE = 8, 0.1  # the same on a face, which has fewer quiet places
OPPONENTS = np.array([[1 / 3, 1 / 3, 1 / 3], [0.5, 0, -0.5], [0.25, -0.5, 0.25]], np.float32)  # light, red-blue, green
TILES_PX = (128, 256)  # drawn once and laid side by side on larger faces, seamlessly; the eye finds no repeat


@dataclass(frozen=True, eq=False)
class Grain:
    """The grain of a place in a photo.

    Attributes:
        spectra: (1 or 3, BLOCK_PX, BLOCK_PX // 2 + 1) power at each frequency, of light and, in a colour photo, of both
            colour differences of OPPONENTS, on which independent and common grain of the three channels fall apart.
            Scaled so that the fine band of light has the energy of one level squared.
        floors: (LIGHT_BINS,) energy of the fine band in levels squared, for each lightness.
    """

    spectra: NDArray[np.float32]
    floors: NDArray[np.float32]

    def energies(self) -> NDArray[np.float64]:
        """(256,) energy of the fine band at each level of luminance."""
        middles = (np.arange(LIGHT_BINS) + 0.5) * 256 / LIGHT_BINS
        return np.interp(np.arange(256), middles, self.floors)

    def energy_at(self, light: float) -> float:
        """The same at a luminance of 0 to 255."""
        return float(self.energies()[int(np.clip(light, 0, 255))])


def measure_grain(pixels: NDArray[np.float32]) -> Grain | None:
    """The grain of (H, W, 3) float32 RGB in levels; None where there is none, or no place that would show it."""
    planes = opponents(pixels)
    energy = _cell_energies(planes[0], CELL_PX)
    if not energy.size:
        return None
    light = _cell_means(planes[0], CELL_PX)
    bins = np.clip((light * (LIGHT_BINS / 256)).astype(np.intp), 0, LIGHT_BINS - 1)
    bins[(light < DARKEST_OPEN + CUT_MARGIN) | (light > LIGHTEST_OPEN - CUT_MARGIN)] = -1
    known = [number for number in range(LIGHT_BINS) if np.count_nonzero(bins == number) >= LEAST_CELLS]
    if not known:
        return None
    floors = [quantile(energy[bins == number], FLOOR_SHARE) for number in known]
    most = MOST_OF_OTHERS**2 * sorted(floors)[min(1, len(floors) - 1)]
    floors = [min(floor, most) for floor in floors]
    if max(floors) < LEAST_GRAIN**2:
        return None
    quiet = [_quiet_blocks(energy, bins == number) for number, floor in zip(known, floors, strict=True) if floor > 0]
    corners = np.concatenate(quiet)
    if not len(corners):
        return None
    spectra = _spectra(planes, corners)
    return Grain(spectra, np.interp(np.arange(LIGHT_BINS), known, floors).astype(np.float32))


def fine_energy(light: Plane, where: NDArray[np.bool_]) -> float:
    """Energy of the fine band in the quiet places of a face, in levels squared; 0 where there is no place.

    Args:
        light: (H, W) luminance in levels.
        where: (H, W) the face.
    """
    energy = _cell_energies(light, SKIN_CELL_PX)
    middles = slice(SKIN_CELL_PX // 2, None, SKIN_CELL_PX)
    inside = where[middles, middles][: energy.shape[0], : energy.shape[1]]
    return quantile(energy[inside], SKIN_SHARE) if inside.any() else 0.0


def draw_grain(grain: Grain, shape_hw: tuple[int, int], seed: tuple[int, ...]) -> NDArray[np.float32]:
    """Grain of that kind: (H, W, 1 or 3) float32, to be added to all channels, or to R, G and B; its fine band has a
    deviation of one level. The same for the same seed."""
    tile_px = next((each for each in TILES_PX if each >= max(shape_hw)), TILES_PX[-1])
    draw = np.random.default_rng(seed)
    layers = []
    for spectrum in grain.spectra:
        kernel = np.fft.fftshift(np.fft.irfft2(np.sqrt(spectrum), s=(BLOCK_PX, BLOCK_PX))).astype(np.float32)
        white = draw.standard_normal((tile_px, tile_px), np.float32)
        layers.append(_filtered(white, kernel))
    tile = layers[0]
    if len(layers) == 3:
        tile = np.asarray(cv2.merge(layers, np.empty((tile_px, tile_px, 3), np.float32)), np.float32)
        cv2.transform(tile, np.linalg.inv(OPPONENTS).astype(np.float32), tile)
    down, across = (max(0, length - tile_px) for length in shape_hw)
    tiles = cv2.copyMakeBorder(tile, 0, down, 0, across, cv2.BORDER_WRAP)  # np.tile, without Python's lock
    return np.asarray(tiles, np.float32).reshape(*tiles.shape[:2], -1)[: shape_hw[0], : shape_hw[1]]


def wanted(energy: float) -> float:
    """How much of a photo's grain a restored face gets, both as energies: all of fine grain, little of heavy noise,
    which the restoration is there to remove."""
    deviation, room = float(np.sqrt(energy)), MOST_GRAIN - FULL_GRAIN
    if deviation <= FULL_GRAIN:
        return energy
    return (FULL_GRAIN + room * float(np.tanh((deviation - FULL_GRAIN) / room))) ** 2


def opponents(pixels: NDArray[np.float32]) -> list[Plane]:
    """(H, W, 3) on OPPONENTS; one plane for a photo without colour."""
    if is_gray(pixels):
        return [np.ascontiguousarray(pixels[..., 1])]
    turned = cv2.transform(pixels, OPPONENTS, np.empty_like(pixels))
    return [np.ascontiguousarray(turned[..., axis]) for axis in range(3)]


def _cell_energies(light: Plane, cell_px: int) -> Plane:
    """Energy of the fine band in each whole cell of the plane."""
    fine = gaussian(light, FINE_SIGMA_PX)
    np.subtract(light, fine, out=fine)
    return _cell_means(np.square(fine, out=fine), cell_px)


def _cell_means(plane: Plane, cell_px: int) -> Plane:
    rows, columns = plane.shape[0] // cell_px, plane.shape[1] // cell_px
    if not rows * columns:
        return np.zeros((0, 0), np.float32)
    whole, means = plane[: rows * cell_px, : columns * cell_px], np.empty((rows, columns), np.float32)
    return np.asarray(cv2.resize(whole, (columns, rows), means, interpolation=cv2.INTER_AREA), np.float32)


def _quiet_blocks(energy: Plane, here: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Corners (N, 2), y and x, of the quietest blocks of whole cells of one lightness."""
    if min(energy.shape) < BLOCK_PX // CELL_PX:
        return np.zeros((0, 2), np.intp)
    masked = np.where(here, energy, np.inf)
    beside = np.maximum(masked[:, :-1], masked[:, 1:])
    worst = np.maximum(beside[:-1], beside[1:])
    order = np.argsort(worst, axis=None)[:BLOCKS_A_BIN]
    order = order[np.isfinite(worst.ravel()[order])]
    return np.asarray(np.stack(np.unravel_index(order, worst.shape), axis=1) * CELL_PX, np.intp)


def _spectra(planes: list[Plane], corners: NDArray[np.intp]) -> NDArray[np.float32]:
    """Typical power of blocks of each plane, every block weighted alike; the fine band of the first has energy one."""
    window = np.outer(np.hanning(BLOCK_PX), np.hanning(BLOCK_PX)).astype(np.float32)
    at = np.arange(BLOCK_PX)
    rows, columns = corners[:, :1, None] + at[:, None], corners[:, 1:, None] + at
    blocks = np.stack([plane[rows, columns] for plane in planes])
    power = np.abs(np.fft.rfft2(_flattened(blocks) * window)) ** 2 / float(np.sum(window**2))
    radius = np.hypot(np.fft.fftfreq(BLOCK_PX)[:, None], np.fft.rfftfreq(BLOCK_PX)[None, :])
    power = power * np.clip(2 * radius * WIDEST_PX - 1, 0, 1)  # falls to zero towards periods that are no grain's
    fine = (1 - np.exp(-2 * (np.pi * FINE_SIGMA_PX * radius) ** 2)) ** 2
    energy = _mean_power(power[0] * fine)
    # of one place's power a median is ln 2 of its mean; unlike the mean it holds against the odd block with an edge
    ranked = np.sort(power / np.maximum(energy, 1e-6)[None, :, None, None], axis=1)  # a fifth of np.median's time
    typical = (ranked[:, (len(corners) - 1) // 2] + ranked[:, len(corners) // 2]) / (2 * np.log(2))
    return np.asarray(typical / _mean_power(typical[0] * fine), np.float32)


def _flattened(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Blocks (..., B, B) less their plane of light."""
    at = np.linspace(-1, 1, BLOCK_PX, dtype=np.float32)
    norm = np.float32(BLOCK_PX * np.sum(at**2))
    centred = blocks - blocks.mean(axis=(-2, -1), keepdims=True)
    rise_y = np.einsum("...yx,y->...", centred, at)[..., None, None] / norm
    rise_x = np.einsum("...yx,x->...", centred, at)[..., None, None] / norm
    return np.asarray(centred - rise_y * at[:, None] - rise_x * at[None, :], np.float32)


def _mean_power(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """The variance that (..., B, B // 2 + 1) of a real spectrum stands for."""
    doubled = 2 * power.sum(axis=(-2, -1)) - power[..., 0].sum(axis=-1) - power[..., -1].sum(axis=-1)
    return np.asarray(doubled / BLOCK_PX**2, np.float32)


def _filtered(white: Plane, kernel: Plane) -> Plane:
    """A periodic convolution, in the memory of the first."""
    whole = np.zeros_like(white)
    whole[:BLOCK_PX, :BLOCK_PX] = kernel
    cv2.dft(white, white)
    cv2.dft(whole, whole, nonzeroRows=BLOCK_PX)
    cv2.mulSpectrums(white, whole, 0, white)
    cv2.idft(white, white, cv2.DFT_REAL_OUTPUT | cv2.DFT_SCALE)
    return white
