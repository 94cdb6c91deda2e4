"""Tab 3: every option of the table with its measured price, three presets, reset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from gpen_ui.options import OptionSpec, RestoreOptions, option_specs, parse_options
from gpen_ui.presets import BUILT_IN
from gpen_ui.texts import say
from gpen_ui.ui import views
from gpen_ui.ui.speech import Speech

GROUPS = ("face", "photo", "input")


@dataclass(frozen=True)
class OwnPresets:
    """Choosing, saving, deleting, exporting and importing presets."""

    choice: gr.Dropdown
    name: gr.Textbox
    save: gr.Button
    export: gr.DownloadButton
    delete: gr.Button
    upload: gr.UploadButton
    question: gr.HTML
    yes: gr.Button
    no: gr.Button


@dataclass(frozen=True)
class ParametersTab:
    """The tab's components; `controls` in the order of `option_specs()`.

    Attributes:
        hidden: for each group, what is hidden in it and why.
    """

    controls: list[Component]
    hidden: dict[str, gr.HTML]
    background: gr.HTML
    presets: dict[str, gr.Button]
    own: OwnPresets
    reset: gr.Button
    keep: gr.Button
    forget: gr.Button
    prices: gr.HTML
    measure: gr.Button
    measure_stop: gr.Button
    measure_progress: gr.HTML


def lay_out(speech: Speech) -> ParametersTab:
    gr.HTML(views.hint(speech("page.parameters.intro")), padding=False)
    with gr.Row(elem_classes="presets"):
        presets = {
            name: gr.Button(say(f"preset.{name}", speech.language), elem_id=f"preset-{name}", min_width=120)
            for name in BUILT_IN
        }
        reset = gr.Button(speech("page.parameters.reset"), elem_id="reset", min_width=120)
    own = _lay_out_own(speech)
    controls: dict[str, Component] = {}
    hidden: dict[str, gr.HTML] = {}
    with gr.Row():
        for group in GROUPS:
            with gr.Column(min_width=280), gr.Group():
                gr.HTML(f'<h3 class="group-title">{speech(f"page.parameters.{group}")}</h3>', padding=False)
                for spec in option_specs():
                    if spec.acts_on == group:
                        controls[spec.name] = _control(spec, speech)
                    if spec.acts_on == group and spec.name == "background":
                        background = gr.HTML(padding=False, elem_id="background-time")
                hidden[group] = gr.HTML(padding=False, elem_id=f"hidden-{group}", elem_classes="hidden-options")
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=280):
            prices = gr.HTML(views.hint(speech("page.prices.unknown")), padding=False, elem_id="prices")
            progress = gr.HTML(padding=False, elem_id="prices-progress")
        with gr.Column(scale=1, min_width=200):
            measure = gr.Button(speech("page.prices.measure"), elem_id="prices-measure")
            stop = gr.Button(speech("page.stop"), variant="stop", visible=False, elem_id="prices-stop")
    with gr.Accordion(speech("page.kept.title"), open=False, elem_id="defaults"):
        gr.HTML(views.hint(speech("page.kept.help")), padding=False)
        with gr.Row(elem_classes="actions"):
            keep = gr.Button(speech("page.kept.keep"), size="sm", elem_id="defaults-keep")
            forget = gr.Button(speech("page.kept.forget"), size="sm", elem_id="defaults-forget")
    in_order = [controls[spec.name] for spec in option_specs()]
    return ParametersTab(
        in_order, hidden, background, presets, own, reset, keep, forget, prices, measure, stop, progress
    )


def _lay_out_own(speech: Speech) -> OwnPresets:
    with gr.Accordion(speech("page.preset.title"), open=False, elem_id="own-presets"):
        with gr.Row(elem_classes="own-presets"):
            choice = gr.Dropdown(
                label=speech("page.preset.choice"),
                info=speech("page.preset.choice.help"),
                filterable=False,
                scale=3,
                min_width=240,
                elem_id="preset-choice",
            )
            name = gr.Textbox(
                label=speech("page.preset.name"),
                info=speech("page.preset.name.help"),
                max_lines=1,
                scale=3,
                min_width=240,
                elem_id="preset-name",
            )
        with gr.Row(elem_classes="actions"):
            save = gr.Button(speech("page.preset.save"), size="sm", variant="primary", elem_id="preset-save")
            export = gr.DownloadButton(
                speech("page.preset.export"), size="sm", interactive=False, elem_id="preset-export"
            )
            delete = gr.Button(speech("page.preset.delete"), size="sm", interactive=False, elem_id="preset-delete")
            upload = gr.UploadButton(
                speech("page.preset.import"), size="sm", file_types=[".toml"], elem_id="preset-import"
            )
        question = gr.HTML(padding=False, elem_id="preset-question")
        with gr.Row(elem_classes="actions"):
            yes = gr.Button("", size="sm", variant="stop", visible=False, elem_id="preset-yes")
            no = gr.Button(speech("page.preset.no"), size="sm", visible=False, elem_id="preset-no")
    return OwnPresets(choice, name, save, export, delete, upload, question, yes, no)


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
        said.append(f"{spec.title(speech.language)} {value_in_words(spec, value, speech)}")
    return ", ".join(said) if speech.language == "en" else "，".join(said)


def value_in_words(spec: OptionSpec, value: Any, speech: Speech) -> str:
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
    common["info"] = help_text(spec, speech)
    if spec.kind == "bool":
        return gr.Checkbox(value=spec.default, **common)
    if spec.kind == "choice":
        choices = [(spec.choice_title(value, language), value) for value in spec.choices]
        return gr.Radio(choices, value=spec.default, **common)
    step = 1 if spec.kind == "int" else 0.01
    return gr.Slider(spec.low or 0, spec.high or 0, value=spec.default, step=step, **common)


def help_text(spec: OptionSpec, speech: Speech) -> str:
    """What the option does, with both ends of a slider."""
    if spec.kind in ("bool", "choice"):
        return spec.help(speech.language)
    ends = {end: say(f"option.{spec.name}.{end}", speech.language) for end in ("low", "high")}
    return speech("page.parameters.ends", help=spec.help(speech.language), **ends)
