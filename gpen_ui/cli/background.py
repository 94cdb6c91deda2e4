"""What the command line says of backgrounds by Real-ESRGAN: how long they will take, and how far one is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gpen_ui.cli.speech import tell
from gpen_ui.errors import GpenError
from gpen_ui.options import RestoreOptions
from gpen_ui.texts import Language, say

if TYPE_CHECKING:  # the engine must not slow `--help` down
    from gpen_ui.engine import Restorer
    from gpen_ui.engine.backdrop import TileProgress

SECONDS_BETWEEN_LINES = 10.0
MEGAPIXEL_WH = (1000, 1000)
MINUTES_FROM_S = 100


class BackgroundLines:
    """Writes to stderr.

    Args:
        silent: say nothing.
    """

    def __init__(self, language: Language, *, silent: bool) -> None:
        self._language: Language = language
        self._silent = silent
        self._last_s = time.monotonic()

    def beforehand(self, restorer: Restorer, options: RestoreOptions, photos: Sequence[Path] = ()) -> None:
        """How long the backgrounds will take, or why there will be none.

        Args:
            photos: all of them; none: the time of a megapixel is told.
        """
        if self._silent or not options.draws_background:
            return
        from gpen_ui.photo import stored_size

        sizes = [size for size in map(stored_size, photos) if size is not None]
        one = options.model_copy(update={"long_edge": 0})
        try:
            if sizes:
                seconds = restorer.background_seconds(sizes, options)
            else:
                seconds = restorer.background_seconds([MEGAPIXEL_WH], one)
        except GpenError as error:
            tell(error.sentence(self._language))
            return
        values = {"time": self._time(seconds), "device": restorer.device_report.name, "photos": len(sizes)}
        tell(say("cli.background" if sizes else "cli.background.megapixel", self._language, **values))

    def tile(self, tile: TileProgress) -> None:
        """Now and then where a long background stands. Told by the engine's thread."""
        now = time.monotonic()
        if self._silent or tile.done in (0, tile.total) or now - self._last_s < SECONDS_BETWEEN_LINES:
            return
        self._last_s = now
        values = {"name": tile.name, "done": tile.done, "total": tile.total, "seconds": round(tile.left_s)}
        tell(say("cli.background.tile", self._language, **values))

    def _time(self, seconds: float) -> str:
        if seconds < MINUTES_FROM_S:
            return say("cli.background.seconds", self._language, seconds=max(1, round(seconds)))
        return say("cli.background.minutes", self._language, minutes=round(seconds / 60))
