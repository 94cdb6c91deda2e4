"""ParseNet: which pixel of a face crop is skin, hair, hat ... Used for the mask when its file is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpen_ui.errors import CheckpointError, ModelError

PARSE_PX = 512  # the side ParseNet was trained on


class FaceParser:
    """Parses aligned crops.

    Args:
        file: only named in errors.
        state: the checkpoint's tensors, already read safely.
        device: torch name of the device.

    Raises:
        ModelError: facexlib is missing.
        CheckpointError: the tensors are not those of ParseNet.
    """

    def __init__(self, file: Path, state: dict[str, Any], device: str = "cpu") -> None:
        try:
            from facexlib.parsing.parsenet import ParseNet
        except ImportError as error:
            raise ModelError("parser_missing", package=error.name) from error
        network = ParseNet(in_size=PARSE_PX, out_size=PARSE_PX, parsing_ch=19)
        try:
            network.load_state_dict(state, strict=True)
        except RuntimeError as error:
            raise CheckpointError("parser_kind", file=file.name) from error
        self._network = network.to(device).eval()
        self._device = device

    def parse(self, crop: NDArray[np.float32]) -> NDArray[np.int64]:
        """(S, S, 3) float32 RGB 0..255 -> (512, 512) class of each pixel, 0 to 18."""
        import cv2
        import torch

        crop = np.asarray(cv2.resize(crop, (PARSE_PX, PARSE_PX), interpolation=cv2.INTER_LINEAR), np.float32)
        tensor = torch.from_numpy(crop).permute(2, 0, 1)[None].to(self._device) / 127.5 - 1
        with torch.inference_mode():
            logits = self._network(tensor)[0]
        return np.asarray(logits[0].argmax(0).cpu().numpy(), np.int64)
