"""A watched folder: a photo counts only when nobody writes to it any more."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from gpen_ui.jobs.plan import plan_run
from gpen_ui.jobs.store import RunStore
from gpen_ui.jobs.types import Plan, PlannedPhoto, RunRecord

Stamp = tuple[int, int]  # size in bytes, time of the last change in nanoseconds
SHORTEST_LOOK_S = 0.2


class Watcher:
    """Finds photos that are new or have changed, and have been still for `stable_s`.

    Args:
        scan: plans the input folders anew.
        known: the stamp that each photo of the run was taken with; photos that `look` gives are added.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        scan: Callable[[], Plan],
        known: dict[Path, Stamp],
        stable_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._scan = scan
        self._known = known
        self._stable_s = stable_s
        self._clock = clock
        self._seen: dict[Path, tuple[Stamp, float]] = {}

    @property
    def look_again_s(self) -> float:
        """How soon `look` is worth calling again."""
        return max(SHORTEST_LOOK_S, min(2.0, self._stable_s / 2))

    def look(self) -> tuple[PlannedPhoto, ...]:
        """Photos that became ready since the last look.

        Raises:
            PhotoReadError: a folder cannot be read now.
        """
        now = self._clock()
        seen: dict[Path, tuple[Stamp, float]] = {}
        ready: list[PlannedPhoto] = []
        for photo in self._scan().photos:
            stamp = (photo.size_bytes, photo.mtime_ns)
            if photo.size_bytes < 0 or self._known.get(photo.path) == stamp:
                continue
            before, since = self._seen.get(photo.path, (None, now))
            if before != stamp:
                seen[photo.path] = (stamp, now)
            elif now - since >= self._stable_s:
                self._known[photo.path] = stamp
                ready.append(photo)
            else:
                seen[photo.path] = (stamp, since)
        self._seen = seen
        return tuple(ready)


def watcher_of(store: RunStore, run: RunRecord) -> Watcher:
    """What watches the folders of a run that is in the store."""
    known: dict[Path, Stamp] = {}
    after = 0
    while photos := store.ledger.photos(run.id, after=after, limit=1000):
        after = photos[-1].number
        known.update({photo.path: (photo.size_bytes, photo.mtime_ns) for photo in photos})
    is_result = store.ledger.is_result
    return Watcher(
        lambda: plan_run(run.inputs, run.output_folder, run.options, run.settings, is_result=is_result),
        known,
        run.settings.stable_s,
    )
