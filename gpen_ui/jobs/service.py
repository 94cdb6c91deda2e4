"""The one thing that page, command line and REST hold: makes runs, starts and stops them, and tells how they stand.

All that lasts is in the store. So any number of these, in any number of processes, see the same runs; a wish like
`pause` reaches the process that works on the run within a second.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from gpen_ui.choices import FACES_MOST, FaceChoice
from gpen_ui.errors import GpenError, OptionError, PhotoReadError, UsageError
from gpen_ui.jobs.lease import Lease
from gpen_ui.jobs.pace import LAST_PHOTOS, photos_per_minute, seconds_left
from gpen_ui.jobs.plan import plan_run
from gpen_ui.jobs.store import RunStore
from gpen_ui.jobs.types import AT_WORK, Event, Plan, RunProgress, RunRecord, RunSettings, RunState, Told, Wish
from gpen_ui.jobs.uploads import forget_uploads
from gpen_ui.jobs.worker import LoadRestorer, Worker
from gpen_ui.options import RestoreOptions
from gpen_ui.paths import shown

LET_GO_S = 10.0  # how long a worker that has ended may keep its run
LET_GO_LOOK_S = 0.03  # how often it is looked whether it does
CLOSE_S = 30.0  # how long `close` waits for a batch in flight


class Runs:
    """Runs of one store, worked on by threads of this process. Safe to use from several threads.

    Args:
        load_restorer: a context manager that gives the restorer for one turn of a run; see `Worker`. Where several
            runs or users share a device, it is what lets them wait for each other.
    """

    def __init__(self, store: RunStore, load_restorer: LoadRestorer) -> None:
        self.store = store
        self._load = load_restorer
        self._workers: dict[str, Worker] = {}
        self._lock = threading.Lock()

    # ---- beginning and ending ----

    def create(self, plan: Plan) -> str:
        """Keeps a plan as a run and returns its id; nothing is begun. A watched folder's photos are added as they come
        to rest."""
        if plan.settings.watch:
            waiting = [photo for photo in plan.photos if photo.root == photo.path]  # named, not found in a folder
            plan = Plan(plan.inputs, plan.output_folder, plan.options, plan.settings, tuple(waiting), plan.ignored)
        return self.store.add(plan)

    def start(self, run_id: str) -> None:
        """Begins to work on a run, or goes on with it, in a thread; what a crash left in the middle is sorted out.

        Raises:
            UsageError: there is no such run, or somebody works on it already.
        """
        self._start(run_id)

    def _start(self, run_id: str, *, reviews: bool = True) -> None:
        run = self.store.run(run_id)
        worker = Worker(self.store, run.id, self._load, reviews=reviews)
        worker.begin()
        with self._lock:
            over = [run_id for run_id, each in self._workers.items() if each.finished.is_set() and not each.hangs]
            for run_id in over:  # a server has thousands of runs in its life
                del self._workers[run_id]
            self._workers[run.id] = worker

    def resume(
        self,
        run_id: str,
        *,
        options: RestoreOptions | None = None,
        settings: RunSettings | None = None,
        rescan: bool = True,
    ) -> None:
        """Goes on with a run: only what is not done for these photos and these options is done.

        Args:
            options, settings: other ones from now on. Results of before stay; those made anew get names of their own.
            rescan: photos that came into the input folders since are added.

        Raises:
            UsageError: as from `start`.
        """
        run = self.store.run(run_id)
        self._must_rest(run)
        self.store.change(run.id, options, settings)
        if rescan:
            self._rescan(self.store.run(run.id))
        self.start(run.id)

    def retry_failed(self, run_id: str) -> int:
        """Tries the failed photos of a run again, and goes on with what is left of it; how many they are.

        Raises:
            UsageError: as from `start`.
        """
        run = self.store.run(run_id)
        self._must_rest(run)
        count = self.store.ledger.retry_failed(run.id)
        self.start(run.id)
        return count

    def choose(self, run_id: str, photo_id: int, choices: tuple[FaceChoice, ...], *, at_once: bool = True) -> bool:
        """Asks for something of single faces of one photo, which alone is done again; its result takes the place of
        the one before, unless somebody has changed that file.

        A run that is done begins with the photo at once. In one that is at work its turn comes; in one that was paused,
        cancelled or broke off, it comes when the run is resumed.

        Args:
            choices: all of the photo; see `gpen_ui.jobs.with_asked`.
            at_once: False only notes it, and the next `resume` does it.

        Returns:
            Whether the photo's turn comes by itself.

        Raises:
            UsageError: there is no such photo, or its file is gone.
            OptionError: more choices than a photo can have.
        """
        if len(choices) > FACES_MOST:
            raise OptionError("faces_list", most=FACES_MOST)
        run = self.store.run(run_id)
        photo = self.store.ledger.photo(photo_id)
        if photo is None or not photo.path.is_file():
            raise UsageError("run_photo_gone", name=shown(photo.path.name) if photo is not None else photo_id)
        with self.store.database.writing():  # a worker ends in a transaction, too: it sees the photo, or has ended
            self.store.ledger.choose(run.id, photo_id, choices)
            run = self.store.run(run.id)
        if run.state == "done" and at_once:
            self._go_on(run.id)
            return True
        return run.is_at_work

    def _go_on(self, run_id: str) -> None:
        """Does what is left of a run that was done; one whose worker is just letting go of it is waited for.

        Raises:
            UsageError: somebody holds the run and does nothing with it.
        """
        until = time.monotonic() + LET_GO_S
        while True:
            try:
                self._start(run_id, reviews=False)
                return
            except UsageError:
                if self.store.run(run_id).state in AT_WORK:
                    return  # somebody else began it, and finds the photo
                if time.monotonic() > until:
                    raise
                time.sleep(LET_GO_LOOK_S)

    def pause(self, run_id: str) -> None:
        """Ends the work after the batch in flight; `resume` goes on with it. Also for a run of another process."""
        self._wish(run_id, "pause", "paused")

    def cancel(self, run_id: str) -> None:
        """As `pause`, and what is left counts as skipped. Results stay; `resume` goes on all the same."""
        self._wish(run_id, "cancel", "cancelled")

    def remove(self, run_id: str) -> None:
        """Forgets a run. Its results stay where they are; copies of uploaded photos go.

        Raises:
            UsageError: somebody works on it.
        """
        run = self.store.run(run_id)
        self._must_rest(run)
        self.store.remove(run.id)
        forget_uploads(self.store, run.inputs)

    def pick_up(self) -> list[str]:
        """Goes on with the runs whose process ended while they were at work, watching ones too; their ids. For a
        server that starts."""
        picked: list[str] = []
        for run in self.store.runs():
            if run.state in AT_WORK:
                with suppress(GpenError):  # another process has it
                    self.start(run.id)
                    picked.append(run.id)
        return picked

    def close(self) -> None:
        """Ends all work of this process after the batches in flight; `pick_up` of the next one goes on with it."""
        with self._lock:
            workers = list(self._workers.values())
        for worker in workers:
            if not worker.finished.is_set():
                worker.leaving = True
                worker.stop.set()
        for worker in workers:
            worker.finished.wait(CLOSE_S)

    def wait(self, run_id: str, timeout_s: float | None = None) -> bool:
        """Waits for this process to end its work on a run; whether it has."""
        with self._lock:
            worker = self._workers.get(run_id)
        return worker is None or worker.finished.wait(timeout_s)

    @property
    def at_work(self) -> int:
        """How many runs this process works on, or will as soon as their turn comes."""
        with self._lock:
            return sum(not worker.finished.is_set() for worker in self._workers.values())

    @property
    def hangs(self) -> bool:
        """Whether something was left behind that never came back, so that this process cannot end in order."""
        return any(worker.hangs for worker in self._workers.values())

    def _wish(self, run_id: str, wish: Wish, state: RunState) -> None:
        run = self.store.run(run_id)
        self.store.wish(run.id, wish)
        with self._lock:
            worker = self._workers.get(run.id)
        if worker is not None and not worker.finished.is_set():
            worker.stop.set()
            return
        lease = Lease(self.store.folder, run.id)
        if not lease.take():
            return  # another process works on it, and hears the wish
        try:
            if wish == "cancel":
                self.store.ledger.skip_all(run.id, Told("runs.skipped.cancelled"))
            if wish == "cancel" or run.state in AT_WORK:
                self.store.set_state(run.id, state)
        finally:
            lease.give_up()

    def _must_rest(self, run: RunRecord) -> None:
        lease = Lease(self.store.folder, run.id)
        if not lease.take():
            raise UsageError("run_busy", run=run.id, owner=run.owner)
        lease.give_up()

    def _rescan(self, run: RunRecord) -> None:
        is_result = self.store.ledger.is_result
        try:
            plan = plan_run(run.inputs, run.output_folder, run.options, run.settings, is_result=is_result)
        except (PhotoReadError, UsageError):
            return  # a folder is away; the photos that are known will say so
        photos = [] if run.settings.watch else [photo for photo in plan.photos if photo.size_bytes >= 0]
        self.store.extend(run.id, photos, plan.ignored)

    # ---- looking ----

    def run(self, run_id: str) -> RunRecord:
        """One run by its id, an unambiguous beginning of it, or "last"."""
        return self.store.run(run_id)

    def runs(self, limit: int = 200) -> list[RunRecord]:
        """The latest runs, the newest first."""
        return self.store.runs(limit)

    def latest_of(self, plan: Plan) -> RunRecord | None:
        """The newest run with the same inputs and output folder."""
        wanted = (set(plan.inputs), plan.output_folder)
        return next((run for run in self.store.runs() if (set(run.inputs), run.output_folder) == wanted), None)

    def progress(self, run_id: str) -> RunProgress:
        """Where a run stands, whoever works on it."""
        run = self.store.run(run_id)
        ledger = self.store.ledger
        counts = ledger.counts(run.id)
        paces = ledger.paces(run.id, LAST_PHOTOS)
        restored, failed = ledger.face_counts(run.id)
        current = ledger.photos(run.id, states=("working", "writing"), limit=3)
        at_work = run.state in ("running", "held")
        return RunProgress(
            run_id=run.id,
            state=run.state,
            why=run.why,
            is_interrupted=run.is_interrupted,
            planned=counts.planned,
            done=counts.done,
            failed=counts.failed,
            skipped=counts.skipped,
            left=counts.left,
            faces_restored=restored,
            faces_failed=failed,
            seconds_left=seconds_left(paces, counts.left) if at_work else None,
            photos_per_minute=photos_per_minute(paces),
            worked_s=run.worked_s,
            current=tuple(shown(photo.path.name) for photo in current) if at_work else (),
        )

    def events(self, run_id: str | None = None, after: int = 0, limit: int = 500) -> tuple[Event, ...]:
        """What happened after the event `after`; of all runs when none is named."""
        return self.store.events(run_id, after, limit)
