"""What the panel of faces does: a choice restores the photo once more, of which only what changed costs time."""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.blocks import Block

from gpen_ui.catalog import ModelSpec, restoration_models
from gpen_ui.choices import SAME_FACE, Box, FaceChoice, overlap, parse_choices
from gpen_ui.errors import UsageError
from gpen_ui.ui import face_views, views
from gpen_ui.ui.runs import Outcome, Run, start_run
from gpen_ui.ui.service import Service
from gpen_ui.ui.session import Session
from gpen_ui.ui.speech import Speech
from gpen_ui.ui.variants import variants_of

if TYPE_CHECKING:
    from gpen_ui.engine import Restorer

Update = dict[Block, Any]
Show = Callable[[Session, Outcome], Update]


@dataclass(frozen=True)
class FaceArea:
    """The part of a tab that shows the faces of the photo in view."""

    area: gr.Accordion
    panel: gr.HTML
    busy: gr.HTML
    strip: gr.HTML

    @property
    def parts(self) -> list[Block]:
        return [self.area, self.panel, self.busy, self.strip]


CHOOSE_VARIANT = """
element.addEventListener('click', event => {
  const chosen = event.target.closest('[data-key]');
  if (!chosen) return;
  const [place, strength, ...model] = chosen.dataset.key.split('/');
  trigger('apply', {act: 'variant', place: Number(place), strength: Number(strength), model: model.join('/')});
});
"""


def lay_out(speech: Speech, tab: str) -> FaceArea:
    """The panel of faces, folded until somebody opens it.

    Args:
        tab: its name, which the parts' names in the page begin with.
    """
    with gr.Accordion(speech("page.faces.title"), open=False, visible=False, elem_id=f"{tab}-face-area") as area:
        panel = gr.HTML(js_on_load=face_views.script(), padding=False, elem_id=f"{tab}-faces")
        busy = gr.HTML(padding=False, elem_id=f"{tab}-faces-busy")
        strip = gr.HTML(js_on_load=CHOOSE_VARIANT, padding=False, elem_id=f"{tab}-variants")
    return FaceArea(area, panel, busy, strip)


class FacePanel(ABC):
    """What a panel does in every tab; the tab says which photo is in view, and how it is restored once more. Plain
    methods, so that tests call them without a browser."""

    def __init__(self, faces: FaceArea, service: Service, speech: Speech) -> None:
        self.faces = faces
        self.service = service
        self.speech = speech

    @abstractmethod
    def in_view(self, session: Session) -> Outcome | None:
        """The photo whose faces the panel shows."""

    @abstractmethod
    def model(self, session: Session) -> str:
        """The model of all its faces."""

    @abstractmethod
    def using(self, session: Session) -> AbstractContextManager[Restorer]:
        """The restorer with that model, when its turn comes."""

    @abstractmethod
    def restore(self, session: Session, outcome: Outcome, asked: dict[str, Any]) -> Iterator[Update]:
        """Restores the photo as a page asks, and shows what came of it."""

    def shown(self, session: Session, outcome: Outcome, *, arrives: bool = False) -> Update:
        """Updates of the panel for a photo that comes into view."""
        has_photo = outcome.preview is not None and outcome.job is not None and not outcome.job.options.aligned
        others = self.other_models(session)
        html = face_views.panel(outcome, others, self.speech, arrives=arrives) if has_photo else ""
        title = self.speech("page.faces.title_count", count=len(outcome.faces))
        return {
            self.faces.area: gr.update(visible=has_photo, label=title),
            self.faces.panel: html,
            self.faces.busy: "",
            self.faces.strip: "",
        }

    def other_models(self, session: Session) -> list[ModelSpec]:
        """Models that are here besides the one that restores all faces."""
        folder, model = self.service.settings.models_folder, self.model(session)
        return [spec for spec in restoration_models() if spec.name != model and (folder / spec.file).is_file()]

    def apply(self, request: gr.Request, event: gr.EventData) -> Iterator[Update]:
        """Does what a click, a slider or a drawn box asks.

        Raises:
            UsageError, OptionError: there is no such face, or no photo in view.
            GpenError: the photo could not be restored; the result of before stays.
        """
        session = self.service.session(request.session_hash)
        asked: dict[str, Any] = event._data if isinstance(event._data, dict) else {}
        outcome = self.in_view(session)
        if outcome is None:
            raise UsageError("page_no_photos")
        if asked.get("act") == "compare":
            yield from self._compare(session, outcome, _place(asked, outcome))
        else:
            yield from self.restore(session, outcome, asked)

    def _compare(self, session: Session, outcome: Outcome, place: int) -> Iterator[Update]:
        yield {self.faces.busy: views.waiting(self.speech("page.faces.comparing"))}
        others = self.other_models(session)
        variants = variants_of(self.service, self.using(session), outcome, place, others, self.speech)
        if self.in_view(session) is outcome:
            face, _ = outcome.faces[place]
            chosen = (face.strength if face.strength is not None else 0, face.model)
            yield {
                self.faces.strip: face_views.strip(face.number, variants, chosen, self.speech),
                self.faces.busy: "",
            }

    def idle(self) -> Any:
        """Takes the sign of work away, also when it failed."""
        return ""


