"""Tab 4: which model on which device, changed without a restart; the catalogue with licences and downloads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from gpen_ui.access import checkpoint_file, named
from gpen_ui.catalog import ModelSpec, all_models, model_spec, restoration_models
from gpen_ui.settings import OUTPUT_FORMATS, Settings
from gpen_ui.ui import measuring, model_list, views
from gpen_ui.ui.batch_size import AUTO, batch_size_of
from gpen_ui.ui.model_list import ModelList
from gpen_ui.ui.sent import name_of
from gpen_ui.ui.service import Service
from gpen_ui.ui.speech import Speech

if TYPE_CHECKING:
    from gpen_ui.engine import DeviceInfo

BATCH_SIZES = (1, 2, 4, 8, 16, 32)  # offered; any whole number can be typed


@dataclass(frozen=True)
class ModelTab:
    device: gr.Dropdown
    model: gr.Dropdown
    path: gr.Textbox
    batch_size: gr.Dropdown
    output_format: gr.Radio
    reload: gr.Button
    card: gr.HTML
    curve: gr.HTML
    measure: gr.Button
    measure_progress: gr.HTML
    models: ModelList


def device_choices(settings: Settings, devices: Sequence[DeviceInfo], speech: Speech) -> list[tuple[str, str]]:
    """Automatic, CUDA and CPU always; further cards and other accelerators that work.

    Args:
        devices: as the engine found them; empty while it is loading.
    """
    working = {info.device: info.name for info in devices if info.trouble is None and info.device != "cpu"}
    if sum(device.startswith("cuda") for device in working) == 1:  # "cuda" names it already
        working = {device: name for device, name in working.items() if not device.startswith("cuda")}
    choices = [(speech(f"page.model.device.{name}"), name) for name in ("auto", "cuda", "cpu")]
    choices += [(f"{name} ({device})", device) for device, name in working.items()]
    if settings.device not in {device for _, device in choices}:
        choices.append((settings.device, settings.device))
    return choices


def lay_out(settings: Settings, speech: Speech) -> ModelTab:
    with gr.Row(elem_classes="work"):
        with gr.Column(scale=3, min_width=280):
            device, model, path = _what_to_load(settings, speech)
            batch_size = gr.Dropdown(
                [(speech("page.model.batch_size.auto"), AUTO), *((str(size), str(size)) for size in BATCH_SIZES)],
                value=str(settings.batch_size),
                allow_custom_value=True,
                label=speech("page.model.batch_size"),
                info=speech("page.model.batch_size.help"),
                elem_id="model-batch-size",
            )
            output_format = gr.Radio(
                [(speech(f"page.model.format.{name}"), name) for name in OUTPUT_FORMATS],
                value=settings.output_format,
                label=speech("page.model.format"),
                info=speech("page.model.format.help"),
                elem_id="model-format",
            )
            reload = gr.Button(speech("page.model.reload"), variant="primary", size="lg", elem_id="model-reload")
        with gr.Column(scale=4, min_width=280):
            card = gr.HTML(padding=False, elem_id="model-card")
            curve = gr.HTML(padding=False, elem_id="model-curve")
            measure = gr.Button(speech("page.curve.measure"), elem_id="model-measure")
            measure_progress = gr.HTML(padding=False, elem_id="model-measure-progress")
    models = model_list.lay_out(speech)
    return ModelTab(
        device, model, path, batch_size, output_format, reload, card, curve, measure, measure_progress, models
    )


def _what_to_load(settings: Settings, speech: Speech) -> tuple[gr.Dropdown, gr.Dropdown, gr.Textbox]:
    """Device, model of the catalogue, and the path of a file of one's own."""
    known = {spec.name: spec for spec in restoration_models()}
    chosen = known.get(settings.model, restoration_models()[0])
    device = gr.Dropdown(
        device_choices(settings, (), speech),
        value=settings.device,
        label=speech("page.model.device"),
        info=speech("page.model.device.help"),
        filterable=False,
        elem_id="model-device",
    )
    model = gr.Dropdown(
        [(spec.title(speech.language), spec.name) for spec in known.values()],
        value=chosen.name,
        label=speech("page.model.model"),
        info=chosen.licence_note(speech.language),
        filterable=False,
        elem_id="model-model",
    )
    allowed = named((settings.models_folder, *settings.readable_folders))
    path = gr.Textbox(
        value="" if settings.model in known else settings.model,
        label=speech("page.model.path"),
        info=speech("page.model.path.help", folders=allowed),
        elem_id="model-path",
    )
    return device, model, path


