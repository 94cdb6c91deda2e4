"""Photos to the actors and results back: a few under way to each actor, in any order, and none lost with an actor."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gpen_ui.errors import GpenError
from gpen_ui.jobs.cluster.bench import Fallen
from gpen_ui.jobs.cluster.seat import Seat
from gpen_ui.jobs.engines import Order
from gpen_ui.jobs.outcome import Outcome, failed
from gpen_ui.jobs.types import PhotoRecord
from gpen_ui.paths import shown
from gpen_ui.photo import load_file

if TYPE_CHECKING:
    from gpen_ui.jobs.cluster.engine import RayEngine

TICK_S = 0.2
FILE_BYTES = 1 << 30  # more than three channels of sixteen bits at the usual limit of pixels


class RayFeed:
    """Implements `Feeding` on the actors of an engine.

    A process that dies gives its photos back to the store, counted as begun without an end. When an actor gives
    nothing for too long, or its stream falls over, its process is ended and its photos go one by one, so that the right
    one fails; the other actors work on.
    """

    hangs = False  # what hangs is ended

    def __init__(self, engine: RayEngine, order: Order) -> None:
        self._engine = engine
        self._order = order
        self._suspects: deque[PhotoRecord] = deque()
        self._undone: list[PhotoRecord] = []
        self._is_dry = False  # `take` had nothing; only a photo that came back changes that
        self._told_to_stop = False

    @property
    def flight(self) -> list[PhotoRecord]:
        away = [photo for seat in self._engine.seats for photo, _ in seat.flights.values()]
        return [*self._undone, *self._suspects, *away]

    def results(self, time_limit_s: float) -> Iterator[tuple[PhotoRecord, Outcome]]:
        """Each photo that was taken with what came of it.

        Raises:
            GpenError: no actor is left, with the reason of the last one.
        """
        while True:
            self._engine.attend()
            if self._order.stop.is_set():
                self._tell_to_stop()
            else:
                yield from self._send()
            if not self._engine.flights:
                if self._order.stop.is_set() or (self._is_dry and not self._suspects):
                    return
                self._engine.wait_for_a_seat(self._order.stop)
                continue
            for seat, reference in self._engine.wait(TICK_S):
                yield from self._land(seat, reference)
            for seat in self._engine.seats:
                if seat.flights and time.monotonic() - seat.moved_s > time_limit_s and not seat.goes_on():
                    yield from self._end_hanging(seat, time_limit_s)

    def _tell_to_stop(self) -> None:
        if not self._told_to_stop:
            self._told_to_stop = True
            for seat in self._engine.seats:
                seat.stop()

    # ---- there ----

    def _send(self) -> Iterator[tuple[PhotoRecord, Outcome]]:
        """Photos to every actor that has room, the idlest first; those that cannot even be read have their end."""
        while not self._order.stop.is_set():
            free = [seat for seat in self._engine.seats if seat.has_room]
            if not free:
                return
            seat = min(free, key=lambda each: len(each.flights))
            alone = bool(self._suspects) and not seat.flights
            if not alone and self._is_dry:
                return
            photo = self._suspects.popleft() if alone else self._order.take()
            if photo is None:
                self._is_dry = True
                continue  # suspects may still have a place
            try:
                file = load_file(photo.path, most_bytes=FILE_BYTES)
            except GpenError as error:
                yield photo, failed(photo, error, self._order.recipe)
                continue
            others = self._engine.others.asked_by(photo.choices)
            seat.send(photo, file, self._order.recipe, others, alone=alone)

    # ---- and back ----

    def _land(self, seat: Seat, reference: Any) -> Iterator[tuple[PhotoRecord, Outcome]]:
        from ray import exceptions

        if reference not in seat.flights:  # its actor was ended while the results before were read
            return
        photo = seat.landed(reference)
        try:
            came = self._engine.ray.get(reference)
        except exceptions.RayTaskError as error:  # raised by the call itself, for example a photo that cannot travel
            yield photo, self._unexpected(photo, str(error.cause))
            return
        except exceptions.RayError as error:
            if isinstance(error, exceptions.RayActorError | exceptions.WorkerCrashedError | exceptions.NodeDiedError):
                seat.away()
            self._lost(photo)
            return
        if isinstance(came, Outcome):
            seat.worked()
            yield photo, came
        elif isinstance(came, Fallen):
            yield from self._sort_out(seat, photo, self._unexpected(photo, came.reason))
        elif self._order.stop.is_set():
            self._undone.append(photo)
        else:  # an actor that was started anew and has not been greeted yet
            seat.away()
            self._lost(photo)

    def _lost(self, photo: PhotoRecord) -> None:
        self._order.lost(photo)
        self._is_dry = False

    def _end_hanging(self, seat: Seat, time_limit_s: float) -> Iterator[tuple[PhotoRecord, Outcome]]:
        photo, _ = next(iter(seat.flights.values()))
        error = GpenError("run_time_limit", name=shown(photo.path.name), seconds=round(time_limit_s))
        seat.landed(next(iter(seat.flights)))
        yield from self._sort_out(seat, photo, failed(photo, error, self._order.recipe))

    def _sort_out(self, seat: Seat, photo: PhotoRecord, end: Outcome) -> Iterator[tuple[PhotoRecord, Outcome]]:
        """Ends an actor's process; without company the photo was why, else each goes on alone."""
        company = seat.kill()
        if company:
            self._suspects += [photo, *company]
        else:
            yield photo, end

    def _unexpected(self, photo: PhotoRecord, reason: str) -> Outcome:
        error = GpenError("photo_unexpected", name=shown(photo.path.name), reason=reason.strip())
        return failed(photo, error, self._order.recipe)
