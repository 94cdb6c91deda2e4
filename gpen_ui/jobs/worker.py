"""Works on one run in a thread: photos through the engine, results onto the disk, every end into the store."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from gpen_ui.errors import GpenError, PhotoReadError, UsageError
from gpen_ui.jobs.engines import Engine, Feeding, LocalEngine, Order
from gpen_ui.jobs.feed import FeedBroken
from gpen_ui.jobs.heart import Heart
from gpen_ui.jobs.lease import Lease, owner_name
from gpen_ui.jobs.next_photo import as_it_is, next_photo
from gpen_ui.jobs.outcome import Outcome, failed
from gpen_ui.jobs.patience import Interrupted, Patience, Stopwatch
from gpen_ui.jobs.recipe import recipe_of
from gpen_ui.jobs.review import ALONE_FROM, CRASHES_MOST, recover, review
from gpen_ui.jobs.settle import missing_root, settle
from gpen_ui.jobs.store import RunStore
from gpen_ui.jobs.told import told
from gpen_ui.jobs.types import PhotoRecord, RunRecord, RunState, Told
from gpen_ui.jobs.watch import Watcher, watcher_of
from gpen_ui.paths import shown

if TYPE_CHECKING:
    from gpen_ui.engine.restorer import Restorer

BREAKS_MOST = 3  # streams that fall over one after another without a photo between them

LoadRestorer = Callable[[RunRecord, threading.Event], "AbstractContextManager[Restorer]"]
log = logging.getLogger(__name__)


class Worker:
    """Works on a run until it is done, or something else is wished.

    Args:
        load_restorer: gives the restorer for a while; may wait for its turn, and raises `Stopped` when the event is set
            meanwhile.
        reviews: what is done is looked at first, and done again where that has to be; else only what is left is done.

    Attributes:
        stop: set it, with the wish in the store, to end after the batch in flight.
        leaving: the process ends; the run stays as if interrupted, so that the next start goes on with it.
        hangs: a stream was left behind in which something never came back.
    """

    def __init__(self, store: RunStore, run_id: str, load_restorer: LoadRestorer, *, reviews: bool = True) -> None:
        self._store = store
        self._reviews = reviews
        self._load = load_restorer
        self._lease = Lease(store.folder, run_id)
        self._left_behind: list[Feeding] = []
        self._recipe = ""
        self._cluster: Engine | None = None
        self._at_the_end = ExitStack()  # what lasts as long as the work
        self.run = store.run(run_id)
        self.stop = threading.Event()
        self.leaving = False
        self.finished = threading.Event()
        self._watch = Stopwatch()
        self._patience = Patience(store, self.run.id, self.stop, self._watch)

    @property
    def hangs(self) -> bool:
        return any(feed.hangs for feed in self._left_behind)

    def begin(self) -> None:
        """Takes the run and starts the thread.

        Raises:
            UsageError: another process, or another worker of this one, has the run.
        """
        if not self._lease.take():
            run = self._store.run(self.run.id)
            raise UsageError("run_busy", run=run.id, owner=run.owner)
        try:
            self._store.own(self.run.id, owner_name())
            self._store.wish(self.run.id, "go")
            self._store.set_state(self.run.id, "queued")
            threading.Thread(target=self._main, name=f"run {self.run.id}", daemon=True).start()
        except BaseException:
            self._lease.give_up()
            raise

    def _main(self) -> None:
        heart = Heart(self._store, self.run.id, self.stop, self._watch)
        state: RunState = "broken"
        why: Told | None = None
        try:
            state = self._work()
        except Interrupted:
            state = self._wished_state()
        except GpenError as error:
            state, why = (self._wished_state(), None) if error.exit_code == 130 else ("broken", told(error))
        except Exception as error:
            log.info("run %s broke off", self.run.id, exc_info=True)  # the user gets one sentence
            why = told(GpenError("run_unexpected", reason=str(error) or type(error).__name__))
        finally:
            with suppress(Exception):  # a cluster that is gone cannot be left in order
                self._at_the_end.close()
            heart.stop()
            self._close(state, why)

    def _close(self, state: RunState, why: Told | None) -> None:
        try:
            if state == "cancelled":
                self._skip_the_rest()
            self._store.set_state(self.run.id, state, why)
            self._store.rest(self.run.id)
        except GpenError as error:
            log.error("%s", error)
        finally:
            self._lease.give_up()
            self.finished.set()

    def _wished_state(self) -> RunState:
        if self.leaving:
            return "queued"
        return "cancelled" if self._store.wished(self.run.id) == "cancel" else "paused"

    def _skip_the_rest(self) -> None:
        recover(self._store, self.run)
        self._store.ledger.skip_all(self.run.id, Told("runs.skipped.cancelled"))

    # ---- the work ----

    def _work(self) -> RunState:
        watcher = watcher_of(self._store, self.run) if self.run.settings.watch else None
        begun = False
        while True:
            if watcher is not None:
                self._look(watcher)
            if not begun or self._store.ledger.counts(self.run.id).left:
                with self._engine() as engine:
                    self._check()
                    if not begun:
                        self._begin(engine)
                        begun = True
                    self._turn(engine)
            if watcher is None and self._store.finish(self.run.id):
                return "done"
            self._check()
            if watcher is None or self._store.ledger.counts(self.run.id).left:
                continue
            self._store.set_state(self.run.id, "watching")
            if self.stop.wait(watcher.look_again_s):
                raise Interrupted

    def _check(self) -> None:
        if self.stop.is_set():
            raise Interrupted

    @contextmanager
    def _engine(self) -> Iterator[Engine]:
        """What restores the photos, for one turn."""
        if self.run.settings.engine == "ray":
            yield self._ray()
            return
        with self._load(self.run, self.stop) as restorer:
            engine = LocalEngine(restorer, self.run, self._store.folder)
            try:
                yield engine
            finally:
                engine.close()

    def _ray(self) -> Engine:
        """The actors of a cluster; they stay until the work ends."""
        if self._cluster is None:
            from gpen_ui.jobs.cluster import ray_engine
            from gpen_ui.settings import load_settings

            actors = ray_engine(self.run, load_settings(), self._patience, self.stop, self._store.folder)
            self._cluster = self._at_the_end.enter_context(actors)
        return self._cluster

    def _begin(self, engine: Engine) -> None:
        self._store.own(self.run.id, owner_name(), engine.model_name, engine.model_sha256, engine.device)
        self.run = self._store.run(self.run.id)
        self._recipe = recipe_of(self.run)
        if self._reviews:
            review(self._store, self.run, self._recipe)

    def _turn(self, engine: Engine) -> None:
        """Works until no photo is left, or others may have waited long enough for the engine."""
        self._store.set_state(self.run.id, "running")
        self._watch.start()
        self._watch.lap()
        until = time.monotonic() + engine.turn_s
        try:
            recover(self._store, self.run)
            self._stream(engine, until)
            for photo in self._too_often_begun():
                if self.stop.is_set() or time.monotonic() > until:
                    break
                self._alone(engine, photo)
        finally:
            self._watch.stop()

    def _stream(self, engine: Engine, until: float) -> None:
        """Photos in company, so that their faces share batches. A stream that breaks is sorted out one by one."""
        breaks = 0
        while not self.stop.is_set() and time.monotonic() < until:
            try:
                feed = self._feed(engine, lambda: self._take() if time.monotonic() < until else None)
                some = False
                for photo, outcome in feed.results(self.run.settings.time_limit_s):
                    self._settle(photo, outcome)
                    some, breaks = True, 0
                for photo in feed.flight:  # stopped before their turn
                    self._patience.insist(self._store.ledger.give_back, photo.id)
                if not some:
                    return
            except FeedBroken as broken:
                self._left_behind.append(feed)
                breaks += 1
                if isinstance(broken.cause, Interrupted):
                    raise Interrupted from broken
                if breaks > BREAKS_MOST and broken.cause is not None:
                    raise GpenError("run_unexpected", reason=str(broken.cause)) from broken
                for photo in broken.suspects:
                    self._alone(engine, photo)

    def _feed(self, engine: Engine, take: Callable[[], PhotoRecord | None]) -> Feeding:
        return engine.feed(Order(self.run, self._recipe, take, self._lost, _Either(self.stop)))

    def _lost(self, photo: PhotoRecord) -> None:
        self._patience.insist(self._store.ledger.give_back, photo.id, crashed=True)

    def _alone(self, engine: Engine, photo: PhotoRecord) -> None:
        """One photo without company: what goes wrong now is its own."""
        self._patience.insist(self._store.ledger.take_this, photo.id)
        waiting = [as_it_is(photo)]
        feed = self._feed(engine, lambda: waiting.pop() if waiting else None)
        limit_s = self.run.settings.time_limit_s
        try:
            for taken, outcome in feed.results(limit_s):
                self._settle(taken, outcome)
            for each in feed.flight:
                self._patience.insist(self._store.ledger.give_back, each.id)
        except FeedBroken as broken:
            self._left_behind.append(feed)
            if broken.cause is None:
                why = GpenError("run_time_limit", name=shown(photo.path.name), seconds=round(limit_s))
            elif isinstance(broken.cause, Interrupted):
                raise Interrupted from broken
            else:
                why = GpenError("photo_unexpected", name=shown(photo.path.name), reason=str(broken.cause))
            self._fail(photo, why)
        if waiting:
            self._patience.insist(self._store.ledger.give_back, photo.id)

    def _too_often_begun(self) -> list[PhotoRecord]:
        """Photos that were begun again and again without an end; those past hope fail here."""
        photos = self._store.ledger.begun(self.run.id, ALONE_FROM)
        for photo in photos:
            if photo.attempts >= CRASHES_MOST:
                self._fail(photo, GpenError("run_photo_crashes", name=shown(photo.path.name), times=photo.attempts))
        return [photo for photo in photos if photo.attempts < CRASHES_MOST]

    # ---- one photo ----

    def _take(self) -> PhotoRecord | None:
        return next_photo(self._store, self.run, self._recipe, self._patience, self.stop, ALONE_FROM)

    def _settle(self, photo: PhotoRecord, outcome: Outcome) -> None:
        """Brings one photo to its end. What interrupts it leaves it waiting."""
        root = missing_root(photo, outcome)
        try:
            if root is not None:
                self._patience.hold(Told("runs.held.folder", {"folder": shown(root)}), root.is_dir)
                self._patience.insist(self._store.ledger.give_back, photo.id)
                return
            if outcome.is_unreadable and as_it_is(photo) != photo and photo.attempts < ALONE_FROM:
                # it changed, or came back with its folder, while it was read
                self._patience.insist(self._store.ledger.give_back, photo.id, crashed=True)
                return
            self._patience.insist(settle, self._store, self.run, photo, outcome, self._patience, self._watch)
            self._watch.lap()
            now = self._store.ledger.photo(photo.id)
            if now is not None and now.choices != photo.choices:  # asked for while it was with the engine
                self._patience.insist(self._store.ledger.follow, self.run.id, photo.id)
        except Interrupted:
            self._undo(photo)

    def _undo(self, photo: PhotoRecord) -> None:
        try:
            self._store.ledger.give_back(photo.id)
        except GpenError as error:  # the next start recovers it
            log.warning("%s", error)

    def _fail(self, photo: PhotoRecord, why: GpenError) -> None:
        self._settle(photo, failed(photo, why, self._recipe))

    # ---- the watched folder ----

    def _look(self, watcher: Watcher) -> None:
        try:
            ready = watcher.look()
        except PhotoReadError as error:
            self._patience.say("watching", told(error))
            return
        self._store.extend(self.run.id, ready)
        for photo in ready:
            self._store.ledger.renew(self.run.id, photo)


class _Either(threading.Event):
    """Set when it was set itself, or when the worker was asked to stop."""

    def __init__(self, other: threading.Event) -> None:
        super().__init__()
        self._other = other

    def is_set(self) -> bool:
        return super().is_set() or self._other.is_set()
