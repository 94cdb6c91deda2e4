"""Tab 1: one or many photos, compared before and after, downloaded one by one or together."""

from __future__ import annotations

import shutil
import threading
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from gpen_ui.errors import UsageError
from gpen_ui.paths import home_folder
from gpen_ui.ui import face_handlers, views
from gpen_ui.ui.batch_size import batch_size_of
from gpen_ui.ui.buttons import StartStop
from gpen_ui.ui.face_handlers import FaceArea, FaceHandlers
from gpen_ui.ui.folders import UPLOAD_KINDS, uploaded
from gpen_ui.ui.runs import Job, Outcome, Run, start_run
from gpen_ui.ui.service import Service
from gpen_ui.ui.session import Session
from gpen_ui.ui.speech import Speech, always_after
from gpen_ui.ui.tab_parameters import options_from

TICK_S = 0.4  # how often a page that watches a run is told where it stands
ZIP_NAME = "gpen-results.zip"


@dataclass(frozen=True)
class SingleTab:
    files: gr.File
    start: gr.Button
    stop: gr.Button
    sample: gr.Button
    settings: gr.HTML
    background: gr.HTML
    progress: gr.HTML
    empty: gr.HTML
    compare: gr.ImageSlider
    compare_help: gr.HTML
    gallery_help: gr.HTML
    gallery: gr.Gallery
    facts: gr.HTML
    download_one: gr.DownloadButton
    download_all: gr.DownloadButton
    failures: gr.HTML
    faces: FaceArea


def sample_photo() -> Path:
    """The photo of the first try; it is missing in an installation without `docs/`."""
    return home_folder() / "docs" / "samples" / "astronaut-old.jpg"


def lay_out(speech: Speech) -> SingleTab:
    with gr.Row(elem_classes="work"):
        with gr.Column(scale=2, min_width=280):
            files = gr.File(
                label=speech("page.single.files"),
                file_count="multiple",
                file_types=UPLOAD_KINDS,
                height=220,
                elem_id="single-files",
            )
            start = gr.Button(speech("page.single.start"), variant="primary", size="lg", elem_id="single-start")
            stop = gr.Button(speech("page.stop"), variant="stop", size="lg", visible=False, elem_id="single-stop")
            sample = gr.Button(speech("page.single.sample"), visible=sample_photo().is_file(), elem_id="single-sample")
            settings = gr.HTML(padding=False, elem_id="single-settings")
            background = gr.HTML(padding=False, elem_id="single-background")
        with gr.Column(scale=5, min_width=280):
            progress = gr.HTML(padding=False, elem_id="single-progress")
            failures = gr.HTML(padding=False, elem_id="single-failures")
            empty = gr.HTML(
                views.empty(speech("page.single.empty"), speech("page.single.empty.more")),
                padding=False,
                elem_id="single-empty",
            )
            compare = gr.ImageSlider(
                label=speech("page.single.compare"),
                type="filepath",
                interactive=False,
                visible=False,
                max_height=640,
                buttons=["fullscreen"],
                elem_id="single-compare",
            )
            compare_help = gr.HTML(views.hint(speech("page.single.compare.help")), padding=False, visible=False)
            faces = face_handlers.lay_out(speech, "single")
            gallery_help = gr.HTML(views.hint(speech("page.single.gallery")), padding=False, visible=False)
            gallery = gr.Gallery(
                label=speech("page.single.gallery"),
                show_label=False,
                visible=False,
                allow_preview=False,
                interactive=False,
                object_fit="cover",
                buttons=[],
                elem_id="single-gallery",
            )
            facts = gr.HTML(padding=False, elem_id="single-facts")
            with gr.Row():
                download_one = gr.DownloadButton(
                    speech("page.single.download_one"), visible=False, variant="primary", elem_id="single-download"
                )
                download_all = gr.DownloadButton(
                    speech("page.single.download_all"), visible=False, elem_id="single-download-all"
                )
    return SingleTab(
        files, start, stop, sample, settings, background, progress, empty, compare, compare_help, gallery_help,
        gallery, facts, download_one, download_all, failures, faces,
    )  # fmt: skip


