"""What the events of tab 2 do: begin runs, press their buttons, choose and turn pages. Plain methods, so that tests
call them without a browser. All give back what `BatchLook` makes."""

from __future__ import annotations

import dataclasses
import ipaddress
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from gpen_ui.access import input_folder, output_folder
from gpen_ui.errors import UsageError
from gpen_ui.photo.kinds import SHOWN_FORMATS
from gpen_ui.ui.batch_facts import FACES_KEY
from gpen_ui.ui.batch_look import BatchLook, Update, Wanted, chosen_row
from gpen_ui.ui.batch_size import batch_size_of
from gpen_ui.ui.folders import uploaded
from gpen_ui.ui.opener import open_folder
from gpen_ui.ui.run_faces import RunFaces
from gpen_ui.ui.service import Service
from gpen_ui.ui.session import Looking
from gpen_ui.ui.speech import Speech
from gpen_ui.ui.tab_batch import BatchTab
from gpen_ui.ui.tab_parameters import options_from

if TYPE_CHECKING:
    from gpen_ui.jobs import Plan, RunRecord, Runs, RunSettings

log = logging.getLogger(__name__)
MB = 1 << 20


class BatchHandlers:
    """What the tab's events do. Runs go on when their page is closed: they belong to the service.

    The last inputs of every event are `view`: filter, text to search for, batch size and format of tab 4, and the
    values of tab 3; see `tab_batch.wire`.
    """

    def __init__(self, tab: BatchTab, service: Service, speech: Speech) -> None:
        self.tab = tab
        self.service = service
        self.speech = speech
        self.faces = RunFaces(tab.faces, service, speech)
        self._look = BatchLook(tab, service, speech)

    # ---- looking ----

    def arrive(self, request: gr.Request, *view: Any) -> Update:
        """The tab was opened: everything is sent, and the page looks at the runs by itself from now on."""
        looking = self._looking(request)
        looking.seen.clear()
        looking.table = None
        return self._shown(request, view, fresh=True)

    def leave(self) -> Any:
        """Another tab was opened."""
        return gr.Timer(active=False)

    def tick(self, request: gr.Request, *view: Any) -> Update:
        """Looks again. What goes wrong here would come back every second, so it goes to the log and not into toasts."""
        try:
            return self._shown(request, view)
        except Exception:
            log.exception("a look at the runs failed")
            return _nothing()

    def choose_run(self, request: gr.Request, event: gr.EventData, *view: Any) -> Update:
        key = _key(event)
        if any(row.run.id == key for row in self.service.board.rows()):
            self._looking(request).choose(key)
        return self._shown(request, view)

    def choose_photo(self, request: gr.Request, event: gr.EventData, *view: Any) -> Update:
        """Shows the card of a photo; pressed once more it goes. In the card, its faces."""
        looking = self._looking(request)
        key = _key(event)
        if key == FACES_KEY:
            update = self.faces.open(self.service.session(request.session_hash))
            return {**self._shown(request, view), **update}
        number = int(key) if key.isascii() and key.isdecimal() and len(key) < 18 else None
        looking.photo_id = None if number == looking.photo_id else number
        return self._shown(request, view)

    def page_before(self, request: gr.Request, *view: Any) -> Update:
        self._looking(request).page -= 1
        return self._shown(request, view)

    def page_after(self, request: gr.Request, *view: Any) -> Update:
        self._looking(request).page += 1
        return self._shown(request, view)

    def other_photos(self, request: gr.Request, *view: Any) -> Update:
        """The filter was changed."""
        self._looking(request).page = 0
        return self._shown(request, view)

    # ---- a new run ----

    def start(
        self,
        request: gr.Request,
        paths: list[str] | None,
        folder_text: str | None,
        subfolders: bool,
        watch: bool,
        output_text: str | None,
        template: str | None,
        *view: Any,
    ) -> Update:
        """Begins a run over uploads and a folder's photos, and chooses it.

        Raises:
            UsageError, OptionError, PhotoReadError: nothing was begun.
        """
        runs, settings = self.service.runs, self.service.settings
        sources = uploaded(paths, self.service.scratch)
        folder = input_folder(folder_text, settings) if folder_text and folder_text.strip() else None
        if not sources and folder is None:
            raise UsageError("page_no_photos")
        target = output_folder(output_text or "", settings)
        usual = self._run_settings(view)
        chosen = dataclasses.replace(
            usual,
            template=(template or "").strip() or usual.template,
            recursive=bool(subfolders),
            watch=bool(watch) and folder is not None,
        )
        run_id = self._begin(runs, sources, folder, target, self._wanted(request, view), chosen)
        self._looking(request).choose(run_id)
        return {self.tab.new.files: None, **self._shown(request, view, fresh=True)}

    def _begin(
        self, runs: Runs, uploads: list[Path], folder: Path | None, target: Path, wanted: Wanted, chosen: RunSettings
    ) -> str:
        from gpen_ui.jobs import forget_uploads, keep_uploads, plan_run, trim_uploads

        most_mb = self.service.settings.temporary_mb
        size = sum(upload.stat().st_size for upload in uploads)
        if uploads and trim_uploads(runs.store, max(0, most_mb * MB - size)) + size > most_mb * MB:
            raise UsageError("page_no_room", most=most_mb)
        kept = keep_uploads(runs.store, uploads) if uploads else []
        inputs = [*kept, *([folder] if folder is not None else [])]
        try:
            plan: Plan = plan_run(inputs, target, wanted.options, chosen, is_result=runs.store.ledger.is_result)
            if not plan.photos and not chosen.watch:
                raise UsageError("page_folder_empty", folder=folder, ignored=len(plan.ignored), kinds=SHOWN_FORMATS)
            run_id = runs.create(plan)
        except BaseException:
            forget_uploads(runs.store, kept)
            raise
        runs.start(run_id)
        return run_id

    def _run_settings(self, view: tuple[Any, ...]) -> RunSettings:
        """What tab 4 and the settings say, for a run that begins or changes now."""
        from gpen_ui.jobs import run_settings_of

        chosen = self.service.chosen
        return run_settings_of(
            self.service.settings,
            model=chosen.model,
            device=chosen.device,
            batch_size=batch_size_of(view[2]),
            output_format=view[3],
        )

    # ---- buttons of a run ----

    def pause(self, request: gr.Request, *view: Any) -> Update:
        return self._act(request, view, lambda runs, run: runs.pause(run.id))

    def stop(self, request: gr.Request, *view: Any) -> Update:
        return self._act(request, view, lambda runs, run: runs.cancel(run.id))

    def resume(self, request: gr.Request, *view: Any) -> Update:
        """Goes on as the run was; that somebody else did so a moment before is just as well."""

        def go_on(runs: Runs, run: RunRecord) -> None:
            if not runs.run(run.id).is_at_work:
                runs.resume(run.id)

        return self._act(request, view, go_on)

    def apply(self, request: gr.Request, *view: Any) -> Update:
        """Goes on with what the page says now; only what that touches is done again."""
        options, usual = self._wanted(request, view).options, self._run_settings(view)

        def go_on(runs: Runs, run: RunRecord) -> None:
            changed = dataclasses.replace(
                run.settings,
                model=usual.model,
                device=usual.device,
                batch_size=usual.batch_size,
                output_format=usual.output_format,
            )
            runs.resume(run.id, options=options, settings=changed)

        return self._act(request, view, go_on)

    def retry(self, request: gr.Request, *view: Any) -> Update:
        return self._act(request, view, lambda runs, run: runs.retry_failed(run.id))

    def open(self, request: gr.Request, *view: Any) -> Update:
        """Opens the results in this machine's file manager.

        Raises:
            UsageError: the reader sits before another machine, or there is nothing to open it with.
        """

        def show(runs: Runs, run: RunRecord) -> None:
            if not self._is_local(request):
                raise UsageError("page_folder_unopened", folder=run.output_folder.name)
            open_folder(run.output_folder)

        return self._act(request, view, show)

    def remove(self, request: gr.Request, *view: Any) -> Update:
        """Asks first."""
        looking = self._looking(request)
        return self._act(request, view, lambda runs, run: setattr(looking, "removing", run.id))

    def remove_no(self, request: gr.Request, *view: Any) -> Update:
        self._looking(request).removing = None
        return self._shown(request, view)

    def remove_yes(self, request: gr.Request, *view: Any) -> Update:
        """Forgets the run that was asked about."""
        looking = self._looking(request)

        def forget(runs: Runs, run: RunRecord) -> None:
            if looking.removing == run.id:
                runs.remove(run.id)

        return self._act(request, view, forget)

    def _act(self, request: gr.Request, view: tuple[Any, ...], action: Callable[[Runs, RunRecord], object]) -> Update:
        """Does something with the chosen run and shows what came of it."""
        looking, board = self._looking(request), self.service.board
        board.renew()
        row = chosen_row(looking, board.rows())
        if row is not None:
            action(self.service.runs, row.run)
        return self._shown(request, view, fresh=True)

    # ---- what a request says ----

    def _shown(self, request: gr.Request, view: tuple[Any, ...], *, fresh: bool = False) -> Update:
        update = self._look.look(self._looking(request), self._wanted(request, view), fresh=fresh)
        return {**update, **self.faces.closed(self._looking(request))} or _nothing()

    def _looking(self, request: gr.Request) -> Looking:
        return self.service.session(request.session_hash).batch

    def _wanted(self, request: gr.Request, view: tuple[Any, ...]) -> Wanted:
        which, text, _, output_format, *option_values = view
        return Wanted(
            which=str(which),
            text=str(text or "").strip(),
            options=options_from(option_values),
            output_format=output_format,
            model=self.service.chosen.model,
            is_local=self._is_local(request),
        )

    def _is_local(self, request: gr.Request) -> bool:
        """Whether the reader sits before this machine, as far as can be told."""
        client = getattr(request, "client", None)
        if not self.service.settings.serves_only_this_machine or client is None:
            return False
        try:
            return ipaddress.ip_address(client.host).is_loopback
        except ValueError:
            return False


def _key(event: gr.EventData) -> str:
    """What was pressed; a made-up request may hold anything there."""
    return str(event._data.get("key", "")) if isinstance(event._data, dict) else ""


def _nothing() -> Update:
    """Leaves every output as it is."""
    nothing: Update = gr.skip()
    return nothing
