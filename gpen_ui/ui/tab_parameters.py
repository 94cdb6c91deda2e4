"""Tab 3: every option of the table with its measured price, three presets, reset."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from gpen_ui.errors import GpenError, Stopped
from gpen_ui.options import (
    OptionSpec,
    RestoreOptions,
    option_specs,
    parse_options,
)
from gpen_ui.presets import BUILT_IN, load_preset
from gpen_ui.texts import say
from gpen_ui.ui import views
from gpen_ui.ui.batch_size import batch_size_of
from gpen_ui.ui.buttons import StartStop
from gpen_ui.ui.measuring import Measuring, known_prices, measure_option_prices
from gpen_ui.ui.service import Service
from gpen_ui.ui.speech import Speech, always_after

if TYPE_CHECKING:
    from gpen_ui.measure.prices import Price, PriceList

GROUPS = ("face", "photo", "input")
LONG_S = 10.0  # from here on a share of a face says nothing
LEAST_SHOWN_S = 0.0005  # what an option costs below this is noise


@dataclass(frozen=True)
class ParametersTab:
    """The tab's components; `controls` in the order of `option_specs()`."""

    controls: list[Component]
    background: gr.HTML
    presets: dict[str, gr.Button]
    reset: gr.Button
    prices: gr.HTML
    measure: gr.Button
    measure_stop: gr.Button
    measure_progress: gr.HTML


def lay_out(speech: Speech) -> ParametersTab:
    gr.HTML(views.hint(speech("page.parameters.intro")), padding=False)
    with gr.Row(elem_classes="presets"):
        presets = {
            name: gr.Button(say(f"preset.{name}", speech.language), elem_id=f"preset-{name}") for name in BUILT_IN
        }
        reset = gr.Button(speech("page.parameters.reset"), elem_id="reset")
    controls: dict[str, Component] = {}
    with gr.Row():
        for group in GROUPS:
            with gr.Column(min_width=280), gr.Group():
                gr.HTML(f'<h3 class="group-title">{speech(f"page.parameters.{group}")}</h3>', padding=False)
                for spec in option_specs():
                    if spec.acts_on == group:
                        controls[spec.name] = _control(spec, speech)
                    if spec.acts_on == group and spec.name == "background":
                        background = gr.HTML(padding=False, elem_id="background-time")
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=280):
            prices = gr.HTML(views.hint(speech("page.prices.unknown")), padding=False, elem_id="prices")
            progress = gr.HTML(padding=False, elem_id="prices-progress")
        with gr.Column(scale=1, min_width=200):
            measure = gr.Button(speech("page.prices.measure"), elem_id="prices-measure")
            stop = gr.Button(speech("page.stop"), variant="stop", visible=False, elem_id="prices-stop")
    in_order = [controls[spec.name] for spec in option_specs()]
    return ParametersTab(in_order, background, presets, reset, prices, measure, stop, progress)


def wire(tab: ParametersTab, batch_size: Component, told: list[gr.HTML], page: gr.Blocks, speech: Speech) -> None:
    """Presets also set the batch size, which stands on tab 4.

    Args:
        told: components of other tabs that say in words what the controls show.
    """

    def apply(name: str) -> list[Any]:
        preset = load_preset(name)
        title = say(f"preset.{name}", speech.language)
        speech.inform(speech("page.parameters.preset_set", preset=title, batch_size=preset.batch_size))
        return [*control_values(parse_options(preset.options)), str(preset.batch_size)]

    def reset() -> list[Any]:
        speech.inform(speech("page.parameters.reset_done"))
        return control_values(RestoreOptions())

    # In the queue, because other events cannot show messages.
    how: dict[str, Any] = {"concurrency_limit": None, "show_progress": "hidden", "api_visibility": "private"}
    for name, button in tab.presets.items():
        button.click(
            speech.guard(lambda name=name: apply(name)),
            outputs=[*tab.controls, batch_size],
            **how,
        )
    tab.reset.click(speech.guard(reset), outputs=tab.controls, **how)

    def tell(*values: Any) -> list[str]:
        text = speech("page.parameters.told", settings=in_words(options_from(values), speech))
        return [views.hint(text)] * len(told)

    quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    changes = [control.change for control in tab.controls]  # type: ignore[attr-defined]
    gr.on([*changes, page.load], speech.guard(tell), inputs=tab.controls, outputs=told, **quick)


class PriceHandlers(StartStop):
    """What the events about prices do."""

    def __init__(self, tab: ParametersTab, service: Service, speech: Speech) -> None:
        super().__init__(speech)
        self.tab = tab
        self.service = service

    def show(self) -> dict[Component, Any]:
        """Each option with its price on this device with the model in use, where it was measured."""
        known = known_prices(self.service)
        update: dict[Component, Any] = {
            control: gr.update(info=_info(spec, known, self.speech))
            for spec, control in zip(option_specs(), self.tab.controls, strict=True)
            if spec.acts_on != "input"
        }
        if known is None:
            said = self.speech("page.prices.unknown")
        else:
            said = self.speech("page.prices.known", face=f"{1000 * known.face_seconds:.0f}")
        return update | {self.tab.prices: views.hint(said)}

    def begin(self, request: gr.Request) -> tuple[Any, Any]:
        """A fresh wish to stop for the measurement that begins, so that a click on "Stop" counts at once."""
        self.service.session(request.session_hash).measure_stop = threading.Event()
        return self.show_stop()

    def stop(self, request: gr.Request) -> Any:
        self.service.session(request.session_hash).measure_stop.set()
        return self.show_stopping()

    def measure(self, request: gr.Request, batch_size: Any) -> Iterator[dict[Component, Any]]:
        """Measures in the queue of all runs; what it found is shown and kept.

        Raises:
            GpenError: there is no model.
        """
        stop = self.service.session(request.session_hash).measure_stop
        work = Measuring(self.service, batch_size_of(batch_size), stop, measure_option_prices(stop))
        try:
            for bar in work.watch(self.speech("page.prices.measuring"), self.speech):
                yield {self.tab.measure_progress: bar}
        except Stopped:
            yield {self.tab.measure_progress: views.hint(self.speech("error.measure_stopped"))}
            return
        except GpenError:
            yield {self.tab.measure_progress: ""}
            raise
        finally:  # the page was closed or went away: nobody waits for the rest
            stop.set()
        yield {**self.show(), self.tab.measure_progress: ""}


