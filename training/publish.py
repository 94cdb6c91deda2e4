"""Makes a finished average into the file that comes with the program: `python -m training.publish FROM TO`.

A processor with matrix units runs the network in bfloat16, whose eight bits round every weight; about half of the
values that are more than 2 levels off are so because of that. Here each weight of a convolution is moved to the nearest
value that is used unrounded, once the constants are folded in: by at most 1/256 of itself, as bfloat16 would.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from gpen_ui.network import Gpen
from gpen_ui.network.layers import ACTIVATION_GAIN, EqualConv, ModulatedConv
from training.checkpoint import load_generator, save_state
from training.refusals import refusing


def round_weights(network: Gpen) -> None:
    """Moves the weights of all 3x3 convolutions to where bfloat16 can hold them times their folded constants
    (`gpen_ui.engine.fast`); half precision, with three bits more, then tells the nearest of these values."""
    for layer in network.modules():
        if isinstance(layer, EqualConv):
            _round(layer.weight, layer.scale * ACTIVATION_GAIN)
        elif isinstance(layer, ModulatedConv):
            _round(layer.weight, layer.scale)


def _round(weight: Tensor, constant: float) -> None:
    if weight.shape[-1] > 1:  # those of one pixel are used in more than bfloat16
        with torch.no_grad():
            weight.copy_((weight * constant).to(torch.bfloat16).float() / constant)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m training.publish", description=__doc__)
    parser.add_argument("source", type=Path, metavar="FROM", help="ema.pth of a run")
    parser.add_argument("target", type=Path, metavar="TO")
    given = parser.parse_args()
    with refusing(parser):
        network = load_generator(given.source)
    round_weights(network)
    save_state(network, given.target, half=True)


if __name__ == "__main__":
    main()
