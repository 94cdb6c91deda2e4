"""Files of a run: networks as flat state dicts, and going on later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from gpen_ui.network import Gpen, GpenConfig
from gpen_ui.weights import load_network, read_state
from training.config import NetworkConfig

EMA_FILE = "ema.pth"  # half precision, the file that is published
GENERATOR_FILE = "generator.pth"  # full precision; may be left out between far-apart runs, the EMA then stands in
DISCRIMINATOR_FILE = "discriminator.pth"
FEATURE_JUDGE_FILE = "feature_judge.pth"
PROGRESS_FILE = "progress.json"


@dataclass
class Progress:
    """How far all runs so far have come."""

    steps: int = 0
    faces: int = 0
    seconds: float = 0.0


def gpen_config(network: NetworkConfig) -> GpenConfig:
    """The network package's own configuration."""
    return GpenConfig(network.size, network.channel_multiplier, network.narrow)


def load_generator(path: Path) -> Gpen:
    """A network ready to restore, from a model file.

    Raises:
        CheckpointError: the file is missing, cannot be read, or is not all of a GPEN network.
    """
    return load_network(path).requires_grad_(False)


def save_state(network: nn.Module, path: Path, *, half: bool) -> None:
    """Writes a flat state dict, to a temporary name first so that no half-written file is ever found."""
    state = network.state_dict()
    kept = {key: (value.half() if half else value.float()).cpu().contiguous() for key, value in state.items()}
    temporary = path.with_suffix(".part")
    torch.save(kept, temporary)
    temporary.replace(path)


def save_checkpoint(
    folder: Path, generator: nn.Module, ema: nn.Module, judges: Mapping[str, nn.Module], progress: Progress
) -> None:
    """Writes all that another run needs to go on; optimisers start afresh. `judges` go to the files that name them."""
    folder.mkdir(parents=True, exist_ok=True)
    save_state(generator, folder / GENERATOR_FILE, half=False)
    save_state(ema, folder / EMA_FILE, half=True)
    for name, judge in judges.items():
        save_state(judge, folder / name, half=True)
    (folder / PROGRESS_FILE).write_text(json.dumps(asdict(progress)))


def load_checkpoint(folder: Path, generator: nn.Module, ema: nn.Module, judges: Mapping[str, nn.Module]) -> Progress:
    """Fills the networks from a folder written by `save_checkpoint`; a missing generator is taken from the EMA, a judge
    without a file starts afresh."""
    _fill(ema, folder / EMA_FILE)
    raw = folder / GENERATOR_FILE
    _fill(generator, raw if raw.exists() else folder / EMA_FILE)
    load_judges(folder, judges)
    progress = folder / PROGRESS_FILE
    return Progress(**json.loads(progress.read_text())) if progress.exists() else Progress()


def load_judges(folder: Path, judges: Mapping[str, nn.Module]) -> list[str]:
    """Fills the judges from their files in a folder; returns the names of those that were found."""
    found = [name for name in judges if (folder / name).exists()]
    for name in found:
        _fill(judges[name], folder / name)
    return found


def _fill(network: nn.Module, path: Path) -> None:
    network.load_state_dict({key: value.float() for key, value in read_state(path).items()}, strict=True)
