"""JPEG as tensor arithmetic: what a picture loses when it is written and read again, without leaving the device.

Baseline JPEG after ITU-T T.81 with the tables of its annex K, the quality scale of the IJG library, and halved colour
resolution (4:2:0), as OpenCV and most programs write it. The lossless part (entropy coding) changes no pixel and is
left out.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

BLOCK_PX = 8
_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8 for _ in range(4)),
)
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))  # JFIF 1.02
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


def dct_matrix() -> Tensor:
    """The orthonormal (8, 8) cosine transform: row u holds the wave of frequency u."""
    n = torch.arange(BLOCK_PX, dtype=torch.float64)
    waves = torch.cos((2 * n[None, :] + 1) * n[:, None] * math.pi / (2 * BLOCK_PX))
    waves[0] *= math.sqrt(0.5)
    return (waves * math.sqrt(2 / BLOCK_PX)).float()


def quantisation_table(base: tuple[tuple[int, ...], ...], quality: Tensor) -> Tensor:
    """IJG's scaling of an annex K table; quality (N,) from 1 to 100 -> steps (N, 8, 8) from 1 to 255."""
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality).floor()
    table = torch.tensor(base, dtype=quality.dtype, device=quality.device)
    return ((table * scale[:, None, None] + 50) / 100).floor().clamp(1, 255)


def _quantise(plane: Tensor, steps: Tensor) -> Tensor:
    """One plane (N, H, W), values -128 to 127, sides divisible by 8, through its blocks' rounded coefficients."""
    count, height, width = plane.shape
    dct = dct_matrix().to(plane)
    blocks = plane.view(count, height // BLOCK_PX, BLOCK_PX, width // BLOCK_PX, BLOCK_PX).transpose(2, 3)
    steps = steps[:, None, None]
    coefficients = torch.round(dct @ blocks @ dct.T / steps) * steps
    return (dct.T @ coefficients @ dct).transpose(2, 3).reshape(count, height, width)


def jpeg(pictures: Tensor, quality: Tensor) -> Tensor:
    """Writes and reads a batch as JPEG.

    Args:
        pictures: (N, 3, H, W) RGB, 0 to 255; any sides.
        quality: (N,) from 1 to 100.

    Returns:
        (N, 3, H, W) RGB, whole numbers from 0 to 255. No gradient passes through the rounding.
    """
    height, width = pictures.shape[-2:]
    padded = functional.pad(pictures.float(), (0, -width % 16, 0, -height % 16), mode="replicate")
    ycc = torch.einsum("ij,njhw->nihw", torch.tensor(_TO_YCC).to(padded), padded.round())
    ycc = torch.cat((ycc[:, :1] - 128, ycc[:, 1:]), dim=1).round()
    quality = quality.to(padded)
    luma = _quantise(ycc[:, 0], quantisation_table(_LUMA, quality))[:, None]
    small = functional.avg_pool2d(ycc[:, 1:], 2).round()  # (N, 2, H/2, W/2)
    steps = quantisation_table(_CHROMA, quality).repeat_interleave(2, dim=0)
    chroma = _quantise(small.flatten(0, 1), steps).view_as(small).round()
    chroma = functional.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)  # 3:1, as libjpeg
    ycc = torch.cat((luma.round().clamp(-128, 127) + 128, chroma), dim=1)
    rgb = torch.einsum("ij,njhw->nihw", torch.tensor(_TO_RGB).to(padded), ycc)
    return rgb.round().clamp(0, 255)[..., :height, :width]
