"""The numbers that docs/faces.md names are those of the program."""

from __future__ import annotations

import pytest

from gpen_ui import choices
from gpen_ui.engine import prepare
from gpen_ui.faces import align, anchors, detect, drawn, tiled
from gpen_ui.options import ANY_BLUR_PERCENT, RestoreOptions
from tests.commands import CHECKOUT

OPTIONS = RestoreOptions()
POINTS = [f"({x:.3f}, {y:.3f})" for x, y in align.TEMPLATE_POINTS]


@pytest.mark.parametrize(
    "sentence",
    [
        f"reduced to {detect.LONG_SIDE_PX} px on its longer side",
        f"and once more to {detect.CLOSE_UP_SIDE_PX} px",
        f"pieces of at most {tiled.LONGEST_PIECE_PX} px",
        f"more than {tiled.LEAST_GAIN['auto']} times as fine as the first",
        f"larger than {detect.LONG_SIDE_PX * tiled.LEAST_GAIN['auto']:.0f} px",
        f"no more than {tiled.MOST_PIXELS['auto'] / 1e6:.0f} megapixels",
        f"also where it is {tiled.LEAST_GAIN['always']} times as fine",
        f"enlarged up to {tiled.LARGEST_SCALE['always']:.0f} times",
        f"no more than {tiled.MOST_PIXELS['always'] / 1e6:.0f} megapixels",
        f"narrower than {tiled.SEEN_WELL_PX:.0f} px in the first look",
        f"| `{OPTIONS.second_look}` (default) |",
        f"| `--smallest-face` | {OPTIONS.smallest_face_px} px |",
        f"| `--most-turned` | {OPTIONS.most_turned_deg}° (all) |",
        f"| `--most-blur` | {OPTIONS.most_blur_percent} % |",
        f"`--most-turned 90` and `--most-blur {ANY_BLUR_PERCENT}` allow every face",
        f"anchors of {anchors.ANCHOR_SIDES_PX[0][0]} to {anchors.ANCHOR_SIDES_PX[-1][-1]} px",
        f"share {100 * anchors.SAME_FACE_IOU:.0f} % of their union, or of which {100 * anchors.SAME_FACE_INSIDE:.0f} %",
        f"covers by {100 * choices.SAME_FACE:.0f} % of the union",
        f"brought to {drawn.LOOK_SIDE_PX} px and searched at a certainty of {drawn.LOOK_THRESHOLD}",
        f"eyes {POINTS[0]} and {POINTS[1]}, nose {POINTS[2]}, corners of the mouth {POINTS[3]} and {POINTS[4]}",
        f"larger than {prepare.LARGE_FACE_SHARE} crops",
    ],
)
def test_the_document_says_what_the_program_does(sentence: str) -> None:
    text = " ".join((CHECKOUT / "docs" / "faces.md").read_text(encoding="utf-8").split())
    assert sentence in text
    assert prepare.SMALL_FACE_SHARE == 0.5  # "smaller than half the crop"
