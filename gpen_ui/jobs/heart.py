"""The signs of life of a run that is worked on."""

from __future__ import annotations

import logging
import threading
import time

from gpen_ui.errors import GpenError
from gpen_ui.jobs.patience import Stopwatch
from gpen_ui.jobs.store import RunStore

BEAT_S = 2.0  # between signs of life
LISTEN_S = 0.3  # how soon a wish of another process is heard
log = logging.getLogger(__name__)


class Heart:
    """A thread that shows that the run is alive, counts the time worked and listens to wishes, of other processes too.

    Args:
        stop: set when anything but going on is wished.
        watch: how long the run really worked.
    """

    def __init__(self, store: RunStore, run_id: str, stop: threading.Event, watch: Stopwatch) -> None:
        self._store = store
        self._run_id = run_id
        self._stop = stop
        self._watch = watch
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends it after one more sign, so that no second of work is missing."""
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        last, counted_s = time.monotonic(), 0.0
        ended = False
        while not ended:
            ended = self._ended.wait(LISTEN_S)
            try:
                if ended or time.monotonic() - last >= BEAT_S:
                    worked_s = self._watch.seconds
                    self._store.beat(self._run_id, worked_s - counted_s)
                    last, counted_s = time.monotonic(), worked_s
                if self._store.wished(self._run_id) != "go":
                    self._stop.set()
            except GpenError as error:  # a full disk, for example: the work itself will say so
                log.warning("%s", error)
