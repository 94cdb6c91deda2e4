"""The panel of faces without a browser: what a page asks becomes choices, and nothing from outside is trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gpen_ui.choices import FaceChoice
from gpen_ui.engine import FaceOutcome, Note
from gpen_ui.errors import OptionError, UsageError
from gpen_ui.ui.face_handlers import changed
from gpen_ui.ui.face_views import panel
from gpen_ui.ui.previews import Preview
from gpen_ui.ui.runs import Outcome
from gpen_ui.ui.speech import Speech

BOXES = ((10.0, 10.0, 50.0, 60.0), (100.0, 20.0, 140.0, 70.0))


def outcome(**values: Any) -> Outcome:
    faces = tuple((FaceOutcome(number + 1, box, 0.9, "restored", strength=80), box) for number, box in enumerate(BOXES))
    return Outcome("photo.png", Path("photo_gpen.png"), before_wh=(200, 100), faces=faces, **values)


def test_changes_of_one_face_add_up_and_leave_the_others() -> None:
    photo = outcome()
    choices = changed((), photo, {"act": "strength", "place": 1, "strength": 30})
    choices = changed(choices, photo, {"act": "on", "place": 0, "on": False})
    choices = changed(choices, photo, {"act": "model", "place": 1, "model": "gpen-bfr-512"})
    assert set(choices) == {
        FaceChoice(box_xyxy=BOXES[1], strength=30, model="gpen-bfr-512"),
        FaceChoice(box_xyxy=BOXES[0], on=False),
    }
    choices = changed(choices, photo, {"act": "variant", "place": 1, "strength": 60, "model": ""})
    assert FaceChoice(box_xyxy=BOXES[1], strength=60) in choices and len(choices) == 2


def test_a_drawn_box_is_in_pixels_of_the_photo_and_keeps_its_place_when_the_face_in_it_changes() -> None:
    photo = outcome()
    drawn = changed((), photo, {"act": "draw", "box": [0.1, 0.2, 0.3, 0.7]})
    assert drawn == (FaceChoice(box_xyxy=(20.0, 20.0, 60.0, 70.0)),)
    found = changed(drawn, photo, {"act": "strength", "place": 0, "strength": 10})  # its box covers the drawn one
    assert found == (FaceChoice(box_xyxy=(20.0, 20.0, 60.0, 70.0), strength=10),)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"act": "on"},
        {"act": "on", "place": 2, "on": True},
        {"act": "on", "place": -1, "on": True},
        {"act": "on", "place": "0", "on": True},
        {"act": "strength", "place": 0, "strength": 101},
        {"act": "strength", "place": 0, "strength": "x"},
        {"act": "model", "place": 0, "model": {"a": 1}},
        {"act": "wipe", "place": 0},
        {"act": "draw"},
        {"act": "draw", "box": [0, 0, 1]},
        {"act": "draw", "box": [0, 0, "1", 1]},
        {"act": "draw", "box": [0.5, 0.5, 0.2, 0.2]},
        {"act": "draw", "box": [0, 0, float("inf"), 1]},
    ],
)
def test_what_makes_no_sense_is_one_sentence(asked: dict[str, Any]) -> None:
    with pytest.raises((UsageError, OptionError)) as caught:
        changed((), outcome(), asked)
    assert "\n" not in str(caught.value)


def test_names_and_reasons_in_the_panel_are_escaped(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (20, 10)).save(tmp_path / "a.jpg")
    preview = Preview(*(tmp_path / "a.jpg",) * 3)
    why = Note("face_failed", {"reason": "<script>alert(1)</script>"})
    face = (FaceOutcome(1, BOXES[0], 0.9, "failed", why), BOXES[0])
    photo = Outcome('"><script>x</script>', None, before_wh=(200, 100), preview=preview, faces=(face,))
    html = panel(photo, [], Speech("en"))
    assert "<script>" not in html and "&lt;script&gt;" in html