class FaceHandlers(FacePanel):
    """The panel of tab 1.

    Args:
        show: updates of the rest of the tab for an outcome that took the place of another.
    """

    def __init__(self, faces: FaceArea, service: Service, speech: Speech, show: Show) -> None:
        super().__init__(faces, service, speech)
        self._show = show

    def in_view(self, session: Session) -> Outcome | None:
        return session.results[session.shown] if session.shown < len(session.results) else None

    def model(self, session: Session) -> str:
        return self.service.chosen.model

    def using(self, session: Session) -> AbstractContextManager[Restorer]:
        return self.service.using(self.service.chosen.batch_size, threading.Event())

    def restore(self, session: Session, outcome: Outcome, asked: dict[str, Any]) -> Iterator[Update]:
        choices = changed(session.wished or outcome.choices, outcome, asked)
        if outcome.job is None or outcome.source is None:
            raise UsageError("page_no_photos")
        if session.blend is not None:
            session.blend.stop.set()  # a newer wish counts
        session.wished = choices
        place, before = session.shown, session.results[session.shown]
        job = replace(outcome.job, sources=[outcome.source], choices=choices, instead_of=before)
        run = session.blend = start_run(self.service, job, self.service.chosen.batch_size, threading.Event())
        yield {self.faces.busy: views.waiting(self.speech("page.faces.busy"))}
        run.finished.wait()
        if session.blend is not run:
            return  # the event that came after shows its own end
        session.blend, session.wished = None, None
        yield self._arrived(session, run, place, before)

    def _arrived(self, session: Session, run: Run, place: int, before: Outcome) -> Update:
        error = run.error or (run.outcomes[0].error if run.outcomes else None)
        if error is not None or not run.outcomes:
            raise error or UsageError("page_stopped")
        if place >= len(session.results) or session.results[place] is not before:
            return {self.faces.busy: ""}  # other photos came into view meanwhile
        session.results[place] = run.outcomes[0]
        return self._show(session, run.outcomes[0]) if session.shown == place else {self.faces.busy: ""}


def changed(choices: tuple[FaceChoice, ...], outcome: Outcome, asked: dict[str, Any]) -> tuple[FaceChoice, ...]:
    """The choices after what a page asked.

    Args:
        asked: `act`, and `place` (of a face, from 0) with `on`, `strength` or `model`; or `box`, in shares of the
            photo's sides. From outside: nothing in it can be trusted.

    Raises:
        UsageError: it speaks of no face of the photo.
        OptionError: a value is outside its range.
    """
    act = asked.get("act")
    if act == "draw":
        return (*choices, *parse_choices([{"box_xyxy": _drawn(asked.get("box"), outcome)}]))
    _, box = outcome.faces[_place(asked, outcome)]
    old = _about(box, choices)
    values: dict[str, Any] = old.model_dump(exclude_none=True) if old is not None else {"box_xyxy": box}
    if act == "on":
        values["on"] = asked.get("on") is True
    elif act == "strength":
        values |= {"on": True, "strength": asked.get("strength")}
    elif act == "model":
        values |= {"on": True, "model": asked.get("model") or None}
    elif act == "variant":
        values |= {"on": True, "strength": asked.get("strength"), "model": asked.get("model") or None}
    else:
        raise UsageError("page_no_face")
    others = tuple(choice for choice in choices if choice is not old)
    return (*others, *parse_choices([values]))


def _place(asked: dict[str, Any], outcome: Outcome) -> int:
    place = asked.get("place")
    if not isinstance(place, int) or not 0 <= place < len(outcome.faces):
        raise UsageError("page_no_face")
    return place


def _about(box: Box, choices: tuple[FaceChoice, ...]) -> FaceChoice | None:
    """The choice that speaks of the face with this box."""
    shares = [(overlap(box, choice.box_xyxy), choice) for choice in choices if choice.box_xyxy is not None]
    best = max(shares, key=lambda each: each[0], default=(0.0, None))
    return best[1] if best[0] >= SAME_FACE else None


def _drawn(shares: object, outcome: Outcome) -> list[float]:
    """A drawn box in pixels of the photo."""
    if (
        outcome.before_wh is None
        or not isinstance(shares, list)
        or len(shares) != 4
        or not all(isinstance(each, int | float) and math.isfinite(each) for each in shares)
    ):
        raise UsageError("page_no_face")
    # whole pixels, so that a command line can name the same box
    return [float(round(share * side)) for share, side in zip(shares, outcome.before_wh * 2, strict=True)]


def wire(faces: FaceArea, handlers: FacePanel, shown: list[Block], guard: Callable[..., Any]) -> list[Any]:
    """Wires the panel.

    Args:
        shown: all that changes with a new result.
        guard: turns errors into toasts.

    Returns:
        The events, for what shall follow them.
    """
    how: dict[str, Any] = {
        "concurrency_limit": None,
        "show_progress": "hidden",
        "api_visibility": "private",
        "trigger_mode": "multiple",
    }
    events = [source.apply(guard(handlers.apply), outputs=shown, **how) for source in (faces.panel, faces.strip)]
    for event in events:
        event.failure(
            handlers.idle, outputs=[faces.busy], queue=False, show_progress="hidden", api_visibility="private"
        )
    return events
