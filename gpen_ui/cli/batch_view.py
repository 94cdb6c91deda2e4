"""What `batch` shows: the plan, each photo as it ends, how far the run is, and what came of it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gpen_ui.cli.background import BackgroundLines
from gpen_ui.cli.progress import SECONDS_BETWEEN_LINES
from gpen_ui.cli.speech import answer, answer_json, tell
from gpen_ui.options import RestoreOptions
from gpen_ui.paths import shown
from gpen_ui.texts import Language, say

if TYPE_CHECKING:  # jobs and engine must not slow `--help` down
    from gpen_ui.engine import Restorer
    from gpen_ui.jobs import Event, PhotoRecord, Plan, RunProgress, RunRecord, Runs


class BatchView:
    """Writes results to stdout and all else to stderr.

    Args:
        as_json: one JSON object per photo and one for the run on stdout, nothing else there.
        quiet: only failures, on stderr.
    """

    def __init__(self, language: Language, *, as_json: bool, quiet: bool) -> None:
        self.language: Language = language
        self.as_json = as_json
        self.quiet = quiet
        self._told_of_watching = False

    def say(self, key: str, **values: object) -> str:
        return say(key, self.language, **values)

    def remark(self, key: str, **values: object) -> None:
        """A line that is not a result."""
        if not self.quiet:
            tell(self.say(key, **values))

    def stopping(self) -> None:
        tell(self.say("cli.stopping"))

    def begins(self, run: RunRecord, photos: int, ignored: int) -> None:
        self.remark("cli.batch.begins", run=run.id, photos=photos, ignored=ignored, folder=shown(run.output_folder))
        self._where_it_works(run)

    def goes_on(self, run: RunRecord) -> None:
        self.remark("cli.batch.goes_on", run=run.id, folder=shown(run.output_folder))
        self._where_it_works(run)

    def _where_it_works(self, run: RunRecord) -> None:
        if run.settings.engine == "ray":
            address = run.settings.ray_address or os.environ.get("RAY_ADDRESS") or "local"
            self.remark("cli.batch.ray", address=address)

    def uses(self, restorer: Restorer, options: RestoreOptions) -> None:
        facts = restorer.device_report
        self.remark("cli.using", model=restorer.model_name, device=facts.device, name=facts.name)
        if facts.why is not None and not self.quiet:
            tell(facts.why.sentence(self.language))
        BackgroundLines(self.language, silent=self.quiet).beforehand(restorer, options)

    def event(self, runs: Runs, event: Event) -> None:
        """Something happened in the run."""
        if event.kind == "photo" and event.data["state"] != "waiting":  # the end of one
            photo = runs.store.ledger.photo(event.data["id"])
            if photo is not None:
                self._photo(runs, photo)
        elif event.kind == "state" and event.data["state"] in ("held", "watching"):
            run = runs.run(event.run_id)
            if run.why is not None:
                tell(run.why.sentence(self.language))
            elif run.state == "watching" and not self._told_of_watching:
                self._told_of_watching = True
                self.remark("cli.batch.watching", folders=", ".join(shown(path) for path in run.inputs))

    def _photo(self, runs: Runs, photo: PhotoRecord) -> None:
        if photo.state == "failed" and photo.why is not None:
            sentence, name = photo.why.sentence(self.language), shown(photo.path.name)
            tell(sentence if name in sentence else f"{name}: {sentence}")
        if self.as_json:
            from gpen_ui.jobs import photo_facts

            answer_json(photo_facts(photo, runs.store.ledger.faces(photo.id), self.language))
        elif not self.quiet and photo.state == "done":
            answer(self._line(photo))
        elif not self.quiet and photo.state == "skipped" and photo.why is not None:
            answer(f"{shown(photo.path)}: {photo.why.sentence(self.language)}")

    def _line(self, photo: PhotoRecord) -> str:
        assert photo.result is not None
        faces = self.say("cli.line.faces", restored=photo.faces_restored, found=photo.faces_found)
        facts = [
            *([faces] if photo.faces_found else []),  # of a photo without a face a note tells
            self.say("cli.line.seconds", seconds=f"{photo.total_seconds:.1f}"),
            *(note.sentence(self.language) for note in photo.notes),
        ]
        return f"{shown(photo.path)} -> {shown(photo.result)}: {'; '.join(facts)}"

    @contextmanager
    def progress(self, runs: Runs, run: RunRecord) -> Iterator[Callable[[], None]]:
        """How far the run is, on stderr; the block calls what it gets now and then."""
        if self.quiet:
            yield lambda: None
        elif sys.stderr.isatty():
            with _bar(self, runs, run) as show:
                yield show
        else:
            yield _lines(self, runs, run)

    def where(self, progress: RunProgress) -> str:
        """Pace and time left in words; empty as long as nothing can be said honestly."""
        if progress.seconds_left is None or progress.photos_per_minute is None:
            return ""
        seconds = round(progress.seconds_left)
        left = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        return self.say("cli.batch.left", left=left, pace=f"{progress.photos_per_minute:.1f}")

    def ends(self, runs: Runs, run: RunRecord, *, stopped: bool) -> int:
        """The work has ended; the exit code: 0 all done, 1 some failed or the run broke off, 130 stopped."""
        progress = runs.progress(run.id)
        counts = progress.counts
        if run.state == "broken" and run.why is not None:
            tell(run.why.sentence(self.language))
        if self.as_json:
            from gpen_ui.jobs import run_facts

            answer_json({"summary": {**run_facts(run, self.language), **counts}})
        if not self.quiet:
            tell(f"{self.say('cli.batch.ends', run=run.id)} {self.say('runs.counts', **counts)}.")
            if progress.left:
                tell(self.say("cli.batch.resume_hint", run=run.id))
            elif progress.failed:
                tell(self.say("cli.batch.retry_hint", run=run.id))
            tell(self.say("cli.batch.report_hint", run=run.id))
        if run.state in ("paused", "cancelled", "queued") or (stopped and progress.left):
            return 130
        return int(run.state == "broken" or progress.failed > 0)


def show_plan(plan: Plan, view: BatchView) -> None:
    """What a run would do, file by file."""
    rows: list[tuple[Any, str, str]] = [
        (photo.path, "photo", shown(plan.output_folder / photo.subfolder)) for photo in plan.photos
    ]
    rows += [(each.path, "ignored", each.why.sentence(view.language)) for each in plan.ignored]
    for path, kind, detail in rows:
        if view.as_json:
            answer_json({"source": str(path), ("folder" if kind == "photo" else "ignored"): detail})
        else:
            answer(f"{shown(path)} -> {detail}/" if kind == "photo" else f"{shown(path)}: {detail}")
    if view.as_json:
        answer_json({"summary": {"planned": len(plan.photos), "ignored": len(plan.ignored)}})
    else:
        view.remark("cli.batch.plan", photos=len(plan.photos), ignored=len(plan.ignored))


@contextmanager
def _bar(view: BatchView, runs: Runs, run: RunRecord) -> Iterator[Callable[[], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}"))
    # a stdout that goes into a file or pipe must not be touched
    both = sys.stdout.isatty()
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=both, redirect_stderr=True) as bar:
        task = bar.add_task(view.say("cli.enhance.progress"), total=None, left="")

        def show() -> None:
            now = runs.progress(run.id)
            bar.update(task, completed=now.planned - now.left, total=now.planned, left=view.where(now))

        yield show


def _lines(view: BatchView, runs: Runs, run: RunRecord) -> Callable[[], None]:
    last = time.monotonic()

    def show() -> None:
        nonlocal last
        if time.monotonic() - last < SECONDS_BETWEEN_LINES:
            return
        last = time.monotonic()
        now = runs.progress(run.id)
        where = view.where(now)
        if now.left and where:
            tell(f"{view.say('cli.enhance.progress')}: {now.planned - now.left}/{now.planned}, {where}")

    return show
