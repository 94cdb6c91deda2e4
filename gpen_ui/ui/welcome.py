"""What a first visitor should know about the model that comes with the program; shown until it is dismissed."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from gpen_ui.catalog import model_spec, restoration_models
from gpen_ui.ui import views
from gpen_ui.ui.kept import STORE_SCRAMBLE
from gpen_ui.ui.speech import Speech

STORE_KEY = "gpen-ui-welcome"
STANDARD = "gpen-bfr-512"  # the larger model whose size and licence are told


@dataclass(frozen=True)
class Welcome:
    store: gr.BrowserState
    area: gr.Column
    more: gr.Button
    dismiss: gr.Button


def lay_out(speech: Speech) -> Welcome:
    store = gr.BrowserState(None, storage_key=STORE_KEY, secret=STORE_SCRAMBLE)
    with gr.Column(visible=False, elem_id="welcome") as area:
        gr.HTML(_lines(speech), padding=False)
        with gr.Row(elem_classes="actions"):
            more = gr.Button(speech("page.welcome.more"), size="sm", elem_id="welcome-more")
            dismiss = gr.Button(speech("page.welcome.dismiss"), size="sm", elem_id="welcome-dismiss")
    return Welcome(store, area, more, dismiss)


def _lines(speech: Speech) -> str:
    embedded = next(spec for spec in restoration_models() if spec.embedded)
    standard = model_spec(STANDARD)
    size = views.bytes_text(standard.bytes) if standard.bytes else speech("page.model.size.unknown")
    lines = (
        speech("page.welcome.what", model=embedded.title(speech.language)),
        speech("page.welcome.limits"),
        speech("page.welcome.larger", size=size, licence=standard.licence_note(speech.language)),
    )
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<h2>{escape(speech('page.welcome.title'))}</h2><ul>{items}</ul>"


def wire(welcome: Welcome, tabs: gr.Tabs, page: gr.Blocks) -> None:
    quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    page.load(lambda seen: gr.update(visible=seen is not True), [welcome.store], [welcome.area], **quick)
    welcome.dismiss.click(lambda: (True, gr.update(visible=False)), outputs=[welcome.store, welcome.area], **quick)
    welcome.more.click(lambda: gr.Tabs(selected="model"), outputs=[tabs], **quick)
