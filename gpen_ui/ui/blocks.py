"""Gradio's page, with its own refusals told as ours are: to the visitor a sentence, to the log one line."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from gpen_ui.errors import UsageError, brief
from gpen_ui.ui.refusals import log_refusal
from gpen_ui.ui.speech import Speech

KEY = "page_event_broken"


class EventRefused(gr.Error):
    """Gradio took a value of an event for none that the page can send; what our handlers raise is another thing.

    Args:
        told: to the visitor.
        what: for the log.
    """

    def __init__(self, told: str, what: str) -> None:
        super().__init__(html.escape(told), print_exception=False)
        self.what = what


class Page(gr.Blocks):
    """`gr.Blocks` prints a traceback with the values, up to megabytes of them, for each value that it does not take.

    Args:
        speech: for the sentence.
        how: as for `gr.Blocks`.
    """

    def __init__(self, speech: Speech, **how: Any) -> None:
        super().__init__(**how)
        self._speech = speech

    async def process_api(self, *given: Any, **named: Any) -> dict[str, Any]:
        """As in `gr.Blocks`; every event passes here."""
        try:
            return await super().process_api(*given, **named)
        except EventRefused as error:
            client = getattr(named.get("request"), "client", None)
            log_refusal(error.what, client.host if client is not None else "?", KEY)
            raise

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *given: Any, **named: Any) -> Any:
        """As in `gr.Blocks`: the values of an event as our handlers take them.

        Raises:
            EventRefused: one of them cannot be taken.
        """
        try:
            return await super().preprocess_data(block_fn, inputs, *given, **named)
        except Exception as error:
            told = str(brief(error.message)) if isinstance(error, gr.Error) else self._speech.sentence(UsageError(KEY))
            raise EventRefused(told, f"event {block_fn._id}: {error}") from None
