"""Brings the network onto the device that was chosen, or to where it fits."""

from __future__ import annotations

from collections.abc import Callable

from gpen_ui.engine.placement import next_step, place
from gpen_ui.engine.precision import choose_dtype
from gpen_ui.engine.results import Note
from gpen_ui.engine.runner import FaceRunner, is_out_of_memory
from gpen_ui.errors import OutOfMemoryError
from gpen_ui.network import Gpen


def load_runner(reload: Callable[[], Gpen], device: str) -> FaceRunner:
    """A runner with the network on the device, in the number type that suits it best.

    Args:
        reload: gives the network in float32 on the processor.

    Raises:
        OutOfMemoryError: it fits nowhere.
    """
    network = reload()
    asked, dtype = device, choose_dtype(device)
    while True:
        try:
            runner = FaceRunner(place(network, device, dtype), device, 1, reload)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            step = next_step(device, dtype)
            if step is None:
                raise OutOfMemoryError("face_memory", size=network.config.size, device=device) from error
            device, dtype = step
        else:
            if device != asked:
                runner.notes.append(Note("moved_to_cpu", {"before": asked, "device": device}))
            return runner
