"""Building blocks of the GPEN network in plain torch: no compiled operator, no file, no device choice.

Sources: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020 (modulation and
demodulation, section 2.2; equalised learning rate from Karras et al., ICLR 2018, section 4.1) and Zhang, "Making
Convolutional Networks Shift-Invariant Again", ICML 2019 (the blur filter). Parameter names follow the published
checkpoints. Weights are shared by the whole batch: a style scales the activations that enter a convolution and the
demodulation scales those that leave it, which equals scaling the weights for each sample but leaves one ordinary
convolution for any batch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from gpen_ui.network.config import STYLE_WIDTH

BLUR_TAPS = (1.0, 3.0, 3.0, 1.0)
LEAK = 0.2
ACTIVATION_GAIN = math.sqrt(2.0)  # keeps the variance of a leaky ReLU's output near its input's
EPSILON = 1e-8


def times(x: Tensor, factor: Tensor) -> Tensor:
    """x * factor. Without gradients x is overwritten: on a CPU a fresh large tensor costs eight times the product."""
    factor = factor.to(x.dtype)
    return x * factor if torch.is_grad_enabled() else x.mul_(factor)


def activate(x: Tensor, bias: Tensor) -> Tensor:
    """Adds a bias per channel, then leaky ReLU times sqrt(2); x (N, C, ...), bias (C,). May overwrite x."""
    bias = bias.to(x.dtype).view((1, -1) + (1,) * (x.dim() - 2))
    if torch.is_grad_enabled():
        return functional.leaky_relu(x + bias, LEAK) * ACTIVATION_GAIN
    return functional.leaky_relu_(x.add_(bias), LEAK).mul_(ACTIVATION_GAIN)


def blur_kernel(gain: float = 1.0) -> Tensor:
    """The (4, 4) binomial filter that sums to `gain`."""
    taps = torch.tensor(BLUR_TAPS)
    kernel = torch.outer(taps, taps)
    return kernel * (gain / kernel.sum())


class Blur(nn.Module):
    """Filters every channel with the stored kernel (4, 4); x (N, C, H, W) padded by `padding_px` on each side."""

    kernel: Tensor

    def __init__(self, padding_px: int, gain: float = 1.0) -> None:
        super().__init__()
        self.padding_px = padding_px
        self.register_buffer("kernel", blur_kernel(gain))

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        weight = self.kernel.to(x.dtype).expand(channels, 1, 4, 4)
        return functional.conv2d(x, weight, padding=self.padding_px, groups=channels)


class Upsample(nn.Module):
    """Doubles the side of an image: zeros inserted, then the blur with gain 4; (N, C, H, W) -> (N, C, 2H, 2W)."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", blur_kernel(4.0))

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        weight = self.kernel.to(x.dtype).expand(channels, 1, 4, 4)
        return functional.conv_transpose2d(x, weight, stride=2, padding=1, groups=channels)


