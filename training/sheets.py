"""Sample sheets: one row a face, with input and result side by side for each level, and the clean face last."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from training.data import Face
from training.evaluate import LEVELS, aligned, degrade_level, restore, seed_of


def sheet_inputs(folder: Path, faces: Sequence[Face], size: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(clean faces, their degraded versions with the levels in turn), each (size, size, 3) RGB bytes."""
    clean, inputs = [], []
    for face in faces:
        rgb = aligned(folder, face, size)
        clean.append(rgb)
        inputs += [degrade_level(rgb, level, seed_of(face, level)) for level in LEVELS]
    return clean, inputs


def write_sheet(
    path: Path, network: nn.Module, clean: Sequence[np.ndarray], inputs: Sequence[np.ndarray], device: torch.device
) -> None:
    """Restores the inputs and writes the sheet as a picture file (the format follows the name)."""
    restored = restore(network, inputs, device, batch=6)
    levels = len(inputs) // len(clean)
    rows = []
    for number, face in enumerate(clean):
        cells = [cell for at in range(number * levels, (number + 1) * levels) for cell in (inputs[at], restored[at])]
        rows.append(np.concatenate([*cells, face], axis=1))
    cv2.imwrite(str(path), np.concatenate(rows, axis=0)[..., ::-1])