class SingleHandlers(StartStop):
    """What the tab's events do. Plain methods, so that tests call them without a browser."""

    def __init__(self, tab: SingleTab, service: Service, speech: Speech) -> None:
        super().__init__(speech)
        self.tab = tab
        self.service = service
        self.faces = FaceHandlers(tab.faces, service, speech, self.replaced)

    def load_sample(self, request: gr.Request) -> list[str]:
        """A copy of the sample photo, as if it had been uploaded."""
        folder = self.service.session(request.session_hash).folder
        return [str(shutil.copy(sample_photo(), folder / sample_photo().name))]

    def begin(self, request: gr.Request) -> tuple[Any, Any]:
        """Shows "Stop", with a new wish to stop that it may fulfil."""
        self.service.session(request.session_hash).single_stop = threading.Event()
        return self.show_stop()

    def stop(self, request: gr.Request) -> Any:
        self.service.session(request.session_hash).single_stop.set()
        return self.show_stopping()

    def enhance(
        self, request: gr.Request, paths: list[str] | None, batch_size: Any, output_format: Any, *option_values: Any
    ) -> Iterator[dict[Block, Any]]:
        """Restores the photos and shows each as it is done.

        Raises:
            UsageError, OptionError: nothing was begun.
        """
        sources = uploaded(paths, self.service.scratch)
        if not sources:
            raise UsageError("page_no_photos")
        session = self.service.session(request.session_hash)
        if session.single is not None and not session.single.finished.is_set():
            session.single.stop.set()
        job = Job(
            sources=sources,
            options=options_from(option_values),
            folder=self.service.settings.outputs_folder,
            output_format=output_format,
            suffix=self.service.settings.suffix,
            preview_folder=session.folder,
        )
        session.results, session.shown, session.wished = [], 0, None
        run = session.single = start_run(self.service, job, batch_size_of(batch_size), session.single_stop)
        yield self._cleared()
        try:
            yield from self._watch(run, session)
        finally:  # the page was closed or went away: nobody waits for the rest
            run.stop.set()

    def choose(self, request: gr.Request, event: gr.SelectData) -> Any:
        """Compares the photo that was clicked in the gallery."""
        session = self.service.session(request.session_hash)
        place = int(event.index)
        if place >= len(session.results):
            return gr.skip()
        session.shown, session.wished = place, None
        return self._chosen(session, session.results[place])

    def replaced(self, session: Session, outcome: Outcome) -> dict[Block, Any]:
        """Shows a result that took the place of an earlier one of the same photo."""
        update = self._gallery(session) | self._chosen(session, outcome)
        if len(session.results) > 1:
            update[self.tab.download_all] = gr.update(value=str(zipped(session.results, session.folder)), visible=True)
        return update

    def _watch(self, run: Run, session: Session) -> Iterator[dict[Block, Any]]:
        seen = 0
        while not run.finished.wait(TICK_S):
            update: dict[Block, Any] = {self.tab.progress: views.progress(run, self.speech)}
            if run.done_count > seen:
                update |= self._arrived(run.outcomes[seen:], session)
                seen = run.done_count
            yield update
        update = self._arrived(run.outcomes[seen:], session) if run.done_count > seen else {}
        update[self.tab.progress] = views.progress(run, self.speech) if run.error is None else ""
        if len(session.results) > 1:
            archive = zipped(session.results, session.folder)
            update[self.tab.download_all] = gr.update(value=str(archive), visible=True)
        yield update
        if run.error is not None:
            raise run.error

    def _cleared(self) -> dict[Block, Any]:
        tab = self.tab
        hidden: tuple[Block, ...] = (
            tab.empty, tab.compare, tab.compare_help, tab.gallery_help, tab.gallery, tab.download_one, tab.download_all,
            tab.faces.area,
        )  # fmt: skip
        update: dict[Block, Any] = {component: gr.update(visible=False) for component in hidden}
        update |= {tab.progress: views.waiting(self.speech("page.progress.waiting")), tab.facts: "", tab.failures: ""}
        return update

    def _arrived(self, outcomes: Sequence[Outcome], session: Session) -> dict[Block, Any]:
        """Adds new outcomes to the page; the first good one is compared at once."""
        first = not session.results
        session.results += [outcome for outcome in outcomes if outcome.error is None]
        everything = session.single.outcomes if session.single else []
        update: dict[Block, Any] = {self.tab.failures: views.failures(everything, self.speech)}
        if not session.results:
            return update
        return update | self._gallery(session) | (self._chosen(session, session.results[0]) if first else {})

    def _gallery(self, session: Session) -> dict[Block, Any]:
        pictures = [
            (str(outcome.preview.thumbnail), outcome.name) for outcome in session.results if outcome.preview is not None
        ]
        several = len(pictures) > 1
        return {
            self.tab.gallery_help: gr.update(visible=several),
            self.tab.gallery: gr.update(value=pictures, visible=several),
        }

    def _chosen(self, session: Session, outcome: Outcome) -> dict[Block, Any]:
        settings = self.service.settings
        facts = views.facts(outcome, self.speech, shows_paths=settings.serves_only_this_machine)
        update: dict[Block, Any] = {self.tab.facts: facts} | self.faces.shown(session, outcome)
        if outcome.preview is not None:
            pair = (str(outcome.preview.before), str(outcome.preview.after))
            update[self.tab.compare] = gr.update(value=pair, visible=True)
            update[self.tab.compare_help] = gr.update(visible=True)
            copy = download_copy(outcome, outcome.preview.before.parent)
            update[self.tab.download_one] = gr.update(value=str(copy), visible=True)
        return update


