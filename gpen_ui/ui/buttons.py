"""Two buttons of which one is shown at a time: the one that starts a run, and the one that stops it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from gpen_ui.ui.speech import Speech


class StartStop:
    """Updates for a start button and a stop button, in this order."""

    def __init__(self, speech: Speech) -> None:
        self.speech = speech

    def show_stop(self) -> tuple[Any, Any]:
        """A run begins."""
        return gr.update(visible=False), gr.update(visible=True, interactive=True, value=self.speech("page.stop"))

    def show_start(self) -> tuple[Any, Any]:
        """A run has ended."""
        return gr.update(visible=True), gr.update(visible=False)

    def show_stopping(self) -> Any:
        """The stop button once it was pressed: the batch in flight still ends."""
        return gr.update(value=self.speech("page.stopping"), interactive=False)
