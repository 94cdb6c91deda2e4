"""What a face shows at all: how far it is turned to the side, and how blurred it is."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpen_ui.faces.align import align_transform, compose, crop_face, rectangle_with_margin, scale_of
from gpen_ui.faces.types import LUMA, Affine, Face, Points

# Half the distance of the eyes over how far the tip of the nose stands out before the line from between the eyes to
# between the corners of the mouth: about 31 and 26 mm in an adult.
EYES_TO_NOSE = 1.2

MEASURED_SIDE_PX = 256  # of the aligned square that blur is measured in; smaller faces as they are
LEAST_SIDE_PX = 32
INNER_XY, INNER_RADII_XY = (0.5, 0.58), (0.2, 0.22)  # eyes to mouth, shares of the square: no hair, no outline
EDGES_SHARE = 0.1  # of those pixels, with the strongest gradient
SHARPEST = 25  # percentile of the widths of these edges that stands for the face
# Two Gaussians (px) that the edges are compared under, the next pair where blur is wider than the last can tell.
PAIRS_PX = ((0.8, 1.6), (1.6, 3.2), (3.2, 6.4), (6.4, 12.8))
CLEAR = 10.0  # times that edges must be steeper than the noise, or it is the noise that a pair would tell of
TELLS = 1.5  # a pair tells blur up to so many times its wider Gaussian
WIDEST_SHARE = 1 / 20  # of the square: the widest Gaussian that still fits between two edges of a face


def turned_degrees(points_xy: Points) -> float:
    """How far a face is turned to the side, 0 (towards us) to 90 (profile), whichever side it is.

    A head turned by t shows its eyes cos(t) as far apart, and the tip of its nose sin(t) times as far beside the
    middle of the face as it stands out before it; their ratio leaves tan(t), whatever the size and the tilt.

    Args:
        points_xy: (5, 2) eyes, nose, mouth corners.
    """
    left_eye, right_eye, nose, left_mouth, right_mouth = points_xy.astype(np.float64)
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    down = mouth - eyes
    length = float(np.hypot(*down))
    if length == 0:
        return 0.0
    across = np.array((down[1], -down[0])) / length  # at a right angle to the middle line of the face
    half_px = abs(float((right_eye - left_eye) @ across)) / 2
    beside_px = abs(float((nose - eyes) @ across))
    return math.degrees(math.atan2(EYES_TO_NOSE * beside_px, half_px))


def blur_px(pixels: NDArray[Any], face: Face) -> float:
    """How wide the sharpest edges of a face are: deviation of the Gaussian in pixels of the photo, however large or
    small the face is. About 0.5 where the photo is as sharp as its pixels allow.

    Edges lose the more of their gradient under a further Gaussian the sharper they are: Zhuo and Sim, "Defocus map
    estimation from a single image", Pattern Recognition 44(9), 2011, here with two Gaussians, which noise passes less.

    Args:
        pixels: (H, W, 3) RGB of the photo, in any depth.
    """
    square_px = MEASURED_SIDE_PX / scale_of(align_transform(face.points_xy, MEASURED_SIDE_PX))
    side_px = int(np.clip(round(square_px), LEAST_SIDE_PX, MEASURED_SIDE_PX))
    to_crop = align_transform(face.points_xy, side_px)
    return _edge_width(_gray_crop(pixels, to_crop, side_px)) / scale_of(to_crop)


def _gray_crop(pixels: NDArray[Any], to_crop: Affine, side_px: int) -> NDArray[np.float32]:
    """The brightness of an aligned face: (S, S) float32. Only of the face's surroundings is it made at all."""
    import cv2

    left, top, right, bottom = rectangle_with_margin(to_crop, side_px, (pixels.shape[1], pixels.shape[0]))
    part = pixels[top:bottom, left:right]
    if not part.size:
        return np.zeros((side_px, side_px), np.float32)
    light = np.empty(part.shape[:2], np.float32)
    cv2.transform(part.astype(np.float32), LUMA[None], light)
    return crop_face(light, compose(to_crop, np.array([[1, 0, left], [0, 1, top]], float)), side_px)


def _edge_width(gray: NDArray[np.float32]) -> float:
    """The same for an aligned square (S, S), in its pixels."""
    side = len(gray)
    inner = _inner(side)
    noise = _noise(gray, inner)
    width = 0.0
    for narrow, wide in PAIRS_PX:
        if wide > side * WIDEST_SHARE * 2:
            break
        before, after = (_gradient(gray, sigma_px).ravel()[inner] for sigma_px in (narrow, wide))
        least = np.quantile(before, 1 - EDGES_SHARE)
        edges = before >= least
        kept = np.maximum((before[edges] / np.maximum(after[edges], 1e-6)) ** 2, 1.0002)
        squares = np.maximum(0, (wide**2 - kept * narrow**2) / (kept - 1))
        width = float(np.percentile(np.sqrt(squares), SHARPEST))
        if width < TELLS * wide and least > CLEAR * noise / (narrow**2 * math.sqrt(8 * math.pi)):
            break
    return width


@lru_cache(maxsize=64)
def _inner(side: int) -> NDArray[np.intp]:
    """Places of the pixels of the face's middle in an aligned square of this side."""
    y, x = np.mgrid[:side, :side] / side
    return np.flatnonzero(
        ((x - INNER_XY[0]) / INNER_RADII_XY[0]) ** 2 + ((y - INNER_XY[1]) / INNER_RADII_XY[1]) ** 2 < 1
    )


def _noise(gray: NDArray[np.float32], inner: NDArray[np.intp]) -> float:
    """Deviation of white noise in levels, from the median of Immerkaer's operator (1996), which has a gain of 6."""
    import cv2

    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    response = cv2.filter2D(gray, cv2.CV_32F, kernel, np.empty_like(gray)).ravel()[inner]
    return float(np.median(np.abs(response, out=response)) / 0.6745 / 6)


def _gradient(gray: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    """Its strength after a Gaussian, (S, S)."""
    import cv2

    smooth, across, down = np.empty_like(gray), np.empty_like(gray), np.empty_like(gray)
    cv2.GaussianBlur(gray, (0, 0), sigma_px, smooth)
    cv2.Sobel(smooth, cv2.CV_32F, 1, 0, across, scale=1 / 8)
    cv2.Sobel(smooth, cv2.CV_32F, 0, 1, down, scale=1 / 8)
    return np.asarray(cv2.magnitude(across, down, across), np.float32)
