"""The fast form of GPEN: the same function as `Gpen` with everything that does not depend on the face worked out.

What is folded at load: the equalised learning rates into the weights, the activation's sqrt(2) into gains and biases
(a leaky ReLU is positively homogeneous), all style layers into one matrix (every layer has the same latent), and the
weights' energies for the demodulation. Mapping network, styles, demodulation and the sum of the picture stay in
float32 whatever the type of the convolutions. Proven equal to `Gpen` in tests/test_fast.py.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from gpen_ui.network import Gpen
from gpen_ui.network.layers import (
    ACTIVATION_GAIN,
    BLUR_TAPS,
    EPSILON,
    LEAK,
    BiasActivation,
    EqualConv,
    ModulatedConv,
    StyledConv,
    ToRgb,
)


def fir_adds(x: Tensor, padding_px: int, gain: float) -> Tensor:
    """The binomial blur as shifted adds, first along columns, then along rows; what a GPU compiler fuses best."""
    height, width = x.shape[2] + 2 * padding_px - 3, x.shape[3] + 2 * padding_px - 3
    x = functional.pad(x, (padding_px,) * 4)
    total = sum(BLUR_TAPS)
    rows = sum(x[:, :, k : k + height] * (tap * gain / total) for k, tap in enumerate(BLUR_TAPS))
    assert isinstance(rows, Tensor)
    out = sum(rows[:, :, :, k : k + width] * (tap / total) for k, tap in enumerate(BLUR_TAPS))
    assert isinstance(out, Tensor)
    return out


def fir_depthwise(x: Tensor, padding_px: int, gain: float) -> Tensor:
    """The same blur as a depthwise convolution; the quickest on a CPU in channels last."""
    kernel = binomial(gain, x).expand(x.shape[1], 1, 4, 4)
    return functional.conv2d(x, kernel, padding=padding_px, groups=x.shape[1])


def binomial(gain: float, like: Tensor) -> Tensor:
    """The (4, 4) kernel of the blur, summing to `gain`; every short type holds it exactly."""
    taps = torch.tensor(BLUR_TAPS, dtype=like.dtype, device=like.device)
    return torch.outer(taps, taps) * (gain / sum(BLUR_TAPS) ** 2)


def encoder_conv(network: Gpen, number: int) -> tuple[Tensor, Tensor]:
    """Weight and bias of one level of the encoder in float32, constants and the activation's gain folded in."""
    level = network.get_submodule(f"ecd{number}.0")
    assert isinstance(level, nn.Sequential)
    conv, activation = level[-2], level[-1]
    assert isinstance(conv, EqualConv) and isinstance(activation, BiasActivation)
    weight = conv.weight.detach().float() * (conv.scale * ACTIVATION_GAIN)
    return weight, activation.bias.detach().float() * ACTIVATION_GAIN


class FoldedStyledConv(nn.Module):
    """One styled convolution with its constants worked out."""

    weight: Tensor
    energy: Tensor
    feature_gain: Tensor
    bias: Tensor
    phases: Tensor | None  # only on a card, see fused.py

    def __init__(self, layer: StyledConv, dtype: torch.dtype) -> None:
        super().__init__()
        conv = layer.conv
        weight = conv.weight[0].detach().float() * conv.scale  # (outputs, inputs, 3, 3)
        self.up = conv.blur is not None
        stored = weight.transpose(0, 1) if self.up else weight
        self.register_buffer("weight", stored.to(dtype).contiguous(memory_format=torch.channels_last))
        self.register_buffer("energy", weight.square().sum(dim=(2, 3)))
        self.register_buffer("feature_gain", layer.noise.weight.detach().float() * ACTIVATION_GAIN)
        self.register_buffer("bias", layer.activate.bias.detach().float() * ACTIVATION_GAIN)

    def gains(self, style: Tensor) -> Tensor:
        """(N, inputs) -> (N, 2 x outputs) in float32: demodulation and the feature's gain, both times sqrt(2)."""
        demodulation = torch.rsqrt(functional.linear(style.square(), self.energy) + EPSILON) * ACTIVATION_GAIN
        return torch.cat((demodulation, self.feature_gain.expand_as(demodulation)), dim=1)


class FoldedToRgb(nn.Module):
    """One level's way to the picture."""

    weight: Tensor
    bias: Tensor

    def __init__(self, layer: ToRgb) -> None:
        super().__init__()
        self.register_buffer("weight", layer.conv.weight[0, :, :, 0, 0].detach().float() * layer.conv.scale)
        self.register_buffer("bias", layer.bias.detach().float())


