"""The published formulation of GPEN, written plainly: the reference that the product's network is proven against.

For every sample of the batch it builds its own modulated weights and runs one grouped convolution; the FIR filter is
a one-channel convolution over batch x channels. Slow on purpose: benchmarks compare with it. It reads the same
state dict as `gpen_ui.network.Gpen` and shares no code with it but the configuration.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from gpen_ui.network import GpenConfig

ROOT_TWO = math.sqrt(2.0)


def fir(x: Tensor, kernel: Tensor, *, zeros_between: int = 0, pad: tuple[int, int]) -> Tensor:
    """Optional zero insertion, padding (before, after), then the filter, one plane at a time."""
    n, c, h, w = x.shape
    planes = x.reshape(n * c, 1, h, w)
    if zeros_between:
        step = zeros_between + 1
        stretched = planes.new_zeros(n * c, 1, h * step, w * step)
        stretched[:, :, ::step, ::step] = planes
        planes = stretched
    planes = functional.pad(planes, (*pad, *pad))
    planes = functional.conv2d(planes, kernel.flip(0, 1)[None, None])
    return planes.reshape(n, c, *planes.shape[2:])


def lrelu(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, 0.2) * ROOT_TWO


class Reference:
    """Callable: (N, 3, size, size) in [-1, 1] -> (N, 3, size, size)."""

    def __init__(self, config: GpenConfig, state: dict[str, Tensor]) -> None:
        self.config = config
        self.state = state

    def linear(self, name: str, x: Tensor, rate: float = 1.0) -> Tensor:
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return functional.linear(x, weight * (rate / math.sqrt(weight.shape[1])), bias * rate)

    def modulated(self, name: str, x: Tensor, w: Tensor, *, up: bool = False, demodulate: bool = True) -> Tensor:
        weight = self.state[f"{name}.weight"]
        _, outputs, inputs, k, _ = weight.shape
        n, _, h, wide = x.shape
        style = self.linear(f"{name}.modulation", w).view(n, 1, inputs, 1, 1)
        per_sample = weight / math.sqrt(inputs * k * k) * style
        if demodulate:
            norm = torch.rsqrt(per_sample.pow(2).sum([2, 3, 4]) + 1e-8)
            per_sample = per_sample * norm.view(n, outputs, 1, 1, 1)
        stacked = x.reshape(1, n * inputs, h, wide)
        if up:
            turned = per_sample.transpose(1, 2).reshape(n * inputs, outputs, k, k)
            y = functional.conv_transpose2d(stacked, turned, stride=2, groups=n)
            return fir(y.view(n, outputs, *y.shape[2:]), self.state[f"{name}.blur.kernel"], pad=(1, 1))
        y = functional.conv2d(stacked, per_sample.view(n * outputs, inputs, k, k), padding=k // 2, groups=n)
        return y.view(n, outputs, *y.shape[2:])

    def styled(self, name: str, x: Tensor, w: Tensor, feature: Tensor, *, up: bool = False) -> Tensor:
        y = self.modulated(f"{name}.conv", x, w, up=up)
        y = torch.cat([y, self.state[f"{name}.noise.weight"] * feature], 1)
        return lrelu(y + self.state[f"{name}.activate.bias"].view(1, -1, 1, 1))

    def rgb(self, name: str, x: Tensor, w: Tensor, picture: Tensor | None) -> Tensor:
        y = self.modulated(f"{name}.conv", x, w, demodulate=False) + self.state[f"{name}.bias"]
        if picture is not None:
            y = y + fir(picture, self.state[f"{name}.upsample.kernel"], zeros_between=1, pad=(2, 1))
        return y

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        state, levels = self.state, len(self.config.levels_px)
        features = []
        for level in range(levels):
            at = "ecd0.0.0" if level == 0 else f"ecd{level}.0.1"
            weight = state[f"{at}.weight"]
            if level:
                x = fir(x, state[f"ecd{level}.0.0.kernel"], pad=(2, 2))
            x = functional.conv2d(x, weight / math.sqrt(weight[0].numel()), stride=2 if level else 1)
            x = lrelu(x + state[f"ecd{level}.0.{2 if level else 1}.bias"].view(1, -1, 1, 1))
            features.append(x)
        latent = lrelu(self.linear("final_linear.0", x.reshape(len(x), -1)))
        w = latent / torch.sqrt(latent.pow(2).mean(1, keepdim=True) + 1e-8)
        for number in range(1, 9):
            w = lrelu(self.linear(f"generator.style.{number}", w, rate=0.01))
        features.reverse()
        y = state["generator.input.input"].repeat(len(x), 1, 1, 1)
        y = self.styled("generator.conv1", y, w, features[0])
        picture = self.rgb("generator.to_rgb1", y, w, None)
        for level in range(levels - 1):
            feature = features[level + 1]
            y = self.styled(f"generator.convs.{2 * level}", y, w, feature, up=True)
            y = self.styled(f"generator.convs.{2 * level + 1}", y, w, feature)
            picture = self.rgb(f"generator.to_rgbs.{level}", y, w, picture)
        return picture
