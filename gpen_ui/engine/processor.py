"""The fast form on a processor: few passes over the activations, and each result rounded once.

With matrix units (AMX) the convolutions take less time than walking over what they made, so the walks are spared:

- Bias and leaky ReLU join the convolution before them (oneDNN's post-operations, which PyTorch carries for its own
  compiler); the encoder's feature is scaled, shifted and activated as one depthwise convolution.
- Where a level has more activations than weights, style and demodulation are multiplied onto the weights of each face,
  in float32 before they are rounded.
- A transposed convolution of stride 2 is four ordinary ones, one for each parity of the output's row and column: as
  many products, and the matrix units take half the time for them.

In a short number type two places decide how far the picture is off, and are computed as in float32: the first level,
since bfloat16 cannot tell all 256 levels of the input apart, and the sum of each level's channels into the picture.

Proven equal to `Gpen` in tests/test_fast.py.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

from gpen_ui.engine.fast import FastGpen, FoldedStyledConv, FoldedToRgb, binomial, encoder_conv
from gpen_ui.network import Gpen
from gpen_ui.network.layers import LEAK, StyledConv

# Taps of a transposed convolution of stride 2 that reach outputs of even and of odd number, as a convolution has them.
TAPS_BY_PARITY = ((2, 0), (1,))
STRIP_PIXELS = 8192  # of the largest level at once in float32: they stay in the cache


class ProcessorGpen(FastGpen):
    """See the module; as `FastGpen`, on the CPU."""

    first_weight: Tensor

    def __init__(self, network: Gpen, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(network, dtype)
        self.register_buffer("first_weight", in_three(encoder_conv(network, 0)[0], dtype, of_weight=True))
        self.parts = nn.ModuleList()
        self.own_weights: list[bool] = []  # whether each styled convolution has weights for each face
        decoder = network.generator
        layers = (decoder.conv1, *decoder.convs)
        for number, (layer, original) in enumerate(zip(self.styled, layers, strict=True)):
            assert isinstance(layer, FoldedStyledConv) and isinstance(original, StyledConv)
            weight = original.conv.weight[0].detach().float() * original.conv.scale  # (outputs, inputs, 3, 3)
            activations = weight.shape[1] * self.config.levels_px[number // 2] ** 2
            self.own_weights.append(activations > weight.numel())
            kept = torch.float32 if self.own_weights[-1] else dtype
            parts = by_parity(weight) if layer.up else [weight]
            self.parts.append(_frozen([part.to(kept) for part in parts]))
            layer.weight = weight.new_empty(0)  # these take its place

    def encode(self, x: Tensor) -> list[Tensor]:
        features = [conv_leaky(in_three(x.float(), self.dtype), self.first_weight, self.encoder_biases[0])]
        for weight, bias in itertools.islice(zip(self.encoder_weights, self.encoder_biases, strict=True), 1, None):
            features.append(conv_leaky(self._fir(features[-1], 2, 1.0), weight, bias, stride=2))
        return features

    def _rgb(self, number: int, x: Tensor, style: Tensor) -> Tensor:
        if x.dtype == torch.float32:
            return super()._rgb(number, x, style)
        layer = self.to_rgbs[number]
        assert isinstance(layer, FoldedToRgb)
        weight = (layer.weight * style[:, None, :]).transpose(1, 2)  # (N, inputs, 3)
        pixels = x.permute(0, 2, 3, 1).flatten(1, 2)
        rgb = pixels.new_empty((*pixels.shape[:2], 3), dtype=torch.float32)
        for start in range(0, pixels.shape[1], STRIP_PIXELS):
            strip = slice(start, start + STRIP_PIXELS)
            rgb[:, strip] = torch.bmm(pixels[:, strip].float(), weight)
        return rgb.reshape(len(x), *x.shape[2:], 3).permute(0, 3, 1, 2) + layer.bias

    def _styled(self, number: int, x: Tensor, style: Tensor, feature: Tensor) -> Tensor:
        layer, kept, outputs = self.styled[number], self.parts[number], feature.shape[1]
        assert isinstance(layer, FoldedStyledConv) and isinstance(kept, nn.ParameterList)
        gains, bias = layer.gains(style)[:, :outputs], layer.bias[:outputs].to(x.dtype)
        parts: list[Tensor] = list(kept)
        if self.own_weights[number]:
            faces = range(len(x))
            made = [self._one(layer, parts, x[face : face + 1], style[face], gains[face], bias) for face in faces]
            picture = made[0] if len(made) == 1 else torch.cat(made)
        else:
            x = x.mul_(style.to(x.dtype)[:, :, None, None])
            x = self._fir(doubled(x, parts), 1, 4.0) if layer.up else functional.conv2d(x, parts[0], padding=1)
            x = x.mul_(gains.to(x.dtype)[:, :, None, None]).add_(bias[:, None, None])
            picture = functional.leaky_relu_(x, LEAK)
        gain = layer.feature_gain.to(x.dtype).expand(outputs, 1, 1, 1)
        brought = conv_leaky(feature, gain, layer.bias[outputs:].to(x.dtype), groups=outputs)
        return torch.cat((picture, brought), dim=1)

    @staticmethod
    def _one(
        layer: FoldedStyledConv, parts: list[Tensor], x: Tensor, style: Tensor, gains: Tensor, bias: Tensor
    ) -> Tensor:
        """One face with weights of its own: (1, inputs, H, W) -> (1, outputs, H', W')."""
        factors = (gains[:, None] * style)[:, :, None, None]
        own = [(part * factors).to(x.dtype) for part in parts]
        if not layer.up:
            return conv_leaky(x, own[0], bias, padding=1)
        kernel = binomial(4.0, x).expand(len(bias), 1, 4, 4)
        return conv_leaky(doubled(x, own), kernel, bias, padding=1, groups=len(bias))


def _frozen(weights: list[Tensor]) -> nn.ParameterList:
    last = torch.channels_last
    return nn.ParameterList(nn.Parameter(each.contiguous(memory_format=last), requires_grad=False) for each in weights)


def in_three(x: Tensor, dtype: torch.dtype, *, of_weight: bool = False) -> Tensor:
    """(N, C, ...) in float32 -> (N, 3C, ...) in a short type, so that the products of both add up as in float32.

    Each number is the sum of its rounded value and the rounded rest: (a + b) (c + d) = ac + bc + ad, and bd is beyond
    float32's own precision almost. The picture is laid out as a, b, a, the weight as c, c, d. In float32 the rest is 0.
    """
    high = x.to(dtype)
    low = (x - high.to(x.dtype)).to(dtype)
    joined = torch.cat((high, high, low) if of_weight else (high, low, high), dim=1)
    return joined.contiguous(memory_format=torch.channels_last)  # what a convolution makes has the layout of its input


def conv_leaky(
    x: Tensor, weight: Tensor, bias: Tensor, *, stride: int = 1, padding: int = 0, groups: int = 1
) -> Tensor:
    """Convolution, bias and leaky ReLU in one pass; x in channels last gives a result in channels last."""
    fused = torch.ops.mkldnn._convolution_pointwise
    made: Tensor = fused(x, weight, bias, [padding] * 2, [stride] * 2, [1, 1], groups, "leaky_relu", [LEAK], "")
    return made


def can_fuse(dtype: torch.dtype) -> bool:
    """Whether this PyTorch joins the steps of `conv_leaky` on this processor, and joins them rightly: tried, because
    the operation is no promise of PyTorch's, and not every build and processor has it."""
    x = torch.linspace(-1, 1, 2 * 8 * 8).reshape(1, 2, 8, 8).to(dtype, memory_format=torch.channels_last)
    weight = torch.linspace(-1, 1, 4 * 2 * 9).reshape(4, 2, 3, 3).to(dtype)
    bias = torch.linspace(-1, 1, 4).to(dtype)
    expected = functional.leaky_relu(functional.conv2d(x.float(), weight.float(), bias.float(), padding=1), LEAK)
    try:
        with torch.inference_mode():
            return torch.allclose(conv_leaky(x, weight, bias, padding=1).float(), expected, rtol=0.02, atol=0.02)
    except (RuntimeError, AttributeError, NotImplementedError):
        return False


def by_parity(weight: Tensor) -> list[Tensor]:
    """The weights (outputs, inputs, 3, 3) of a transposed convolution of stride 2 as four of ordinary ones, for even
    rows and columns of the output, even rows and odd columns, odd and even, odd and odd."""
    return [weight[:, :, rows][:, :, :, columns] for rows in TAPS_BY_PARITY for columns in TAPS_BY_PARITY]


def doubled(x: Tensor, parts: list[Tensor]) -> Tensor:
    """The transposed convolution of stride 2: (N, inputs, H, W) -> (N, outputs, 2H + 1, 2W + 1) in channels last."""
    count, _, height, width = x.shape
    out = x.new_empty((count, 2 * height + 1, 2 * width + 1, len(parts[0])))
    for (row, column), part in zip(itertools.product((0, 1), (0, 1)), parts, strict=True):
        padding = (part.shape[2] - 1, part.shape[3] - 1)
        out[:, row::2, column::2] = functional.conv2d(x, part, padding=padding).permute(0, 2, 3, 1)
    return out.permute(0, 3, 1, 2)
