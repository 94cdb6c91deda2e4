"""The engine's stream in a thread of its own, so that a photo on which it hangs can be told and left behind."""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpen_ui.engine.sources import Chosen
from gpen_ui.jobs.outcome import Outcome
from gpen_ui.jobs.types import PhotoRecord
from gpen_ui.options import RestoreOptions

if TYPE_CHECKING:
    from gpen_ui.engine.backdrop import TileProgress
    from gpen_ui.engine.prepare import Crops
    from gpen_ui.engine.restorer import Restorer
    from gpen_ui.engine.results import RestoredPhoto

TICK_S = 0.2
Take = Callable[[], PhotoRecord | None]
Finish = Callable[[PhotoRecord, "RestoredPhoto"], Outcome]
log = logging.getLogger(__name__)


class FeedBroken(Exception):  # noqa: N818 - told by `suspects`
    """The stream hangs or fell over; the photos that were in it came to no end.

    Attributes:
        suspects: one of these is why.
        cause: what was raised; None when nothing came for too long.
    """

    def __init__(self, suspects: list[PhotoRecord], cause: BaseException | None) -> None:
        super().__init__(str(cause) if cause is not None else "time limit")
        self.suspects = suspects
        self.cause = cause


@dataclass(frozen=True)
class _Unfinished:
    """`finish` raised."""

    cause: Exception


class Feed:
    """One stream of photos through a restorer.

    Args:
        take: gives the next photo, None at the end; called in the feed's thread.
        stop: ends the stream after the batch in flight; results that are complete still come.
        finish: makes the photo's end of what the stream gave; called in threads of the engine, beside the network.
    """

    def __init__(
        self,
        restorer: Restorer,
        options: RestoreOptions,
        take: Take,
        stop: threading.Event,
        crops: Crops | None,
        finish: Finish,
    ) -> None:
        self.flight: deque[PhotoRecord] = deque()  # taken, but without a result yet
        self._taken: dict[str, PhotoRecord] = {}
        self._take = take
        self._stop = stop
        self._finish = finish
        self._left_behind = threading.Event()
        self._moved = threading.Event()  # a tile of a background is done: the stream does not hang
        self._results: queue.Queue[Outcome | _Unfinished | BaseException | None] = queue.Queue(1)
        self._thread = threading.Thread(target=self._run, args=(restorer, options, crops), name="feed", daemon=True)

    @property
    def hangs(self) -> bool:
        """Whether the stream was left behind and still has not come back."""
        return self._left_behind.is_set() and self._thread.is_alive()

    def results(self, time_limit_s: float) -> Iterator[tuple[PhotoRecord, Outcome]]:
        """Photos with what came of them, in order.

        Raises:
            FeedBroken: no result and no tile of a background came for `time_limit_s`, or the stream raised.
        """
        self._thread.start()
        waited_s = 0.0
        while True:
            try:
                result = self._results.get(timeout=TICK_S)
            except queue.Empty:
                waited_s = 0.0 if self._moved.is_set() else waited_s + TICK_S
                self._moved.clear()
                if waited_s >= time_limit_s and self.flight:
                    raise self._broken(None) from None
                continue
            waited_s = 0.0
            if result is None:
                self._thread.join()
                return
            if isinstance(result, BaseException):
                raise self._broken(result) from result
            if isinstance(result, _Unfinished):
                raise result.cause
            yield self.flight.popleft(), result

    def _broken(self, cause: BaseException | None) -> FeedBroken:
        self._left_behind.set()
        self._stop.set()
        return FeedBroken(list(self.flight), cause)

    def _run(self, restorer: Restorer, options: RestoreOptions, crops: Crops | None) -> None:
        try:
            results = restorer.stream(
                self._sources(), options, stop=self._stop, crops=crops, then=self._end, watch=self._tile_done
            )
            for result in results:
                if not self._give(result):
                    return
        except BaseException as error:  # whatever it is, the worker decides
            if not self._left_behind.is_set():
                log.info("the stream fell over", exc_info=True)
            self._give(error)
            return
        self._give(None)

    def _tile_done(self, tile: TileProgress) -> None:
        self._moved.set()

    def _end(self, restored: RestoredPhoto) -> Outcome | _Unfinished:
        try:
            return self._finish(self._taken.pop(str(restored.source)), restored)
        except Exception as error:  # it is raised where the results are read, and not in the stream
            return _Unfinished(error)

    def _sources(self) -> Iterator[Chosen]:
        while not self._left_behind.is_set():
            photo = self._take()
            if photo is None:
                return
            self.flight.append(photo)
            self._taken[str(photo.path)] = photo
            yield Chosen(photo.path, photo.choices)

    def _give(self, result: Outcome | _Unfinished | BaseException | None) -> bool:
        """Hands a result over; False when nobody wants it any more."""
        while not self._left_behind.is_set():
            try:
                self._results.put(result, timeout=TICK_S)
            except queue.Full:
                continue
            return True
        return False
