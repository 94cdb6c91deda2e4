"""Tab 2: runs over many photos or a folder. They are kept on disk and belong to the engine: a page only looks at them,
and any page may start, pause and resume them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from gpen_ui.access import named
from gpen_ui.settings import Settings
from gpen_ui.ui import batch_views, face_handlers
from gpen_ui.ui.face_handlers import FaceArea
from gpen_ui.ui.folders import UPLOAD_KINDS
from gpen_ui.ui.speech import Speech

BUSY_TICK_S = 1.5  # between looks at the runs while one is at work
IDLE_TICK_S = 5.0  # other pages and the command line may begin one
FILTERS = ("all", "done", "failed", "skipped", "left")
ACTIONS = ("pause", "stop", "resume", "retry", "apply", "open", "remove", "remove_yes", "remove_no")

# In a narrow window the run stands below the form.
SHOW_RUN = "() => { document.querySelector('#batch-run')?.scrollIntoView({block: 'nearest'}); }"


@dataclass(frozen=True)
class NewRun:
    """The form of a new run."""

    files: gr.File
    folder: gr.Textbox
    subfolders: gr.Checkbox
    output: gr.Textbox
    template: gr.Textbox
    watch: gr.Checkbox
    settings: gr.HTML
    start: gr.Button


@dataclass(frozen=True)
class Photos:
    """The table of the chosen run's photos."""

    which: gr.Radio
    text: gr.Textbox
    table: gr.HTML
    before: gr.Button
    page: gr.HTML
    after: gr.Button


@dataclass(frozen=True)
class BatchTab:
    """The tab's components; `buttons` by the names in `ACTIONS`, `area` holds what needs a chosen run."""

    new: NewRun
    runs: gr.HTML
    area: gr.Column
    progress: gr.HTML
    buttons: dict[str, gr.Button]
    hint: gr.HTML
    links: gr.HTML
    photos: Photos
    faces: FaceArea
    facts: gr.HTML
    ignored: gr.HTML
    timer: gr.Timer

    @property
    def shown(self) -> list[Component]:
        """What a look at the runs may change."""
        photos = self.photos
        return [
            self.runs, self.progress, *self.buttons.values(), self.hint, self.links, self.facts, self.ignored,
            self.timer, photos.table, photos.before, photos.page, photos.after,
        ]  # fmt: skip


def lay_out(settings: Settings, speech: Speech) -> BatchTab:
    with gr.Row(elem_classes="work"):
        with gr.Column(scale=2, min_width=280):
            new = _lay_out_new(settings, speech)
        with gr.Column(scale=5, min_width=280):
            runs = gr.HTML(js_on_load=batch_views.CHOOSE, padding=False, elem_id="batch-runs")
            with gr.Column(visible=False, elem_id="batch-run") as area:
                progress = gr.HTML(padding=False, elem_id="batch-progress")
                buttons, hint = _lay_out_buttons(speech)
                links = gr.HTML(padding=False, elem_id="batch-links")
                photos = _lay_out_photos(speech)
                faces = face_handlers.lay_out(speech, "batch")
                facts = gr.HTML(padding=False, elem_id="batch-facts")
                ignored = gr.HTML(padding=False, elem_id="batch-ignored")
    timer = gr.Timer(BUSY_TICK_S, active=False)
    return BatchTab(new, runs, area, progress, buttons, hint, links, photos, faces, facts, ignored, timer)


