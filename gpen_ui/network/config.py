"""The three numbers that describe a GPEN network, and the channel widths that follow from them.

Widths: Yang et al., "GAN Prior Embedded Network for Blind Face Restoration in the Wild", CVPR 2021, with the
channel table of the published checkpoints (the same one as StyleGAN2's).
"""

from __future__ import annotations

from dataclasses import dataclass

SMALLEST_LEVEL_PX = 4  # side of the learned constant from which the decoder grows
STYLE_WIDTH = 512  # length of the latent vector w
MAPPING_LAYERS = 8
BASE_WIDTH = 512  # channels of every level up to 32 px, before `narrow`
_WIDTH_TIMES_SIDE = 16384  # above 32 px: channels x side = 16384 x channel_multiplier


@dataclass(frozen=True)
class GpenConfig:
    """Shape of a GPEN network.

    Attributes:
        size: side of the square input and output in pixels; a power of two from 8 to 4096.
        channel_multiplier: widens the levels of 64 px and more.
        narrow: scales the width of every level; 1 for the published 512, 1024 and 2048, 0.5 for 256.
    """

    size: int
    channel_multiplier: int = 2
    narrow: float = 1.0

    def __post_init__(self) -> None:
        if not 8 <= self.size <= 4096 or self.size & (self.size - 1):
            raise ValueError(f"size must be a power of two from 8 to 4096, got {self.size}.")
        if self.channel_multiplier < 1:
            raise ValueError(f"channel_multiplier must be at least 1, got {self.channel_multiplier}.")
        if not 0 < self.narrow <= 4 or self.channels(self.size) < 1:
            raise ValueError(f"narrow must be above 0 and leave at least one channel, got {self.narrow}.")

    @property
    def levels_px(self) -> tuple[int, ...]:
        """Sides of all levels, smallest first: 4, 8, ..., size."""
        count = self.size.bit_length() - SMALLEST_LEVEL_PX.bit_length() + 1
        return tuple(SMALLEST_LEVEL_PX << step for step in range(count))

    def channels(self, side_px: int) -> int:
        """Channels of the level with this side, before the encoder's features double them."""
        if side_px <= 32:
            return int(BASE_WIDTH * self.narrow)
        return int(_WIDTH_TIMES_SIDE // side_px * self.channel_multiplier * self.narrow)
