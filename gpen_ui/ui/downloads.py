"""Downloads of models for the page, in a thread of their own."""

from __future__ import annotations

import threading

from gpen_ui.catalog import ModelSpec
from gpen_ui.settings import Settings
from gpen_ui.ui import views
from gpen_ui.ui.speech import Speech


class Download(threading.Thread):
    """Downloads models one after another; a page looks at it whenever it likes."""

    def __init__(self, specs: list[ModelSpec], settings: Settings, stop: threading.Event) -> None:
        super().__init__(name="download", daemon=True)
        self.error: Exception | None = None
        self.finished = threading.Event()
        self._specs = specs
        self._folder = settings.models_folder
        self._stop_wish = stop
        self._now = specs[0]
        self._done_bytes = 0
        self._total_bytes: int | None = None
        self._host = ""

    def run(self) -> None:
        from gpen_ui.weights import download_model

        try:
            for spec in self._specs:
                self._now, self._done_bytes, self._total_bytes, self._host = spec, 0, spec.bytes, ""
                download_model(spec, self._folder, on_progress=self._note, stop=self._stop_wish)
        except Exception as error:  # handed to the page, which tells it in the reader's language
            self.error = error
        finally:
            self.finished.set()

    def view(self, speech: Speech) -> str:
        """A bar for the file that comes in now."""
        model, done = self._now.title(speech.language), views.bytes_text(self._done_bytes)
        if not self._host:
            return views.waiting(speech("page.model.download.starting", model=model))
        said = {"model": model, "done": done, "host": self._host}
        if not self._total_bytes:
            return views.waiting(speech("page.model.download.progress_unknown", **said))
        text = speech("page.model.download.progress", total=views.bytes_text(self._total_bytes), **said)
        return views.share_done(min(1.0, self._done_bytes / self._total_bytes), text)

    def _note(self, done_bytes: int, total_bytes: int | None, host: str) -> None:
        self._done_bytes, self._total_bytes, self._host = done_bytes, total_bytes, host
