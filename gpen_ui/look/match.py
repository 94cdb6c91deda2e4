"""A restored face among its surroundings: neither sharper than is natural nor smoother than the photo's grain.

What is measured is the photo around the face as it will be handed out: after denoising, enlarging and a background that
a network made. So a denoised photo gets no grain back.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpen_ui.look.blur import gaussian
from gpen_ui.look.channels import Pixels, Plane, in_channels, in_levels, level_of, luminance
from gpen_ui.look.order import median
from gpen_ui.look.regrain import Grain, draw_grain, fine_energy, measure_grain, wanted
from gpen_ui.look.sharpness import edge_blur
from gpen_ui.look.toned import ToneCurve

Picture = NDArray[np.float32]
Rectangle = tuple[int, int, int, int]  # left, top, right, bottom in pixels of the photo at hand

MARGIN = 0.5  # how far the surroundings reach, in sides of the face's rectangle
WHOLE_PX, PATCH_PX, PATCHES = 512, 256, 2  # a larger neighbourhood is looked at in 2 x 2 patches
SHARPER = 3.0  # a face is at most so many times as sharp as the sharpest edges around it
PIXEL_BLUR_PX = 0.7  # deviation of the blur that pixels themselves have; it sets no limit
INSIDE = 0.9  # of the strength: where the face is all there
LEAST_LACK = 0.1  # levels squared; less grain than that is not added
LEAST_BLUR_PX2 = 0.1  # a smaller variance than that is not blurred
DIMMEST, BRIGHTEST = 0.4, 1.3  # bounds of the grain's amplitude in other light than the face's


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What a face has to fit.

    Attributes:
        scale: pixels of the photo at hand for each one that was read.
        grain: of the photo's own pixels, None where there is none.
        least_blur_px: deviation of the blur that a face has at least, in pixels of the photo at hand.
    """

    scale: int
    grain: Grain | None
    least_blur_px: float

    @property
    def matters(self) -> bool:
        """Whether there is anything to fit."""
        return self.grain is not None or self.least_blur_px >= PIXEL_BLUR_PX


def look_around(photo: Pixels, rectangle: Rectangle, scale: int, noise: float) -> Surroundings:
    """Measures the photo (H, W, 3) around the rectangle of a face.

    Args:
        scale: how many times the photo was enlarged.
        noise: deviation of its noise in levels.
    """
    patches = [_reduced(patch, scale) for patch in _patches(photo, rectangle, scale)]
    grain = measure_grain(_mosaic(patches)) if patches else None
    blurs = [blur for patch in patches if (blur := edge_blur(luminance(patch), noise)) is not None]
    beyond = float(np.sqrt(max(0.0, min(blurs) ** 2 - PIXEL_BLUR_PX**2))) if blurs else 0.0
    return Surroundings(scale, grain, beyond / SHARPER * scale)


