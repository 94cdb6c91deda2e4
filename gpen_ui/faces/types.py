"""A face that was found in a photo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]
Affine = NDArray[np.float64]
LUMA = np.array((0.299, 0.587, 0.114), np.float32)  # weights of R, G, B: ITU-R BT.601


@dataclass(frozen=True, eq=False)
class Face:
    """One detected face. Coordinates are pixels of the photo, pixel centres at integers, x to the right, y down.

    Attributes:
        box_xyxy: left, top, right, bottom; may reach beyond the photo.
        points_xy: (5, 2) eyes, nose, mouth corners; the one on the left side of the picture first.
        score: the detector's certainty, 0 to 1.
    """

    box_xyxy: tuple[float, float, float, float]
    points_xy: Points
    score: float

    @property
    def side_px(self) -> float:
        """The shorter side of the box."""
        left, top, right, bottom = self.box_xyxy
        return min(right - left, bottom - top)

    def moved(self, scale_xy: NDArray[np.float64], corner_xy: tuple[float, float]) -> Face:
        """The face of a piece in the coordinates of the whole.

        Args:
            scale_xy: (2,) pixels of the whole for one of the piece; the corner of a pixel is at -0.5.
            corner_xy: where the piece begins in the whole.
        """
        corners = (np.array(self.box_xyxy).reshape(2, 2) + 0.5) * scale_xy - 0.5 + corner_xy
        points = (self.points_xy + 0.5) * scale_xy - 0.5 + corner_xy
        left, top, right, bottom = (float(edge) for edge in corners.ravel())
        return Face((left, top, right, bottom), points.astype(np.float32), self.score)
