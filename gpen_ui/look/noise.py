"""How noisy a photo is, in levels, whatever it shows."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gpen_ui.look.order import median

BLOCK_PX = 16
MOST_BLOCKS = 6000  # of a large photo a regular choice of blocks is enough: 1.5 megapixels
QUIET_SHARE = 0.2  # the part of the blocks with the least structure, which show the noise undisturbed
DARKEST_OPEN, LIGHTEST_OPEN = 1.0, 254.0  # beyond them noise is cut off
MOST_CUT_SHARE = 0.02  # a block with more pixels cut off would pass for quieter than it is

# Immerkaer, "Fast noise variance estimation", Computer Vision and Image Understanding 64(2), 1996: the difference of
# two Laplacians is blind to constant, linear and quadratic content; white noise of deviation 1 leaves deviation 6.
KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
KERNEL_GAIN = 6.0
MEAN_ABSOLUTE_TO_DEVIATION = float(np.sqrt(np.pi / 2))


def estimate_noise(luminance: NDArray[Any]) -> float:
    """Standard deviation of white noise in levels.

    Immerkaer's estimate, taken block by block; of the blocks with the least structure the median counts, so that
    texture, edges and letters do not pass for noise.

    Args:
        luminance: (H, W), uint8 or float32, 0 to 255.

    Returns:
        0 for a flat picture, and for one without a whole block between black and white.
    """
    blocks = _blocks(luminance)
    if not len(blocks):
        return 0.0
    count = len(blocks)
    tall = blocks.reshape(-1, BLOCK_PX)  # the blocks under each other
    inside = cv2.inRange(tall, DARKEST_OPEN, LIGHTEST_OPEN, np.empty(tall.shape, np.uint8)).reshape(count, -1)
    share_open = cv2.reduce(inside, 1, cv2.REDUCE_AVG, np.empty((count, 1), np.float32), cv2.CV_32F)[:, 0] / 255
    coarse = np.empty((4 * count, 4), np.float32)
    cv2.resize(tall, (4, 4 * count), coarse, interpolation=cv2.INTER_AREA)
    coarse = coarse.reshape(count, 16)
    coarse -= coarse.mean(axis=1, keepdims=True)
    structure = np.einsum("ij,ij->i", coarse, coarse)  # the square of their deviation, up to a factor: only ranks count
    quiet = quietest(structure, 1 - share_open)
    return median(_immerkaer(blocks[quiet])) if len(quiet) else 0.0


def quietest(structure: NDArray[Any], cut_share: NDArray[Any]) -> NDArray[np.intp]:
    """Which of N blocks show the noise undisturbed: of those not cut off, the share with the least structure."""
    open_blocks = np.flatnonzero(cut_share <= MOST_CUT_SHARE)
    return open_blocks[np.argsort(structure[open_blocks])][: max(1, int(len(open_blocks) * QUIET_SHARE))]


def _blocks(luminance: NDArray[Any]) -> NDArray[np.float32]:
    """A regular choice of (N, BLOCK_PX, BLOCK_PX) blocks."""
    rows, columns = luminance.shape[0] // BLOCK_PX, luminance.shape[1] // BLOCK_PX
    if not rows * columns:
        return np.zeros((0, BLOCK_PX, BLOCK_PX), np.float32)
    step = max(1, int(np.ceil(np.sqrt(rows * columns / MOST_BLOCKS))))
    whole = luminance[: rows * BLOCK_PX, : columns * BLOCK_PX].reshape(rows, BLOCK_PX, columns, BLOCK_PX)
    chosen = np.ascontiguousarray(whole.swapaxes(1, 2)[::step, ::step], np.float32)
    return chosen.reshape(-1, BLOCK_PX, BLOCK_PX)


def _immerkaer(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Immerkaer's deviation of each of (N, B, B) blocks: (N,)."""
    tall = blocks.reshape(-1, BLOCK_PX)  # the blocks under each other; responses across two of them are dropped
    response = cv2.filter2D(tall, cv2.CV_32F, KERNEL, np.empty_like(tall))
    response = np.abs(response, out=response).reshape(blocks.shape)
    response[:, (0, -1)] = response[:, :, (0, -1)] = 0  # instead of a view without them, whose mean takes long
    total = cv2.reduce(response.reshape(len(blocks), -1), 1, cv2.REDUCE_SUM, np.empty((len(blocks), 1), np.float32))
    return np.asarray(total[:, 0] * (MEAN_ABSOLUTE_TO_DEVIATION / KERNEL_GAIN / (BLOCK_PX - 2) ** 2), np.float32)
