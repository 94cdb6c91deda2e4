"""The engine: device truth, batches across photos, and the stream that ties the rooms together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpen_ui.engine.output import (
    Made,
    Output,
    Saved,
    encode_restored,
    made,
    output_of,
    restoration_note,
    save_made,
    save_restored,
)
from gpen_ui.engine.results import FaceOutcome, Note, RestoredPhoto
from gpen_ui.engine.sources import Chosen

if TYPE_CHECKING:
    from gpen_ui.engine.device import DeviceInfo, DeviceReport, probe_devices
    from gpen_ui.engine.restorer import Restorer

__all__ = [
    "Chosen",
    "DeviceInfo",
    "DeviceReport",
    "FaceOutcome",
    "Made",
    "Note",
    "Output",
    "RestoredPhoto",
    "Restorer",
    "Saved",
    "encode_restored",
    "made",
    "output_of",
    "probe_devices",
    "restoration_note",
    "save_made",
    "save_restored",
]

# The restorer needs torch; results and notes do not. Who only shows results shall not wait for torch.
_LAZY = {
    "Restorer": "gpen_ui.engine.restorer",
    "DeviceInfo": "gpen_ui.engine.device",
    "DeviceReport": "gpen_ui.engine.device",
    "probe_devices": "gpen_ui.engine.device",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
