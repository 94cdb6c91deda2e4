"""How sharp a picture is, as the blur of its sharpest edges, and the rule by which a restored face is held to it."""

from __future__ import annotations

import math

import cv2
import numpy as np

from gpen_ui.look.channels import Plane
from gpen_ui.look.order import quantile

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
    first, second = np.empty_like(light), np.empty_like(light)
    cv2.GaussianBlur(light, (0, 0), FIRST_SIGMA_PX, dst=first)
    cv2.GaussianBlur(first, (0, 0), math.sqrt(SECOND_SIGMA_PX**2 - FIRST_SIGMA_PX**2), dst=second)
    steep = _slope(first)
    least = max(quantile(steep[::2, ::2], 1 - EDGE_SHARE), NOISE_MARGIN * SLOPE_OF_NOISE * noise, 1.0)
    edges = np.flatnonzero(steep > least)
    if len(edges) < LEAST_EDGES:
        return None
    ratio = (steep.ravel()[edges] / np.maximum(_slope(second).ravel()[edges], 1e-3)) ** 2
    variances = (SECOND_SIGMA_PX**2 - ratio * FIRST_SIGMA_PX**2) / np.maximum(ratio - 1, 1e-3)
    return min(math.sqrt(max(quantile(variances, SHARP_SHARE), 0.0)), WIDEST_PX)


def _slope(plane: Plane) -> Plane:
    across, down = np.empty_like(plane), np.empty_like(plane)
    cv2.Sobel(plane, cv2.CV_32F, 1, 0, dst=across, scale=1 / 8)
    cv2.Sobel(plane, cv2.CV_32F, 0, 1, dst=down, scale=1 / 8)
    return np.asarray(cv2.magnitude(across, down, across), np.float32)
