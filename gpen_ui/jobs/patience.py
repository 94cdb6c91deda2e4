"""Waiting for better times (a full disk, a folder that is away), and a clock that stands still meanwhile."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from gpen_ui.errors import GpenError
from gpen_ui.jobs.room import has_room, is_full
from gpen_ui.jobs.store import RunStore
from gpen_ui.jobs.told import told
from gpen_ui.jobs.types import RunState, Told
from gpen_ui.paths import shown

HOLD_S = 2.0  # how often a held run looks whether it can go on
Given = ParamSpec("Given")
Answer = TypeVar("Answer")
log = logging.getLogger(__name__)


class Interrupted(Exception):  # noqa: N818 - the user's wish
    """The run shall not go on; nothing is lost."""


class Stopwatch:
    """Counts the time that a run really works. Read by the heartbeat too."""

    def __init__(self) -> None:
        self._counted_s = 0.0
        self._since: float | None = None
        self._lap_at_s = 0.0

    @property
    def seconds(self) -> float:
        since = self._since
        return self._counted_s + (time.monotonic() - since if since is not None else 0.0)

    def start(self) -> None:
        if self._since is None:
            self._since = time.monotonic()

    def stop(self) -> None:
        self._counted_s, self._since = self.seconds, None

    def lap(self) -> None:
        """A photo came to its end, or the work was begun."""
        self._lap_at_s = self.seconds

    @property
    def lap_s(self) -> float:
        """Since the last `lap`."""
        return self.seconds - self._lap_at_s


class Patience:
    """Holds one run while it cannot go on, with the reason in the store.

    Args:
        stop: ends every waiting.
    """

    def __init__(self, store: RunStore, run_id: str, stop: threading.Event, watch: Stopwatch) -> None:
        self._store = store
        self._run_id = run_id
        self._stop = stop
        self._watch = watch

    def hold(self, why: Told, may_go_on: Callable[[], bool]) -> None:
        """Stands still, for a while at least.

        Raises:
            Interrupted: something else was wished meanwhile.
        """
        self._watch.stop()
        self.say("held", why)
        while True:
            if self._stop.wait(HOLD_S):
                raise Interrupted
            if may_go_on():
                break
        self.say("running", None)
        self._watch.start()

    def until_room(self, folder: Path, need_bytes: int, reserve_mb: int) -> None:
        """Waits until so many bytes fit into the folder and leave the reserve.

        Raises:
            Interrupted: something else was wished meanwhile.
        """
        if not has_room(folder, need_bytes, reserve_mb):
            why = Told("runs.held.room", {"folder": shown(folder), "need": reserve_mb + (need_bytes >> 20) + 1})
            self.hold(why, lambda: has_room(folder, need_bytes, reserve_mb))

    def insist(self, act: Callable[Given, Answer], *args: Given.args, **named: Given.kwargs) -> Answer:
        """Does something again and again as long as the disk is too full for it.

        Raises:
            Interrupted: something else was wished meanwhile.
        """
        while True:
            try:
                return act(*args, **named)
            except GpenError as error:
                if not is_full(error):
                    raise
                full = told(error)
            self.hold(full, lambda: True)

    def say(self, state: RunState, why: Told | None) -> None:
        """Puts the state into the store, if that is possible just now."""
        try:
            self._store.set_state(self._run_id, state, why)
        except GpenError as error:  # on a full disk not even this can be written
            log.warning("%s", error)
