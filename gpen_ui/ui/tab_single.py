"""Tab 1: one or many photos, compared before and after, downloaded one by one or together."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from gpen_ui.catalog import restoration_models
from gpen_ui.errors import UsageError
from gpen_ui.paths import home_folder
from gpen_ui.ui import compare_views, face_handlers, views, why
from gpen_ui.ui.batch_size import batch_size_of
from gpen_ui.ui.buttons import StartStop
from gpen_ui.ui.face_handlers import FaceArea, FaceHandlers
from gpen_ui.ui.folders import UPLOAD_KINDS, uploaded
from gpen_ui.ui.result_files import download_copy, pair_of, zipped
from gpen_ui.ui.runs import Job, Outcome, Run, start_run
from gpen_ui.ui.service import Service
from gpen_ui.ui.session import Session
from gpen_ui.ui.speech import Speech, always_after
from gpen_ui.ui.tab_parameters import control_values, options_from

TICK_S = 0.4  # how often a page that watches a run is told where it stands
FIRST_TICK_S = 0.1  # at first: one small photo is done sooner than that


@dataclass(frozen=True)
class SingleTab:
    files: gr.File
    start: gr.Button
    stop: gr.Button
    sample: gr.Button
    camera: gr.Image
    settings: gr.HTML
    background: gr.HTML
    progress: gr.HTML
    empty: gr.HTML
    compare: gr.HTML
    facts: gr.HTML
    used: gr.HTML
    reuse: gr.Button
    download_one: gr.DownloadButton
    download_all: gr.DownloadButton
    failures: gr.HTML
    faces: FaceArea


def sample_photo() -> Path:
    """The photo of the first try; it is missing in an installation without `docs/`."""
    return home_folder() / "docs" / "samples" / "astronaut-old.jpg"


def lay_out(speech: Speech) -> SingleTab:
    """The result first, over the whole width; below it what goes in beside what is known of the result."""
    progress = gr.HTML(padding=False, elem_id="single-progress")
    failures = gr.HTML(padding=False, elem_id="single-failures")
    compare = gr.HTML(js_on_load=compare_views.CHOOSE, padding=False, elem_id="single-compare")
    with gr.Row(elem_classes="actions"):
        download_one = gr.DownloadButton(
            speech("page.single.download_one"), visible=False, variant="primary", elem_id="single-download"
        )
        download_all = gr.DownloadButton(
            speech("page.single.download_all"), visible=False, elem_id="single-download-all"
        )
    with gr.Row(elem_classes="work"):
        with gr.Column(scale=2, min_width=280):
            files = gr.File(
                label=speech("page.single.files"),
                file_count="multiple",
                file_types=UPLOAD_KINDS,
                height=200,
                elem_id="single-files",
            )
            start = gr.Button(speech("page.single.start"), variant="primary", size="lg", elem_id="single-start")
            stop = gr.Button(speech("page.stop"), variant="stop", size="lg", visible=False, elem_id="single-stop")
            sample = gr.Button(speech("page.single.sample"), visible=sample_photo().is_file(), elem_id="single-sample")
            with gr.Accordion(speech("page.single.camera"), open=False, elem_id="single-camera-area"):
                camera = gr.Image(
                    label=speech("page.single.camera"),
                    show_label=False,
                    sources=["webcam"],
                    type="filepath",
                    format="png",
                    height=260,
                    buttons=[],
                    elem_id="single-camera",
                )
                gr.HTML(views.hint(speech("page.single.camera.help")), padding=False)
            settings = gr.HTML(padding=False, elem_id="single-settings")
            background = gr.HTML(padding=False, elem_id="single-background")
        with gr.Column(scale=3, min_width=280):
            empty = gr.HTML(
                views.empty(speech("page.single.empty"), speech("page.single.empty.more")),
                padding=False,
                elem_id="single-empty",
            )
            facts = gr.HTML(padding=False, elem_id="single-facts")
            faces = face_handlers.lay_out(speech, "single")
            used = gr.HTML(padding=False, elem_id="single-used")
            with gr.Row(elem_classes="actions"):
                reuse = gr.Button(speech("page.used.again"), visible=False, elem_id="single-reuse")
    return SingleTab(
        files, start, stop, sample, camera, settings, background, progress, empty, compare, facts, used, reuse,
        download_one, download_all, failures, faces,
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

    def add_shot(self, request: gr.Request, paths: list[str] | None, shot: str | None) -> tuple[Any, Any]:
        """Puts a picture of the camera among the photos, under a name that tells when it was taken.

        Raises:
            UsageError: the picture was not taken through this page.
        """
        if not shot:
            return gr.skip(), gr.skip()
        (file,) = uploaded([shot], self.service.scratch)
        folder = self.service.session(request.session_hash).folder
        named = folder / f"camera-{time.strftime('%H-%M-%S')}{file.suffix}"
        return [*(paths or []), str(shutil.copy(file, named))], None

    def reuse(self, request: gr.Request) -> list[Any]:
        """Values for the controls of tab 3 and for the output format: those of the photo in view.

        Raises:
            UsageError: no photo is in view.
        """
        session = self.service.session(request.session_hash)
        job = session.results[session.shown].job if session.shown < len(session.results) else None
        if job is None:
            raise UsageError("page_no_photos")
        self.speech.inform(self.speech("page.used.done"))
        return [*control_values(job.options), job.output_format]

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
        if session.single is not None:
            if session.single.stop is session.single_stop:  # both were begun before either ran: each needs its own
                session.single_stop = threading.Event()
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

    def choose(self, request: gr.Request, event: gr.EventData) -> Any:
        """Tells about the photo that the person went to in the comparison, which shows it already."""
        session = self.service.session(request.session_hash)
        asked = event._data.get("place") if isinstance(event._data, dict) else None
        if not isinstance(asked, int) or not 0 <= asked < len(session.results):
            return gr.skip()
        session.shown, session.wished = asked, None
        return self._chosen(session, session.results[asked])

    def replaced(self, session: Session, outcome: Outcome) -> dict[Block, Any]:
        """Shows a result that took the place of an earlier one of the same photo."""
        return {self.tab.compare: self._compared(session)} | self._chosen(session, outcome) | self._together(session)

    def _watch(self, run: Run, session: Session) -> Iterator[dict[Block, Any]]:
        seen, tick_s, finished = 0, FIRST_TICK_S, False
        while not finished:
            finished = run.finished.wait(tick_s)
            if session.single is not run:
                return  # another run has the page now
            tick_s = min(TICK_S, 2 * tick_s)
            fresh = run.outcomes[seen:]  # its own copy: the run goes on adding
            seen += len(fresh)
            update = self._arrived(fresh, session) if fresh else {}
            update[self.tab.progress] = views.progress(run, self.speech) if run.error is None else ""
            yield update | (self._together(session) if finished else {})
        if run.error is not None:
            raise run.error

    def _cleared(self) -> dict[Block, Any]:
        tab = self.tab
        hidden: tuple[Block, ...] = (tab.empty, tab.reuse, tab.download_one, tab.download_all, tab.faces.area)
        update: dict[Block, Any] = {component: gr.update(visible=False) for component in hidden}
        update |= dict.fromkeys((tab.compare, tab.facts, tab.used, tab.failures), "")
        return update | {tab.progress: views.waiting(self.speech("page.progress.waiting"))}

    def _arrived(self, outcomes: Sequence[Outcome], session: Session) -> dict[Block, Any]:
        """Adds new outcomes to the page; the first good one is compared at once."""
        first = not session.results
        session.results += [outcome for outcome in outcomes if outcome.error is None]
        everything = session.single.outcomes if session.single else []
        update: dict[Block, Any] = {self.tab.failures: views.failures(everything, self.speech)}
        if not session.results:
            return update
        update[self.tab.compare] = self._compared(session)
        return update | (self._chosen(session, session.results[0]) if first else {})

    def _compared(self, session: Session) -> str:
        """All results, before and after."""
        within = (self.service.scratch, self.service.settings.outputs_folder)
        pairs = [pair_of(outcome, session.folder, within) for outcome in session.results]
        shown = [pair for pair in pairs if pair is not None]
        return compare_views.compare(shown, session.shown, self.service.pictures, self.speech, name="single-photos")

    def _chosen(self, session: Session, outcome: Outcome) -> dict[Block, Any]:
        settings = self.service.settings
        facts = views.facts(outcome, self.speech, shows_paths=settings.serves_only_this_machine)
        update: dict[Block, Any] = {
            self.tab.facts: facts + why.why(outcome, self.speech),
            self.tab.used: why.settings_used(outcome, self._model_of(outcome), settings, self.speech),
            self.tab.reuse: gr.update(visible=outcome.job is not None),
        }
        if outcome.preview is not None:
            copy = download_copy(outcome, outcome.preview.before.parent)
            update[self.tab.download_one] = gr.update(value=str(copy), visible=True)
        return update | self.faces.shown(session, outcome)

    def _together(self, session: Session) -> dict[Block, Any]:
        """Offers all results as one file, where there are several."""
        if len(session.results) < 2:
            return {}
        return {self.tab.download_all: gr.update(value=str(zipped(session.results, session.folder)), visible=True)}

    def _model_of(self, outcome: Outcome) -> str:
        """How the command line names the model of a result; a path only for those who sit at its machine."""
        name = outcome.recipe.model if outcome.recipe is not None else ""
        chosen = self.service.chosen.model
        is_own = all(spec.name != name for spec in restoration_models()) and Path(chosen).name == name
        return chosen if is_own and self.service.settings.serves_only_this_machine else name


def wire(
    tab: SingleTab, controls: list[Component], batch_size: Component, output_format: Component, handlers: SingleHandlers
) -> None:
    guard = handlers.speech.guard
    quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    shown: list[Block] = [
        tab.progress, tab.empty, tab.compare, tab.facts, tab.used, tab.reuse, tab.download_one, tab.download_all,
        tab.failures, *tab.faces.parts,
    ]  # fmt: skip
    buttons = [tab.start, tab.stop]
    inputs = [tab.files, batch_size, output_format, *controls]
    # What gives files goes through the queue: Gradio 6.31 answers other events with addresses that lack the mount.
    files: dict[str, Any] = {"concurrency_limit": None, "show_progress": "hidden", "api_visibility": "private"}

    def enhance_after(began: Any) -> None:
        run = began.then(
            guard(handlers.enhance),
            inputs=inputs,
            outputs=shown,
            **files,  # no limit: the service's turnstile counts, for both languages together
        )
        always_after(run, handlers.show_start, buttons, **quick)

    enhance_after(tab.start.click(handlers.begin, outputs=buttons, **quick))
    sample = tab.sample.click(guard(handlers.load_sample), outputs=[tab.files], **files)
    enhance_after(sample.success(handlers.begin, outputs=buttons, **quick))
    tab.camera.input(guard(handlers.add_shot), [tab.files, tab.camera], [tab.files, tab.camera], **files)
    tab.stop.click(guard(handlers.stop), outputs=[tab.stop], **quick)
    tab.compare.select(guard(handlers.choose), outputs=shown, **files)
    tab.reuse.click(guard(handlers.reuse), outputs=[*controls, output_format], **files)
    face_handlers.wire(tab.faces, handlers.faces, shown, guard)
