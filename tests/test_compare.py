"""What stands behind the comparison, without a browser: its pictures, the reasons for a look, and the command."""

from __future__ import annotations

import re
import shlex
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from gpen_ui.choices import FaceChoice, as_typed, read_choices
from gpen_ui.cli import enhance
from gpen_ui.cli.program import build_program
from gpen_ui.engine.results import FaceOutcome, Note, Recipe
from gpen_ui.options import RestoreOptions
from gpen_ui.settings import Settings
from gpen_ui.ui import why
from gpen_ui.ui.pictures import TILE_PX, Pair, Pictures
from gpen_ui.ui.runs import Job, Outcome
from gpen_ui.ui.scratch import Scratch
from gpen_ui.ui.speech import Speech

WIDE_WH = (2700, 1100)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    """A photo of three rows and six columns of tiles, and a brighter one as its result."""
    width, height = WIDE_WH
    ramp = np.add.outer(np.arange(height), np.arange(width)) // 16 % 200
    for name, more in (("before.png", 0), ("after.png", 40)):
        Image.fromarray(np.repeat((ramp + more)[:, :, None], 3, 2).astype(np.uint8)).save(tmp_path / name)
    (tmp_path / "pictures").mkdir()
    files = (tmp_path / "before.png", tmp_path / "after.png")
    return Pair("photo.png", *files, WIDE_WH, WIDE_WH, tmp_path / "pictures", (tmp_path,))


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    return Pictures(Scratch(tmp_path / "pictures", 100), 150)


class TestPictures:
    def test_previews_are_bounded_and_tiles_are_the_full_size(self, pair: Pair, pictures: Pictures):
        assert pair.needs_tiles
        key = pictures.offer(pair)
        preview = pictures.preview(key, "after")
        assert preview is not None and max(Image.open(preview).size) == 2560
        last = pictures.tile(key, "after", 5, 2)
        assert last is not None and Image.open(last).size == (WIDE_WH[0] - 5 * TILE_PX, WIDE_WH[1] - 2 * TILE_PX)
        whole = np.asarray(Image.open(pair.after)).astype(int)
        tile = np.asarray(Image.open(last)).astype(int)
        assert np.abs(tile - whole[2 * TILE_PX :, 5 * TILE_PX :]).max() <= 6  # a JPEG of the very pixels

    def test_a_tile_that_made_room_for_others_is_cut_again(self, pair: Pair, pictures: Pictures):
        key = pictures.offer(pair)
        tile = pictures.tile(key, "before", 1, 1)
        assert tile is not None
        tile.unlink()
        assert pictures.tile(key, "before", 1, 1) == tile and tile.is_file()

    @pytest.mark.parametrize(
        ("side", "column", "row"), [("before", 6, 0), ("after", 0, 3), ("after", -1, 0), ("x", 0, 0)]
    )
    def test_there_is_nothing_beyond_the_photo(self, pair: Pair, pictures: Pictures, side: str, column: int, row: int):
        assert pictures.tile(pictures.offer(pair), side, column, row) is None

    def test_a_photo_that_became_a_link_to_elsewhere_is_not_read(self, pair: Pair, pictures: Pictures, tmp_path: Path):
        inside = Pair("a", tmp_path / "pictures" / "a.png", pair.after, WIDE_WH, WIDE_WH, pair.folder, (pair.folder,))
        inside.before.symlink_to(pair.before)
        key = pictures.offer(inside)
        assert pictures.preview(key, "before") is None and pictures.tile(key, "before", 0, 0) is None

    def test_the_same_pair_keeps_its_key_until_its_page_goes(self, pair: Pair, pictures: Pictures):
        key = pictures.offer(pair)
        assert pictures.offer(pair) == key and re.fullmatch("[0-9a-f]{32}", key)
        pictures.withdraw(pair.folder)
        assert pictures.preview(key, "before") is None
        assert pictures.offer(pair) != key

    def test_a_photo_that_was_deleted_has_no_pictures_and_breaks_nothing(self, pair: Pair, pictures: Pictures):
        pair.before.unlink()
        assert pictures.preview(pictures.offer(pair), "before") is None


def outcome_of(name: str, options: RestoreOptions, **values: Any) -> Outcome:
    job = Job([Path(name)], options, Path("outputs"), values.pop("output_format", "same"), "_gpen", Path())
    recipe = Recipe("gpen-lite-512", "0" * 64, options, "GPEN UI")
    return Outcome(name, Path("x_gpen.png"), job=job, recipe=recipe, **values)


