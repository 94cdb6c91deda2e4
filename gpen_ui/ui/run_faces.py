"""The panel of faces in tab 2: what it asks is kept with the run, which does that photo again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from gpen_ui.errors import GpenError, UsageError
from gpen_ui.ui import views
from gpen_ui.ui.face_handlers import FacePanel, Update, changed
from gpen_ui.ui.previews import preview_of_file
from gpen_ui.ui.runs import Job, Outcome
from gpen_ui.ui.session import Faced, Looking, Session

if TYPE_CHECKING:
    from gpen_ui.engine import Restorer
    from gpen_ui.jobs import FaceRecord, PhotoRecord, RunRecord

LOOK_AGAIN_S = 0.1  # while a photo is done again


class RunFaces(FacePanel):
    """The panel for a photo of a run that is kept."""

    def open(self, session: Session) -> Update:
        """Shows the faces of the photo whose card is open, or why that cannot be."""
        looking = session.batch
        looking.faces_of, looking.faced = looking.photo_id, None
        try:
            faced = looking.faced = self._read(session, looking.run_id or "", looking.photo_id)
        except GpenError as error:  # this event cannot show a message of its own
            said = views.hint(self.speech.sentence(error))
            area = gr.update(visible=True, open=True, label=self.speech("page.faces.title"))
            return {self.faces.area: area, self.faces.panel: "", self.faces.busy: said, self.faces.strip: ""}
        update = self.shown(session, faced.outcome, arrives=True)
        label = self.speech("page.faces.of_count", name=faced.outcome.name, count=len(faced.outcome.faces))
        return {**update, self.faces.area: gr.update(visible=True, open=True, label=label)}

    def closed(self, looking: Looking) -> Update:
        """Updates that take the panel away when its photo is no longer the one that is looked at."""
        if looking.faces_of is None or looking.faces_of == looking.photo_id:
            return {}
        looking.faces_of, looking.faced, looking.wish = None, None, None
        return {self.faces.area: gr.update(visible=False), **dict.fromkeys(self.faces.parts[1:], "")}

    def in_view(self, session: Session) -> Outcome | None:
        return session.batch.faced.outcome if session.batch.faced is not None else None

    def model(self, session: Session) -> str:
        return self._run(session).settings.model

    def using(self, session: Session) -> AbstractContextManager[Restorer]:
        return self.service.working_on(self._run(session), threading.Event())

    def restore(self, session: Session, outcome: Outcome, asked: dict[str, Any]) -> Iterator[Update]:
        """Asks for it, waits for the photo to be done again, and shows it.

        Raises:
            UsageError, OptionError: it makes no sense, or the photo is gone.
        """
        from gpen_ui.jobs import asked_before, with_asked

        looking, runs = session.batch, self.service.runs
        faced = looking.faced
        photo = runs.store.ledger.photo(faced.photo_id) if faced is not None else None
        if faced is None or photo is None:
            raise UsageError("page_no_photos")
        run = runs.run(faced.run_id)
        wanted = changed(asked_before(photo, runs.store.ledger.faces(photo.id)), outcome, asked)
        choices = with_asked(runs.store, run, replace(photo, choices=()), wanted, self.service.settings.models_folder)
        wish = looking.wish = object()
        if not runs.choose(run.id, photo.id, choices):
            yield {self.faces.busy: views.hint(self.speech("page.faces.waits"))}
            return
        yield {self.faces.busy: views.waiting(self.speech("page.faces.busy"))}
        self._wait(run.id, photo.id)
        if looking.wish is not wish:
            return  # the event that came after shows its own end
        self.service.board.renew()
        looking.faced = self._read(session, run.id, photo.id)
        update = self.shown(session, looking.faced.outcome)
        yield {**update, self.faces.area: gr.skip(), self.faces.busy: views.hint(self._said(photo.id))}

    def _wait(self, run_id: str, photo_id: int) -> None:
        """Returns when the photo has come to its end, or nobody works on its run any more."""
        from gpen_ui.jobs.types import LEFT

        store = self.service.runs.store
        while (photo := store.ledger.photo(photo_id)) is not None and photo.state in LEFT:
            if not store.run(run_id).is_at_work:
                return
            time.sleep(LOOK_AGAIN_S)

    def _said(self, photo_id: int) -> str:
        """What became of the photo: the name of its file, or why there is none."""
        photo = self.service.runs.store.ledger.photo(photo_id)
        if photo is None or photo.state != "done" or photo.result is None:
            why = photo.why if photo is not None else None
            return why.sentence(self.speech.language) if why is not None else self.speech("page.faces.waits")
        return self.speech("page.faces.saved", name=photo.result.name)

    def _run(self, session: Session) -> RunRecord:
        faced = session.batch.faced
        return self.service.runs.run(faced.run_id if faced is not None else session.batch.run_id or "")

    def _read(self, session: Session, run_id: str, photo_id: int | None) -> Faced:
        runs = self.service.runs
        photo = runs.store.ledger.photo(photo_id) if photo_id is not None else None
        if photo is None or not can_choose(runs.run(run_id), photo):
            raise UsageError("page_no_face")
        outcome = outcome_of(runs.run(run_id), photo, runs.store.ledger.faces(photo.id), session.folder)
        return Faced(run_id, photo.id, outcome)


def can_choose(run: RunRecord, photo: PhotoRecord) -> bool:
    """Whether the faces of a photo can be looked at one by one: it was read once, and is not itself one face."""
    return photo.before_wh is not None and photo.state in ("done", "failed", "waiting") and not run.options.aligned


def outcome_of(run: RunRecord, photo: PhotoRecord, faces: tuple[FaceRecord, ...], folder: Path) -> Outcome:
    """A photo of a run as the panel takes it.

    Args:
        folder: where its picture goes.

    Raises:
        PhotoError: neither its result nor the photo itself can be read.
    """
    try:
        preview = preview_of_file(photo.result or photo.path, folder)
    except GpenError:  # the result was moved away; the faces stand in the same places of the photo itself
        preview = preview_of_file(photo.path, folder)
    settings = run.settings
    return Outcome(
        name=photo.path.name,
        saved=photo.result,
        before_wh=photo.before_wh,
        after_wh=photo.after_wh,
        preview=preview,
        faces=tuple((face, photo.box_in_original(face)) for face in faces),
        choices=photo.choices,
        job=Job([photo.path], run.options, run.output_folder, settings.output_format, settings.suffix, folder),
        source=photo.path,
    )
