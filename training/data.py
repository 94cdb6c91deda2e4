"""Training faces: the table, the split by person, and the pictures in device memory.

All faces live on the device as bytes (3,000 faces of 640 px are 3.7 GB), so that nothing but arithmetic happens between
two steps. A face is 640 px around GPEN's template with a margin of 64 px: the middle 512 px are the aligned face, and
the margin leaves room to turn, zoom and shift it.
"""

from __future__ import annotations

import csv
import math
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from training.config import DataConfig

MARGIN_SHARE = 64 / 512  # margin of a stored face on each side, as a share of the aligned face
_LUMA_RGB = (0.299, 0.587, 0.114)
_SEPIA_RGB = (1.07, 1.0, 0.82)  # warm brown of a bleached print


@dataclass(frozen=True)
class Face:
    """One row of faces.csv: path below the folder, cluster of one person's photos, side before it was resized."""

    file: str
    person: str
    native_side_px: int


def read_faces(folder: Path) -> list[Face]:
    """The table of a folder of faces."""
    with (folder / "faces.csv").open(newline="") as lines:
        return [Face(row["file"], row["person"], int(row["native_side_px"])) for row in csv.DictReader(lines)]


def is_held_out(person: str, config: DataConfig) -> bool:
    """Whether this person is kept for the evaluation: a property of the name and the seed, not of the other rows."""
    draw = zlib.crc32(f"{config.seed}:{person}".encode()) / 2**32
    return draw < config.held_out


def split_faces(faces: Sequence[Face], config: DataConfig) -> tuple[list[Face], list[Face]]:
    """(training, held out). All photos of a person are on one side: a likeness learnt is no likeness restored."""
    training = [face for face in faces if not is_held_out(face.person, config)]
    held_out = [face for face in faces if is_held_out(face.person, config)]
    return training, held_out


def read_picture(path: Path) -> np.ndarray:
    """(H, W, 3) RGB bytes."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def stored_side_px(size: int) -> int:
    """Side of a stored face for a network of this size, both margins included."""
    return size + 2 * round(size * MARGIN_SHARE)


def load_pictures(folder: Path, faces: Sequence[Face], size: int, device: torch.device) -> Tensor:
    """Reads faces into (count, 3, stored side, stored side) bytes on the device; other sides are resized."""
    side = stored_side_px(size)
    pictures = torch.empty(len(faces), 3, side, side, dtype=torch.uint8, device=device)

    def read(number: int) -> None:
        rgb = read_picture(folder / faces[number].file)
        if rgb.shape[:2] != (side, side):
            rgb = np.asarray(Image.fromarray(rgb).resize((side, side), Image.Resampling.LANCZOS))
        pictures[number] = torch.from_numpy(rgb.copy()).permute(2, 0, 1).to(device)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(read, range(len(faces))))
    return pictures


def sampling_weights(faces: Sequence[Face], size: int, detail: float) -> Tensor:
    """(count,) chances: faces with fewer real pixels than the network's side count less, the more so with `detail`."""
    native = torch.tensor([face.native_side_px / size for face in faces])
    return native.clamp(0.25, 1.0) ** detail


def draw_faces(pictures: Tensor, weights: Tensor, count: int, size: int, config: DataConfig) -> Tensor:
    """Draws a batch of clean targets, (count, 3, size, size) RGB in [-1, 1].

    Half are mirrored; `still_share` of them are shifted by whole pixels only, which keeps every pixel as it was, the
    others are also turned and zoomed by up to the configured amounts.
    """
    device = pictures.device
    chosen = torch.multinomial(weights, count, replacement=True).to(device)
    side = pictures.shape[-1]
    signed = torch.rand(4, count, device=device) * 2 - 1
    moves = (torch.rand(count, device=device) >= config.still_share).float()
    angle = signed[0] * math.radians(config.turn_deg) * moves
    zoom = 1 + signed[1] * config.zoom * moves
    mirror = torch.where(torch.rand(count, device=device) < 0.5, -1.0, 1.0)
    reach = min(config.shift_px, (side - size) // 2)
    shift = (signed[2:] * reach).round() * 2 / side  # in grid_sample's units, where the stored face is 2 wide
    share = size / side
    theta = torch.stack(
        (
            torch.stack((mirror * angle.cos() * zoom * share, -angle.sin() * zoom * share, shift[0]), dim=1),
            torch.stack((mirror * angle.sin() * zoom * share, angle.cos() * zoom * share, shift[1]), dim=1),
        ),
        dim=1,
    )  # (count, 2, 3): target -> stored face
    grid = functional.affine_grid(theta, [count, 3, size, size], align_corners=False)
    source = pictures[chosen].float()
    warped = functional.grid_sample(source, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    return warped.clamp(0, 255) / 127.5 - 1


def drain_colour(faces: Tensor, share: float) -> Tensor:
    """Turns `share` of a batch in [-1, 1] black and white, a third of those sepia: old photos must keep their tone."""
    draw = torch.rand(len(faces), device=faces.device)[:, None, None, None]
    luma = torch.einsum("c,nchw->nhw", torch.tensor(_LUMA_RGB, device=faces.device), faces)[:, None]
    grey = luma.expand_as(faces)
    tint = torch.tensor(_SEPIA_RGB, device=faces.device)[:, None, None]
    sepia = ((grey + 1) * tint - 1).clamp(-1, 1)
    return torch.where(draw < share / 3, sepia, torch.where(draw < share, grey, faces))