def blend_matched(
    around: Surroundings, opacity: float, before: Pixels, picture: Picture, weight: Plane, rectangle: Rectangle
) -> Picture:
    """The photo's rectangle with the restored picture in it, fitted: (H, W, 3) in the photo's numbers.

    Args:
        before: (H, W, 3) the photo in the rectangle.
        picture: the restored one, in the same numbers; its memory may be used for what is given back.
        weight: (H, W) 0 to `opacity`, how much of the picture is taken.
    """
    level = np.float32(level_of(before))
    inside = weight >= INSIDE * opacity
    picture = _softened(picture, around, inside, float(level))
    # Large arrays: each step in one pass of OpenCV's, whatever the numbers of the photo, and no new array for it.
    blended = cv2.subtract(picture, before, picture, dtype=cv2.CV_32F)
    cv2.multiply(blended, in_channels(weight), blended)
    cv2.add(blended, before, blended, dtype=cv2.CV_32F)
    if around.grain is None or not inside.any():
        return np.asarray(blended, np.float32)
    light, light_now = luminance(before), luminance(blended)
    if level != 1:
        light_now /= level
    grain = around.grain
    face_light = median(light_now[inside])
    scale = around.scale
    has, had = (fine_energy(_own_pixels(plane, scale), inside[::scale, ::scale]) for plane in (light_now, light))
    goal = wanted(min(had, grain.energy_at(face_light)))
    if goal - has < LEAST_LACK:
        return np.asarray(blended, np.float32)
    lack = float(np.sqrt(goal - has))
    gains = np.sqrt(grain.energies() / max(grain.energy_at(face_light), 1e-6))
    gains = np.clip(gains, DIMMEST, BRIGHTEST) * (lack * level / np.sqrt(1 - (1 - opacity) ** 2))
    whole_levels = np.clip(light_now, 0, 255, out=light_now).astype(np.uint8)
    amplitude = np.asarray(cv2.LUT(whole_levels, gains.astype(np.float32), light_now), np.float32)
    gone = np.subtract(2, weight)  # of the photo's own grain, as energy: 1 - (1 - weight)^2
    np.sqrt(np.multiply(gone, weight, out=gone), out=gone)
    amplitude *= gone
    shape_hw = before.shape[:2]
    drawn = draw_grain(grain, (-(-shape_hw[0] // scale), -(-shape_hw[1] // scale)), rectangle)
    if scale > 1:
        size_wh = (drawn.shape[1] * scale, drawn.shape[0] * scale)
        drawn = np.atleast_3d(cv2.resize(drawn, size_wh, interpolation=cv2.INTER_LANCZOS4))
        drawn = drawn[: shape_hw[0], : shape_hw[1]]
    if drawn.shape == blended.shape:
        cv2.accumulateProduct(drawn, in_channels(amplitude), blended)
    else:  # one plane for all channels
        cv2.add(blended, in_channels(drawn[:, :, 0] * amplitude), blended)
    return np.asarray(blended, np.float32)


def _softened(picture: Picture, around: Surroundings, inside: NDArray[np.bool_], level: float) -> Picture:
    """The picture, blurred where it is sharper than is natural here."""
    if around.least_blur_px < PIXEL_BLUR_PX:
        return picture
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        return picture
    middle = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    light = luminance(middle)
    blur = edge_blur(light if level == 1 else light / np.float32(level), 0.0)
    lacking = around.least_blur_px**2 - blur**2 if blur is not None else 0.0
    return gaussian(picture, float(np.sqrt(lacking))) if lacking > LEAST_BLUR_PX2 else picture


def _patches(photo: Pixels, rectangle: Rectangle, scale: int) -> list[Pixels]:
    """The neighbourhood of a rectangle, whole or in evenly spread patches."""
    left, top, right, bottom = rectangle
    height, width = photo.shape[:2]
    room = int(MARGIN * max(right - left, bottom - top)) + PATCH_PX // 4 * scale
    left, top = max(0, left - room), max(0, top - room)
    right, bottom = min(width, right + room), min(height, bottom + room)
    if max(right - left, bottom - top) <= WHOLE_PX * scale:
        return [photo[top:bottom, left:right]]
    patch_px = PATCH_PX * scale

    def starts(low: int, high: int) -> list[int]:
        return [low] if high - low <= patch_px else [int(each) for each in np.linspace(low, high - patch_px, PATCHES)]

    return [
        photo[y : min(bottom, y + patch_px), x : min(right, x + patch_px)]
        for y in starts(top, bottom)
        for x in starts(left, right)
    ]


def _reduced(patch: Pixels, scale: int) -> Picture:
    """A patch in the photo's own pixels, in levels."""
    return _own_pixels(in_levels(patch), scale)


def _own_pixels(plane: NDArray[np.float32], scale: int) -> NDArray[np.float32]:
    """(H, W) or (H, W, 3) brought back to the pixels that were read: `scale` times fewer on each side."""
    if scale == 1:
        return plane
    size_wh = (max(1, plane.shape[1] // scale), max(1, plane.shape[0] // scale))
    return np.asarray(cv2.resize(plane, size_wh, interpolation=cv2.INTER_AREA), np.float32)


def _mosaic(patches: list[Picture]) -> Picture:
    """Patches under each other. Blocks across two of them hold an edge and are never the quietest."""
    width = min(patch.shape[1] for patch in patches)
    return patches[0] if len(patches) == 1 else np.concatenate([patch[:, :width] for patch in patches])


def settle_on_tone(tone: ToneCurve, blended: Picture, before: Pixels, weight: Plane) -> Picture:
    """The rectangle on the photo's own curve of tone; where the face fades out, the photo's own stray is kept."""
    level = float(level_of(before))
    own = before.astype(np.float32)
    stray = (own - tone.at(own, level)) * (1 - weight)[:, :, None]
    return np.asarray(tone.at(blended, level) + stray, np.float32)
