"""The page: Gradio over the engine, in English and Chinese."""

from gpen_ui.ui.server import build_app, serve

__all__ = ["build_app", "serve"]
