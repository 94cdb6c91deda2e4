"""Parameters that stay: what a browser set comes back with its next visit, and what an installation was told holds for
all. Both are checked when they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import gradio as gr
from gradio.components import Component

from gpen_ui.errors import OptionError, UsageError
from gpen_ui.options import RestoreOptions, differences, option_specs, salvaged
from gpen_ui.settings import OUTPUT_FORMATS
from gpen_ui.ui import hidden_options, views
from gpen_ui.ui.batch_size import batch_size_of
from gpen_ui.ui.service import Service
from gpen_ui.ui.speech import Speech
from gpen_ui.ui.tab_parameters import ParametersTab, control_values, in_words, options_from

STORE_KEY = "gpen-ui-parameters"
# Gradio scrambles what it keeps in the browser with this. It is no secret, and what is kept is none; but a key made
# anew at each start would make the server forget what its visitors had set.
STORE_SCRAMBLE = "gpen-ui-kept-1"
OPTIONS_MOST = 100  # that are read of what a browser kept; there are fewer


def lay_out() -> gr.BrowserState:
    """What this browser keeps. It must stand outside of the tabs: what is in a closed one is not there (Gradio 6.31)
    when the page is loaded."""
    return gr.BrowserState(None, storage_key=STORE_KEY, secret=STORE_SCRAMBLE)


class KeptHandlers:
    """What the events about kept parameters do.

    Args:
        store: what this browser keeps: what differs from the defaults.
        batch_size, output_format: of tab 4; they are kept with the options.
        told: components of other tabs that say in words what the controls show.
    """

    def __init__(
        self,
        tab: ParametersTab,
        store: gr.BrowserState,
        batch_size: Component,
        output_format: Component,
        told: Sequence[gr.HTML],
        service: Service,
        speech: Speech,
    ) -> None:
        self.tab = tab
        self.store = store
        self.batch_size = batch_size
        self.output_format = output_format
        self.told = told
        self.service = service
        self.speech = speech

    @property
    def inputs(self) -> list[Component]:
        return [self.batch_size, self.output_format, *self.tab.controls]

    def restore(self, kept: Any) -> list[Any]:
        """What the controls show when the page opens: the defaults of this installation, over them what this browser
        kept. What this version does not know, or allows no more, is left out and told.

        Args:
            kept: whatever the browser's storage holds; anything may have written it.
        """
        usual = self.service.usual_options
        given: Mapping[str, Any] = kept if isinstance(kept, dict) else {}
        listed = given.get("options", {})
        few = islice(listed.items(), OPTIONS_MOST) if isinstance(listed, dict) else ()
        options, dropped = salvaged({str(name)[:60]: value for name, value in few}, usual)
        if dropped:
            self.speech.inform(self._dropped(dropped))
        settings = self.service.settings
        return [
            self._batch_size(given.get("batch_size"), str(settings.batch_size)),
            output if (output := given.get("output_format")) in OUTPUT_FORMATS else settings.output_format,
            *control_values(options),
        ]

    def _dropped(self, dropped: Sequence[OptionError]) -> str:
        names = {spec.name: spec.title(self.speech.language) for spec in option_specs()}
        told = [names.get(str(error.values["name"]), str(error.values["name"])) for error in dropped]
        return self.speech("page.kept.dropped", names=self.speech.listed(told))

    def _batch_size(self, value: Any, usual: str) -> str:
        try:
            return str(batch_size_of(value))
        except UsageError:
            return usual

    def follow(self, batch_size: Any, output_format: Any, *values: Any) -> list[Any]:
        """After every change: what the browser keeps, what other tabs say, and which options are of no use now."""
        options = options_from(values)
        settings = self.service.settings
        kept: dict[str, Any] = {"options": differences(options, self.service.usual_options)}
        if self._batch_size(batch_size, "") not in ("", str(settings.batch_size)):
            kept["batch_size"] = str(batch_size)
        if output_format in OUTPUT_FORMATS and output_format != settings.output_format:
            kept["output_format"] = output_format
        said = views.hint(self.speech("page.parameters.told", settings=in_words(options, self.speech)))
        return [kept, *[said] * len(self.told), *self._hidden(options)]

    def look(self, *values: Any) -> list[Any]:
        """As `follow` for the part that depends on the model and device in use."""
        return self._hidden(options_from(values))

    def _hidden(self, options: RestoreOptions) -> list[Any]:
        machine = hidden_options.machine_of(self.service.restorer, self.service.settings.models_folder)
        found = hidden_options.useless(options, machine, self.speech)
        sentences = [
            views.hints(hidden_options.reasons(found, group, self.speech))  # type: ignore[arg-type]
            for group in self.tab.hidden
        ]
        updates = {spec.name: gr.update(visible=spec.name not in found) for spec in option_specs()}
        if machine.no_background is not None and options.draws_background:
            updates["background"] = gr.update(visible=False, value="lanczos")
        return [*sentences, *updates.values()]

    def reset(self) -> list[Any]:
        """The defaults of this installation, for this browser."""
        self.speech.inform(self.speech("page.parameters.reset_done"))
        return self.restore(None)

    def keep(self, batch_size: Any, output_format: Any, *values: Any) -> list[Any]:
        """Makes what the controls show the defaults of this installation.

        Raises:
            UsageError, SettingsError: it cannot be, and why.
        """
        self._must_be_allowed()
        chosen = self.service.chosen
        self.service.keep_defaults(
            {
                "model": str(chosen.model),
                "device": chosen.device,
                "batch_size": batch_size_of(batch_size),
                "output_format": output_format,
                "options": differences(options_from(values), RestoreOptions()),
            }
        )
        self.speech.inform(self.speech("page.kept.kept"))
        return self.follow(batch_size, output_format, *values)

    def forget(self) -> list[Any]:
        """Back to the defaults of the program, for the installation and this browser.

        Raises:
            UsageError, SettingsError: as from `keep`.
        """
        self._must_be_allowed()
        self.service.forget_defaults()
        self.speech.inform(self.speech("page.kept.forgotten"))
        return self.restore(None)

    def _must_be_allowed(self) -> None:
        settings = self.service.settings
        if not settings.serves_only_this_machine and settings.auth is None:
            raise UsageError("page_defaults_guest")


def wire(handlers: KeptHandlers, card: gr.HTML, page: gr.Blocks) -> None:
    """Wires what stays.

    Args:
        card: of tab 4, about the model in use: it changes when another model or device is used.
    """
    tab, guard = handlers.tab, handlers.speech.guard
    hidden: list[Component] = [*tab.hidden.values(), *tab.controls]
    followed: list[Component] = [handlers.store, *handlers.told, *hidden]
    # In the queue, because other events cannot show messages.
    spoken: dict[str, Any] = {"concurrency_limit": None, "show_progress": "hidden", "api_visibility": "private"}
    quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    page.load(guard(handlers.restore), inputs=[handlers.store], outputs=handlers.inputs, **spoken).then(
        guard(handlers.follow), inputs=handlers.inputs, outputs=followed, **quick
    )
    gr.on(
        [component.change for component in handlers.inputs],  # type: ignore[attr-defined]
        guard(handlers.follow),
        inputs=handlers.inputs,
        outputs=followed,
        trigger_mode="always_last",
        **quick,
    )
    card.change(guard(handlers.look), inputs=tab.controls, outputs=hidden, **spoken)
    tab.reset.click(guard(handlers.reset), outputs=handlers.inputs, **spoken)
    tab.keep.click(guard(handlers.keep), inputs=handlers.inputs, outputs=followed, **spoken)
    tab.forget.click(guard(handlers.forget), outputs=handlers.inputs, **spoken)
