"""Checkpoints: finding, downloading, verifying, reading and recognising them. Importing this loads no torch."""

from gpen_ui.weights.containers import read_state
from gpen_ui.weights.download import download_model
from gpen_ui.weights.fetch import OnProgress
from gpen_ui.weights.find import CHECKPOINT_SUFFIXES, find_checkpoint, model_path
from gpen_ui.weights.load import load_network
from gpen_ui.weights.recognise import recognise_config
from gpen_ui.weights.state import ModelState, check_model, identify, import_model, model_state, verify_model

__all__ = [
    "CHECKPOINT_SUFFIXES",
    "ModelState",
    "OnProgress",
    "check_model",
    "download_model",
    "find_checkpoint",
    "identify",
    "import_model",
    "load_network",
    "model_path",
    "model_state",
    "read_state",
    "recognise_config",
    "verify_model",
]
