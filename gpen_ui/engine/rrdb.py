"""RRDBNet's forward pass with its memory bounded: the trunk at once, the enlarged end in strips."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate, leaky_relu, pixel_unshuffle

if TYPE_CHECKING:
    from gpen_ui.network.rrdbnet import RrdbConfig

# The end works on 16 times the pixels, with as many channels as the trunk: done at once it would take three quarters of
# the memory. Its pixels see only 1.25 px of the trunk around them, so strips of it are cheap and exact.
REACH_PX = 2
STRIP_PIXELS = 1 << 14  # of the trunk
RESIDUAL_SHARE = 0.2  # of a block's dense layers beside its input (Wang et al., "ESRGAN", ECCV workshops 2018)
BYTES_PER_PIXEL = 4000  # of the trunk with 64 features in float32, the strips counted in; measured


def forward(network: Any, config: RrdbConfig, x: Tensor, check: Callable[[], None] = lambda: None) -> Tensor:
    """The same as `network(x)`, clamped to 0..1, in float32 on the processor.

    Args:
        x: (1, 3, H, W) RGB in 0..1; sides are multiples of `config.multiple`.
        check: called several times in each block and before each strip, so that a long pass can be broken off by what
            it raises.

    Returns:
        (1, 3, H * scale, W * scale).
    """
    folded = pixel_unshuffle(x, config.multiple) if config.multiple > 1 else x
    first = network.conv_first(folded.contiguous(memory_format=torch.channels_last))
    trunk = first
    for block in network.body:
        inside = trunk
        for dense in (block.rdb1, block.rdb2, block.rdb3):
            check()
            inside = dense(inside)
        trunk = inside * RESIDUAL_SHARE + trunk
    trunk = first + network.conv_body(trunk)
    height, width = trunk.shape[2:]
    result = torch.empty((1, 3, 4 * height, 4 * width), dtype=torch.float32)
    rows = max(8, STRIP_PIXELS // width)
    for top in range(0, height, rows):
        check()
        bottom = min(top + rows, height)
        read_top, read_bottom = max(0, top - REACH_PX), min(height, bottom + REACH_PX)
        strip = _end(network, trunk[:, :, read_top:read_bottom])
        inner = strip[:, :, 4 * (top - read_top) : 4 * (bottom - read_top)]
        result[:, :, 4 * top : 4 * bottom] = inner.float().clamp(0, 1).cpu()
    return result


def _end(network: Any, trunk: Tensor) -> Tensor:
    """From the trunk to the picture, four times as large."""
    feature = leaky_relu(network.conv_up1(interpolate(trunk, scale_factor=2, mode="nearest")), 0.2, inplace=True)
    feature = leaky_relu(network.conv_up2(interpolate(feature, scale_factor=2, mode="nearest")), 0.2, inplace=True)
    picture: Tensor = network.conv_last(leaky_relu(network.conv_hr(feature), 0.2, inplace=True))
    return picture
