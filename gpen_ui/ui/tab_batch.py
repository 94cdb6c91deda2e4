"""Tab 2: many photos or a folder, written to the output folder as they are done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from gpen_ui.errors import UsageError
from gpen_ui.settings import Settings
from gpen_ui.ui import views
from gpen_ui.ui.batch_size import batch_size_of
from gpen_ui.ui.buttons import StartStop
from gpen_ui.ui.folders import UPLOAD_KINDS, input_folder, named, output_folder, photos_in, refuse_link, uploaded
from gpen_ui.ui.runs import Job, Outcome, Run, start_run
from gpen_ui.ui.service import Service
from gpen_ui.ui.speech import Speech, always_after
from gpen_ui.ui.tab_parameters import options_from

TICK_S = 0.5


@dataclass(frozen=True)
class BatchTab:
    files: gr.File
    folder: gr.Textbox
    subfolders: gr.Checkbox
    output: gr.Textbox
    start: gr.Button
    stop: gr.Button
    progress: gr.HTML
    saved_to: gr.HTML
    table: gr.HTML


def lay_out(settings: Settings, speech: Speech) -> BatchTab:
    readable = settings.readable_folders
    here = settings.serves_only_this_machine
    with gr.Row(elem_classes="work"):
        with gr.Column(scale=2, min_width=280):
            files = gr.File(
                label=speech("page.batch.files"),
                file_count="multiple",
                file_types=UPLOAD_KINDS,
                height=180,
                elem_id="batch-files",
            )
            folder = gr.Textbox(
                label=speech("page.batch.folder" if here else "page.batch.folder_server"),
                info=speech("page.batch.folder.help", folders=named(readable), suffix=settings.suffix),
                visible=bool(readable),
                elem_id="batch-folder",
            )
            subfolders = gr.Checkbox(
                label=speech("page.batch.subfolders"), value=True, visible=bool(readable), elem_id="batch-subfolders"
            )
            output = gr.Textbox(
                value=str(settings.outputs_folder) if here else "",
                label=speech("page.batch.output"),
                info=speech("page.batch.output.help"),
                elem_id="batch-output",
            )
            start = gr.Button(speech("page.batch.start"), variant="primary", size="lg", elem_id="batch-start")
            stop = gr.Button(speech("page.stop"), variant="stop", size="lg", visible=False, elem_id="batch-stop")
        with gr.Column(scale=5, min_width=280):
            progress = gr.HTML(padding=False, elem_id="batch-progress")
            saved_to = gr.HTML(padding=False)
            table = gr.HTML(views.empty(speech("page.batch.empty")), padding=False, elem_id="batch-table")
    return BatchTab(files, folder, subfolders, output, start, stop, progress, saved_to, table)


class BatchHandlers(StartStop):
    """What the tab's events do. A batch goes on to its end when its page is closed: its results are on the disk."""

    def __init__(self, tab: BatchTab, service: Service, speech: Speech) -> None:
        super().__init__(speech)
        self.tab = tab
        self.service = service

    def begin(self, request: gr.Request) -> tuple[Any, Any]:
        """Shows "Stop", with a new wish to stop that it may fulfil."""
        self.service.session(request.session_hash).batch_stop = threading.Event()
        return self.show_stop()

    def stop(self, request: gr.Request) -> Any:
        self.service.session(request.session_hash).batch_stop.set()
        return self.show_stopping()

    def start(
        self,
        request: gr.Request,
        paths: list[str] | None,
        folder_text: str,
        subfolders: bool,
        output_text: str,
        batch_size: Any,
        output_format: Any,
        *option_values: Any,
    ) -> Iterator[dict[Component, Any]]:
        """Restores uploads and the folder's photos.

        Raises:
            UsageError, OptionError, PhotoReadError: nothing was begun.
        """
        target = output_folder(output_text or "", self.service.settings)
        job = self._job(paths, folder_text or "", subfolders, target, output_format, option_values)
        session = self.service.session(request.session_hash)
        if session.batch is not None and not session.batch.finished.is_set():
            session.batch.stop.set()
        run = session.batch = start_run(self.service, job, batch_size_of(batch_size), session.batch_stop)
        shows_paths = self.service.settings.serves_only_this_machine
        yield {self.tab.saved_to: views.saved_to(target, self.speech) if shows_paths else ""}
        yield from self._watch(run)

    def resume(self, request: gr.Request) -> Iterator[dict[Component, Any]]:
        """A batch that another page started, or this one before it was loaded again, is shown and can be stopped."""
        run = self.service.running_batch()
        if run is None:
            yield gr.skip()  # a generator that yields nothing would empty its outputs
            return
        session = self.service.session(request.session_hash)
        session.batch, session.batch_stop = run, run.stop
        yield dict(zip((self.tab.start, self.tab.stop), self.show_stop(), strict=True))
        yield from self._watch(run)
        yield dict(zip((self.tab.start, self.tab.stop), self.show_start(), strict=True))

    def _job(
        self,
        paths: list[str] | None,
        folder_text: str,
        subfolders: bool,
        target: Path,
        output_format: Any,
        option_values: tuple[Any, ...],
    ) -> Job:
        settings = self.service.settings
        sources = uploaded(paths, self.service.scratch)
        refused: list[Outcome] = []
        folder = input_folder(folder_text, settings) if folder_text.strip() else None
        for path in photos_in(folder, settings, subfolders=subfolders, skip=target) if folder else []:
            reason = refuse_link(path, settings)
            if reason is None:
                sources.append(path)
            else:
                refused.append(Outcome(path.name, None, error=reason))
        if not sources and not refused:
            raise UsageError("page_no_photos")

        def output_for(source: Path) -> Path:
            """Results of subfolders stand in subfolders of the same name."""
            inside = folder is not None and source.is_relative_to(folder)
            return target / source.parent.relative_to(folder) if folder is not None and inside else target

        return Job(
            sources=sources,
            options=options_from(option_values),
            output_for=output_for,
            output_format=output_format,
            suffix=settings.suffix,
            refused=tuple(refused),
        )

    def _watch(self, run: Run) -> Iterator[dict[Component, Any]]:
        seen = -1
        finished = False
        while not finished:
            finished = run.finished.wait(TICK_S)
            update: dict[Component, Any] = {self.tab.progress: views.progress(run, self.speech)}
            if run.done_count != seen:
                seen = run.done_count
                update[self.tab.table] = views.outcome_table(run.outcomes[:seen], self.speech)
            yield update
        if run.error is not None:
            yield {self.tab.progress: ""}
            raise run.error


def wire(
    tab: BatchTab, controls: list[Component], batch_size: Component, output_format: Component, handlers: BatchHandlers
) -> None:
    guard = handlers.speech.guard
    quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    buttons = [tab.start, tab.stop]
    run = tab.start.click(handlers.begin, outputs=buttons, **quick).then(
        guard(handlers.start),
        inputs=[tab.files, tab.folder, tab.subfolders, tab.output, batch_size, output_format, *controls],
        outputs=[tab.progress, tab.saved_to, tab.table],
        show_progress="hidden",
        concurrency_limit=None,  # the service's turnstile counts, for both languages together
        api_visibility="private",
    )
    always_after(run, handlers.show_start, buttons, **quick)
    tab.stop.click(guard(handlers.stop), outputs=[tab.stop], **quick)
