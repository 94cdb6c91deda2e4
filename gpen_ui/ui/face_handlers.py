"""What the panel of faces does: a choice restores the photo once more, of which only what changed costs time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

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

Update = dict[Block, Any]
Show = Callable[[Session, Outcome], Update]


@dataclass(frozen=True)
class FaceArea:
    """The part of tab 1 that shows the faces of the photo in view."""

    area: gr.Accordion
    panel: gr.HTML
    busy: gr.HTML
    strip: gr.HTML


CHOOSE_VARIANT = """
element.addEventListener('click', event => {
  const chosen = event.target.closest('[data-key]');
  if (!chosen) return;
  const [place, strength, ...model] = chosen.dataset.key.split('/');
  trigger('apply', {act: 'variant', place: Number(place), strength: Number(strength), model: model.join('/')});
});
"""


def lay_out(speech: Speech) -> FaceArea:
    with gr.Accordion(speech("page.faces.title"), open=False, visible=False, elem_id="single-face-area") as area:
        panel = gr.HTML(js_on_load=face_views.script(), padding=False, elem_id="single-faces")
        busy = gr.HTML(padding=False, elem_id="single-faces-busy")
        strip = gr.HTML(js_on_load=CHOOSE_VARIANT, padding=False, elem_id="single-variants")
    return FaceArea(area, panel, busy, strip)


class FaceHandlers:
    """Plain methods, so that tests call them without a browser.

    Args:
        show: updates of the rest of the tab for an outcome that took the place of another.
    """

    def __init__(self, faces: FaceArea, service: Service, speech: Speech, show: Show) -> None:
        self.faces = faces
        self.service = service
        self.speech = speech
        self._show = show

    def shown(self, outcome: Outcome) -> Update:
        """Updates of the panel for a photo that comes into view."""
        has_photo = outcome.preview is not None and outcome.job is not None and not outcome.job.options.aligned
        html = face_views.panel(outcome, self.other_models(), self.speech) if has_photo else ""
        title = self.speech("page.faces.title_count", count=len(outcome.faces))
        return {
            self.faces.area: gr.update(visible=has_photo, label=title),
            self.faces.panel: html,
            self.faces.busy: "",
            self.faces.strip: "",
        }

    def other_models(self) -> list[ModelSpec]:
        """Models that are here besides the one that restores all faces."""
        folder = self.service.settings.models_folder
        return [
            spec
            for spec in restoration_models()
            if spec.name != self.service.chosen.model and (folder / spec.file).is_file()
        ]

    def apply(self, request: gr.Request, event: gr.EventData) -> Iterator[Update]:
        """Does what a click, a slider or a drawn box asks.

        Raises:
            UsageError, OptionError: there is no such face, or no photo in view.
            GpenError: the photo could not be restored; the result of before stays.
        """
        session = self.service.session(request.session_hash)
        asked: dict[str, Any] = event._data if isinstance(event._data, dict) else {}
        if session.shown >= len(session.results):
            raise UsageError("page_no_photos")
        outcome = session.results[session.shown]
        if asked.get("act") == "compare":
            yield from self._compare(session, outcome, _place(asked, outcome))
        else:
            yield from self._restore(session, outcome, changed(session.wished or outcome.choices, outcome, asked))

    def _restore(self, session: Session, outcome: Outcome, choices: tuple[FaceChoice, ...]) -> Iterator[Update]:
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

    def _compare(self, session: Session, outcome: Outcome, place: int) -> Iterator[Update]:
        yield {self.faces.busy: views.waiting(self.speech("page.faces.comparing"))}
        variants = variants_of(self.service, outcome, place, self.other_models(), self.speech, threading.Event())
        if session.shown < len(session.results) and session.results[session.shown] is outcome:
            face, _ = outcome.faces[place]
            chosen = (face.strength if face.strength is not None else 0, face.model)
            yield {
                self.faces.strip: face_views.strip(face.number, variants, chosen, self.speech),
                self.faces.busy: "",
            }

    def idle(self) -> Any:
        """Takes the sign of work away, also when it failed."""
        return ""


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
        or not all(isinstance(each, int | float) for each in shares)
    ):
        raise UsageError("page_no_face")
    # whole pixels, so that a command line can name the same box
    return [float(round(share * side)) for share, side in zip(shares, outcome.before_wh * 2, strict=True)]


def wire(faces: FaceArea, handlers: FaceHandlers, shown: list[Block], guard: Callable[..., Any]) -> None:
    """Args:
    shown: all that changes with a new result.
    guard: turns errors into toasts.
    """
    how: dict[str, Any] = {
        "concurrency_limit": None,
        "show_progress": "hidden",
        "api_visibility": "private",
        "trigger_mode": "multiple",
    }
    for source in (faces.panel, faces.strip):
        event = source.apply(guard(handlers.apply), outputs=shown, **how)
        event.failure(
            handlers.idle, outputs=[faces.busy], queue=False, show_progress="hidden", api_visibility="private"
        )
