"""Measurements for the page, in a thread of their own: the price of each option, and the curve of batch sizes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from gpen_ui.errors import GpenError
from gpen_ui.options import BatchSize
from gpen_ui.ui import views
from gpen_ui.ui.batch_size import batch_size_of
from gpen_ui.ui.service import Service
from gpen_ui.ui.speech import Speech, always_after

if TYPE_CHECKING:
    from gpen_ui.engine import Restorer
    from gpen_ui.measure.prices import PriceList

TICK_S = 0.4


class Measuring(threading.Thread):
    """Waits for its turn at the device, measures, and keeps what went wrong; a page looks at it whenever it likes.

    Args:
        work: gets the restorer, and a function to tell how much is done.
    """

    def __init__(
        self,
        service: Service,
        batch_size: BatchSize,
        stop: threading.Event,
        work: Callable[[Restorer, Callable[[int, int], None]], object],
    ) -> None:
        super().__init__(name="measure", daemon=True)
        self.error: Exception | None = None
        self.finished = threading.Event()
        self._service = service
        self._batch_size = batch_size
        self._stop_wish = stop
        self._work = work
        self._share: float | None = None
        self._has_turn = False

    def run(self) -> None:
        try:
            with self._service.using(self._batch_size, self._stop_wish) as restorer:
                self._has_turn = True
                self._work(restorer, self._advance)
        except Exception as error:  # handed to the page, which tells it in the reader's language
            self.error = error
        finally:
            self.finished.set()

    def watch(self, text: str, speech: Speech) -> Iterator[str]:
        """Starts the measurement and gives its bar, again and again, until it ends.

        Args:
            text: what stands under the bar while it is measured.

        Raises:
            Exception: what went wrong; Stopped when it was stopped.
        """
        self.start()
        while not self.finished.wait(TICK_S):
            yield views.share_done(self._share, text if self._has_turn else speech("page.progress.waiting"))
        if self.error is not None:
            raise self.error

    def _advance(self, done: int, total: int) -> None:
        self._share = done / total


class CurveMeasuring:
    """What the button below the curve of batch sizes does.

    Args:
        show: the state of the tab as it is now.
    """

    def __init__(
        self, progress: gr.HTML, show: Callable[[], dict[Component, Any]], service: Service, speech: Speech
    ) -> None:
        self.progress = progress
        self.show = show
        self.service = service
        self.speech = speech

    def hold(self) -> Any:
        """The button while it is measured."""
        return gr.update(interactive=False)

    def free(self) -> Any:
        return gr.update(interactive=True)

    def measure(self, request: gr.Request, batch_size: Any) -> Iterator[dict[Component, Any]]:
        """Measures the batch sizes in the queue of all runs; "Automatic" takes the best one from then on.

        Raises:
            Stopped: the page was closed before its turn came.
            GpenError: there is no model, or not even one face fits.
        """
        stop = self.service.session(request.session_hash).measure_stop = threading.Event()
        work = Measuring(self.service, batch_size_of(batch_size), stop, lambda restorer, advance: restorer.tune())
        try:
            for bar in work.watch(self.speech("page.curve.measuring"), self.speech):
                yield {self.progress: bar}
        except GpenError:
            yield {self.progress: ""}
            raise
        finally:
            stop.set()
        yield {**self.show(), self.progress: ""}


def wire_curve(button: gr.Button, batch_size: Component, outputs: list[Component], handlers: CurveMeasuring) -> None:
    private: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    measure = button.click(handlers.hold, outputs=[button], queue=False, **private).then(
        handlers.speech.guard(handlers.measure),
        inputs=[batch_size],
        outputs=outputs,
        concurrency_limit=None,  # the service's turnstile counts
        **private,
    )
    always_after(measure, handlers.free, [button], queue=False, **private)


def measure_option_prices(stop: threading.Event) -> Callable[[Restorer, Callable[[int, int], None]], object]:
    """The work behind the button of tab 3."""

    def work(restorer: Restorer, advance: Callable[[int, int], None]) -> None:
        from gpen_ui.measure.prices import PriceLists, measure_prices

        PriceLists().save(measure_prices(restorer, stop=stop, advance=advance), restorer)

    return work


def known_prices(service: Service) -> PriceList | None:
    """What was measured on this device with the model in use, here or by `gpen-ui bench`."""
    if service.restorer is None:
        return None
    from gpen_ui.measure.prices import PriceLists

    return PriceLists().load(service.restorer)