class ModelHandlers:
    """What the tab's events do."""

    def __init__(self, tab: ModelTab, status: gr.HTML, service: Service, speech: Speech) -> None:
        self.tab = tab
        self.status = status
        self.service = service
        self.speech = speech

    def show(self) -> dict[Component, Any]:
        """The state as it is now."""
        service = self.service
        restorer = service.restorer
        unmeasured_cpu = restorer is not None and restorer.device_report.device == "cpu" and restorer.curve is None
        batch_help = self.speech("page.model.batch_size.cpu" if unmeasured_cpu else "page.model.batch_size.help")
        card = views.device_card(restorer, service.load_error, self._licence(), self.speech)
        return {
            self.status: views.status_line(restorer, service.is_loading, self.speech),
            self.tab.card: card,
            self.tab.curve: views.batch_curve(restorer.curve if restorer else None, self.speech),
            self.tab.device: gr.update(choices=device_choices(service.settings, service.devices, self.speech)),
            self.tab.batch_size: gr.update(info=batch_help),
            self.tab.model: self.show_models(),
            self.tab.reload: gr.update(value=self.speech("page.model.reload"), interactive=True),
        }

    def show_when_loaded(self) -> Iterator[dict[Component, Any]]:
        """The state at once, and again when the first load has ended."""
        yield self.show()
        if self.service.is_loading:
            self.service.wait_until_loaded()
            yield self.show()

    def reload(self, device: Any, model: Any, path: str | None, batch_size: Any) -> Iterator[dict[Component, Any]]:
        """Loads what the controls say; the old model stays when that fails.

        Raises:
            GpenError: why it failed.
        """
        try:
            own = (path or "").strip()
            wanted = checkpoint_file(own, self.service.settings) if own else model_spec(name_of(model)).name
            place, size = name_of(device), batch_size_of(batch_size)
            said = self.speech("page.model.reloading")
            yield {self.tab.card: views.waiting(said), self.tab.reload: gr.update(value=said, interactive=False)}
            report = self.service.reload(wanted, place, size)
        except Exception:
            yield self.show()
            raise
        restorer = self.service.restorer
        name = restorer.model_name if restorer else str(wanted)
        self.speech.inform(self.speech("page.model.reloaded", model=name, device=report.name))
        yield self.show()

    def _states(self) -> list[tuple[ModelSpec, str]]:
        from gpen_ui.weights import model_state

        folder = self.service.settings.models_folder
        return [(spec, str(model_state(spec, folder))) for spec in all_models().values()]

    def show_models(self) -> Any:
        """The models to choose from, each with the state of its file."""
        models = [(self._with_state(spec, state), spec.name) for spec, state in self._states() if spec.kind == "gpen"]
        return gr.update(choices=models)

    def licence(self, model: Any) -> Any:
        """The licence of the model that is chosen, under its name.

        Raises:
            UsageError, UnknownModelError: a made-up model.
        """
        return gr.update(info=model_spec(name_of(model)).licence_note(self.speech.language))

    def _with_state(self, spec: ModelSpec, state: str) -> str:
        title = spec.title(self.speech.language)
        if state == "present":
            return title
        return self.speech("page.model.with_state", model=title, state=self.speech(f"page.model.state.{state}"))

    def _licence(self) -> str:
        restorer = self.service.restorer
        if restorer is None:
            return ""
        spec = all_models().get(restorer.model_name)
        return spec.licence_note(self.speech.language) if spec else self.speech("page.model.now.own_file")


def shown_by(tab: ModelTab, status: gr.HTML) -> list[Component]:
    """What `ModelHandlers.show` changes."""
    return [
        status,
        tab.card,
        tab.curve,
        tab.device,
        tab.model,
        tab.batch_size,
        tab.reload,
    ]


def wire(tab: ModelTab, status: gr.HTML, handlers: ModelHandlers) -> None:
    guard = handlers.speech.guard
    private: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    shown = shown_by(tab, status)
    tab.reload.click(
        guard(handlers.reload),
        inputs=[tab.device, tab.model, tab.path, tab.batch_size],
        outputs=shown,
        concurrency_id="load",
        concurrency_limit=1,
        **private,
    )
    measuring.wire_curve(
        tab.measure,
        tab.batch_size,
        [*shown, tab.measure_progress],
        measuring.CurveMeasuring(tab.measure_progress, handlers.show, handlers.service, handlers.speech),
    )
    quick = {"queue": False, **private}
    tab.model.change(guard(handlers.licence), inputs=[tab.model], outputs=[tab.model], **quick)
