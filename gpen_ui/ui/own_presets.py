"""Presets on tab 3: those of the program as buttons; own ones saved, chosen, replaced, deleted, exported, imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from gpen_ui.errors import OptionError
from gpen_ui.options import Preset, parse_options
from gpen_ui.presets import (
    delete_preset,
    load_preset,
    own_name,
    own_preset_names,
    preset_names,
    preset_toml,
    read_preset,
    save_preset,
)
from gpen_ui.ui import views
from gpen_ui.ui.batch_size import batch_size_of
from gpen_ui.ui.folders import uploaded
from gpen_ui.ui.sent import name_of
from gpen_ui.ui.service import Service
from gpen_ui.ui.speech import Speech
from gpen_ui.ui.tab_parameters import ParametersTab, control_values, options_from


@dataclass(frozen=True)
class Wish:
    """What waits for a yes: saving over a preset, or deleting one."""

    what: str
    preset: Preset


class PresetHandlers:
    """What the events about presets do.

    Args:
        batch_size: of tab 4, which a preset sets, too.
    """

    def __init__(self, tab: ParametersTab, batch_size: Component, service: Service, speech: Speech) -> None:
        self.tab = tab
        self.own = tab.own
        self.batch_size = batch_size
        self.service = service
        self.speech = speech

    @property
    def shown(self) -> list[Component]:
        own = self.own
        return [own.choice, own.name, own.export, own.delete, own.question, own.yes, own.no]

    def show(self, request: gr.Request, chosen: str | None = None) -> dict[Component, Any]:
        """The list as it is now, with one preset chosen: its file can be downloaded."""
        language = self.speech.language
        choices = [(Preset(name, {}).title(language), name) for name in preset_names()]
        file = None
        if chosen is not None:
            file = self.service.session(request.session_hash).folder / f"{chosen}.toml"
            file.write_text(preset_toml(load_preset(chosen)), encoding="utf-8")
        return {
            self.own.choice: gr.update(choices=choices, value=chosen),
            self.own.export: gr.update(value=str(file) if file else None, interactive=file is not None),
            self.own.delete: gr.update(interactive=chosen in own_preset_names()),
            **self._asked("", ""),
        }

    def apply(self, request: gr.Request, name: Any) -> dict[Component, Any]:
        """Puts a preset into the controls.

        Raises:
            OptionError: it was deleted, or its file holds what is not allowed.
            UsageError: no name was sent.
        """
        preset = load_preset(name_of(name))
        title = preset.title(self.speech.language)
        key = "page.parameters.preset_set" if preset.batch_size is not None else "page.preset.set"
        self.speech.inform(self.speech(key, preset=title, batch_size=preset.batch_size))
        return {**self.show(request, preset.name), **self._in_controls(preset)}

    def _in_controls(self, preset: Preset) -> dict[Component, Any]:
        options = parse_options(preset.options, usual=self.service.usual_options)
        update: dict[Component, Any] = dict(zip(self.tab.controls, control_values(options), strict=True))
        if preset.batch_size is not None:
            update[self.batch_size] = str(preset.batch_size)
        return update

    def save(self, request: gr.Request, name: str, batch_size: Any, *values: Any) -> dict[Component, Any]:
        """Keeps what the controls show under a name; one that is taken is asked about.

        Raises:
            OptionError, UsageError: what is wrong with the name, or with the folder.
        """
        options = options_from(values)
        return self._take(request, Preset(own_name(name), options.model_dump(), batch_size_of(batch_size)))

    def take_file(self, request: gr.Request, path: str | None) -> dict[Component, Any]:
        """Imports a preset's file; one whose name is taken is asked about.

        Raises:
            OptionError: what is wrong with it.
        """
        if path is None:
            return self.show(request)
        (file,) = uploaded([path], self.service.scratch)
        preset = read_preset(file)
        shown = self._take(request, Preset(own_name(preset.name), preset.options, preset.batch_size))
        return {**shown, **self._in_controls(preset)}

    def _take(self, request: gr.Request, preset: Preset) -> dict[Component, Any]:
        try:
            kept = save_preset(preset.name, preset.options, preset.batch_size, overwrite=False)
        except OptionError as error:
            if error.key != "error.preset_taken":
                raise
            self.service.session(request.session_hash).wish = Wish("replace", preset)
            question = self.speech("page.preset.replace", name=preset.name)
            return self._asked(question, self.speech("page.preset.replace_yes"))
        self.speech.inform(self.speech("page.preset.saved", name=kept.name))
        return {**self.show(request, kept.name), self.own.name: ""}

    def ask_to_delete(self, request: gr.Request, name: Any) -> dict[Component, Any]:
        if name is None:
            return self.show(request)
        self.service.session(request.session_hash).wish = Wish("delete", load_preset(name_of(name)))
        return self._asked(self.speech("page.preset.delete.ask", name=name), self.speech("page.preset.delete_yes"))

    def agree(self, request: gr.Request) -> dict[Component, Any]:
        """Does what was asked about.

        Raises:
            OptionError, UsageError: it cannot be done any more.
        """
        session = self.service.session(request.session_hash)
        wish, session.wish = session.wish, None
        if wish is None:
            return self.show(request)
        preset = wish.preset
        if wish.what == "delete":
            delete_preset(preset.name)
            self.speech.inform(self.speech("page.preset.deleted", name=preset.name))
            return self.show(request)
        kept = save_preset(preset.name, preset.options, preset.batch_size, overwrite=True)
        self.speech.inform(self.speech("page.preset.saved", name=kept.name))
        return {**self.show(request, kept.name), self.own.name: ""}

    def decline(self, request: gr.Request) -> dict[Component, Any]:
        self.service.session(request.session_hash).wish = None
        return self._asked("", "")

    def _asked(self, question: str, yes: str) -> dict[Component, Any]:
        return {
            self.own.question: views.hint(question),
            self.own.yes: gr.update(visible=bool(question), value=yes),
            self.own.no: gr.update(visible=bool(question)),
        }


def wire(handlers: PresetHandlers, page: gr.Blocks) -> None:
    tab, own, guard = handlers.tab, handlers.own, handlers.speech.guard
    # In the queue: other events cannot show messages, and give files addresses that lack the mount (Gradio 6.31).
    how: dict[str, Any] = {"concurrency_limit": None, "show_progress": "hidden", "api_visibility": "private"}
    all_shown: list[Component] = [*handlers.shown, handlers.batch_size, *tab.controls]
    for name, button in tab.presets.items():

        def apply(request: gr.Request, name: str = name) -> dict[Component, Any]:
            return handlers.apply(request, name)

        button.click(guard(apply), outputs=all_shown, **how)
    own.choice.select(guard(handlers.apply), inputs=[own.choice], outputs=all_shown, **how)
    kept = [own.name, handlers.batch_size, *tab.controls]
    gr.on([own.save.click, own.name.submit], guard(handlers.save), inputs=kept, outputs=handlers.shown, **how)
    own.upload.upload(guard(handlers.take_file), inputs=[own.upload], outputs=all_shown, **how)
    own.delete.click(guard(handlers.ask_to_delete), inputs=[own.choice], outputs=handlers.shown, **how)
    own.yes.click(guard(handlers.agree), outputs=handlers.shown, **how)
    own.no.click(guard(handlers.decline), outputs=handlers.shown, **how)
    page.load(guard(handlers.show), outputs=handlers.shown, **how)
