"""Toned photos: sepia, cyanotype, platinum. All colours lie on one curve through RGB, those of a restored face too.

A photo counts as toned when its colours stray from the curve no more than JPEG makes them stray; that grows with the
strength of the tone.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpen_ui.look.channels import LUMA_WEIGHTS, in_levels, luminance
from gpen_ui.look.order import median, quantile

SAMPLE_PIXELS = 20_000
BINS = 64  # of luminance, in which the curve is fitted
LEAST_IN_BIN = 4
# Distance from the curve in levels, of the largest channel: of half of the pixels, and of all but two in a hundred. A
# base and a share of the tone's own colourfulness (median of max - min). Measured on drawn tones down to JPEG quality
# 40 (below the limits) and on colour photos (the nearest has 1.4 and 1.3 times as much).
USUAL_STRAY, USUAL_STRAY_SHARE = 1.0, 0.03
MOST_STRAY, MOST_STRAY_SHARE = 4.0, 0.16
ALL_BUT = 0.98
FACE_SLACK = 1.5  # a face may stray so many times as far; one that was tinted by hand strays further
TABLE = 65536  # luminance in steps of 1 / 257 level
MOST_COLOURS = 256  # of a drawn tone without loss
SNAP_LEVELS = 3.0  # between two of its colours that are no further apart, the nearer is taken as it is


@dataclass(frozen=True, eq=False)
class ToneCurve:
    """The one curve of a toned photo.

    Attributes:
        colours: (TABLE, 3) float32 RGB in levels, by luminance.
        most_stray: how far the photo's own pixels are from it, in levels: all of them but 2 %.
    """

    colours: NDArray[np.float32]
    most_stray: float

    def at(self, pixels: NDArray[np.float32], level: float) -> NDArray[np.float32]:
        """The colours of the curve with the luminance of (..., 3), in the pixels' numbers.

        Args:
            level: their number for one level of 255.
        """
        luma = luminance(np.ascontiguousarray(pixels).reshape(-1, 1, 3)).reshape(pixels.shape[:-1])
        at = np.clip(np.rint(luma * np.float32(257 / level)), 0, TABLE - 1).astype(np.uint16)
        return np.asarray(self.colours[at] * np.float32(level), np.float32)

    def covers(self, pixels: NDArray[np.float32]) -> bool:
        """Whether (..., 3) pixels in levels, of a face, are of this tone as well."""
        stray = np.abs(pixels - self.at(pixels, 1.0)).max(axis=-1)
        return quantile(stray, ALL_BUT) <= FACE_SLACK * max(self.most_stray, MOST_STRAY)


def find_tone(photo: NDArray[np.uint8 | np.uint16]) -> ToneCurve | None:
    """The curve of a toned photo (H, W, 3); None for one in colour.

    A photo that is almost gray, as one that was saved as a colour JPEG, has a curve that is almost straight.
    """
    step = max(1, int(np.sqrt(photo.shape[0] * photo.shape[1] / SAMPLE_PIXELS)))
    sample = in_levels(photo[step // 2 :: step, step // 2 :: step])
    luma = luminance(sample).ravel()
    channels = [np.ascontiguousarray(sample[..., channel]).ravel() for channel in range(3)]
    bins = np.clip((luma * (BINS / 256)).astype(np.intp), 0, BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    known = counts >= LEAST_IN_BIN
    if not known.any():
        return None
    means = [np.bincount(bins, values, BINS)[known] / counts[known] for values in (luma, *channels)]
    strays = (
        np.abs(values - np.interp(luma, means[0], mean)) for values, mean in zip(channels, means[1:], strict=True)
    )
    stray = functools.reduce(np.maximum, strays)
    tone = median(functools.reduce(np.maximum, channels) - functools.reduce(np.minimum, channels))
    usual = median(stray)
    if usual > USUAL_STRAY + USUAL_STRAY_SHARE * tone:
        return None
    most = quantile(stray, ALL_BUT)
    if most > MOST_STRAY + MOST_STRAY_SHARE * tone:
        return None
    drawn = _drawn_colours(photo) if most <= 2 else None
    if drawn is not None:
        return ToneCurve(_table_of_colours(drawn), most)
    return ToneCurve(_table(means[0], np.stack(means[1:], axis=1)), most)


def _table(luma: NDArray[np.float64], colours: NDArray[np.float64]) -> NDArray[np.float32]:
    """Colours between those that are known; beyond them the tone runs on to black and to white in even steps."""
    levels = np.arange(TABLE) / 257
    inner = np.clip(levels, luma[0], luma[-1])
    table = np.stack([np.interp(inner, luma, colours[:, channel]) for channel in range(3)], axis=1)
    low, high = levels < luma[0], levels > luma[-1]
    table[low] *= (levels[low] / max(luma[0], 1e-6))[:, None]
    rest = (levels[high] - luma[-1]) / max(255 - luma[-1], 1e-6)
    table[high] += (255 - table[high]) * rest[:, None]
    return np.asarray(table, np.float32)


def _table_of_colours(colours: NDArray[np.float64]) -> NDArray[np.float32]:
    """The same from the very colours (N, 3) of a drawn tone, sorted by luminance: the nearest where they lie close, and
    none that is darker or lighter than they are."""
    luma = colours @ LUMA_WEIGHTS[0].astype(np.float64)
    table = _table(luma, colours)
    levels = np.arange(TABLE) / 257
    above = np.clip(np.searchsorted(luma, levels), 1, len(luma) - 1)
    close = (luma[above] - luma[above - 1] <= SNAP_LEVELS) | (levels < luma[0]) | (levels > luma[-1])
    nearest = np.where(levels - luma[above - 1] <= luma[above] - levels, above - 1, above)
    table[close] = colours[nearest[close]]
    return table


def _drawn_colours(photo: NDArray[np.uint8 | np.uint16]) -> NDArray[np.float64] | None:
    """Every colour of a photo of few colours, sorted by luminance; None for another."""
    if photo.dtype != np.uint8:
        return None
    packed = (photo[..., 0].astype(np.uint32) << 16) | (photo[..., 1].astype(np.uint32) << 8) | photo[..., 2]
    if len(np.unique(packed[:: max(1, packed.shape[0] // 64)])) > MOST_COLOURS:
        return None
    seen = np.zeros(1 << 24, np.bool_)
    seen[packed.ravel()] = True
    found = np.flatnonzero(seen)
    if not 2 <= len(found) <= MOST_COLOURS:
        return None
    colours = np.stack((found >> 16, (found >> 8) & 255, found & 255), axis=1).astype(np.float64)
    return colours[np.argsort(colours @ LUMA_WEIGHTS[0].astype(np.float64), kind="stable")]
