"""How the runs stand, as updates of tab 2. A look sends only what has changed since the page's last one, so that many
open pages cost little."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.blocks import Block

from gpen_ui.errors import GpenError, UsageError
from gpen_ui.ui import batch_facts, batch_views, compare_views, views
from gpen_ui.ui.opener import opener
from gpen_ui.ui.pictures import Pair
from gpen_ui.ui.run_faces import can_choose
from gpen_ui.ui.session import Looking
from gpen_ui.ui.tab_batch import BUSY_TICK_S, IDLE_TICK_S, BatchTab
from gpen_ui.ui.tab_parameters import in_words

if TYPE_CHECKING:
    from gpen_ui.jobs import PhotoRecord, RunProgress, RunRecord
    from gpen_ui.jobs.types import PhotoState
    from gpen_ui.options import RestoreOptions
    from gpen_ui.settings import OutputFormat
    from gpen_ui.ui.board import Row
    from gpen_ui.ui.service import Service
    from gpen_ui.ui.speech import Speech

Update = dict[Block, Any]

ROWS_PER_PAGE = 50
IGNORED_SHOWN = 200
SEND_AGAIN_AFTER = 10  # looks: answers may overtake each other on their way, so nothing stays unsent for long


@dataclass(frozen=True)
class Wanted:
    """What the page says at the moment of a look.

    Attributes:
        which: the filter of the table of photos.
        text: only photos with this in their name.
        options, output_format, model: of tabs 3 and 4, for a run to come.
        is_local: the reader sits before this machine.
    """

    which: str
    text: str
    options: RestoreOptions
    output_format: OutputFormat
    model: str
    is_local: bool


class BatchLook:
    """Makes the updates for one page.

    Args:
        service: whose runs are looked at.
    """

    def __init__(self, tab: BatchTab, service: Service, speech: Speech) -> None:
        self.tab = tab
        self.service = service
        self.speech = speech

    def look(self, looking: Looking, wanted: Wanted, *, fresh: bool = False) -> Update:
        """Everything of the tab that has changed since the last look.

        Args:
            fresh: the store is read even if it was just now, to show what came of a press at once.
        """
        looking.looks += 1
        if looking.looks % SEND_AGAIN_AFTER == 0:
            folded = {str(each._id) for each in (self.tab.facts, self.tab.ignored)}  # drawn anew they would fold again
            looking.table = None
            looking.seen = {name: state for name, state in looking.seen.items() if name in folded}
        update: Update = {}
        try:
            if fresh:
                self.service.board.renew()
            rows = self.service.board.rows()
            row = chosen_row(looking, rows)
            self._list(looking, update, rows)
            if row is not None:
                self._run(looking, update, wanted, row)
        except UsageError:  # removed by somebody between two reads; the next look shows what there is
            self.service.board.renew()
        except GpenError as error:  # there is no list of runs, and this is why
            self._send(looking, update, self.tab.runs, views.empty(self.speech.sentence(error)))
            self._send(looking, update, self.tab.area, gr.update(visible=False))
        return update

    def _send(self, looking: Looking, update: Update, component: Block, value: Any) -> None:
        """Puts a component into the update if the page was not sent this very value last."""
        self._send_made(looking, update, component, value, lambda: value)

    def _send_made(
        self, looking: Looking, update: Update, component: Block, state: object, make: Callable[[], Any]
    ) -> None:
        """As `_send`, for a value that is worth making only when its state is another than last time."""
        name = str(component._id)
        if name not in looking.seen or looking.seen[name] != state:
            looking.seen[name] = state
            update[component] = make()

    def _list(self, looking: Looking, update: Update, rows: tuple[Row, ...]) -> None:
        from gpen_ui.jobs import is_upload

        store = self.service.runs.store
        uploads = [sum(is_upload(store, path) for path in row.run.inputs) for row in rows]
        html = batch_views.run_list(rows, looking.run_id, self.speech, uploads=uploads)
        if store.why is not None and self._shows_paths:
            html += views.hint(store.why.sentence(self.speech.language))
        self._send(looking, update, self.tab.runs, html)
        self._send(looking, update, self.tab.area, gr.update(visible=bool(rows)))
        at_work = any(row.run.is_at_work for row in rows)
        every_s = BUSY_TICK_S if at_work else IDLE_TICK_S
        self._send(looking, update, self.tab.timer, gr.update(value=every_s, active=True))

    def _run(self, looking: Looking, update: Update, wanted: Wanted, row: Row) -> None:
        run, now = row.run, self.service.board.progress(row.run.id)
        self._send(looking, update, self.tab.progress, batch_views.progress(run, now, self.speech))
        self._buttons(looking, update, wanted, run, now)
        self._photos(looking, update, wanted, run, now)
        self._facts(looking, update, run)

    def _buttons(self, looking: Looking, update: Update, wanted: Wanted, run: RunRecord, now: RunProgress) -> None:
        works = run.is_at_work
        changed = not works and differs(run, wanted)
        asks = looking.removing == run.id and not works
        visible = {
            "pause": works and run.wish == "go",
            "stop": works and run.wish == "go",
            "resume": not works and not asks and (now.left > 0 or run.state != "done"),
            "retry": not works and not asks and now.failed > 0,
            "apply": changed and not asks,
            "open": not asks and wanted.is_local and opener() is not None and run.output_folder.is_dir(),
            "remove": not works and not asks,
            "remove_yes": asks,
            "remove_no": asks,
        }
        words = {"resume": self.speech("page.batch.begin" if run.state == "planned" else "page.batch.resume")}
        for name, shows in visible.items():
            changes = {"value": words[name]} if name in words else {}
            self._send(looking, update, self.tab.buttons[name], gr.update(visible=shows, **changes))
        hint = ""
        if asks:
            hint = self.speech("page.batch.remove.help")
        elif changed:
            hint = self.speech("page.batch.apply.help", settings=in_words(wanted.options, self.speech))
        self._send(looking, update, self.tab.hint, views.hint(hint))

    def _photos(self, looking: Looking, update: Update, wanted: Wanted, run: RunRecord, now: RunProgress) -> None:
        """One page of the table. It is read again only when something happened in the run, and sent only when that
        was in its photos."""
        photos, ledger = self.tab.photos, self.service.runs.store.ledger
        states = states_of(wanted.which)
        total = ledger.count(run.id, states=states, text=wanted.text) if wanted.text else _count(now, wanted.which)
        looking.page = max(0, min(looking.page, (total - 1) // ROWS_PER_PAGE))
        newest = self.service.runs.store.last_event(run.id)
        state = (run.id, states, wanted.text, looking.page, looking.photo_id, newest, now.current)
        if looking.table != state:
            looking.table = state
            offset = looking.page * ROWS_PER_PAGE
            found = ledger.photos(run.id, states=states, text=wanted.text, limit=ROWS_PER_PAGE, offset=offset)
            rows = [(photo, self._faces(photo)) for photo in found]
            compared = self._compared(looking)
            card = compared + self._card(run, looking.photo_id, with_pictures=not compared)
            table = batch_views.photo_table(rows, looking.photo_id, card, self.speech)
            self._send(looking, update, photos.table, table)
        self._pager(looking, update, total)

    def _pager(self, looking: Looking, update: Update, total: int) -> None:
        photos = self.tab.photos
        first, last = looking.page == 0, (looking.page + 1) * ROWS_PER_PAGE >= total
        rows = min(ROWS_PER_PAGE, total - looking.page * ROWS_PER_PAGE)
        text = batch_views.pager_text(looking.page, rows, total, ROWS_PER_PAGE, self.speech)
        self._send(looking, update, photos.page, text)
        for button, ends in ((photos.before, first), (photos.after, last)):
            self._send(looking, update, button, gr.update(visible=total > ROWS_PER_PAGE, interactive=not ends))

    def _faces(self, photo: PhotoRecord) -> Any:
        """Faces of which there is something to say."""
        quiet = photo.faces_found == photo.faces_restored
        return () if quiet else self.service.runs.store.ledger.faces(photo.id)

    def _compared(self, looking: Looking) -> str:
        """The opened photo before and after, in the comparison of tab 1; nothing where one of both is not there, or is
        another file by now."""
        photo = self.service.runs.store.ledger.photo(looking.photo_id) if looking.photo_id is not None else None
        if photo is None or not batch_views.is_done(photo) or photo.result is None or looking.folder is None:
            return ""
        if photo.before_wh is None or photo.after_wh is None:
            return ""
        try:
            same = photo.path.stat().st_mtime_ns == photo.mtime_ns and photo.result.is_file()
        except OSError:
            return ""
        if not same:
            return ""
        files, within = (photo.path, photo.result), (photo.root, photo.result.parent)
        pair = Pair(photo.path.name, *files, photo.before_wh, photo.after_wh, looking.folder, within)
        return compare_views.compare([pair], 0, self.service.pictures, self.speech, name=f"run-photo-{photo.id}")

    def _card(self, run: RunRecord, photo_id: int | None, *, with_pictures: bool) -> str:
        ledger = self.service.runs.store.ledger
        photo = ledger.photo(photo_id) if photo_id is not None else None
        if photo is None:
            return ""
        shows = with_pictures and photo.state in ("done", "failed")
        pictures = list(ledger.thumbnails(photo.id)) if shows else []
        return batch_facts.photo_card(
            photo,
            ledger.faces(photo.id),
            pictures,
            self.speech,
            shows_paths=self._shows_paths,
            can_choose=can_choose(run, photo),
        )

    def _facts(self, looking: Looking, update: Update, run: RunRecord) -> None:
        from gpen_ui.jobs import is_upload

        store = self.service.runs.store
        uploads = sum(is_upload(store, path) for path in run.inputs)
        facts = batch_facts.run_facts(run, self.speech, uploads=uploads, shows_paths=self._shows_paths)
        self._send(looking, update, self.tab.facts, facts)
        self._send(looking, update, self.tab.links, batch_facts.report_links(run, self.speech))
        count = store.ignored_count(run.id)

        def ignored() -> str:
            return batch_facts.ignored_list(store.ignored(run.id, 0, IGNORED_SHOWN), count, self.speech)

        self._send_made(looking, update, self.tab.ignored, (run.id, count), ignored)

    @property
    def _shows_paths(self) -> bool:
        return self.service.settings.serves_only_this_machine


def chosen_row(looking: Looking, rows: tuple[Row, ...]) -> Row | None:
    """The run that the page looks at. A page that has chosen none, or one that is gone, gets the one at work, else the
    newest, and stays with it."""
    found = next((row for row in rows if row.run.id == looking.run_id), None)
    if found is None and rows:
        found = next((row for row in rows if row.run.is_at_work), rows[0])
        looking.choose(found.run.id)
    return found


def differs(run: RunRecord, wanted: Wanted) -> bool:
    """Whether the page's settings would give other results than those of the run."""
    of_run = (run.options, run.settings.output_format, run.settings.model)
    return of_run != (wanted.options, wanted.output_format, wanted.model)


def states_of(which: str) -> tuple[PhotoState, ...]:
    """The states that a filter lets through; none stands for all."""
    from gpen_ui.jobs.types import LEFT

    named: dict[str, tuple[PhotoState, ...]] = {
        "done": ("done",), "failed": ("failed",), "skipped": ("skipped",), "left": LEFT
    }  # fmt: skip
    return named.get(which, ())


def _count(now: RunProgress, which: str) -> int:
    counts = {"done": now.done, "failed": now.failed, "skipped": now.skipped, "left": now.left}
    return counts.get(which, now.planned)
