"""Averages model files: `python -m training.average FIRST SECOND --share 0.8 --out FILE`.

Between two models of which one was trained from the other, every average of the parameters is a working model, too. So
what a sharper model gained and what it paid for it can be weighed after the training (Wang et al., "ESRGAN", 2018,
section 3.4, who mend a discriminator's artefacts this way). A share a little above 1 goes on in the direction in which
the second was trained.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from training.checkpoint import load_generator, save_state
from training.refusals import refusing

FARTHEST_SHARE = 1.5  # farther on, nothing says that the line still leads to better models


def average(first: Path, second: Path, share: float, out: Path) -> None:
    """Writes first + share * (second - first), in half precision.

    Args:
        share: of the second model, 0 to 1.5; above 1 the step from the first to the second is made longer.

    Raises:
        ValueError: the share is outside, or the networks differ.
        CheckpointError: a file is missing, cannot be read, or is not all of a GPEN network.
    """
    if not 0 <= share <= FARTHEST_SHARE:
        raise ValueError(f"share is {share}; it must be between 0 and {FARTHEST_SHARE}.")
    network, other = load_generator(first), load_generator(second)
    if network.config != other.config:
        raise ValueError(f"{first.name} is {network.config} and {second.name} is {other.config}; they must be alike.")
    with torch.no_grad():
        for value, wanted in zip(network.state_dict().values(), other.state_dict().values(), strict=True):
            value.lerp_(wanted, share)
    save_state(network, out, half=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m training.average", description=__doc__)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--share", type=float, required=True, help=f"of the second model, 0 to {FARTHEST_SHARE}")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    with refusing(parser):
        average(given.first, given.second, given.share, given.out)


if __name__ == "__main__":
    main()
