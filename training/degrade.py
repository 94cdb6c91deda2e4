"""Makes bad photos of good ones, on the device, for a whole batch.

The order is that of the measurement (`evaluate.py`): blur of the lens or the hand, reduction, softness, noise, JPEG,
enlargement. Each sample draws its own strength from ranges that cover almost clean inputs and reach somewhat beyond
the heaviest level that is measured. A share of every batch stays as it is: the network must learn to leave a good face
alone.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from training.config import DegradationConfig
from training.jpeg import jpeg

KERNEL_PX = 21  # side of motion and defocus kernels at full size
SOFT_TAPS = 13  # side of the Gaussian at reduced size: four standard deviations of the widest one
# Standard deviation (of 255) of the strongest noise at reduction 1; grows with the reduction's root.
NOISE_AT_UNIT = 6.0


def uniform(count: int, low: float, high: float, like: Tensor) -> Tensor:
    """(count,) draws on the device of `like`."""
    return torch.rand(count, device=like.device) * (high - low) + low


def chance(count: int, share: float, like: Tensor) -> Tensor:
    """(count,) booleans, true with probability `share`."""
    return torch.rand(count, device=like.device) < share


def choose(mask: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """Per sample: `yes` where the mask (N,) is true."""
    return torch.where(mask[:, None, None, None], yes, no)


def filter_each(pictures: Tensor, kernels: Tensor) -> Tensor:
    """Filters picture n, (N, 3, H, W), with kernel n, (N, k, l) of odd sides; edges are reflected."""
    count, channels, height, width = pictures.shape
    rows, columns = kernels.shape[-2:]
    pad = (columns // 2, columns // 2, rows // 2, rows // 2)
    flat = functional.pad(pictures, pad, mode="reflect").flatten(0, 1)[None]
    weight = kernels.repeat_interleave(channels, dim=0)[:, None]
    return functional.conv2d(flat, weight, groups=count * channels).view(count, channels, height, width)


def gaussian_blur(pictures: Tensor, sigma_px: Tensor) -> Tensor:
    """Softens picture n with standard deviation n, in pixels."""
    at = torch.arange(SOFT_TAPS, device=pictures.device) - SOFT_TAPS // 2
    taps = torch.exp(-0.5 * (at / sigma_px.clamp(min=0.05)[:, None]).square())
    taps = taps / taps.sum(dim=1, keepdim=True)
    return filter_each(filter_each(pictures, taps[:, None, :]), taps[:, :, None])


def lens_kernels(count: int, like: Tensor) -> Tensor:
    """(count, KERNEL_PX, KERNEL_PX): half of them discs of a lens out of focus, half lines of a moving hand."""
    at = torch.arange(KERNEL_PX, device=like.device, dtype=torch.float32) - KERNEL_PX // 2
    y, x = torch.meshgrid(at, at, indexing="ij")
    radius_px = uniform(count, 1.0, 6.0, like)[:, None, None]
    disc = (radius_px + 0.5 - torch.hypot(x, y)).clamp(0, 1)
    angle = uniform(count, 0, math.pi, like)[:, None, None]
    along, across = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
    half_px = uniform(count, 1.5, 9.0, like)[:, None, None]
    line = (half_px + 0.5 - along.abs()).clamp(0, 1) * (1 - across.abs()).clamp(0, 1)
    kernels = torch.where(chance(count, 0.5, like)[:, None, None], disc, line)
    return kernels / kernels.sum(dim=(1, 2), keepdim=True)


def noise_like(pictures: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian noise with standard deviation n (of 255) for picture n; one in four is grey, as film grain is."""
    colour = torch.randn_like(pictures)
    grey = torch.randn_like(pictures[:, :1]).expand_as(pictures)
    return choose(chance(len(pictures), 0.25, pictures), grey, colour) * sigma[:, None, None, None]


def _reduce_and_enlarge(pictures: Tensor, side_px: int, config: DegradationConfig) -> Tensor:
    """One group of samples (N, 3, S, S), 0 to 255, through one reduction to `side_px`."""
    count, full_px = len(pictures), pictures.shape[-1]
    reduction = full_px / side_px
    low = functional.interpolate(pictures, size=(side_px, side_px), mode="area") if side_px < full_px else pictures
    low = gaussian_blur(low, uniform(count, 0.05, config.softness_px, low))
    strongest = min(NOISE_AT_UNIT * math.sqrt(reduction), config.noise)
    sigma = uniform(count, 0, 1, low).square() * strongest if reduction < 1.5 else uniform(count, 0, strongest, low)
    low = (low + noise_like(low, sigma)).clamp(0, 255)
    quality = uniform(count, config.quality[0], config.quality[1], low)
    low = choose(chance(count, config.jpeg_share, low), jpeg(low, quality), low)
    if side_px == full_px:
        return low
    smooth = functional.interpolate(low, size=(full_px, full_px), mode="bicubic", align_corners=False)
    linear = functional.interpolate(low, size=(full_px, full_px), mode="bilinear", align_corners=False)
    return choose(chance(count, 0.8, low), smooth, linear).clamp(0, 255)


def draw_side(full_px: int, config: DegradationConfig) -> int:
    """The reduced side of one group: one in `exact_share` at the reductions that are measured, else log-uniform."""
    if torch.rand(()) < config.exact_share:
        return full_px // (2, 4, 8)[int(torch.randint(3, ()))]
    reduction = math.exp(float(torch.rand(())) * math.log(config.reduction))
    return max(8, round(full_px / reduction))


def degrade(clean: Tensor, config: DegradationConfig) -> Tensor:
    """Makes the inputs of a batch.

    Args:
        clean: (N, 3, S, S) RGB in [-1, 1].
        config: ranges and shares.

    Returns:
        The degraded batch, same shape and range; samples that are left alone equal `clean`.
    """
    count = len(clean)
    pictures = (clean.float() + 1) * 127.5
    lens = chance(count, config.lens_share, clean)
    pictures = choose(lens, filter_each(pictures, lens_kernels(count, clean)), pictures)
    groups = pictures.chunk(config.groups)  # a reduction for each group: tensors of one size run as one operation
    low = torch.cat([_reduce_and_enlarge(group, draw_side(clean.shape[-1], config), config) for group in groups])
    again = jpeg(low, uniform(count, 50, 95, clean))  # a photo that was enlarged and then saved once more
    low = choose(chance(count, config.again_share, clean), again, low).round()
    order = torch.rand(count, device=clean.device)
    result = choose(order < config.clean_share, clean.float(), low / 127.5 - 1)
    return result.to(clean.dtype)
