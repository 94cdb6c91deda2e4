"""How long Real-ESRGAN will take, said on tabs 1 and 3 before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from gpen_ui.errors import GpenError
from gpen_ui.options import RestoreOptions, option_specs
from gpen_ui.ui import views
from gpen_ui.ui.folders import uploaded
from gpen_ui.ui.service import Service
from gpen_ui.ui.speech import Speech
from gpen_ui.ui.tab_parameters import ParametersTab, options_from
from gpen_ui.ui.tab_single import SingleTab

DECIDES = ("background", "output_scale", "long_edge", "aligned")
MEGAPIXEL_WH = (1000, 1000)


def wire(single: SingleTab, parameters: ParametersTab, card: gr.HTML, service: Service, speech: Speech) -> None:
    """Tells the time anew when the photos change, an option that decides about it, or the model.

    Args:
        card: of tab 4, about the model in use: it changes when another device is used.
    """
    names = [spec.name for spec in option_specs()]
    controls: list[Any] = [parameters.controls[names.index(name)] for name in DECIDES]

    def tell(paths: list[str] | None, *values: Any) -> list[str]:
        options = options_from(values)
        if not options.draws_background:
            return ["", ""]
        photos = uploaded(paths, service.scratch)
        return [
            views.hint(time_of(photos, options, service, speech)),
            views.hint(time_of([], options, service, speech)),
        ]

    gr.on(
        [single.files.change, card.change, *(control.change for control in controls)],
        speech.guard(tell),
        inputs=[single.files, *parameters.controls],
        outputs=[single.background, parameters.background],
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
        trigger_mode="always_last",
    )


def time_of(photos: list[Path], options: RestoreOptions, service: Service, speech: Speech) -> str:
    """A sentence about these photos, or about a megapixel where there is none.

    Why Real-ESRGAN cannot be used is also told here: before the start, and not in the result alone.
    """
    from gpen_ui.photo import stored_size

    sizes = [size for size in map(stored_size, photos) if size is not None]
    one = options.model_copy(update={"long_edge": 0})
    try:
        seconds = (
            service.background_seconds(sizes, options) if sizes else service.background_seconds([MEGAPIXEL_WH], one)
        )
    except GpenError as error:
        return error.sentence(speech.language)
    restorer = service.restorer
    if seconds is None or restorer is None:
        return speech("page.background.busy")
    key = "page.background.photos" if sizes else "page.background.megapixel"
    return speech(key, duration=speech.duration(seconds), name=restorer.device_report.name)