def wire_prices(tab: ParametersTab, batch_size: Component, card: gr.HTML, handlers: PriceHandlers) -> None:
    """Wires the prices.

    Args:
        card: of tab 4, about the model in use: with another model other prices hold.
    """
    guard = handlers.speech.guard
    private: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    priced = [control for spec, control in zip(option_specs(), tab.controls, strict=True) if spec.acts_on != "input"]
    buttons = [tab.measure, tab.measure_stop]
    run = tab.measure.click(handlers.begin, outputs=buttons, queue=False, **private).then(
        guard(handlers.measure),
        inputs=[batch_size],
        outputs=[*priced, tab.prices, tab.measure_progress],
        concurrency_limit=None,  # the service's turnstile counts
        **private,
    )
    always_after(run, handlers.show_start, buttons, queue=False, **private)
    tab.measure_stop.click(guard(handlers.stop), outputs=[tab.measure_stop], queue=False, **private)
    card.change(guard(handlers.show), outputs=[*priced, tab.prices], concurrency_limit=None, **private)


def _info(spec: OptionSpec, known: PriceList | None, speech: Speech) -> str:
    """What an option does, and what it costs where that was measured."""
    said = _help(spec, speech)
    prices = [price for price in known.prices if price.option == spec.name] if known else []
    if known is None or not prices:
        return said
    join = " " if speech.language == "en" else ""
    end = "" if said.endswith((".", "。")) else speech("page.prices.end")
    return f"{said}{end}{join}{speech('page.prices.list', prices=_in_a_row(prices, known, spec, speech))}"


def _in_a_row(prices: Sequence[Price], known: PriceList, spec: OptionSpec, speech: Speech) -> str:
    parts = []
    for price in prices:
        value = "" if spec.kind == "bool" else f"{_value_in_words(spec, price.value, speech)}: "
        if price.seconds < LEAST_SHOWN_S:
            parts.append(value + speech("page.prices.none"))
            continue
        if price.seconds >= LONG_S:
            parts.append(value + speech("page.prices.long", duration=speech.duration(price.seconds)))
            continue
        share = 100 * known.share(price)
        percent = f"{share:.1f}" if share < 10 else f"{share:.0f}"
        parts.append(value + speech("page.prices.one", ms=f"{1000 * price.seconds:.0f}", share=percent))
    return "; ".join(parts) if speech.language == "en" else "；".join(parts)


def control_values(options: RestoreOptions) -> list[Any]:
    """The options in the order of the controls."""
    return [getattr(options, spec.name) for spec in option_specs()]


def options_from(values: Sequence[Any]) -> RestoreOptions:
    """The options that the controls show.

    Raises:
        OptionError: a value outside its range, which only a hand-made request can send.
    """
    given = {spec.name: _plain(value, spec) for spec, value in zip(option_specs(), values, strict=True)}
    return parse_options(given)


def in_words(options: RestoreOptions, speech: Speech) -> str:
    """Strength, mode, and what else differs from the defaults."""
    default = RestoreOptions()
    said = []
    for spec in option_specs():
        value = getattr(options, spec.name)
        if spec.name not in ("strength", "mode") and value == getattr(default, spec.name):
            continue
        said.append(f"{spec.title(speech.language)} {_value_in_words(spec, value, speech)}")
    return ", ".join(said) if speech.language == "en" else "，".join(said)


def _value_in_words(spec: OptionSpec, value: Any, speech: Speech) -> str:
    if spec.kind == "choice":
        return spec.choice_title(value, speech.language)
    if spec.kind == "bool":
        return "✓" if value else "✗"
    return f"{value:g}"


def _plain(value: Any, spec: OptionSpec) -> Any:
    """A slider gives 80.0 for 80, and an emptied number field None, which stands for the default."""
    if spec.kind == "int" and isinstance(value, float) and value.is_integer():
        return int(value)
    if spec.kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _control(spec: OptionSpec, speech: Speech) -> Component:
    language = speech.language
    common: dict[str, Any] = {"label": spec.title(language), "elem_id": f"option-{spec.name}"}
    common["info"] = _help(spec, speech)
    if spec.kind == "bool":
        return gr.Checkbox(value=spec.default, **common)
    if spec.kind == "choice":
        choices = [(spec.choice_title(value, language), value) for value in spec.choices]
        return gr.Radio(choices, value=spec.default, **common)
    step = 1 if spec.kind == "int" else 0.01
    return gr.Slider(spec.low or 0, spec.high or 0, value=spec.default, step=step, **common)


def _help(spec: OptionSpec, speech: Speech) -> str:
    """What the option does, with both ends of a slider."""
    if spec.kind in ("bool", "choice"):
        return spec.help(speech.language)
    ends = {end: say(f"option.{spec.name}.{end}", speech.language) for end in ("low", "high")}
    return speech("page.parameters.ends", help=spec.help(speech.language), **ends)