class EqualLinear(nn.Module):
    """Linear layer with equalised learning rate; (N, inputs) -> (N, outputs).

    Args:
        rate: learning rate multiplier of weight and bias (0.01 in the mapping network).
        activated: follow with leaky ReLU times sqrt(2).
    """

    def __init__(
        self, inputs: int, outputs: int, *, bias: float = 0.0, rate: float = 1.0, activated: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.scale = rate / math.sqrt(inputs)
        self.rate = rate
        self.activated = activated

    def forward(self, x: Tensor) -> Tensor:
        if self.activated:
            return activate(functional.linear(x, self.weight * self.scale), self.bias * self.rate)
        return functional.linear(x, self.weight * self.scale, self.bias * self.rate)


class PixelNorm(nn.Module):
    """Divides each vector by its root mean square; (N, C) -> (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + EPSILON)


class EqualConv(nn.Module):
    """Convolution without bias, with equalised learning rate; (N, inputs, H, W) -> (N, outputs, H', W')."""

    def __init__(self, inputs: int, outputs: int, kernel_px: int, *, stride: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel_px, kernel_px))
        self.scale = 1 / math.sqrt(inputs * kernel_px**2)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        weight = (self.weight * self.scale).to(x.dtype)
        if weight.shape[2:] == (1, 1):  # over the view of channels last a matrix product, four times as quick
            return functional.linear(x.permute(0, 2, 3, 1), weight[:, :, 0, 0]).permute(0, 3, 1, 2)
        return functional.conv2d(x, weight, stride=self.stride)


class BiasActivation(nn.Module):
    """Holds the bias that belongs to an activation, as the checkpoints do."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return activate(x, self.bias)


class ModulatedConv(nn.Module):
    """Convolution whose input channels are scaled by a style vector.

    Args:
        upsample: transposed convolution of stride 2 followed by the blur; doubles the side.
    """

    def __init__(self, inputs: int, outputs: int, kernel_px: int, *, upsample: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, outputs, inputs, kernel_px, kernel_px))
        self.blur = Blur(padding_px=1, gain=4.0) if upsample else None
        self.modulation = EqualLinear(STYLE_WIDTH, inputs, bias=1.0)
        self.scale = 1 / math.sqrt(inputs * kernel_px**2)
        self.padding_px = kernel_px // 2

    def style(self, w: Tensor) -> Tensor:
        """(N, 512) -> (N, inputs), with the equalised learning rate's factor of the weight in it."""
        style: Tensor = self.modulation(w) * self.scale
        return style

    def forward(self, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """Convolves x (N, inputs, H, W), which may be overwritten, in the style of w (N, 512).

        Returns:
            (N, outputs, H, W), or twice the side when upsampling, and the demodulation (N, outputs) still to be
            multiplied onto it: it joins the next pass over the activations.
        """
        style = self.style(w)
        weight = self.weight[0].to(x.dtype)  # (outputs, inputs, k, k)
        x = times(x, style[:, :, None, None])
        if self.blur is None:
            x = functional.conv2d(x, weight, padding=self.padding_px)
        else:
            x = self.blur(functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        energy = torch.einsum("oikl,oikl->oi", self.weight[0], self.weight[0])  # no square in memory: twice as quick
        return x, torch.rsqrt(functional.linear(style.square(), energy) + EPSILON)


class FeatureGain(nn.Module):
    """Holds the one learned factor by which an encoder feature enters a styled convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class StyledConv(nn.Module):
    """Modulated convolution, joined by the encoder's feature of its level, then bias and activation.

    (N, inputs, H, W) -> (N, 2 x outputs, H', W'): the feature takes the second half of the channels, in the place
    where StyleGAN2 adds noise.
    """

    def __init__(self, inputs: int, outputs: int, *, upsample: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, upsample=upsample)
        self.noise = FeatureGain()
        self.activate = BiasActivation(2 * outputs)

    def forward(self, x: Tensor, w: Tensor, feature: Tensor) -> Tensor:
        x, demodulation = self.conv(x, w)
        gains = torch.cat((demodulation, self.noise.weight.expand_as(demodulation)), dim=1)  # (N, 2 x outputs)
        joined = times(torch.cat((x, feature), dim=1), gains[:, :, None, None])
        activated: Tensor = self.activate(joined)
        return activated


class ToRgb(nn.Module):
    """Adds one level's contribution to the picture: (N, inputs, H, W) and the picture so far -> (N, 3, H, W)."""

    def __init__(self, inputs: int, *, upsample: bool = True) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.upsample = Upsample() if upsample else None
        self.conv = ModulatedConv(inputs, 3, 1)

    def forward(self, x: Tensor, w: Tensor, picture: Tensor | None = None) -> Tensor:
        # With three outputs the weights of each sample are tiny: scaling them spares a pass over the activations.
        weight = self.conv.weight[0, :, :, 0, 0] * self.conv.style(w)[:, None, :]  # (N, 3, inputs), not demodulated
        pixels = x.permute(0, 2, 3, 1).flatten(1, 2)  # (N, H x W, inputs), a view in channels last
        rgb: Tensor = torch.bmm(pixels, weight.to(x.dtype).transpose(1, 2))  # (N, H x W, 3)
        rgb = rgb.reshape(len(x), *x.shape[2:], 3).permute(0, 3, 1, 2) + self.bias.to(x.dtype)
        if picture is not None and self.upsample is not None:
            rgb = rgb + self.upsample(picture)
        return rgb
