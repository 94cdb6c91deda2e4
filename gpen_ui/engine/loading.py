"""Brings the network onto the device that was chosen, or to where it fits."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from gpen_ui.engine.memory import is_out_of_memory
from gpen_ui.engine.placement import place, place_lower
from gpen_ui.engine.precision import choose_dtype
from gpen_ui.engine.results import Note
from gpen_ui.engine.runner import FaceRunner
from gpen_ui.errors import OutOfMemoryError
from gpen_ui.network import Gpen
from gpen_ui.weights import load_network

AtHand = Callable[[], AbstractContextManager[Path]]  # the models folder, for a while


def read_network(path: Path, sha256: str | None, at_hand: AtHand) -> Gpen:
    """The network of a checkpoint, also when its folder is not always there; see `load_network`."""
    if path.is_file():
        return load_network(path, sha256=sha256)
    with at_hand() as folder:
        return load_network(folder / path.name, sha256=sha256)


def load_runner(reload: Callable[[], Gpen], device: str) -> FaceRunner:
    """A runner with the network on the device, in the number type that suits it best.

    Args:
        reload: gives the network in float32 on the processor.

    Raises:
        OutOfMemoryError: it fits nowhere.
    """
    network, dtype = reload(), choose_dtype(device)
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
