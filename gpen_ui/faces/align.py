"""Cutting a face out of a photo onto GPEN's template, and the way back.

Convention of all matrices: 2x3, photo pixels -> crop pixels, pixel centres at integers, origin at the top left.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpen_ui.faces.types import Affine, Points

# Share of the crop's side: eyes, nose, mouth corners. The 96x112 five-point template of the face recognition field,
# made square and padded by a quarter on every side, as GPEN's published pipeline uses it.
TEMPLATE_POINTS: tuple[tuple[float, float], ...] = (
    (0.394611, 0.474383),
    (0.604356, 0.473223),
    (0.500150, 0.593670),
    (0.413984, 0.716461),
    (0.587678, 0.715501),
)

Crop = NDArray[np.float32]
ANTI_ALIAS_SIGMA = 0.5  # of the Gaussian before reduction, in crop pixels: little ringing, little aliasing


def template_points(crop_px: int) -> NDArray[np.float64]:
    """(5, 2) the template in pixels of a crop of this side."""
    return np.array(TEMPLATE_POINTS) * crop_px


def align_transform(points_xy: Points, crop_px: int) -> Affine:
    """The similarity (turn, scale, shift; no mirror) that brings five points nearest to the template.

    Least squares after Umeyama, "Least-squares estimation of transformation parameters between two point patterns",
    IEEE PAMI 13(4), 1991, written with complex numbers: for centred points z and targets t the best factor is
    sum(conj(z) t) / sum(|z|^2).

    Args:
        points_xy: (5, 2) in photo pixels.

    Returns:
        (2, 3) photo -> crop.
    """
    source = points_xy[:, 0].astype(np.float64) + 1j * points_xy[:, 1].astype(np.float64)
    target_xy = template_points(crop_px)
    target = target_xy[:, 0] + 1j * target_xy[:, 1]
    z, t = source - source.mean(), target - target.mean()
    factor = complex(np.vdot(z, t) / max(np.vdot(z, z).real, 1e-9))
    shift = complex(target.mean() - factor * source.mean())
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])


def scale_of(to_crop: Affine) -> float:
    """Crop pixels per photo pixel."""
    return float(np.hypot(to_crop[0, 0], to_crop[1, 0]))


def rescaled(to_crop: Affine, photo_scale: float) -> Affine:
    """The same transform for a photo enlarged by this factor (pixel corners kept in place, as resizing does)."""
    grow = np.array([[1 / photo_scale, 0, 0.5 / photo_scale - 0.5], [0, 1 / photo_scale, 0.5 / photo_scale - 0.5]])
    return compose(to_crop, grow)


def compose(second: Affine, first: Affine) -> Affine:
    """(2, 3) of applying `first`, then `second`."""
    full = np.vstack((first, (0, 0, 1)))
    return np.asarray(second @ full)


def inverse(transform: Affine) -> Affine:
    """(2, 3) of the way back."""
    (a, b, x), (c, d, y) = transform.tolist()  # plain numbers: NumPy's solver takes ten times as long for four of them
    area = a * d - b * c
    a, b, c, d = d / area, -b / area, -c / area, a / area
    return np.array([[a, b, -(a * x + b * y)], [c, d, -(c * x + d * y)]])


def face_rectangle(to_crop: Affine, crop_px: int, photo_wh: tuple[int, int]) -> tuple[int, int, int, int]:
    """The part of the photo that the crop can touch: left, top, right, bottom in pixels, right and bottom excluded."""
    back = inverse(to_crop)
    corners = np.array([(0, 0), (crop_px - 1, 0), (0, crop_px - 1), (crop_px - 1, crop_px - 1)], float)
    at = corners @ back[:, :2].T + back[:, 2]
    low, high = np.floor(at.min(0)).astype(int), np.ceil(at.max(0)).astype(int) + 1
    left, top = max(0, int(low[0])), max(0, int(low[1]))
    return left, top, max(left, min(photo_wh[0], int(high[0]))), max(top, min(photo_wh[1], int(high[1])))


def crop_face(pixels: NDArray[Any], to_crop: Affine, crop_px: int) -> Crop:
    """Cuts the face out: (H, W, 3) RGB or (H, W) of any depth -> (crop_px, crop_px, ...) float32 in the photo's value
    range.

    A face larger than the crop is low-pass filtered first, so that nothing aliases; a smaller one is enlarged by
    cubic interpolation. Beyond the photo's edge its mirror image is taken.
    """
    import cv2

    height, width = pixels.shape[:2]
    left, top, right, bottom = rectangle_with_margin(to_crop, crop_px, (width, height))
    if right <= left or bottom <= top:
        return np.zeros((crop_px, crop_px, *pixels.shape[2:]), np.float32)
    part = pixels[top:bottom, left:right].astype(np.float32)
    scale = scale_of(to_crop)
    flags = cv2.INTER_CUBIC
    if scale < 1:
        sigma_px = ANTI_ALIAS_SIGMA * np.sqrt(1 / scale**2 - 1)
        cv2.GaussianBlur(part, (0, 0), sigma_px, part, borderType=cv2.BORDER_REFLECT_101)
        flags = cv2.INTER_LINEAR
    local = compose(to_crop, np.array([[1, 0, left], [0, 1, top]], float))
    # a line of one pixel has no mirror image, and OpenCV (5.0) would look for it for ever
    border = cv2.BORDER_REFLECT_101 if min(part.shape[:2]) > 1 else cv2.BORDER_REPLICATE
    crop: Crop = np.empty((crop_px, crop_px, *pixels.shape[2:]), np.float32)
    cv2.warpAffine(part, local, (crop_px, crop_px), crop, flags, border)
    return np.clip(crop, 0, np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else None, out=crop)


def rectangle_with_margin(to_crop: Affine, crop_px: int, photo_wh: tuple[int, int]) -> tuple[int, int, int, int]:
    """`face_rectangle` with room for the filters around it, so that cutting it out changes nothing inside."""
    margin = 4 + int(np.ceil(4 / scale_of(to_crop)))
    left, top, right, bottom = face_rectangle(to_crop, crop_px, photo_wh)
    return (
        max(0, left - margin),
        max(0, top - margin),
        min(photo_wh[0], right + margin),
        min(photo_wh[1], bottom + margin),
    )


def uncrop(
    picture: NDArray[np.float32], to_crop: Affine, rectangle: tuple[int, int, int, int], *, smooth: bool = False
) -> NDArray[np.float32]:
    """Brings a crop back: (S, S) or (S, S, 3) -> the rectangle of the photo, zero outside the crop.

    Args:
        smooth: it has no detail, as a mask: linear interpolation does, in a quarter of the time of cubic one.
    """
    import cv2

    left, top, right, bottom = rectangle
    if scale_of(to_crop) > 1:  # the crop is finer than the photo: filter, or the paste aliases
        sigma_px = ANTI_ALIAS_SIGMA * np.sqrt(scale_of(to_crop) ** 2 - 1)
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma_px, np.empty_like(picture)), np.float32)
    local = compose(to_crop, np.array([[1, 0, left], [0, 1, top]], float))
    flags = (cv2.INTER_LINEAR if smooth or scale_of(to_crop) > 1 else cv2.INTER_CUBIC) | cv2.WARP_INVERSE_MAP
    result = np.empty((bottom - top, right - left, *picture.shape[2:]), np.float32)
    return np.asarray(cv2.warpAffine(picture, local, (right - left, bottom - top), result, flags), np.float32)
