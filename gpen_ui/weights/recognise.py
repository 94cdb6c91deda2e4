"""Which network a set of tensors belongs to, told from names and shapes alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gpen_ui.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

    from gpen_ui.catalog import ModelKind
    from gpen_ui.network import GpenConfig

_WIDEST_MULTIPLIER = 16
_CONSTANT = "generator.input.input"
_LEVEL_CONV = "generator.convs.{}.conv.weight"
_FIRST_CONV = "ecd0.0.0.weight"
_LATENT = "final_linear.0.weight"

# Names that only one kind of network has. The last ones are not used here, but people have them in the same folder.
_TELLING_NAMES: tuple[tuple[tuple[str, ...], str], ...] = (
    ((_CONSTANT, _FIRST_CONV), "GPEN"),
    (("conv_first.weight", "conv_last.weight"), "RRDBNet (Real-ESRGAN)"),
    (("out_mask_conv.conv2d.weight",), "ParseNet"),
    (("ClassHead.0.conv1x1.weight", "LandmarkHead.0.conv1x1.weight"), "RetinaFace"),
    (("stylegan_decoder.constant_input.weight",), "GFPGAN"),
    (("stylegan_decoderdotto_rgb1dotmodulated_convdotweight",), "GFPGAN"),
    (("quantize.embedding.weight",), "CodeFormer"),
    (("vqvae.encoder.conv_in.weight",), "RestoreFormer"),
)
_KINDS: dict[str, ModelKind] = {
    "GPEN": "gpen",
    "RRDBNet (Real-ESRGAN)": "upscaler",
    "ParseNet": "parsing",
    "RetinaFace": "detector",
}
# channel_multiplier and narrow of the published networks by size (gpen-bfr-256 ... gpen-bfr-2048).
_PUBLISHED_WIDTHS = {256: (1, 0.5), 512: (2, 1.0), 1024: (2, 1.0), 2048: (2, 1.0)}


def architecture_of(names: Mapping[str, object]) -> str | None:
    """The network's name as people know it, or None."""
    return next((found for telling, found in _TELLING_NAMES if all(name in names for name in telling)), None)


def kind_of(names: Mapping[str, object]) -> ModelKind | None:
    """The catalogue's kind of network, or None."""
    return _KINDS.get(architecture_of(names) or "")


def is_published(config: GpenConfig) -> bool:
    """Whether a network has the size and widths of one that was published."""
    return _PUBLISHED_WIDTHS.get(config.size) == (config.channel_multiplier, config.narrow)


def recognise_config(state: Mapping[str, Tensor], name: str = "the file") -> GpenConfig:
    """The configuration of a GPEN network.

    The size follows from the number of decoder levels, the widths from the channels of every level. Where no level
    depends on channel_multiplier (up to 32 px) it is 2, the usual one.

    Args:
        name: of the file, for the message.

    Raises:
        CheckpointError: another kind of network, or widths that no GPEN network has.
    """
    from gpen_ui.network import GpenConfig

    missing = next((key for key in (_CONSTANT, _LEVEL_CONV.format(0), _FIRST_CONV, _LATENT) if key not in state), None)
    if missing is not None:
        found = architecture_of(state)
        if found is None or found == "GPEN":
            raise CheckpointError("checkpoint_other_kind", name=name, parameter=missing)
        raise CheckpointError("checkpoint_named_kind", name=name, parameter=missing, found=found)
    count = sum(1 for key in state if _is_level_conv(key))
    size = 4 << (count // 2)
    try:
        widths = _widths(state, size)
        for multiplier in (2, 1, *range(3, _WIDEST_MULTIPLIER + 1)):
            narrow = _narrow(widths, multiplier)
            if narrow is not None:
                return GpenConfig(size, multiplier, narrow)
    except (KeyError, IndexError, ValueError):
        pass  # a level is missing, or the size is none
    raise CheckpointError("checkpoint_widths", name=name, size=size)


def _is_level_conv(key: str) -> bool:
    return key.startswith("generator.convs.") and key.endswith(".conv.weight")


def _widths(state: Mapping[str, Tensor], size: int) -> dict[int, int]:
    """Side in pixels -> channels of the decoder's level, from 4 to `size`."""
    widths = {4: state[_CONSTANT].shape[1]}
    for level in range(size.bit_length() - 3):
        widths[8 << level] = state[_LEVEL_CONV.format(2 * level)].shape[1]
    return widths


def _narrow(widths: dict[int, int], multiplier: int) -> float | None:
    """The smallest `narrow` that gives exactly these widths; any other one that does gives the same network."""
    from gpen_ui.network import GpenConfig

    full = GpenConfig(max(widths), multiplier, 1.0)
    lowest = max(width / full.channels(side) for side, width in widths.items())
    for narrow in (lowest, math.nextafter(lowest, math.inf)):  # the next one where the division was rounded down
        try:
            config = GpenConfig(full.size, multiplier, narrow)
        except ValueError:  # so wide or thin that it takes another multiplier
            return None
        if all(config.channels(side) == width for side, width in widths.items()):
            return narrow
    return None
