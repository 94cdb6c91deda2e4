"""dlib's face recognition network as a loss: what of an aligned face it sees, and its weights from either form.

The network itself and the reader of dlib's file are the program's own, which measures likeness with them.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from gpen_ui.network.recognizer import CHIP_PX
from gpen_ui.network.recognizer import Recognizer as _Recognizer
from gpen_ui.weights import read_state
from gpen_ui.weights.dlib_file import fill_recognizer

CHIP_ROWS = slice(140, 420)  # the part of an aligned 512 px crop that becomes the chip: eyes always at the same place
CHIP_COLUMNS = slice(116, 396)


class Recognizer(_Recognizer):
    """Chips (N, 3, 150, 150), RGB in [-1, 1] -> embeddings (N, 128)."""

    def embed_faces(self, faces: Tensor) -> Tensor:
        """Aligned faces (N, 3, 512, 512), RGB in [-1, 1] -> embeddings (N, 128)."""
        embedding: Tensor = self(chips_of(faces))
        return embedding


def chips_of(faces: Tensor) -> Tensor:
    """The chips (N, 3, 150, 150) of aligned faces (N, 3, S, S); averages like OpenCV's INTER_AREA, differentiable."""
    side = faces.shape[-1]
    top, bottom, left, right = (
        round(edge * side / 512) for edge in (CHIP_ROWS.start, CHIP_ROWS.stop, CHIP_COLUMNS.start, CHIP_COLUMNS.stop)
    )
    crop = faces[..., top:bottom, left:right]
    rows = _area_matrix(crop.shape[-2], CHIP_PX).to(crop)
    columns = _area_matrix(crop.shape[-1], CHIP_PX).to(crop)
    return rows @ crop @ columns.T


def _area_matrix(inputs: int, outputs: int) -> Tensor:
    """(outputs, inputs): each output is the mean of the stretch of inputs that it covers, parts of inputs included."""
    edges = torch.linspace(0, inputs, outputs + 1, dtype=torch.float64)
    pixels = torch.arange(inputs, dtype=torch.float64)
    overlap = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
    return (overlap.clamp(min=0) * outputs / inputs).float()


def load_recognizer(path: Path) -> Recognizer:
    """Reads dlib's `dlib_face_recognition_resnet_model_v1.dat`, or a state dict (.pth) saved from this class."""
    network = Recognizer()
    if path.suffix == ".pth":
        network.load_state_dict({key: value.float() for key, value in read_state(path).items()})
    else:
        fill_recognizer(network, path)
    return network.eval().requires_grad_(False)