def download_copy(outcome: Outcome, folder: Path) -> Path:
    """The result below the session's folder, so that the outputs folder itself is never served."""
    if outcome.saved is None:
        raise ValueError("a failed photo has no file")
    copy = folder / outcome.saved.name
    fresh = copy.with_name(f"{copy.name}.part")  # the file of before may be on its way to the browser just now
    shutil.copyfile(outcome.saved, fresh)
    return fresh.replace(copy)


def zipped(outcomes: Sequence[Outcome], folder: Path) -> Path:
    """One archive with the results; names are unique because they were in one folder. Photos are packed already."""
    archive = folder / ZIP_NAME
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as pack:
        for outcome in outcomes:
            if outcome.saved is not None and outcome.saved.is_file():
                pack.write(outcome.saved, outcome.saved.name)
    return archive


def wire(
    tab: SingleTab, controls: list[Component], batch_size: Component, output_format: Component, handlers: SingleHandlers
) -> None:
    guard = handlers.speech.guard
    quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    shown: list[Block] = [
        tab.progress, tab.empty, tab.compare, tab.compare_help, tab.gallery_help, tab.gallery, tab.facts,
        tab.download_one, tab.download_all, tab.failures,
        *tab.faces.parts,
    ]  # fmt: skip
    buttons = [tab.start, tab.stop]
    inputs = [tab.files, batch_size, output_format, *controls]

    # What gives files goes through the queue: Gradio 6.31 answers other events with addresses that lack the mount.
    files: dict[str, Any] = {"concurrency_limit": None, "show_progress": "hidden", "api_visibility": "private"}
    tab.sample.click(guard(handlers.load_sample), outputs=[tab.files], **files)
    run = tab.start.click(handlers.begin, outputs=buttons, **quick).then(
        guard(handlers.enhance),
        inputs=inputs,
        outputs=shown,
        **files,  # no limit: the service's turnstile counts, for both languages together
    )
    always_after(run, handlers.show_start, buttons, **quick)
    tab.stop.click(guard(handlers.stop), outputs=[tab.stop], **quick)
    tab.gallery.select(guard(handlers.choose), outputs=shown, **files)
    face_handlers.wire(tab.faces, handlers.faces, shown, guard)
