"""Several strengths and models of one face side by side, from two restorations of the photo for each model."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from gpen_ui.catalog import ModelSpec
from gpen_ui.choices import SAME_FACE, Box, FaceChoice, overlap
from gpen_ui.errors import GpenError
from gpen_ui.ui.face_views import Variant
from gpen_ui.ui.runs import Outcome
from gpen_ui.ui.service import Service
from gpen_ui.ui.speech import Speech

if TYPE_CHECKING:
    from PIL.Image import Image

    from gpen_ui.engine import Restorer
    from gpen_ui.photo import Photo

STRENGTHS = (40, 60, 80, 100)
MODEL_STRENGTH = 80  # of the other models' variants, unless all faces have another one
AROUND = 0.35  # of the face's box shown on each side of it
SHOWN_PX = 260  # height of a variant's picture


def variants_of(
    service: Service,
    using: AbstractContextManager[Restorer],
    outcome: Outcome,
    place: int,
    models: Sequence[ModelSpec],
    speech: Speech,
) -> list[Variant]:
    """The face as it was, at several strengths, and through other models.

    Args:
        using: gives the restorer when its turn comes; see `Service.using`.
        place: of the face, counted from 0.
        models: others than the one of all faces; one that cannot restore the face is left out.

    Raises:
        Stopped, GpenError: as from `using`, or the photo or the face cannot be restored.
    """
    assert outcome.job is not None and outcome.source is not None
    _, box = outcome.faces[place]
    strength = outcome.job.options.strength or MODEL_STRENGTH
    with using as restorer:
        before = _face(service, restorer, outcome, FaceChoice(box_xyxy=box, strength=0), box)
        full = _face(service, restorer, outcome, FaceChoice(box_xyxy=box, strength=100), box)
        through = [FaceChoice(box_xyxy=box, strength=100, model=spec.name) for spec in models]
        others = [_face(service, restorer, outcome, choice, box) for choice in through]
    if full is None:
        raise GpenError("page_face_failed", number=place + 1)
    assert before is not None
    made = [Variant(before, 0, None, speech("page.faces.variant.original"))]
    made += [
        Variant(_blend(before, full, each), each, None, speech("page.faces.variant.strength", strength=each))
        for each in STRENGTHS
    ]
    return made + [
        Variant(
            _blend(before, picture, strength),
            strength,
            spec.name,
            speech("page.faces.variant.model", model=spec.title(speech.language), strength=strength),
        )
        for spec, picture in zip(models, others, strict=True)
        if picture is not None
    ]


def _face(service: Service, restorer: Restorer, outcome: Outcome, choice: FaceChoice, box: Box) -> Image | None:
    """The surroundings of a face in a photo that was restored with this choice; None when this face could not be.

    Raises:
        GpenError: the photo could not be restored.
    """
    from gpen_ui.engine import Chosen

    assert outcome.job is not None and outcome.source is not None
    options = outcome.job.options.model_copy(update={"likeness_guard": "off"})  # each variant as its title says
    result = next(restorer.restore_many([Chosen(outcome.source, (choice,))], options, crops=service.recent))
    if result.photo is None or result.original is None:
        raise result.error or GpenError("photo_unexpected", name=outcome.name, reason="no result")
    about = [face for face in result.faces if overlap(result.box_in_original(face), box) > SAME_FACE]
    if not any(face.state == "restored" for face in about):
        return None
    return _cut(result.photo, box, result.photo.size_wh[0] / result.original.size_wh[0])


def _cut(photo: Photo, box: Box, scale: float) -> Image:
    """A face with some of what is around it, at a height fit for the page."""
    from PIL import Image

    from gpen_ui.photo import to_eight_bits

    left, top, right, bottom = (edge * scale for edge in box)
    wide, high = AROUND * (right - left), AROUND * (bottom - top)
    width, height = photo.size_wh
    x0, y0 = max(0, int(left - wide)), max(0, int(top - high))
    x1, y1 = min(width, int(right + wide) + 1), min(height, int(bottom + high) + 1)
    picture = Image.fromarray(to_eight_bits(photo.pixels[y0:y1, x0:x1]))
    size = (max(1, round(picture.width * SHOWN_PX / picture.height)), SHOWN_PX)
    return picture.resize(size, Image.Resampling.LANCZOS)


def _blend(before: Image, full: Image, strength: int) -> Image:
    """What pasting with this strength gives: it is linear in the strength."""
    from PIL import Image

    return Image.blend(before, full, strength / 100)
