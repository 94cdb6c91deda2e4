"""The page's words in the language of its reader: texts, toasts and durations."""

from __future__ import annotations

import functools
import html
import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import gradio as gr

from gpen_ui.errors import CheckpointError, GpenError
from gpen_ui.texts import Language, say
from gpen_ui.ui.refusals import log_refusal

log = logging.getLogger(__name__)
EXACT_BELOW_S = 9.95
REFUSALS = ("page_folder_outside", "page_folder_none", "page_model_outside", "page_upload_outside", "page_no_room")


def always_after(event: Any, handler: Callable[..., Any], outputs: list[Any], **how: Any) -> None:
    """Runs a handler after an event, also when that failed: Gradio's `then` (6.31) skips failed events."""
    event.then(handler, outputs=outputs, **how)
    event.failure(handler, outputs=outputs, **how)


def _log_refused(error: GpenError) -> None:
    """Writes down an event that named what it may not have; other errors are the visitor's own."""
    from gradio.context import LocalContext

    if not isinstance(error, CheckpointError) and error.key.removeprefix("error.") not in REFUSALS:
        return
    client = getattr(LocalContext.request.get(), "client", None)
    asked = next((str(error.values[name]) for name in ("folder", "path", "name") if name in error.values), "")
    log_refusal(asked, client.host if client is not None else "?", error.key.removeprefix("error."))


class Speech:
    """Speaks one language. `speech("page.stop")` is the text `page.stop`."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def __call__(self, key: str, **values: object) -> str:
        return say(key, self.language, **values)

    def template(self, key: str, places: Sequence[str]) -> str:
        """A text whose places a script fills in."""
        return self(key, **{place: f"{{{place}}}" for place in places})

    def duration(self, seconds: float) -> str:
        """A length of time, rounded as people say it."""
        whole = max(0, round(seconds))
        if whole < 60:
            return self("page.duration.seconds", seconds=whole)
        if whole < 3600:
            return self("page.duration.minutes", minutes=whole // 60, seconds=whole % 60)
        return self("page.duration.hours", hours=whole // 3600, minutes=whole % 3600 // 60)

    def took(self, seconds: float) -> str:
        """How long something took: with a decimal place as long as that says something, and never "0 s"."""
        return self.exact_seconds(max(0.1, seconds)) if seconds < EXACT_BELOW_S else self.duration(seconds)

    def listed(self, names: Iterable[str]) -> str:
        """Names in a row."""
        return (", " if self.language == "en" else "、").join(names)

    def paragraph(self, sentences: Iterable[str]) -> str:
        """Sentences one after another; Chinese puts no space between them."""
        return (" " if self.language == "en" else "").join(sentences)

    def sentence(self, error: BaseException) -> str:
        """What a user reads about an error; one that is not ours says no more than that it happened."""
        return error.sentence(self.language) if isinstance(error, GpenError) else self("page.unexpected")

    def exact_seconds(self, seconds: float) -> str:
        """A short time with one decimal place."""
        return self("page.duration.seconds", seconds=f"{seconds:.1f}")

    def toast(self, error: BaseException) -> gr.Error:
        """The error for Gradio, which takes its message for HTML."""
        return gr.Error(html.escape(self.sentence(error)), print_exception=False)

    def inform(self, text: str) -> None:
        gr.Info(html.escape(text))

    @contextmanager
    def toasts(self) -> Iterator[None]:
        """Turns every exception inside into a toast in the reader's language; unexpected ones also go to the log."""
        try:
            yield
        except GpenError as error:
            _log_refused(error)
            raise self.toast(error) from error
        except gr.Error:
            raise
        except Exception as error:
            log.exception("a handler of the page failed")
            raise self.toast(error) from error

    def guard(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        """The handler inside `toasts`; Gradio still sees its signature and whether it is a generator."""
        if inspect.isgeneratorfunction(handler):

            @functools.wraps(handler)
            def stream(*inputs: Any) -> Iterator[Any]:
                with self.toasts():
                    yield from handler(*inputs)

            return stream

        @functools.wraps(handler)
        def call(*inputs: Any) -> Any:
            with self.toasts():
                return handler(*inputs)

        return call
