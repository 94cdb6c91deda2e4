"""REST over the engine: one photo at once, or runs that are kept on disk."""

from gpen_ui.api.app import build_api, sweep_uploads
from gpen_ui.api.errors import error_answer
from gpen_ui.api.parts import PREFIX, Engine

__all__ = ["PREFIX", "Engine", "build_api", "error_answer", "sweep_uploads"]
