"""Wide Gaussians that cost little: on a reduced picture, enlarged again."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

LEAST_REDUCED_SIGMA_PX = 2.0  # a Gaussian this wide is still smooth when interpolated from its reduced grid


def gaussian(picture: NDArray[Any], sigma_px: float) -> NDArray[np.float32]:
    """Blurs (H, W) or (H, W, C) float32 with a Gaussian; the border is mirrored.

    Wide ones run on a reduced grid: averaging f x f pixels and interpolating linearly have variances of f^2 / 12 and
    f^2 / 6, which the Gaussian between them is spared.
    """
    factor = 1
    while sigma_px / (2 * factor) >= LEAST_REDUCED_SIGMA_PX:
        factor *= 2
    result: NDArray[np.float32] = np.empty(picture.shape, np.float32)  # see `look/threads.py` for why it is given
    if factor == 1:
        cv2.GaussianBlur(picture, (0, 0), sigma_px, dst=result, borderType=cv2.BORDER_REFLECT)
        return result
    height, width = picture.shape[:2]
    reduced_wh = (-(-width // factor), -(-height // factor))
    reduced: NDArray[np.float32] = np.empty((*reduced_wh[::-1], *picture.shape[2:]), np.float32)
    cv2.resize(picture, reduced_wh, dst=reduced, interpolation=cv2.INTER_AREA)
    reduced_sigma = float(np.sqrt((sigma_px / factor) ** 2 - 1 / 4))
    cv2.GaussianBlur(reduced, (0, 0), reduced_sigma, dst=reduced, borderType=cv2.BORDER_REFLECT)
    cv2.resize(reduced, (width, height), dst=result, interpolation=cv2.INTER_LINEAR)
    return result
