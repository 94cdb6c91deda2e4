"""GPEN: an encoder whose features take the place of the noise in a StyleGAN2 decoder.

Yang et al., "GAN Prior Embedded Network for Blind Face Restoration in the Wild", CVPR 2021, section 3.2. The names
and shapes of all parameters are those of the published checkpoints, so their files load unchanged. There is no
randomness: the same input always gives the same output.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from gpen_ui.network.config import MAPPING_LAYERS, SMALLEST_LEVEL_PX, STYLE_WIDTH, GpenConfig
from gpen_ui.network.layers import (
    BiasActivation,
    Blur,
    EqualConv,
    EqualLinear,
    PixelNorm,
    StyledConv,
    ToRgb,
)

MAPPING_RATE = 0.01  # learning rate multiplier of the mapping network


class LearnedConstant(nn.Module):
    """The 4x4 feature map from which every picture grows; -> (N, channels, 4, 4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, SMALLEST_LEVEL_PX, SMALLEST_LEVEL_PX))

    def forward(self, batch: int) -> Tensor:
        return self.input.repeat(batch, 1, 1, 1)


class Decoder(nn.Module):
    """Mapping network and styled convolutions (`generator` in the checkpoints)."""

    def __init__(self, config: GpenConfig) -> None:
        super().__init__()
        mapping = [
            EqualLinear(STYLE_WIDTH, STYLE_WIDTH, rate=MAPPING_RATE, activated=True) for _ in range(MAPPING_LAYERS)
        ]
        self.style = nn.Sequential(PixelNorm(), *mapping)
        width = config.channels(SMALLEST_LEVEL_PX)
        self.input = LearnedConstant(width)
        self.conv1 = StyledConv(width, width)
        self.to_rgb1 = ToRgb(2 * width, upsample=False)
        self.convs = nn.ModuleList()
        self.to_rgbs = nn.ModuleList()
        for side_px in config.levels_px[1:]:
            inputs, width = 2 * width, config.channels(side_px)
            self.convs.append(StyledConv(inputs, width, upsample=True))
            self.convs.append(StyledConv(2 * width, width))
            self.to_rgbs.append(ToRgb(2 * width))

    def forward(self, latent: Tensor, features: list[Tensor]) -> Tensor:
        """Grows the picture.

        Args:
            latent: (N, 512), the encoder's summary of the face.
            features: one (N, C, side, side) for each level, smallest side first.

        Returns:
            (N, 3, size, size) RGB, about -1 to 1, not clipped.
        """
        w = self.style(latent)  # (N, 512), the one latent of all layers
        x = self.conv1(self.input(len(latent)).to(features[0].dtype, memory_format=torch.channels_last), w, features[0])
        picture: Tensor = self.to_rgb1(x, w)
        for level, to_rgb in enumerate(self.to_rgbs):
            feature = features[level + 1]
            x = self.convs[2 * level](x, w, feature)
            x = self.convs[2 * level + 1](x, w, feature)
            picture = to_rgb(x, w, picture)
        return picture


class Gpen(nn.Module):
    """The GPEN network: one degraded face in, the restored face out.

    Args:
        config: size and widths. A new network holds random weights; load a checkpoint with `gpen_ui.weights`.
    """

    def __init__(self, config: GpenConfig) -> None:
        super().__init__()
        self.config = config
        sides = tuple(reversed(config.levels_px))  # largest first, as the encoder walks
        self.generator = Decoder(config)
        self.ecd0 = self._encoder_level(EqualConv(3, config.channels(sides[0]), 1), config.channels(sides[0]))
        for number, (outer, inner) in enumerate(itertools.pairwise(sides), start=1):
            conv = EqualConv(config.channels(outer), config.channels(inner), 3, stride=2)
            level = self._encoder_level(conv, config.channels(inner), Blur(padding_px=2))
            self.add_module(f"ecd{number}", level)
        flat = config.channels(SMALLEST_LEVEL_PX) * SMALLEST_LEVEL_PX**2
        self.final_linear = nn.Sequential(EqualLinear(flat, STYLE_WIDTH, activated=True))

    @staticmethod
    def _encoder_level(conv: EqualConv, channels: int, blur: Blur | None = None) -> nn.Sequential:
        layers = [conv, BiasActivation(channels)] if blur is None else [blur, conv, BiasActivation(channels)]
        return nn.Sequential(nn.Sequential(*layers))

    def encode(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(N, 3, size, size) -> the latent (N, 512) and the features of all levels, smallest side first."""
        features: list[Tensor] = []
        for number in range(len(self.config.levels_px)):
            # Channels last from here on: on a CPU convolutions, and the blur above all, are far quicker in it.
            x = self.get_submodule(f"ecd{number}")(x).contiguous(memory_format=torch.channels_last)
            features.insert(0, x)
        latent = self.final_linear(x.contiguous().flatten(1).float())  # flattened in channel, row, column order
        return latent, features

    def forward(self, x: Tensor) -> Tensor:
        """Restores a batch of aligned faces.

        Args:
            x: (N, 3, size, size) RGB in [-1, 1], float32 or a lower floating type. Mapping, styles and demodulation
                are computed in float32 in any case.

        Returns:
            (N, 3, size, size) RGB of the same type, about -1 to 1, not clipped.
        """
        side = self.config.size
        if x.dim() != 4 or tuple(x.shape[1:]) != (3, side, side):
            raise ValueError(f"expected a batch of shape (N, 3, {side}, {side}), got {tuple(x.shape)}.")
        latent, features = self.encode(x)
        picture: Tensor = self.generator(latent, features)
        return picture
