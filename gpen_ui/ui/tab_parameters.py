"""Tab 3: every option of the table, three presets, reset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr
from gradio.components import Component

from gpen_ui.errors import UsageError
from gpen_ui.options import (
    BatchSize,
    OptionSpec,
    RestoreOptions,
    load_preset,
    option_specs,
    parse_options,
    preset_names,
)
from gpen_ui.texts import say
from gpen_ui.ui import views
from gpen_ui.ui.speech import Speech

GROUPS = ("face", "photo", "input")
BATCH_SIZE_MOST = 256  # as in Settings
AUTO: Literal["auto"] = "auto"


@dataclass(frozen=True)
class ParametersTab:
    """The tab's components; `controls` in the order of `option_specs()`."""

    controls: list[Component]
    presets: dict[str, gr.Button]
    reset: gr.Button


def lay_out(speech: Speech) -> ParametersTab:
    gr.HTML(views.hint(speech("page.parameters.intro")), padding=False)
    with gr.Row(elem_classes="presets"):
        presets = {
            name: gr.Button(say(f"preset.{name}", speech.language), elem_id=f"preset-{name}") for name in preset_names()
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
    return ParametersTab([controls[spec.name] for spec in option_specs()], presets, reset)


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


def batch_size_of(value: Any) -> BatchSize:
    """A batch size from its field: "auto", or a number that may be written as text.

    Raises:
        UsageError: neither "auto" nor a whole number from 1 to 256.
    """
    if value == AUTO:
        return AUTO
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = 0
    if str(number) != str(value).strip() or not 1 <= number <= BATCH_SIZE_MOST:
        raise UsageError("page_batch_size", value="" if value is None else value)
    return number


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
    if spec.kind == "bool":
        return gr.Checkbox(value=spec.default, info=spec.help(language), **common)
    if spec.kind == "choice":
        choices = [(spec.choice_title(value, language), value) for value in spec.choices]
        return gr.Radio(choices, value=spec.default, info=spec.help(language), **common)
    ends = {end: say(f"option.{spec.name}.{end}", language) for end in ("low", "high")}
    info = speech("page.parameters.ends", help=spec.help(language), **ends)
    step = 1 if spec.kind == "int" else 0.01
    return gr.Slider(spec.low or 0, spec.high or 0, value=spec.default, step=step, info=info, **common)