def parsed(command: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the command line makes of a copied command."""
    plans: list[Any] = []
    monkeypatch.setattr(enhance, "_run", lambda plan, report: plans.append(plan))
    answer = CliRunner().invoke(build_program("en"), shlex.split(command)[1:])
    assert answer.exit_code == 0, answer.output
    return plans[0]


class TestCommand:
    @pytest.mark.parametrize("name", ["a.jpg", "it's $HOME; `x`.png", "-r.jpg", "祖母 😀.png", 'say "hi" & go\\.png'])
    def test_it_asks_for_the_same_of_the_same_photo(self, name: str, monkeypatch: pytest.MonkeyPatch):
        options = RestoreOptions(
            strength=35, mode="detail", skin_protection=False, detail_enhancement=True, contrast=-20, output_scale=4,
            long_edge=1920, detector_threshold=0.55, which_faces="largest",
        )  # fmt: skip
        choices = (FaceChoice(box_xyxy=(10.4, 20.6, 110.0, 130.0), on=False), FaceChoice(number=2, strength=40))
        settings = Settings()
        outcome = outcome_of(name, options, output_format="png", choices=choices)
        html = why.settings_used(outcome, "gpen-lite-512", settings, Speech("en"))
        found = re.search(r"<code[^>]*>(.*?)</code>", html, re.DOTALL)
        assert found is not None
        plan = parsed(unescape(found[1]), monkeypatch)
        assert plan.inputs == [Path(name)] and plan.options == options
        assert plan.settings.output_format == "png" and plan.settings.model == "gpen-lite-512"
        assert [(face.on, face.strength) for face in plan.faces] == [(False, None), (True, 40)]

    def test_defaults_are_left_out(self):
        words = why.command_of(outcome_of("a.jpg", RestoreOptions()), "gpen-lite-512", Settings())
        assert shlex.join(words) == "./run.sh enhance --model gpen-lite-512 -- a.jpg"

    @pytest.mark.parametrize(
        "choice",
        [
            FaceChoice(number=3, on=False),
            FaceChoice(number=1),
            FaceChoice(box_xyxy=(1, 2, 30, 40), strength=0, model="gpen-bfr-512"),
        ],
    )
    def test_a_choice_is_typed_as_it_is_read(self, choice: FaceChoice):
        assert read_choices(as_typed([choice])) == (choice,)


class TestWhy:
    @pytest.mark.parametrize(
        ("square", "says", "times"),
        [(128, "enlarged", "4.0"), (1024, "reduced", "2.0"), (500, "about the 512 px", "")],
    )
    def test_a_face_is_told_against_the_network(self, square: float, says: str, times: str):
        face = FaceOutcome(1, (10, 10, 70, 90), 0.9, "restored", strength=80, square_px=square, network_px=512)
        outcome = outcome_of("a.jpg", RestoreOptions(), faces=((face, face.box_xyxy),), faces_found=1, faces_restored=1)
        html = why.why(outcome, Speech("en"))
        assert ("It is 60 px wide in the photo" in html and says in html and f"{times} times" in html) or not times
        assert "20 % of the original" in html and "nothing was changed" in html

    def test_faces_that_were_left_say_why_and_advice_stands_out(self):
        small = Note("face_small", {"side": 12, "limit": 24})
        face = FaceOutcome(1, (0, 0, 12, 12), 0.9, "left", small)
        notes = (Note("suggest_scale", {"scale": 2}),)
        outcome = outcome_of("a.jpg", RestoreOptions(output_scale=2, sharpen=30), faces=((face, face.box_xyxy),),
                             faces_found=1, notes=notes)  # fmt: skip
        for speech in (Speech("en"), Speech("zh")):
            html = why.why(outcome, speech)
            assert (
                small.sentence(speech.language) in html and f'class="note">{notes[0].sentence(speech.language)}' in html
            )
        assert "enlarged 2 times" in why.why(outcome, Speech("en"))

    def test_names_cannot_carry_html(self):
        outcome = outcome_of("<b>.jpg", RestoreOptions())
        assert "<b>" not in why.settings_used(outcome, "<b>", Settings(), Speech("en"))
