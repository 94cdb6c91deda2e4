"""The network's blur filters as sums of shifted copies, for training only.

A convolution with one filter per channel is slow on GPUs, forwards and more so backwards. The filter is an outer
product of (1, 3, 3, 1), so four shifted copies along the rows and four along the columns do the same, and
torch.compile fuses them. The modules, their names and their stored kernels stay as they are; only `forward` is taken
over by a subclass.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gpen_ui.network.layers import BLUR_TAPS, Blur, Upsample

_TOTAL = sum(BLUR_TAPS)


def _slide(x: Tensor, dim: int, gain: float) -> Tensor:
    """Filters along one dimension without padding: n values become n - 3."""
    length = x.shape[dim] - len(BLUR_TAPS) + 1
    parts = [x.narrow(dim, at, length) * (tap * gain / _TOTAL) for at, tap in enumerate(BLUR_TAPS)]
    return (parts[0] + parts[3]) + (parts[1] + parts[2])


class ShiftedBlur(Blur):
    """`Blur` by shifts; `gain` is the sum of the kernel."""

    gain: float

    def forward(self, x: Tensor) -> Tensor:
        x = functional.pad(x, (self.padding_px,) * 4)
        return _slide(_slide(x, 3, 1.0), 2, self.gain)


class ShiftedUpsample(Upsample):
    """`Upsample` by weights 3/4 and 1/4 of the two nearest pixels along each side, zeros beyond the edge."""

    def forward(self, x: Tensor) -> Tensor:
        for dim in (2, 3):
            edge = (0, 0, 1, 1) if dim == 2 else (1, 1, 0, 0)
            length = x.shape[dim]
            padded = functional.pad(x, edge)
            left, middle, right = (padded.narrow(dim, at, length) for at in range(3))
            even, odd = 0.75 * middle + 0.25 * left, 0.75 * middle + 0.25 * right
            pair = even.unsqueeze(dim + 1), odd.unsqueeze(dim + 1)
            x = _interleave(pair, dim)
        return x


def _interleave(pair: tuple[Tensor, Tensor], dim: int) -> Tensor:
    """Two (..., n, 1, ...) tensors become (..., 2 n, ...), taking turns."""
    return torch.cat(pair, dim=dim + 1).flatten(dim, dim + 1)


def use_shifted_filters(network: nn.Module) -> None:
    """Lets every blur and upsampling of a network work by shifts; same numbers, same state dict."""
    for module in network.modules():
        if type(module) is Blur:
            module.__class__ = ShiftedBlur
            module.gain = float(module.kernel.sum())
        elif type(module) is Upsample:
            module.__class__ = ShiftedUpsample
