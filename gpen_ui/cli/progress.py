"""How far a run has come: a bar with time left on a terminal, now and then a plain line anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from gpen_ui.cli.speech import tell
from gpen_ui.texts import Language, say

SECONDS_BETWEEN_LINES = 5.0


class Advance(Protocol):
    """Tells that so much of the whole is done."""

    def __call__(self, done: int, total: int | None) -> None: ...


@contextmanager
def shown_progress(title: str, language: Language, *, hidden: bool, is_bytes: bool = False) -> Iterator[Advance]:
    """Shows progress on stderr while the block runs; the block calls what it gets with the count so far.

    Args:
        title: what is being done.
        hidden: show nothing.
        is_bytes: the count is of bytes and is shown as megabytes.
    """
    if hidden:
        yield lambda done, total: None
    elif sys.stderr.isatty():
        with _bar(title, is_bytes) as advance:
            yield advance
    else:
        yield _lines(title, language, is_bytes)


@contextmanager
def _bar(title: str, is_bytes: bool) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    count = DownloadColumn() if is_bytes else MofNCompleteColumn()
    # lines printed meanwhile are put above the bar; a stdout that goes into a file or pipe must not be touched
    both = sys.stdout.isatty()
    columns = (TextColumn("{task.description}"), BarColumn(), count, TimeRemainingColumn())
    with Progress(*columns, console=console, redirect_stdout=both, redirect_stderr=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _lines(title: str, language: Language, is_bytes: bool) -> Advance:
    started = last = time.monotonic()

    def advance(done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if not total or not done or done == total or now - last < SECONDS_BETWEEN_LINES:
            return
        last = now
        left = round((now - started) / done * (total - done))
        count = f"{done >> 20}/{total >> 20} MB" if is_bytes else f"{done}/{total}"
        tell(say("cli.progress", language, title=title, count=count, seconds=left))

    return advance
