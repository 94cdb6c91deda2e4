"""The list of runs as all open pages see it: read from the store once a second at most, however many pages look."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpen_ui.jobs import RunProgress, RunRecord, Runs
    from gpen_ui.jobs.lookups import Counts

FRESH_S = 0.7  # how old what a page is shown may be
RUNS_MOST = 100  # the latest ones; the command line lists more
EVENTS_AT_ONCE = 500


@dataclass(frozen=True)
class Row:
    """One run with the numbers of its photos."""

    run: RunRecord
    counts: Counts


class Board:
    """Safe to use from several threads. Counting ten thousand photos takes a while, so a run is counted again only when
    an event says that something happened in it."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self._lock = threading.Lock()
        self._rows: tuple[Row, ...] = ()
        self._read_s = -FRESH_S
        self._counts: dict[str, Counts] = {}
        self._seq = -1
        self._progress: dict[str, tuple[float, RunProgress]] = {}

    def rows(self) -> tuple[Row, ...]:
        """The latest runs, the newest first."""
        with self._lock:
            if time.monotonic() - self._read_s >= FRESH_S:
                self._forget_counts()
                runs = self.runs.runs(RUNS_MOST)
                self._counts = {
                    run.id: self._counts.get(run.id) or self.runs.store.ledger.counts(run.id) for run in runs
                }
                self._rows = tuple(Row(run, self._counts[run.id]) for run in runs)
                self._read_s = time.monotonic()
            return self._rows

    def progress(self, run_id: str) -> RunProgress:
        """Where a run stands.

        Raises:
            UsageError: there is no such run any more.
        """
        with self._lock:
            read_s, progress = self._progress.get(run_id, (-FRESH_S, None))
            if progress is None or time.monotonic() - read_s >= FRESH_S:
                progress = self.runs.progress(run_id)
                self._progress = {
                    each: kept for each, kept in self._progress.items() if time.monotonic() - kept[0] < FRESH_S
                }
                self._progress[run_id] = (time.monotonic(), progress)
            return progress

    def renew(self) -> None:
        """The next look reads the store: whoever pressed a button sees what came of it at once."""
        with self._lock:
            self._read_s = -FRESH_S
            self._progress.clear()

    def _forget_counts(self) -> None:
        """Of the runs in which something happened since the last look."""
        if self._seq < 0:
            self._seq = self.runs.store.last_event()
            return
        while events := self.runs.events(None, self._seq, EVENTS_AT_ONCE):
            self._seq = events[-1].seq
            for event in events:
                self._counts.pop(event.run_id, None)
