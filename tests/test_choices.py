"""What is asked of single faces: on, off, an own strength, another model, a box for a missed one."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from gpen_ui.choices import TYPED_PATTERN, FaceChoice, as_json, as_typed, merged, overlap, parse_choices, read_choices
from gpen_ui.engine import Chosen, RestoredPhoto, Restorer, restoration_note
from gpen_ui.engine.recent import RecentCrops
from gpen_ui.errors import OptionError
from gpen_ui.network import Gpen, GpenConfig
from gpen_ui.options import RestoreOptions
from gpen_ui.photo import Photo
from tests import pictures

# random weights draw nobody: the guard would leave every face as it was
PLAIN = RestoreOptions(mode="strong", skin_protection=False, match_look=False, strength=100, likeness_guard="off")


@pytest.fixture(scope="module")
def restorer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restorer]:
    """Two small random networks of different sizes; they change every face they see."""
    folder = tmp_path_factory.mktemp("models")
    for size in (64, 128):
        torch.manual_seed(size)
        torch.save(Gpen(GpenConfig(size, 1, 1 / 16)).state_dict(), folder / f"tiny-{size}.pth")
    with Restorer.load(folder / "tiny-64.pth", device="cpu", models_folder=folder) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def three() -> Photo:
    """Three faces in a row: numbers 1, 2 and 3."""
    return Photo(pictures.crowd(3, 1))


def restore(
    restorer: Restorer,
    photo: Photo,
    *choices: FaceChoice,
    options: RestoreOptions = PLAIN,
    crops: RecentCrops | None = None,
) -> RestoredPhoto:
    result = next(restorer.restore_many([Chosen(photo, choices)], options, crops=crops))
    assert result.error is None and result.photo is not None
    return result


def changed(result: RestoredPhoto, photo: Photo) -> list[bool]:
    """For each third of the picture whether anything in it is other than before."""
    assert result.photo is not None
    thirds = zip(np.array_split(result.photo.pixels, 3, axis=1), np.array_split(photo.pixels, 3, axis=1), strict=True)
    return [not np.array_equal(after, before) for after, before in thirds]


def test_a_face_that_is_off_stays_to_the_last_bit_and_the_others_do_not_notice(
    restorer: Restorer, three: Photo
) -> None:
    everything = restore(restorer, three)
    result = restore(restorer, three, FaceChoice(number=2, on=False))
    assert changed(everything, three) == [True, True, True] and changed(result, three) == [True, False, True]
    assert [face.state for face in result.faces] == ["restored", "left", "restored"]
    assert result.faces[1].why is not None and result.faces[1].why.key == "face_off"
    assert everything.photo is not None and result.photo is not None
    side = three.pixels.shape[1] // 3
    assert np.array_equal(everything.photo.pixels[:, :side], result.photo.pixels[:, :side])


def test_a_strength_of_its_own_is_a_blend_without_the_network(
    restorer: Restorer, three: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    crops = RecentCrops(1 << 26)
    full = restore(restorer, three, crops=crops)
    monkeypatch.setattr(restorer._parts.runner, "run", lambda *_: pytest.fail("the network ran again"))
    half = restore(restorer, three, FaceChoice(number=1, strength=50), crops=crops)
    assert [face.strength for face in half.faces] == [50, 100, 100] and "network" not in half.seconds
    assert full.photo is not None and half.photo is not None
    third = np.s_[:, : three.pixels.shape[1] // 3]
    before, after = three.pixels[third].astype(float), full.photo.pixels[third].astype(float)
    whole = (after > 0) & (after < 255)  # where the full strength was not cut off
    assert whole.mean() > 0.3 and np.abs(half.photo.pixels[third] - (before + after) / 2)[whole].max() <= 1
    nothing = restore(restorer, three, FaceChoice(number=1, strength=0), crops=crops)
    assert changed(nothing, three) == [False, True, True]


def test_a_box_stands_for_the_face_that_it_covers(restorer: Restorer, three: Photo) -> None:
    everything = restore(restorer, three, options=RestoreOptions(output_scale=2))
    box = everything.box_in_original(everything.faces[2])
    result = restore(restorer, three, FaceChoice(box_xyxy=box, on=False))
    assert [face.state for face in result.faces] == ["restored", "restored", "left"]
    reduced = restore(restorer, three, FaceChoice(box_xyxy=box, on=False), options=RestoreOptions(smallest_face_px=8))
    assert [face.state for face in reduced.faces] == ["restored", "restored", "left"]


def test_a_drawn_box_is_a_face_that_the_detector_missed(restorer: Restorer) -> None:
    photo = Photo(pictures.landscape(400, 300))
    assert restore(restorer, photo).faces == ()
    drawn = FaceChoice(box_xyxy=(200, 100, 264, 180))
    result = restore(restorer, photo, drawn)
    assert [(face.state, face.score) for face in result.faces] == [("restored", 0.0)]
    assert changed(result, photo) == [False, True, True]
    assert restore(restorer, photo, FaceChoice(box_xyxy=(200, 100, 264, 180), on=False)).faces == ()
    assert restore(restorer, photo, FaceChoice(box_xyxy=(900, 900, 964, 980))).faces == ()


def test_a_face_in_a_drawn_box_is_aligned_by_its_features_where_they_can_be_seen(restorer: Restorer) -> None:
    photo = Photo(np.ascontiguousarray(pictures.astronaut()))
    found = restore(restorer, photo).faces[0]
    left, top, right, bottom = found.box_xyxy
    loose = (left - 12, top - 20, right + 25, bottom + 10)
    strict = RestoreOptions(detector_threshold=1.0)  # finds nothing by itself
    result = restore(restorer, photo, FaceChoice(box_xyxy=loose), options=strict)
    assert overlap(result.faces[0].box_xyxy, found.box_xyxy) > 0.8 and result.faces[0].score > 0.5


def test_a_choice_restores_a_face_that_the_options_would_leave(restorer: Restorer, three: Photo) -> None:
    large_only = RestoreOptions(smallest_face_px=512)
    assert restore(restorer, three, options=large_only).restored_count == 0
    result = restore(restorer, three, FaceChoice(number=3), options=large_only)
    assert [face.state for face in result.faces] == ["left", "left", "restored"]


@pytest.mark.parametrize(("which", "expected"), [("largest", 1), ("centre", 2)])
def test_only_one_face(restorer: Restorer, which: str, expected: int) -> None:
    large, small = pictures.crowd(1, 1, face_px=140), pictures.crowd(2, 1, face_px=60)
    paper = np.full((300, 600, 3), 128, np.uint8)
    paper[:280, :280] = large[:280, :280]
    paper[:120, 300:540] = small[:120, :240]
    result = restore(restorer, Photo(paper), options=RestoreOptions(which_faces=which))
    assert [face.number for face in result.faces if face.state == "restored"] == [expected]
    keys = {face.why.key for face in result.faces if face.why is not None}
    assert keys == {f"face_not_{which}"}


def test_a_face_through_another_network_of_another_size(restorer: Restorer, three: Photo) -> None:
    crops = RecentCrops(1 << 26)
    plain = restore(restorer, three, crops=crops)
    choice = FaceChoice(number=2, model="tiny-128.pth")
    result = restore(restorer, three, choice, crops=crops)
    assert [face.model for face in result.faces] == [None, "tiny-128.pth", None]
    assert plain.photo is not None and result.photo is not None
    differs = [
        not np.array_equal(a, b)
        for a, b in zip(
            np.array_split(plain.photo.pixels, 3, axis=1), np.array_split(result.photo.pixels, 3, axis=1), strict=True
        )
    ]
    assert differs == [False, True, False]
    again = restore(restorer, three, choice, crops=crops)
    assert again.photo is not None and np.array_equal(again.photo.pixels, result.photo.pixels)


@pytest.mark.parametrize("model", ["gpen-bfr-1024", "no-such", "../tiny-128.pth", "/etc/passwd"])
def test_a_model_that_is_not_here_fails_its_face_alone(restorer: Restorer, three: Photo, model: str) -> None:
    result = restore(restorer, three, FaceChoice(number=1, model=model))
    assert [face.state for face in result.faces] == ["failed", "restored", "restored"]
    assert result.faces[0].why is not None and model in result.faces[0].why.sentence("en")
    assert changed(result, three) == [False, True, True]


def test_the_note_in_the_file_tells_the_choices(restorer: Restorer, three: Photo) -> None:
    choice = FaceChoice(number=2, strength=40)
    note = restoration_note(restore(restorer, three, choice))
    assert note is not None and parse_choices(note["FaceChoices"]) == (choice,)
    off = [FaceChoice(number=number, on=False) for number in (1, 2, 3)]
    assert restoration_note(restore(restorer, three, *off)) is None
    assert restoration_note(restore(restorer, three, FaceChoice(number=1, strength=0), *off[1:])) is None


def test_a_number_that_is_not_there_is_told(restorer: Restorer, three: Photo) -> None:
    result = restore(restorer, three, FaceChoice(number=9, on=False))
    assert [note.sentence("en") for note in result.notes if note.key == "face_number_missing"] == [
        "There is no face 9: 3 were found."
    ]


@pytest.mark.parametrize(
    "values",
    [
        "not json",
        "3",
        {"number": 1},
        [{}],
        [{"number": 1, "box_xyxy": [0, 0, 5, 5]}],
        [{"number": 0}],
        [{"number": 1, "strength": 101}],
        [{"number": 1, "colour": 3}],
        [{"box_xyxy": [5, 5, 1, 9]}],
        [{"box_xyxy": [0, 0, float("nan"), 9]}],
        [{"box_xyxy": [0, 0, 1e300, 9]}],
        [{"number": 1}] * 1001,
    ],
)
def test_a_bad_choice_is_one_sentence(values: object) -> None:
    with pytest.raises(OptionError) as caught:
        parse_choices(values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        "1",
        "=off",
        "1=",
        "1=maybe",
        "1=101",
        "0=off",
        "1=50@../x",
        "1=50@",
        "-1=on",
        "0x5+1+1=on",
        "5x5=on",
        "1=on,,2=on",
    ],
)
def test_what_is_typed_wrongly_is_one_sentence(value: str) -> None:
    with pytest.raises(OptionError, match="2=off") as caught:
        read_choices(value)
    assert "\n" not in str(caught.value) and re.fullmatch(TYPED_PATTERN, value) is None


def test_choices_as_they_are_typed() -> None:
    text = "2=off,1=40,3=80@gpen-bfr-512,4=on,85x110+820+310=5"
    assert re.fullmatch(TYPED_PATTERN, text) and read_choices("") == ()
    assert read_choices(text) == (
        FaceChoice(number=2, on=False),
        FaceChoice(number=1, strength=40),
        FaceChoice(number=3, strength=80, model="gpen-bfr-512"),
        FaceChoice(number=4),
        FaceChoice(box_xyxy=(820, 310, 905, 420), strength=5),
    )


def test_choices_are_typed_as_they_are_read_and_new_ones_take_the_place_of_those_of_the_same_face() -> None:
    text = "2=off,1=40,3=80@gpen-bfr-512,4=on,5=on@gpen-bfr-512,85x110+820+310=5"
    assert as_typed(read_choices(text)) == text and as_typed(()) == ""
    assert as_typed((FaceChoice(box_xyxy=(-2.4, 3.6, 50.2, 60)),)) == "50x56+0+4=on"
    before = read_choices("1=off,2=30,85x110+820+310=5")
    assert as_typed(merged(before, read_choices("2=on,86x112+821+309=off"))) == "1=off,2=on,86x112+821+309=off"


def test_choices_survive_their_way_as_text() -> None:
    choices = (FaceChoice(number=1, on=False), FaceChoice(box_xyxy=(1, 2, 30.5, 40), strength=0, model="gpen-bfr-512"))
    assert parse_choices(as_json(choices)) == choices and parse_choices(as_json(())) == () == parse_choices(None)


def test_recent_crops_forget_the_oldest() -> None:
    kept = RecentCrops(3 * 48)
    crops = [np.full((2, 2, 3), number, np.float32) for number in range(4)]
    for crop in crops:
        kept.put(crop, crop + 1, deep=False)
    assert kept.get(crops[0]) is None and kept.get(crops[3], "other") is None
    assert [float(found.mean()) for crop in crops[1:] if (found := kept.get(crop)) is not None] == [2.0, 3.0, 4.0]
