"""Where a run's photos are restored: the one threshold between the worker, which owns store and disk, and whatever
computes. `LocalEngine` is the restorer of this process; `gpen_ui.jobs.cluster` has the one of a Ray cluster."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gpen_ui.engine.output import output_of
from gpen_ui.jobs.crops import KeptCrops
from gpen_ui.jobs.digest import digest_of_file
from gpen_ui.jobs.feed import Feed
from gpen_ui.jobs.outcome import Outcome, outcome_of
from gpen_ui.jobs.types import PhotoRecord, RunRecord

if TYPE_CHECKING:
    from gpen_ui.engine.restorer import Restorer
    from gpen_ui.engine.results import RestoredPhoto

TURN_S = 60.0  # how long one run keeps the device of this process while others may wait for it


@dataclass(frozen=True)
class Order:
    """What one feed shall do.

    Attributes:
        recipe: of the run; tells what the results are made with, see `recipe_of`.
        take: gives the next photo, None when there is none now.
        lost: a photo was begun on a machine that went away; it waits again, and `take` may give it once more.
        stop: ends the feed after the batches in flight; results that are complete still come.
    """

    run: RunRecord
    recipe: str
    take: Callable[[], PhotoRecord | None]
    lost: Callable[[PhotoRecord], None]
    stop: threading.Event


class Feeding(Protocol):
    """Photos on their way."""

    @property
    def flight(self) -> Sequence[PhotoRecord]:
        """Photos that were taken but came to no end."""
        ...

    @property
    def hangs(self) -> bool:
        """Whether something was left behind that still has not come back."""
        ...

    def results(self, time_limit_s: float) -> Iterator[tuple[PhotoRecord, Outcome]]:
        """Each photo that was taken with what came of it, in any order; see `Feed.results`."""
        ...


class Engine(Protocol):
    """Restores the photos of one run.

    Attributes:
        model_name, model_sha256: see `Restorer`.
        device: as it is shown.
        turn_s: how long it may be kept before others get it.
    """

    model_name: str
    model_sha256: str
    device: str
    turn_s: float

    def feed(self, order: Order) -> Feeding: ...


class LocalEngine:
    """The restorer of this process, and the faces that it kept.

    Args:
        folder: of the store.
    """

    turn_s = TURN_S

    def __init__(self, restorer: Restorer, run: RunRecord, folder: Path) -> None:
        report, settings = restorer.device_report, run.settings
        self.model_name = restorer.model_name
        self.model_sha256 = restorer.model_sha256
        self.device = f"{report.name} ({report.device})"
        self._restorer = restorer
        keeps = settings.keep_crops and settings.crops_mb > 0
        self._crops = KeptCrops(folder, restorer.model_sha256, settings.crops_mb) if keeps else None

    def feed(self, order: Order) -> Feed:
        output = output_of(order.run.settings)

        def finish(photo: PhotoRecord, restored: RestoredPhoto) -> Outcome:
            return outcome_of(photo, restored, order.recipe, digest_of_file(photo.path), output)

        return Feed(self._restorer, order.run.options, order.take, order.stop, self._crops, finish)

    def close(self) -> None:
        """Ends the keeping of faces; the restorer is the caller's."""
        if self._crops is not None:
            self._crops.close()
