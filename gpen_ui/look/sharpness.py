"""How sharp a picture is, as the blur of its sharpest edges, and the rule by which a restored face is held to it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gpen_ui.look.channels import Plane

# A picture is blurred a little and a little more; the ratio of an edge's slopes tells the blur that it had: Zhuo and
# Sim, "Defocus map estimation from a single image", Pattern Recognition 44(9), 2011. The first blur keeps noise low.
FIRST_SIGMA_PX, SECOND_SIGMA_PX = 1.0, 2.0
EDGE_SHARE = 0.04  # the steepest pixels are edges
NOISE_MARGIN = 6.0  # and their slope is above that many deviations of the noise's
# Deviation of a Sobel slope (a level a pixel) after the first blur, for white noise of deviation 1.
SLOPE_OF_NOISE = 0.2
SHARP_SHARE = 0.2  # of the edges, these are the sharpest
LEAST_EDGES = 30  # pixels
WIDEST_PX = 12.0  # of a blur that is told at all


def edge_blur(light: Plane, noise: float) -> float | None:
    """Deviation in pixels of the Gaussian that the sharpest edges of a picture were blurred by.

    Args:
        light: (H, W) luminance in levels.
        noise: deviation of the noise in levels.

    Returns:
        0 to WIDEST_PX; None where there are no edges to tell by.
    """
    first = cv2.GaussianBlur(light, (0, 0), FIRST_SIGMA_PX)
    second = cv2.GaussianBlur(first, (0, 0), float(np.sqrt(SECOND_SIGMA_PX**2 - FIRST_SIGMA_PX**2)))
    steep, gentle = _slope(first), _slope(second)
    least = max(float(np.quantile(steep[::2, ::2], 1 - EDGE_SHARE)), NOISE_MARGIN * SLOPE_OF_NOISE * noise, 1.0)
    edges = steep > least
    if np.count_nonzero(edges) < LEAST_EDGES:
        return None
    ratio = (steep[edges] / np.maximum(gentle[edges], 1e-3)) ** 2
    variances = (SECOND_SIGMA_PX**2 - ratio * FIRST_SIGMA_PX**2) / np.maximum(ratio - 1, 1e-3)
    sharpest = float(np.quantile(variances, SHARP_SHARE))
    return float(np.clip(np.sqrt(max(sharpest, 0.0)), 0, WIDEST_PX))


def _slope(plane: NDArray[Any]) -> Plane:
    across, down = (cv2.Sobel(plane, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1)))
    return np.asarray(cv2.magnitude(across, down), np.float32)