def _lay_out_new(settings: Settings, speech: Speech) -> NewRun:
    readable = settings.readable_folders
    here = settings.serves_only_this_machine
    files = gr.File(
        label=speech("page.batch.files"),
        file_count="multiple",
        file_types=UPLOAD_KINDS,
        height=180,
        elem_id="batch-files",
    )
    folder = gr.Textbox(
        label=speech("page.batch.folder" if here else "page.batch.folder_server"),
        info=speech("page.batch.folder.help", folders=named(readable)),
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
    with gr.Accordion(speech("page.batch.more"), open=False, elem_id="batch-more"):
        template = gr.Textbox(
            value="{name}{suffix}{ext}",
            label=speech("page.batch.template"),
            info=speech("page.batch.template.help", suffix=settings.suffix),
            elem_id="batch-template",
        )
        watch = gr.Checkbox(
            label=speech("page.batch.watch"),
            info=speech("page.batch.watch.help"),
            visible=bool(readable),
            elem_id="batch-watch",
        )
    said = gr.HTML(padding=False, elem_id="batch-settings")
    start = gr.Button(speech("page.batch.start"), variant="primary", size="lg", elem_id="batch-start")
    return NewRun(files, folder, subfolders, output, template, watch, said, start)


def _lay_out_buttons(speech: Speech) -> tuple[dict[str, gr.Button], gr.HTML]:
    """One button for each action; a look at the run shows those that make sense."""
    kinds = {"resume": "primary", "stop": "stop", "remove_yes": "stop"}
    with gr.Row(elem_classes="actions"):
        buttons = {
            name: gr.Button(
                speech(f"page.batch.{name}"),
                variant=kinds.get(name, "secondary"),  # type: ignore[arg-type]
                size="sm",
                min_width=90,
                scale=0,
                visible=False,
                elem_id=f"batch-{name.replace('_', '-')}",
            )
            for name in ACTIONS
        }
    hint = gr.HTML(padding=False, elem_id="batch-hint")
    return buttons, hint


def _lay_out_photos(speech: Speech) -> Photos:
    with gr.Row(elem_classes="filters"):
        which = gr.Radio(
            [(speech(f"page.batch.filter.{name}"), name) for name in FILTERS],
            value="all",
            label=speech("page.batch.filter"),
            scale=3,
            min_width=260,
            elem_id="batch-filter",
        )
        text = gr.Textbox(
            label=speech("page.batch.search"), max_lines=1, scale=2, min_width=140, elem_id="batch-search"
        )
    table = gr.HTML(js_on_load=batch_views.CHOOSE, padding=False, elem_id="batch-table")
    with gr.Row(elem_classes="pager"):
        before = gr.Button(speech("page.batch.before"), size="sm", scale=0, min_width=90, elem_id="batch-before")
        page = gr.HTML(padding=False, elem_id="batch-page")
        after = gr.Button(speech("page.batch.after"), size="sm", scale=0, min_width=90, elem_id="batch-after")
    return Photos(which, text, table, before, page, after)


def wire(
    tab: BatchTab,
    tabs: dict[str, gr.Tab],
    controls: list[Component],
    batch_size: Component,
    output_format: Component,
    handlers: Any,
) -> None:
    """Ties the components to `BatchHandlers`.

    Args:
        tabs: all tabs of the page by name; only while "batch" is open the page looks at the runs by itself.
    """
    guard = handlers.speech.guard
    quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    # in the queue, because other events cannot show messages; no limit: the service's turnstile counts
    spoken: dict[str, Any] = {"concurrency_limit": None, "show_progress": "hidden", "api_visibility": "private"}
    photos, new = tab.photos, tab.new
    outputs = [*tab.shown, tab.area, *tab.faces.parts]
    view = [photos.which, photos.text, batch_size, output_format, *controls]

    started = new.start.click(
        guard(handlers.start),
        inputs=[new.files, new.folder, new.subfolders, new.watch, new.output, new.template, *view],
        outputs=[new.files, *outputs],
        **spoken,
    )
    started.success(None, js=SHOW_RUN, api_visibility="private")
    for name, button in tab.buttons.items():
        button.click(guard(getattr(handlers, name)), inputs=view, outputs=outputs, **spoken)
    tab.runs.click(guard(handlers.choose_run), inputs=view, outputs=outputs, **quick)
    photos.table.click(guard(handlers.choose_photo), inputs=view, outputs=outputs, **quick)
    photos.before.click(guard(handlers.page_before), inputs=view, outputs=outputs, **quick)
    photos.after.click(guard(handlers.page_after), inputs=view, outputs=outputs, **quick)
    gr.on(
        [photos.which.change, photos.text.change],
        guard(handlers.other_photos),
        inputs=view,
        outputs=outputs,
        trigger_mode="always_last",
        **quick,
    )
    for event in face_handlers.wire(tab.faces, handlers.faces, tab.faces.parts, guard):
        event.then(handlers.tick, inputs=view, outputs=outputs, **quick)
    tab.timer.tick(handlers.tick, inputs=view, outputs=outputs, **quick)
    for name, each in tabs.items():
        if name == "batch":
            each.select(guard(handlers.arrive), inputs=view, outputs=outputs, **quick)
        else:
            each.select(handlers.leave, outputs=[tab.timer], **quick)
