"""The fast form on a CUDA card, with everything between two convolutions done in one Triton kernel.

Importing this module imports Triton, which is part of PyTorch's CUDA builds for Linux; elsewhere the engine keeps
`FastGpen`. See kernels.py for what is stored and what is worked out again. The tiles below were the best of a sweep on
an NVIDIA H100 (benchmarks/README.md).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from gpen_ui.engine.fast import FastGpen, FoldedStyledConv, FoldedToRgb
from gpen_ui.engine.kernels import blur_level, demodulate, join_and_show, join_upsampled
from gpen_ui.network import Gpen
from gpen_ui.network.layers import ACTIVATION_GAIN, EPSILON, LEAK, EqualLinear

PHASES_UP_TO = 64  # outputs of a transposed convolution that are quicker as one convolution of four times as many
DEMODULATION_BLOCK = 256


@dataclass(frozen=True)
class Tile:
    """How a kernel is cut: rows that one program walks down, pixels and channels of a tile, warps."""

    rows: int
    pixels: int
    channels: int
    warps: int

    def channels_of(self, channels: int) -> int:
        return max(16, min(self.channels, 1 << (channels - 1).bit_length()))  # 16: the least of a matrix product


BLUR_RGB_TILE = Tile(32, 64, 32, 2)
BLUR_TILE = Tile(16, 16, 64, 4)
JOIN_RGB_TILE = Tile(64, 16, 64, 2)
JOIN_TILE = Tile(32, 8, 128, 8)
SHOW_RGB_TILE = Tile(1, 64, 16, 1)
SHOW_TILE = Tile(1, 64, 64, 4)


@dataclass(frozen=True)
class Level:
    """What the encoder keeps of one level: its values as the convolution left them, or the RGB that they come from."""

    values: Tensor  # (N, side, side, channels), or (N, side, side, 3)
    bias: Tensor  # (channels) float32
    from_rgb: bool


class FusedGpen(FastGpen):
    """The same function as `FastGpen`, whose parameters it has; see the module. Inference only.

    Args:
        network: the proven network; it is not changed.
        dtype: of the convolutions and of what is stored between them.
    """

    energies: Tensor
    layer_table: Tensor
    first_weight: Tensor

    def __init__(self, network: Gpen, dtype: torch.dtype = torch.float16) -> None:
        super().__init__(network, dtype, adds=True)
        self.register_buffer("first_weight", self.encoder_weights[0].detach().float().flatten(1).contiguous())
        for number, bias in enumerate(self.encoder_biases):
            self.register_buffer(f"encoder_bias_{number}", bias.detach().float())
        self.mapping = nn.Sequential(*(_plain(layer) for layer in self.mapping))
        self.final_linear = nn.Sequential(*(_plain(layer) for layer in self.final_linear))
        self._lay_out_energies()
        for layer in self._layers():
            in_phases = layer.up and layer.weight.shape[1] <= PHASES_UP_TO
            layer.register_buffer("phases", phases(layer.weight) if in_phases else None)
        self._style_starts = [0, *itertools.accumulate(self.style_widths)]

    def _layers(self) -> list[FoldedStyledConv]:
        return [layer for layer in self.styled if isinstance(layer, FoldedStyledConv)]

    def _lay_out_energies(self) -> None:
        """All layers' energies in one row, so that one kernel works out every demodulation."""
        table: list[tuple[int, int, int]] = []
        energies, style_start, energy_start = [], 0, 0
        self._output_starts = [0]
        for layer in self._layers():
            outputs, inputs = layer.energy.shape
            table += [(energy_start + row * inputs, style_start, inputs) for row in range(outputs)]
            energies.append(layer.energy.flatten())
            energy_start += outputs * inputs
            style_start += inputs
            self._output_starts.append(len(table))
        self.register_buffer("energies", torch.cat(energies))
        self.register_buffer("layer_table", torch.tensor(table, dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, size, size) RGB in [-1, 1] of any floating type -> the same shape in float32, channels last."""
        levels = self._encode(x.permute(0, 2, 3, 1).float().contiguous())
        smallest = levels[0].values.permute(0, 3, 1, 2).float() + levels[0].bias[:, None, None]
        latent = self.final_linear(functional.leaky_relu(smallest, LEAK).flatten(1))
        styles = functional.linear(self.mapping(latent), self.style_weight, self.style_bias)
        demodulations = self._demodulations(styles)
        first_style = styles[:, None, None, : self.style_widths[0]].to(self.dtype)
        entering = self.constant.permute(0, 2, 3, 1) * first_style
        picture: Tensor | None = None
        for number, layer in enumerate(self._layers()):
            level = (number + 1) // 2
            demodulation = demodulations[:, self._output_starts[number] :]
            following = styles[:, self._style_starts[number + 1] :]
            if layer.up:
                entering = self._join_upsampled(entering, layer, levels[level], demodulation, following)
            else:
                rgb_style = styles[:, self._style_starts[len(self.styled) + level] :]
                last = level == len(levels) - 1
                entering, picture = self._join_and_show(
                    entering, layer, levels[level], demodulation, following, level, rgb_style, picture, last
                )
        assert picture is not None
        return picture.permute(0, 3, 1, 2)

    def plain(self, x: Tensor) -> Tensor:
        """The same without a kernel of ours; serves while they are compiled."""
        return super().forward(x)

    def _encode(self, rgb: Tensor) -> list[Level]:
        """Every level, smallest side first."""
        levels = [Level(rgb, self.get_buffer("encoder_bias_0"), from_rgb=True)]
        for number in range(1, len(self.encoder_weights)):
            blurred = self._blur(levels[-1])
            raw = functional.conv2d(blurred.permute(0, 3, 1, 2), self.encoder_weights[number], stride=2)
            bias = self.get_buffer(f"encoder_bias_{number}")
            levels.append(Level(raw.permute(0, 2, 3, 1).contiguous(), bias, from_rgb=False))
        return levels[::-1]

    def _blur(self, level: Level) -> Tensor:
        faces, side, channels = len(level.values), level.values.shape[1], len(level.bias)
        out = level.values.new_empty(faces, side + 1, side + 1, channels, dtype=self.dtype)
        tile = BLUR_RGB_TILE if level.from_rgb else BLUR_TILE
        block_c = tile.channels_of(channels)
        grid = (faces * _blocks(side + 1, tile.rows), _blocks(side + 1, tile.pixels - 3), _blocks(channels, block_c))
        blur_level[grid](
            level.values, self.first_weight, level.bias, out, side, channels,
            FROM_RGB=level.from_rgb, ROWS=tile.rows, BLOCK_X=tile.pixels, BLOCK_C=block_c, num_warps=tile.warps,
        )  # fmt: skip
        return out

    def _demodulations(self, styles: Tensor) -> Tensor:
        """(N, outputs of all layers) float32, times the activation's gain."""
        out = styles.new_empty(len(styles), len(self.layer_table))
        demodulate[(out.shape[1], out.shape[0])](
            styles, self.energies, self.layer_table, out, out.shape[1], styles.stride(0), EPSILON, ACTIVATION_GAIN,
            BLOCK=DEMODULATION_BLOCK,
        )  # fmt: skip
        return out

    def _join_upsampled(
        self, x: Tensor, layer: FoldedStyledConv, level: Level, demodulation: Tensor, style: Tensor
    ) -> Tensor:
        """Convolves x (N, side, side, inputs), and what follows: (N, 2 x side, 2 x side, 2 x outputs)."""
        pixels = x.permute(0, 3, 1, 2)
        if layer.phases is None:
            raw = functional.conv_transpose2d(pixels, layer.weight, stride=2)
        else:
            raw = functional.conv2d(pixels, layer.phases, padding=1)
        faces, side, channels = len(x), 2 * x.shape[1], len(level.bias)
        out = x.new_empty(faces, side, side, 2 * channels)
        tile = JOIN_RGB_TILE if level.from_rgb else JOIN_TILE
        block_c = tile.channels_of(channels)
        grid = (faces * _blocks(side, tile.rows), _blocks(side, tile.pixels), 2 * _blocks(channels, block_c))
        join_upsampled[grid](
            raw.permute(0, 2, 3, 1).contiguous(), level.values, self.first_weight, level.bias,
            demodulation, layer.feature_gain, layer.bias, style, out,
            side, channels, demodulation.stride(0), style.stride(0),
            FROM_RGB=level.from_rgb, PHASES=layer.phases is not None,
            ROWS=tile.rows, BLOCK_X=tile.pixels, BLOCK_C=block_c, num_warps=tile.warps,
        )  # fmt: skip
        return out

    def _join_and_show(
        self,
        x: Tensor,
        layer: FoldedStyledConv,
        level: Level,
        demodulation: Tensor,
        style: Tensor,
        number: int,
        rgb_style: Tensor,
        smaller: Tensor | None,
        last: bool,
    ) -> tuple[Tensor, Tensor]:
        """Convolves x (N, side, side, inputs), and what follows: the next input and the picture with this level."""
        to_rgb = self.to_rgbs[number]
        assert isinstance(to_rgb, FoldedToRgb)
        raw = functional.conv2d(x.permute(0, 3, 1, 2), layer.weight, padding=1).permute(0, 2, 3, 1).contiguous()
        faces, side, channels = raw.shape[0], raw.shape[1], raw.shape[3]
        out = raw if last else x.new_empty(faces, side, side, 2 * channels)  # raw: nothing is written
        picture = rgb_style.new_empty(faces, side, side, 3)
        tile = SHOW_RGB_TILE if level.from_rgb else SHOW_TILE
        block_p = min(tile.pixels, side * side)
        join_and_show[(faces * _blocks(side * side, block_p),)](
            raw, level.values, self.first_weight, level.bias, demodulation, layer.feature_gain, layer.bias, style,
            to_rgb.weight, rgb_style, to_rgb.bias, picture if smaller is None else smaller, out, picture,
            side, channels, demodulation.stride(0), style.stride(0),
            FROM_RGB=level.from_rgb, FIRST=smaller is None, LAST=last,
            BLOCK_P=block_p, BLOCK_C=tile.channels_of(channels), num_warps=tile.warps,
        )  # fmt: skip
        return out, picture


def phases(weight: Tensor) -> Tensor:
    """A transposed convolution's weight (inputs, outputs, 3, 3) as that of a plain one: (4 x outputs, inputs, 2, 2).

    With stride 2, even rows of the result take the tap 0 of their pixel and the tap 2 of the one before; odd rows take
    tap 1. Outputs are in the order of (row even or odd, column even or odd, channel); padding 1 gives side + 1.
    """
    inputs, outputs = weight.shape[:2]
    out = weight.new_zeros(2, 2, outputs, inputs, 2, 2)
    taps = {0: [(0, 2), (1, 0)], 1: [(1, 1)]}  # phase -> (place in the new kernel, tap of the old one)
    for row, column in itertools.product(taps, taps):
        for (new_y, old_y), (new_x, old_x) in itertools.product(taps[row], taps[column]):
            out[row, column, :, :, new_y, new_x] = weight[:, :, old_y, old_x].T
    return out.flatten(0, 2).contiguous(memory_format=torch.channels_last)


class FoldedLinear(nn.Module):
    """A linear layer with its learning rate's factor in it, followed by leaky ReLU times sqrt(2)."""

    def __init__(self, layer: EqualLinear) -> None:
        super().__init__()
        self.register_buffer("weight", layer.weight.detach() * layer.scale * ACTIVATION_GAIN)
        self.register_buffer("bias", layer.bias.detach() * layer.rate * ACTIVATION_GAIN)

    def forward(self, x: Tensor) -> Tensor:
        return functional.leaky_relu_(functional.linear(x, self.get_buffer("weight"), self.get_buffer("bias")), LEAK)


def _plain(layer: nn.Module) -> nn.Module:
    return FoldedLinear(layer) if isinstance(layer, EqualLinear) else layer


def _blocks(length: int, block: int) -> int:
    return -(-length // block)
