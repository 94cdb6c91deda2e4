"""What belongs to one open page of one visitor."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpen_ui.choices import FaceChoice
    from gpen_ui.ui.own_presets import Wish
    from gpen_ui.ui.runs import Outcome, Run


@dataclass(frozen=True)
class Faced:
    """A photo of a run whose faces a page shows one by one."""

    run_id: str
    photo_id: int
    outcome: Outcome


@dataclass
class Looking:
    """Where one open page looks in the list of runs.

    Attributes:
        run_id, photo_id: the chosen ones; None for the newest run, and for no photo.
        removing: the run of which the page asks whether to remove it.
        page: of the table of photos, counted from 0.
        seen: what was sent last for each part of the tab, so that what has not changed is not sent again.
        table: what the table of photos was last read for.
        looks: how often the tab was looked at.
        folder: where pictures for the comparison go, that of the page.
        faces_of: the photo whose faces were asked for.
        faced: the same with what is known of it; None when it cannot be shown.
        wish: stands for what was last asked of its faces.
    """

    run_id: str | None = None
    photo_id: int | None = None
    removing: str | None = None
    page: int = 0
    seen: dict[str, object] = field(default_factory=dict)
    table: object = None
    looks: int = 0
    folder: Path | None = None
    faces_of: int | None = None
    faced: Faced | None = None
    wish: object = None

    def choose(self, run_id: str) -> None:
        """Looks at a run from its first photo on."""
        self.run_id, self.photo_id, self.removing, self.page = run_id, None, None, 0


@dataclass
class Session:
    """One open page of one visitor.

    Attributes:
        folder: previews and downloads of this page, removed with it.
        single: the latest run of tab 1.
        single_stop: the wish to stop it; made new before each run, so that a click on "Stop" counts also before the run
            itself exists.
        batch: what tab 2 shows.
        results: the outcomes that tab 1 shows, in the order of its gallery.
        shown: the place of the one that is compared.
        wished: what was last asked of its faces, while that is being done.
        blend: the run that does it.
        comparing: how many comparisons of a face are being made.
        agreed: models whose licence was agreed to.
        models_drawn: the list of models as it was sent last, and in which language.
        measure_stop: set to stop a measurement.
        wish: what is to become of a preset once the visitor says yes.
    """

    folder: Path
    single: Run | None = None
    single_stop: threading.Event = field(default_factory=threading.Event)
    batch: Looking = field(default_factory=Looking)
    results: list[Outcome] = field(default_factory=list)
    shown: int = 0
    wished: tuple[FaceChoice, ...] | None = None
    blend: Run | None = None
    comparing: int = 0
    agreed: set[str] = field(default_factory=set)
    models_drawn: tuple[str, str] | None = None
    measure_stop: threading.Event = field(default_factory=threading.Event)
    wish: Wish | None = None

    def __post_init__(self) -> None:
        self.batch.folder = self.folder
