"""The discriminator: a convolutional judge of patches that also hands out its features.

Every output judges one neighbourhood (Isola et al., CVPR 2017), at 1/16 of the side, so textures count more than whole
faces. Residual blocks with equalised learning rate (Karras et al., CVPR 2020). It also sees where in the face a patch
lies, since all faces are aligned: an eye's texture is right only at an eye.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

LEAK = 0.2
WIDTHS = (32, 64, 128, 256, 256)  # at 1, 1/2, 1/4, 1/8, 1/16 of the side


class EqualConv(nn.Module):
    """Convolution with equalised learning rate and bias, padded to keep the side."""

    def __init__(self, inputs: int, outputs: int, kernel_px: int, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel_px, kernel_px))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.scale = 1 / math.sqrt(inputs * kernel_px**2)

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return functional.conv2d(x, (self.weight * self.scale).to(x.dtype), bias, padding=self.weight.shape[-1] // 2)


def activate(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, LEAK) * math.sqrt(2)


class _Halve(nn.Module):
    """Two convolutions, then half the side; a short cut beside them."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = EqualConv(inputs, inputs, 3)
        self.conv2 = EqualConv(inputs, outputs, 3)
        self.short = EqualConv(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.avg_pool2d(activate(self.conv1(x)), 2)  # averaged before the wider convolution: a quarter of it
        y = activate(self.conv2(y))
        return (y + self.short(functional.avg_pool2d(x, 2))) * math.sqrt(0.5)


class Discriminator(nn.Module):
    """Pictures (N, 3, S, S) in [-1, 1] and the place of each pixel in its face (N, 2, S, S), -1 to 1 (`Windows.place`)
    -> verdicts (N, 1, S/16, S/16), higher is more real, and features of each level."""

    def __init__(self, width_share: float = 1.0) -> None:
        super().__init__()
        widths = [max(4, round(width * width_share)) for width in WIDTHS]
        self.stem = EqualConv(3 + 2, widths[0], 3)
        self.levels = nn.ModuleList(_Halve(a, b) for a, b in itertools.pairwise(widths))
        self.judge = nn.Sequential(
            EqualConv(widths[-1], widths[-1], 3), nn.LeakyReLU(LEAK), EqualConv(widths[-1], 1, 1)
        )

    def forward(self, pictures: Tensor, place: Tensor) -> tuple[Tensor, list[Tensor]]:
        x = activate(self.stem(torch.cat((pictures, place), dim=1)))
        features = []
        for level in self.levels:
            x = level(x)
            features.append(x)
        verdict: Tensor = self.judge(x)
        return verdict, features
