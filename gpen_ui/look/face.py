"""What is done to a restored face crop before it is pasted: mode, and local contrast.

Crops are (S, S, 3) float32 RGB, 0 to 255, aligned on GPEN's template.
"""

from __future__ import annotations

import cv2
import numpy as np

from gpen_ui.look.blur import gaussian
from gpen_ui.look.channels import Crop, in_channels, is_gray, luminance
from gpen_ui.options import Mode

COARSE_SIGMA = 1 / 16  # share of the crop's side: light and colour
FINE_SIGMA = 1 / 128  # share of the crop's side: what is finer is amplified by mode "detail"
FINE_GAIN = 1.3

DETAIL_SIGMA = 1 / 64  # share of the crop's side: lashes, brows, lips, strands of hair
DETAIL_GAIN = 1.25
SKIN_CONTRAST, FEATURE_CONTRAST = 4.0, 12.0  # local deviation in levels: below the first skin, above the second not
MOST_CHANGE = 12.0  # levels by which any pixel is moved at most


def apply_mode(restored: Crop, original: Crop, mode: Mode) -> Crop:
    """Joins the network's picture with the original's light and colour.

    Args:
        mode: "strong" returns `restored` itself; "natural" takes the coarse band (Gaussian, COARSE_SIGMA) from the
            original; "detail" does so too and amplifies the fine band of the restored picture by FINE_GAIN.

    Returns:
        A new crop, except for "strong". Exactly gray where the original is exactly gray.
    """
    if mode == "strong":
        return restored
    side_px = restored.shape[0]
    if is_gray(original):
        restored = match_gray(restored)
    result = gaussian(cv2.subtract(original, restored, np.empty_like(restored)), COARSE_SIGMA * side_px)
    cv2.add(result, restored, result)
    if mode == "detail":
        result += (FINE_GAIN - 1) * (restored - gaussian(restored, FINE_SIGMA * side_px))
    return np.asarray(np.clip(result, 0, 255, out=result), np.float32)


def match_gray(crop: Crop) -> Crop:
    """The crop without colour: its luminance in all three channels."""
    return in_channels(luminance(crop))


def enhance_detail(picture: Crop) -> Crop:
    """More local contrast in eyes, brows, mouth and hair; smooth skin stays, and so do hues."""
    light = luminance(picture)
    sigma_px = DETAIL_SIGMA * picture.shape[0]
    band = light - gaussian(light, sigma_px)
    contrast = np.sqrt(gaussian(band * band, sigma_px))
    share = np.clip((contrast - SKIN_CONTRAST) / (FEATURE_CONTRAST - SKIN_CONTRAST), 0, 1)
    change = MOST_CHANGE * np.tanh((DETAIL_GAIN - 1) / MOST_CHANGE * band * share)
    return np.asarray(np.clip(picture + change[..., None], 0, 255), np.float32)
