"""The list of models on tab 4: licences, downloads that belong to the server, and a file of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from gpen_ui.catalog import ModelSpec, all_models, model_spec
from gpen_ui.errors import UsageError
from gpen_ui.ui import model_views
from gpen_ui.ui.batch_views import CHOOSE
from gpen_ui.ui.model_views import ModelRow
from gpen_ui.ui.service import Service
from gpen_ui.ui.speech import Speech

TICK_S = 0.6  # how often a page that watches downloads is told where they stand


@dataclass(frozen=True)
class ModelList:
    bars: gr.HTML
    models: gr.HTML
    upload: gr.HTML
    timer: gr.Timer


def lay_out(speech: Speech) -> ModelList:
    gr.HTML(f'<h3 id="models-title">{speech("page.model.catalogue")}</h3>', padding=False)
    bars = gr.HTML(padding=False, elem_id="model-downloads")
    models = gr.HTML(js_on_load=CHOOSE, padding=False, elem_id="model-list")
    upload = gr.HTML(
        model_views.upload_form(speech), js_on_load=model_views.UPLOAD, padding=False, elem_id="model-import"
    )
    return ModelList(bars, models, upload, gr.Timer(TICK_S, active=False))


class ListHandlers:
    """What the list's events do. Plain methods, so that tests call them without a browser."""

    def __init__(self, tab: ModelList, service: Service, speech: Speech) -> None:
        self.tab = tab
        self.service = service
        self.speech = speech

    @property
    def shown(self) -> list[Component]:
        return [self.tab.bars, self.tab.models, self.tab.timer]

    def show(self, request: gr.Request) -> dict[Component, Any]:
        """The list and the downloads as they are now; the page goes on looking while one is going on."""
        session = self.service.session(request.session_hash)
        downloads = self.service.downloads.all()
        known = all_models()
        going_on = {known[name]: each for name, each in downloads.items() if name in known}
        drawn = model_views.model_items(self._rows(session.agreed), self.speech)
        unchanged = session.models_drawn == (self.speech.language, drawn)
        session.models_drawn = (self.speech.language, drawn)
        return {
            self.tab.bars: model_views.bars(going_on, self.speech),
            self.tab.models: gr.skip() if unchanged else drawn,  # a list drawn anew would take the keyboard's place
            self.tab.timer: gr.Timer(active=self.service.downloads.any_on),
        }

    def tick(self, request: gr.Request) -> dict[Component, Any]:
        """As `show`. A look when no download is going on any more has the list in any case: it is the last one, or an
        answer from before overtook the last one and made the page look on."""
        return self.show(request) if self.service.downloads.any_on else self.arrive(request)

    def arrive(self, request: gr.Request) -> dict[Component, Any]:
        """As `show`, for a page that may show anything so far."""
        self.service.session(request.session_hash).models_drawn = None
        return self.show(request)

    def press(self, request: gr.Request, event: gr.EventData) -> dict[Component, Any]:
        """A button or box of the list.

        Raises:
            UsageError: its licence was not agreed to.
            UnknownModelError: a made-up model.
        """
        told = event._data if isinstance(event._data, dict) else {}
        what, _, name = str(told.get("key", "")).partition(":")
        session = self.service.session(request.session_hash)
        if what == "agree":
            session.agreed ^= {model_spec(name).name}
        elif what == "stop":
            self.service.downloads.stop(name)
        elif what == "get":
            self._get(model_spec(name), session.agreed)
        return self.show(request)

    def _get(self, spec: ModelSpec, agreed: set[str]) -> None:
        if spec.restricted and spec.name not in agreed:
            raise UsageError("page_licence", model=spec.title(self.speech.language))
        self.service.downloads.start(spec)

    def _rows(self, agreed: set[str]) -> list[ModelRow]:
        from gpen_ui.weights import model_path, model_state

        def size_of(spec: ModelSpec) -> int | None:
            path = model_path(spec, folder)
            return spec.bytes or (path.stat().st_size if path.is_file() else None)

        folder, progress = self.service.settings.models_folder, self.service.downloads.all()
        restorer = self.service.restorer
        in_use = restorer.model_name if restorer is not None else ""
        return [
            ModelRow(
                spec, str(model_state(spec, folder)), progress.get(name), size_of(spec), name in agreed, name == in_use
            )
            for name, spec in all_models().items()
        ]


def wire(handlers: ListHandlers, status: gr.HTML, models: list[Component], show_models: Any, tab: gr.Tab) -> None:
    """Wires the list.

    Args:
        status: the top line about the model in use: when it changes, the list does.
        models, show_models: what of tab 4 depends on which files are there, and the handler that gives it.
        tab: tab 4; arriving there shows what another browser has begun.
    """
    guard, listed = handlers.speech.guard, handlers.tab
    spoken: dict[str, Any] = {"concurrency_limit": None, "show_progress": "hidden", "api_visibility": "private"}
    quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    listed.models.click(guard(handlers.press), outputs=handlers.shown, **spoken)
    listed.timer.tick(guard(handlers.tick), outputs=handlers.shown, **quick)
    gr.on([tab.select, status.change, listed.upload.click], guard(handlers.arrive), outputs=handlers.shown, **quick)
    listed.models.change(guard(show_models), outputs=models, **quick)
