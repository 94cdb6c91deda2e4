"""What each option costs on this machine, measured by a button of tab 3 and said beside the option."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from gpen_ui.errors import GpenError, Stopped
from gpen_ui.options import OptionSpec, option_specs
from gpen_ui.ui import views
from gpen_ui.ui.batch_size import batch_size_of
from gpen_ui.ui.buttons import StartStop
from gpen_ui.ui.measuring import Measuring, known_prices, measure_option_prices
from gpen_ui.ui.service import Service
from gpen_ui.ui.speech import Speech, always_after
from gpen_ui.ui.tab_parameters import ParametersTab, help_text, value_in_words

if TYPE_CHECKING:
    from gpen_ui.measure.prices import Price, PriceList

LONG_S = 10.0  # from here on a share of a face says nothing
LEAST_SHOWN_S = 0.0005  # what an option costs below this is noise


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
            said = self.speech("page.prices.known", face=round(1000 * known.face_seconds))
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
    said = help_text(spec, speech)
    prices = [price for price in known.prices if price.option == spec.name] if known else []
    if known is None or not prices:
        return said
    end = "" if said.endswith((".", "。")) else speech("page.prices.end")
    return speech.paragraph((said + end, speech("page.prices.list", prices=_in_a_row(prices, known, spec, speech))))


def _in_a_row(prices: Sequence[Price], known: PriceList, spec: OptionSpec, speech: Speech) -> str:
    parts = []
    for price in prices:
        value = "" if spec.kind == "bool" else f"{value_in_words(spec, price.value, speech)}: "
        if price.seconds < LEAST_SHOWN_S:
            parts.append(value + speech("page.prices.none"))
            continue
        if price.seconds >= LONG_S:
            parts.append(value + speech("page.prices.long", duration=speech.duration(price.seconds)))
            continue
        share = 100 * known.share(price)
        percent = f"{share:.1f}" if share < 10 else f"{share:.0f}"
        parts.append(value + speech("page.prices.one", ms=round(1000 * price.seconds), share=percent))
    return "; ".join(parts) if speech.language == "en" else "；".join(parts)
