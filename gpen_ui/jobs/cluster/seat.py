"""One actor as the driver sees it: from its start, through its work, to its end and the start after that."""

from __future__ import annotations

import logging
import time
from typing import Any

from gpen_ui.errors import GpenError
from gpen_ui.jobs.cluster.bench import Bench, BenchOrder, Greeting
from gpen_ui.jobs.cluster.parcel import program
from gpen_ui.jobs.types import PhotoRecord

RESTARTS = 20  # of one actor by Ray; one that gave results since its start gets a successor after that
ASK_AGAIN_S = 1.0  # while Ray restarts it
ANSWER_S = 5.0  # for a question that an actor answers at once
FLIGHT_BYTES = 256 << 20  # of the files under way to one actor; a larger one goes alone
log = logging.getLogger(__name__)


class Seat:
    """An actor with the photos that are with it.

    Args:
        resources: options of the actor for Ray: processors, cards, placement.
        depth: photos that may be with it at a time.

    Attributes:
        flights: Ray's reference to each result that is awaited -> its photo and the bytes of its file.
        greeting: Ray's reference to what the actor will say next while it is getting ready.
        ready: what it said then; None as long as it takes no photos.
        trouble: why it never will.
        moved_s: when something last came from it, or went to it when it had nothing.
        is_lone: the photo that is with it shall have no company.
    """

    def __init__(self, ray: Any, order: BenchOrder, resources: dict[str, Any], depth: int) -> None:
        self._ray = ray
        self._order = order
        self._options = {**resources, "max_restarts": RESTARTS, "max_concurrency": depth + 2}
        self._depth = depth
        self._gave_results = False
        self._ask_at_s = 0.0
        self.flights: dict[Any, tuple[PhotoRecord, int]] = {}
        self.greeting: Any = None
        self.ready: Greeting | None = None
        self.trouble: GpenError | None = None
        self.moved_s = 0.0
        self._tiles = 0
        self.is_lone = False
        self._start()

    def _start(self) -> None:
        self._actor = self._ray.remote(Bench).options(**self._options).remote()
        self._gave_results = False
        self.greeting = self._actor.program.remote()

    # ---- getting ready ----

    def greet(self) -> None:
        """Asks an actor that was away whether it is back."""
        if self.greeting is None and self.ready is None and self.trouble is None and time.monotonic() >= self._ask_at_s:
            self.greeting = self._actor.program.remote()

    def greeted(self) -> None:
        """Takes what the actor said."""
        from ray import exceptions

        reference, self.greeting = self.greeting, None
        try:
            said = self._ray.get(reference)
        except exceptions.ActorUnavailableError:
            self._ask_at_s = time.monotonic() + ASK_AGAIN_S
            return
        except exceptions.RayError as error:
            self._died(error)
            return
        if isinstance(said, Greeting):
            self.ready, self.moved_s = said, time.monotonic()
        elif isinstance(said, GpenError):
            self._refuse(said)
        elif said != program():
            self._refuse(GpenError("ray_program_differs", theirs=said, ours=program()))
        else:
            self.greeting = self._actor.load.remote(self._order)

    def _died(self, error: Exception) -> None:
        """The actor is gone for good, or could not even load its model."""
        if self._gave_results:
            self._ray.kill(self._actor)
            self._start()
            return
        text = " ".join(str(error).split())
        if "No module named 'gpen_ui" in text:
            self._refuse(GpenError("ray_without_program"))
        else:
            self._refuse(GpenError("ray_actor_died", reason=text[-300:].rstrip(".")))

    def _refuse(self, why: GpenError) -> None:
        log.warning("%s", why)
        self.trouble = why
        self._ray.kill(self._actor)

    # ---- photos ----

    @property
    def has_room(self) -> bool:
        """Whether another photo may go to it."""
        if self.ready is None or self.is_lone:
            return False
        return len(self.flights) < self._depth and sum(size for _, size in self.flights.values()) < FLIGHT_BYTES

    def send(self, photo: PhotoRecord, file: Any, recipe: str, others: dict[str, Any], *, alone: bool) -> None:
        """Gives it a photo.

        Args:
            others: the files of networks that its faces ask for; see `OtherFiles`.
        """
        if not self.flights:
            self.moved_s = time.monotonic()
        self.is_lone = alone
        self.flights[self._actor.restore.remote(photo, file, recipe, others)] = photo, len(file.data)

    def goes_on(self) -> bool:
        """Whether tiles of a background were done since it was asked last: its photo takes long, but does not hang."""
        from ray import exceptions

        try:
            tiles = int(self._ray.get(self._actor.tiles.remote(), timeout=ANSWER_S))
        except exceptions.RayError:
            return False
        moved, self._tiles = tiles != self._tiles, tiles
        if moved:
            self.moved_s = time.monotonic()
        return moved

    def landed(self, reference: Any) -> PhotoRecord:
        """A result is here, or known to be lost; the photo it belongs to."""
        photo, _ = self.flights.pop(reference)
        self.moved_s = time.monotonic()
        self.is_lone = False
        return photo

    def worked(self) -> None:
        """It gave a result."""
        self._gave_results = True

    def away(self) -> None:
        """Its process is gone; Ray starts it anew."""
        self.ready = None

    def kill(self) -> list[PhotoRecord]:
        """Ends its process, which Ray starts anew; the photos that were with it."""
        photos = [photo for photo, _ in self.flights.values()]
        self.flights.clear()
        self.is_lone = False
        self.away()
        self._ray.kill(self._actor, no_restart=False)
        return photos

    def stop(self) -> None:
        """Asks it to end after the batch in flight."""
        if self.ready is not None:
            self._actor.stop.remote()

    def farewell(self) -> Any:
        """Lets it put its things in order; Ray's reference to the end of that, None when it has nothing."""
        return self._actor.close.remote() if self.ready is not None else None

    def close(self) -> None:
        self._ray.kill(self._actor)
