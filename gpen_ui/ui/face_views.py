"""HTML of the faces of one photo: numbered on the picture, a row for each, a strip to compare. Pure functions."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from gpen_ui.catalog import ModelSpec
from gpen_ui.jobs.likeness_marks import likeness_marks
from gpen_ui.ui.runs import Outcome
from gpen_ui.ui.speech import Speech

if TYPE_CHECKING:
    from PIL.Image import Image

    from gpen_ui.choices import Box
    from gpen_ui.engine.results import FaceOutcome
    from gpen_ui.jobs import FaceRecord

PICTURE_LONG_EDGE_PX = 1280  # of the picture that the faces are numbered on
PICTURE_QUALITY = 85


def script() -> str:
    """What makes the panel answer to mouse, touch and keyboard."""
    return Path(__file__).with_name("faces.js").read_text(encoding="utf-8")


def panel(outcome: Outcome, models: Sequence[ModelSpec], speech: Speech, *, arrives: bool = False) -> str:
    """The photo with its numbered faces, and for each a row with what can be asked of it.

    Args:
        models: others than the one of all faces whose files are here.
        arrives: it comes into view and takes the keyboard's place.
    """
    if outcome.preview is None or outcome.before_wh is None:
        return ""
    marks = "".join(_mark(face, box, outcome.before_wh, speech) for face, box in outcome.faces)
    rows = "".join(_row(face, outcome, models, speech) for face, _ in outcome.faces)
    picture = f'<img alt="{escape(outcome.name)}" src="{_picture(outcome.preview.after)}">'
    title = escape(speech("page.faces.of", name=outcome.name))
    comes = f' data-arrives tabindex="-1" aria-label="{title}"' if arrives else ""
    return (
        f'<section class="face-panel"{comes}><p class="hint">{escape(speech("page.faces.help"))}</p>'
        f'<div class="face-photo">{picture}{marks}</div>'
        f'<div class="face-tools"><button type="button" data-draw data-key="draw" aria-pressed="false">'
        f"{escape(speech('page.faces.draw'))}</button>"
        f'<p class="hint draw-help" role="status" hidden>{escape(speech("page.faces.draw.help"))}</p></div>'
        f'<ul class="face-rows">{rows}</ul></section>'
    )


def _mark(face: FaceOutcome | FaceRecord, box: Box, size_wh: tuple[int, int], speech: Speech) -> str:
    """The frame and number of a face on the picture; a button."""
    width, height = size_wh
    left, top = max(0.0, box[0] / width), max(0.0, box[1] / height)
    right, bottom = min(1.0, box[2] / width), min(1.0, box[3] / height)
    style = f"left:{left:.2%};top:{top:.2%};width:{right - left:.2%};height:{bottom - top:.2%}"
    said = speech("page.faces.mark", number=face.number, state=speech(f"page.faces.state.{face.state}"))
    pressed = "true" if face.state == "restored" else "false"
    return (
        f'<button type="button" class="face {face.state}" data-place="{face.number - 1}" data-key="mark-{face.number}" '
        f'aria-pressed="{pressed}" aria-label="{escape(said)}" title="{escape(said)}" style="{style}">'
        f"<span>{face.number}</span></button>"
    )


def _row(face: FaceOutcome | FaceRecord, outcome: Outcome, models: Sequence[ModelSpec], speech: Speech) -> str:
    number, on = face.number, face.state == "restored"
    strength = face.strength if face.strength is not None else _strength_of_all(outcome)
    name = escape(speech("page.faces.one", number=number))
    parts = [
        f'<label class="which"><input type="checkbox" data-key="on-{number}"{" checked" if on else ""}>'
        f"<span>{name}</span></label>"
    ]
    if on:
        parts.append(
            f'<label class="strength"><span>{escape(speech("page.faces.strength"))}</span>'
            f'<input type="range" min="0" max="100" step="5" value="{strength}" data-key="strength-{number}">'
            f"<output>{strength}</output></label>"
        )
        if models:
            parts.append(_model_choice(face, models, speech))
        parts.append(
            f'<button type="button" data-compare data-key="compare-{number}" '
            f'aria-label="{escape(speech("page.faces.compare.one", number=number))}">'
            f"{escape(speech('page.faces.compare'))}</button>"
        )
    if face.likeness is not None:
        parts.append(f'<p class="likeness-of">{likeness_marks([face], speech.language)}</p>')
    if face.why is not None:
        parts.append(f'<p class="why">{escape(face.why.sentence(speech.language))}</p>')
    return f'<li data-place="{number - 1}">{"".join(parts)}</li>'


def _strength_of_all(outcome: Outcome) -> int:
    return outcome.job.options.strength if outcome.job is not None else 100


def _model_choice(face: FaceOutcome | FaceRecord, models: Sequence[ModelSpec], speech: Speech) -> str:
    options = [("", speech("page.faces.model.same"))]
    options += [(spec.name, spec.title(speech.language)) for spec in models]
    listed = "".join(
        f'<option value="{escape(value)}"{" selected" if value == (face.model or "") else ""}>{escape(title)}</option>'
        for value, title in options
    )
    return (
        f'<label class="model"><span>{escape(speech("page.faces.model"))}</span>'
        f'<select data-key="model-{face.number}">{listed}</select></label>'
    )


@dataclass(frozen=True, eq=False)
class Variant:
    """One way to restore a face, with a picture of it.

    Attributes:
        strength: in percent; 0 is the face as it was.
        model: name of another model than the one of all faces.
        title: shown below the picture.
    """

    picture: Image
    strength: int
    model: str | None
    title: str


def strip(number: int, variants: Sequence[Variant], chosen: tuple[int, str | None], speech: Speech) -> str:
    """The variants of a face side by side, each a button that takes it.

    Args:
        chosen: strength and model that the face has now.
    """
    items = []
    for variant in variants:
        current = ' aria-current="true"' if (variant.strength, variant.model) == chosen else ""
        key = escape(f"{number - 1}/{variant.strength}/{variant.model or ''}")
        items.append(
            f'<li><button type="button" data-key="{key}"{current}>'
            f'<img alt="" src="{data_uri(variant.picture)}"><span>{escape(variant.title)}</span></button></li>'
        )
    title = escape(speech("page.faces.compare.title", number=number))
    return f'<section class="variants"><h3>{title}</h3><ul>{"".join(items)}</ul></section>'


def _picture(path: Path) -> str:
    from PIL import Image

    with Image.open(path) as picture:
        picture.thumbnail((PICTURE_LONG_EDGE_PX, PICTURE_LONG_EDGE_PX))
        return data_uri(picture)


def data_uri(picture: Image) -> str:
    """The picture inside an address, so that no route has to serve it."""
    packed = io.BytesIO()
    picture.save(packed, "JPEG", quality=PICTURE_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(packed.getvalue()).decode()}"
