"""Networks of the published sizes with random weights: what they compute means nothing, and takes the same time."""

from __future__ import annotations

from pathlib import Path

import torch

from gpen_ui.network import Gpen, GpenConfig

SIZES = (256, 512, 1024, 2048)


def published_config(size: int) -> GpenConfig:
    """The shape of GPEN-BFR of this size; only the smallest is narrowed."""
    return GpenConfig(size, 1, 0.5) if size == 256 else GpenConfig(size, 2, 1.0)


def random_checkpoint(folder: Path, size: int) -> Path:
    """A file of this size, the same at each call."""
    torch.manual_seed(0)
    path = folder / f"random-{size}.pth"
    torch.save(Gpen(published_config(size)).state_dict(), path)
    return path