class FastGpen(nn.Module):
    """See the module. Inference only.

    Args:
        network: the proven network; it is not changed.
        dtype: of the convolutions, torch.float32, torch.bfloat16 or torch.float16.
        adds: blur by shifted adds (for a GPU) instead of a depthwise convolution (for a CPU).
    """

    style_weight: Tensor
    style_bias: Tensor
    constant: Tensor

    def __init__(self, network: Gpen, dtype: torch.dtype = torch.float32, *, adds: bool = False) -> None:
        super().__init__()
        self.config = network.config
        self.dtype = dtype
        self._fir = fir_adds if adds else fir_depthwise
        decoder = network.generator
        self.mapping = copy.deepcopy(decoder.style)  # this form moves to a device, the original stays
        self.final_linear = copy.deepcopy(network.final_linear)
        self.register_buffer("constant", decoder.input.input.detach().to(dtype))
        self._fold_encoder(network, dtype)
        styled = [decoder.conv1, *decoder.convs]
        self.styled = nn.ModuleList(FoldedStyledConv(layer, dtype) for layer in styled if isinstance(layer, StyledConv))
        to_rgbs = [decoder.to_rgb1, *decoder.to_rgbs]
        self.to_rgbs = nn.ModuleList(FoldedToRgb(layer) for layer in to_rgbs if isinstance(layer, ToRgb))
        convs = [layer.conv for layer in (*styled, *to_rgbs)]
        self._fold_styles([conv for conv in convs if isinstance(conv, ModulatedConv)])

    def _fold_encoder(self, network: Gpen, dtype: torch.dtype) -> None:
        self.encoder_weights = nn.ParameterList()
        self.encoder_biases = nn.ParameterList()
        for number in range(len(self.config.levels_px)):
            weight, bias = (each.to(dtype) for each in encoder_conv(network, number))
            weight = weight.contiguous(memory_format=torch.channels_last)
            self.encoder_weights.append(nn.Parameter(weight, requires_grad=False))
            self.encoder_biases.append(nn.Parameter(bias, requires_grad=False))

    def _fold_styles(self, convs: list[ModulatedConv]) -> None:
        weights = [conv.modulation.weight.detach().float() * conv.modulation.scale for conv in convs]
        biases = [conv.modulation.bias.detach().float() * conv.modulation.rate for conv in convs]
        self.style_widths = [len(bias) for bias in biases]
        self.register_buffer("style_weight", torch.cat(weights))
        self.register_buffer("style_bias", torch.cat(biases))

    def encode(self, x: Tensor) -> list[Tensor]:
        """Features of all levels, largest side first."""
        weight, bias = self.encoder_weights[0], self.encoder_biases[0]
        x = functional.linear(x.to(self.dtype).permute(0, 2, 3, 1), weight[:, :, 0, 0], bias).permute(0, 3, 1, 2)
        features = [functional.leaky_relu_(x, LEAK)]
        for number in range(1, len(self.encoder_weights)):
            x = self._fir(features[-1], 2, 1.0)
            x = functional.conv2d(x, self.encoder_weights[number], self.encoder_biases[number], stride=2)
            features.append(functional.leaky_relu_(x, LEAK))
        return features

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, size, size) RGB in [-1, 1] of any floating type -> the same shape in float32."""
        features = self.encode(x)
        latent = self.final_linear(features[-1].contiguous().flatten(1).float())
        all_styles = functional.linear(self.mapping(latent), self.style_weight, self.style_bias)
        styles = torch.split(all_styles, self.style_widths, dim=1)
        count = len(self.styled)
        for_convs, for_rgbs = styles[:count], styles[count:]
        x = self._styled(0, self.constant.repeat(len(latent), 1, 1, 1), for_convs[0], features[-1])
        picture = self._rgb(0, x, for_rgbs[0])
        for level in range(1, len(features)):
            feature = features[-1 - level]
            x = self._styled(2 * level - 1, x, for_convs[2 * level - 1], feature)
            x = self._styled(2 * level, x, for_convs[2 * level], feature)
            picture = self._rgb(level, x, for_rgbs[level]) + upsample_picture(picture)
        return picture

    def _styled(self, number: int, x: Tensor, style: Tensor, feature: Tensor) -> Tensor:
        layer = self.styled[number]
        assert isinstance(layer, FoldedStyledConv)
        x.mul_(style.to(x.dtype)[:, :, None, None])  # in place: fresh memory costs a CPU more than the product
        if layer.up:
            x = self._fir(functional.conv_transpose2d(x, layer.weight, stride=2), 1, 4.0)
        else:
            x = functional.conv2d(x, layer.weight, padding=1)
        joined = torch.cat((x, feature), dim=1).mul_(layer.gains(style).to(x.dtype)[:, :, None, None])
        return functional.leaky_relu_(joined.add_(layer.bias.to(x.dtype)[:, None, None]), LEAK)

    def _rgb(self, number: int, x: Tensor, style: Tensor) -> Tensor:
        layer = self.to_rgbs[number]
        assert isinstance(layer, FoldedToRgb)
        weight = (layer.weight * style[:, None, :]).to(x.dtype)  # (N, 3, inputs)
        pixels = x.permute(0, 2, 3, 1).flatten(1, 2)
        rgb = torch.bmm(pixels, weight.transpose(1, 2)).float()
        return rgb.reshape(len(x), *x.shape[2:], 3).permute(0, 3, 1, 2) + layer.bias


def upsample_picture(picture: Tensor) -> Tensor:
    """(N, 3, H, W) -> (N, 3, 2H, 2W): zeros inserted, then the blur with gain 4, in float32.

    Written by phases: each output is three quarters of its pixel and one quarter of the neighbour on its own side.
    """
    return _double(_double(picture, 2), 3)


def _double(x: Tensor, dim: int) -> Tensor:
    near, far = BLUR_TAPS[1] / 4, BLUR_TAPS[0] / 4
    length = x.shape[dim]
    pad = [0, 0, 0, 0]
    pad[2 * (3 - dim)] = pad[2 * (3 - dim) + 1] = 1
    padded = functional.pad(x, pad)
    before, after = padded.narrow(dim, 0, length), padded.narrow(dim, 2, length)
    return torch.stack((near * x + far * before, near * x + far * after), dim=dim + 1).flatten(dim, dim + 1)
