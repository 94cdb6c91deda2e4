"""Loads what a restorer works with: the network onto the device that was chosen or to where it fits, and the helpers
whose files are here."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from gpen_ui.catalog import model_spec, restoration_models
from gpen_ui.engine.memory import is_out_of_memory
from gpen_ui.engine.placement import place, place_lower
from gpen_ui.engine.precision import Precision, choose_dtype
from gpen_ui.engine.results import Note
from gpen_ui.engine.runner import FaceRunner
from gpen_ui.errors import OutOfMemoryError
from gpen_ui.faces import Detector, Masker, large_detector, small_detector
from gpen_ui.network import Gpen
from gpen_ui.weights import load_network, read_state
from gpen_ui.weights.files import file_stamp


@dataclass(frozen=True)
class AtHand:
    """Where checkpoints come from once the program runs.

    Attributes:
        folder: gives the models folder, for a while.
        stamp: gives for a checkpoint's path what changes when another file takes its place; None when that is not
            known now.
    """

    folder: Callable[[], AbstractContextManager[Path]]
    stamp: Callable[[Path], object] = file_stamp


def read_network(path: Path, sha256: str | None, at_hand: AtHand) -> Gpen:
    """The network of a checkpoint, also when its folder is not always there; see `load_network`."""
    if path.is_file():
        return load_network(path, sha256=sha256)
    with at_hand.folder() as folder:
        return load_network(folder / path.name, sha256=sha256)


def load_runner(reload: Callable[[], Gpen], device: str, precision: Precision = "auto") -> FaceRunner:
    """A runner with the network on the device, in the number type that suits it best.

    Args:
        reload: gives the network in float32 on the processor.
        precision: see `choose_dtype`; where memory is short a shorter type is taken all the same.

    Raises:
        OutOfMemoryError: it fits nowhere.
    """
    network, dtype = reload(), choose_dtype(device, precision)
    try:
        return FaceRunner(place(network, device, dtype), device, 1, reload)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        lower = place_lower(reload, device, dtype)
        if lower is None:
            raise OutOfMemoryError("face_memory", size=network.config.size, device=device) from error
    runner = FaceRunner(*lower, 1, reload)
    if runner.device != device:
        runner.notes.append(Note("moved_to_cpu", {"before": device, "device": runner.device}))
    return runner


def larger_model(size_px: int, models_folder: Path) -> str | None:
    """The smallest model of the catalogue that is larger than this size and whose file is here."""
    here = (spec for spec in restoration_models() if (models_folder / spec.file).is_file())
    return next((spec.name for spec in here if (spec.size_px or 0) > size_px), None)


def load_detector(models_folder: Path, device: str) -> Detector:
    """The large detector when its file is there, else the small one, which also looks at pieces for the large one.

    Args:
        device: of the network; a CUDA card searches, too. Beside any card several photos are searched at once, each by
            one thread.

    Raises:
        ModelError: the file is there but broken, or a package is missing.
    """
    path = models_folder / model_spec("retinaface-r50").file
    small = small_detector(None if device == "cpu" else 1, device)
    return large_detector(path, read_state(path), device, quick=small) if path.is_file() else small


def load_masker(models_folder: Path, device: str) -> Masker:
    """Masks from ParseNet when its file is there, else from the shape of the template."""
    path = models_folder / model_spec("parsenet").file
    if not path.is_file():
        return Masker()
    from gpen_ui.faces.parse import FaceParser

    return Masker(FaceParser(path, read_state(path), device).parse)
