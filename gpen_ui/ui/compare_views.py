"""HTML of the comparison, `<photo-compare>` (web/compare.js): photos before and after, for any tab. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Any

from gpen_ui.ui.pictures import Pair, Pictures
from gpen_ui.ui.previews import PREVIEW_LONG_EDGE_PX
from gpen_ui.ui.speech import Speech

WORDS = (
    "compare", "divider", "value", "before", "after", "which", "previous", "next", "fit", "one", "lens", "hold",
    "screen", "lensOf", "zoomed", "help", "keys", "fitHelp", "oneHelp", "lensHelp", "holdHelp", "screenHelp",
)  # fmt: skip
PLACES = ("name", "before", "after", "number", "total", "percent")  # that the element fills in
# Makes the element's going to another photo an event that a handler gets as {place}.
CHOOSE = "element.addEventListener('photochange', event => trigger('select', event.detail));"


def compare(pairs: Sequence[Pair], chosen: int, pictures: Pictures, speech: Speech, *, name: str) -> str:
    """The element; nothing when there is no pair.

    Args:
        chosen: place of the pair in view.
        name: of the element, by which it finds its divider again.
    """
    if not pairs:
        return ""
    photos = json.dumps([_photo(pair, pictures.offer(pair)) for pair in pairs])
    words = {word: speech.template(f"page.compare.{word}", PLACES) for word in WORDS}
    texts = json.dumps(words, ensure_ascii=False)
    return (
        f'<photo-compare id="{escape(name)}" texts="{escape(texts)}" chosen="{chosen}" photos="{escape(photos)}">'
        "</photo-compare>"
    )


def _photo(pair: Pair, key: str) -> dict[str, Any]:
    """One photo as the element takes it; addresses are relative to the page."""
    place = f"../pictures/{key}"
    width, height = pair.after_wh
    return {
        "name": pair.name,
        **{kind: f"{place}/{kind}.jpg" for kind in ("before", "after", "small")},
        "width": width,
        "height": height,
        "beforeWidth": pair.before_wh[0],
        "beforeHeight": pair.before_wh[1],
        "preview": round(width * min(1.0, PREVIEW_LONG_EDGE_PX / max(width, height))),
        "tiles": place if pair.needs_tiles else None,
        "look": pair.look_at,
    }
