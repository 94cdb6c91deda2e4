"""A photo through something that only takes small pieces: overlapping tiles, blended so that no seam is left.

Knows no network. Each tile is read with a margin that is thrown away, because what lies beyond a tile's edge would have
changed the pixels near it, and neighbours share a zone in which one fades into the other. The result is written tile by
tile in the photo's own depth; of floats there are never more than one tile and the zones that wait for a neighbour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gpen_ui.look.channels import LUMA_WEIGHTS, Pixels, is_gray

Piece = NDArray[np.float32]  # (h, w, 3) RGB in 0..1
Draw = Callable[[Piece], Piece]


@dataclass(frozen=True)
class Span:
    """A tile along one axis, in pixels of the photo.

    Attributes:
        start, stop: what the tile is kept for, with the zones that it shares with its neighbours.
        read_start, read_stop: what it is made from.
    """

    start: int
    stop: int
    read_start: int
    read_stop: int


@dataclass(frozen=True)
class TilePlan:
    """Tiles in rows and columns that cover a photo.

    Attributes:
        rows, columns: never empty; each begins and ends inside its neighbours.
        blend_px: width of the zone that two neighbours share.
    """

    rows: tuple[Span, ...]
    columns: tuple[Span, ...]
    blend_px: int

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    def __iter__(self) -> Iterator[tuple[Span, Span]]:
        """Row by row, from the left."""
        return ((row, column) for row in self.rows for column in self.columns)

    @property
    def read_pixels(self) -> int:
        """Pixels that go through in all, margins counted as often as they are read."""
        height, width = (sum(span.read_stop - span.read_start for span in spans) for spans in (self.rows, self.columns))
        return height * width


def plan_tiles(size_wh: tuple[int, int], *, tile_px: int, margin_px: int, blend_px: int, multiple: int = 1) -> TilePlan:
    """The fewest tiles of about one size that cover a photo.

    Args:
        size_wh: of the photo.
        tile_px: longest side of a tile with its margins.
        margin_px: what is read and thrown away on each side that is not the photo's own edge.
        blend_px: width of the zone that two neighbours share.
        multiple: where tiles begin; margin and zone are multiples of it.

    Raises:
        ValueError: a tile that is nothing but margins and zones.
    """
    keep_px = (tile_px - 2 * margin_px) // multiple * multiple
    if keep_px < 2 * blend_px + multiple or margin_px % multiple or blend_px % multiple:
        raise ValueError(f"tiles of {tile_px} px with {margin_px} px margin, {blend_px} px zone, multiple {multiple}")
    width, height = size_wh
    rows, columns = (_spans(side, keep_px, margin_px, blend_px, multiple) for side in (height, width))
    return TilePlan(rows, columns, blend_px)


def _spans(length: int, keep_px: int, margin_px: int, blend_px: int, multiple: int) -> tuple[Span, ...]:
    if length <= keep_px + 2 * margin_px:  # one tile, which has the photo's edges and needs no margins
        return (Span(0, length, 0, length),)
    count = math.ceil((length - blend_px) / (keep_px - blend_px))
    step = math.ceil((length - blend_px) / count / multiple) * multiple
    starts = range(0, length - blend_px, step)
    stops = (min(start + step + blend_px, length) for start in starts)
    return tuple(
        Span(start, stop, max(0, start - margin_px), min(length, stop + margin_px))
        for start, stop in zip(starts, stops, strict=True)
    )


@dataclass(frozen=True, eq=False)
class Halves:
    """A piece that was too large, in two parts, each with a margin of the other.

    Attributes:
        axis, middle: where it is cut.
        margin_px: what the second part begins with that is the first one's.
    """

    first: Piece
    second: Piece
    axis: int
    middle: int
    margin_px: int

    def joined(self, first: Piece, second: Piece, scale: int) -> Piece:
        """What was drawn of the parts, `scale` times as large, without the margins."""
        before = np.take(first, range(self.middle * scale), self.axis)
        after = np.take(second, range(self.margin_px * scale, second.shape[self.axis]), self.axis)
        return np.concatenate((before, after), self.axis)


def cut_in_halves(piece: Piece, margin_px: int) -> Halves | None:
    """A piece in two along its longer side; None where the parts would not be much smaller."""
    axis = int(np.argmax(piece.shape[:2]))
    length = piece.shape[axis]
    if length < 3 * margin_px:
        return None
    middle = length // 8 * 4
    first, second = slice(0, middle + margin_px), slice(middle - margin_px, length)
    cut = (piece[first], piece[second]) if axis == 0 else (piece[:, first], piece[:, second])
    return Halves(*cut, axis, middle, margin_px)


def draw_in_tiles(
    pixels: Pixels, plan: TilePlan, draw: Draw, *, drawn_scale: int, scale: int
) -> Generator[int, None, Pixels]:
    """Makes a photo's enlarged form tile by tile.

    Args:
        pixels: (H, W, 3) RGB. A gray photo stays exactly gray, 16 bits stay 16 bits.
        draw: gives a piece `drawn_scale` times as large; anything that it raises goes through.
        scale: of the result, a divisor of `drawn_scale`; the rest is averaged away by area.

    Yields:
        How many tiles are done, after each.

    Returns:
        (H * scale, W * scale, 3) in the photo's depth.
    """
    most = np.float32(np.iinfo(pixels.dtype).max)
    gray = is_gray(pixels)
    mosaic = _Mosaic(pixels, plan, scale)
    for done, (row, column) in enumerate(plan, 1):
        piece = pixels[row.read_start : row.read_stop, column.read_start : column.read_stop].astype(np.float32) / most
        drawn = _reduced(draw(piece), drawn_scale // scale)
        if gray:
            drawn = np.repeat(cv2.transform(drawn, LUMA_WEIGHTS)[..., None], 3, axis=2)
        mosaic.put(row, column, drawn)
        yield done
    return mosaic.pixels


def _reduced(piece: Piece, times: int) -> Piece:
    if times == 1:
        return piece
    height, width = piece.shape[:2]
    size_wh = (width // times, height // times)
    return np.asarray(cv2.resize(piece, size_wh, interpolation=cv2.INTER_AREA), np.float32)


class _Mosaic:
    """Takes tiles row by row and writes each pixel once, when nothing more can come to it."""

    def __init__(self, photo: Pixels, plan: TilePlan, scale: int) -> None:
        height, width = photo.shape[:2]
        self.pixels: NDArray[Any] = np.empty((height * scale, width * scale, 3), photo.dtype)
        self._scale = scale
        self._size = height, width
        self._zone = plan.blend_px * scale
        ramp = (np.arange(self._zone, dtype=np.float32) + 0.5) / max(1, self._zone)
        self._ramp = ramp[:, None, None]
        self._beside: Piece | None = None  # of the tile to the left: the zone that it shares with the next one
        self._below: Piece | None = None  # of the row above: the zone that it shares with the next one
        if len(plan.rows) > 1:
            self._below = np.empty((self._zone, width * scale, 3), np.float32)

    def put(self, row: Span, column: Span, drawn: Piece) -> None:
        """Adds what was drawn for the whole of what a tile reads."""
        scale, zone = self._scale, self._zone
        top, left = (scale * (span.start - span.read_start) for span in (row, column))
        height, width = (scale * (span.stop - span.start) for span in (row, column))
        piece = drawn[top : top + height, left : left + width].copy()
        if column.start:
            assert self._beside is not None
            piece[:, :zone] += (1 - self._ramp[:, 0]) * (self._beside - piece[:, :zone])
        if column.stop < self._size[1]:
            self._beside = piece[:, -zone:].copy()
            piece = piece[:, :-zone]
        across = slice(column.start * scale, column.start * scale + piece.shape[1])
        if row.start:
            assert self._below is not None
            piece[:zone] += (1 - self._ramp) * (self._below[:, across] - piece[:zone])
        if row.stop < self._size[0]:
            assert self._below is not None
            self._below[:, across] = piece[-zone:]
            piece = piece[:-zone]
        target = self.pixels[row.start * scale : row.start * scale + piece.shape[0], across]
        most = np.iinfo(target.dtype).max
        target[...] = np.rint(np.clip(piece, 0, 1) * most).astype(target.dtype)
