"""Windows: the parts of a face that the discriminator looks at in one step.

A judge of whole faces spends most of its capacity on outlines that the pixel losses already hold. Shown one window at a
time it has to decide from texture, and a step costs it the window's share of the work.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Windows:
    """One square window for each face of a batch.

    Attributes:
        rows, columns: (N, window side) pixel numbers in the face.
        face_px: side of the whole face.
    """

    rows: Tensor
    columns: Tensor
    face_px: int

    def cut(self, faces: Tensor) -> Tensor:
        """(N, C, face_px, face_px) -> (N, C, window side, window side), each face its own window."""
        number = torch.arange(len(faces), device=faces.device)[:, None, None]
        parts = faces.permute(0, 2, 3, 1)[number, self.rows[:, :, None], self.columns[:, None, :]]
        return parts.permute(0, 3, 1, 2).contiguous()

    def place(self, dtype: torch.dtype) -> Tensor:
        """(N, 2, window side, window side): row and column of each pixel, -1 to 1 over the whole face."""
        rows, columns = ((at * (2 / (self.face_px - 1)) - 1).to(dtype) for at in (self.rows, self.columns))
        side = rows.shape[1]
        return torch.stack((rows[:, :, None].expand(-1, -1, side), columns[:, None, :].expand(-1, side, -1)), dim=1)


def draw_windows(count: int, face_px: int, window_px: int, device: torch.device) -> Windows:
    """Windows at random places; the whole face where `window_px` is 0 or not smaller than it."""
    side = min(window_px, face_px) if window_px else face_px
    corners = torch.randint(face_px - side + 1, (2, count, 1), device=device)
    rows, columns = corners + torch.arange(side, device=device)
    return Windows(rows, columns, face_px)
