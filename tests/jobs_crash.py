"""Works on one run in child processes that are killed, again and again, until one of them reaches the end.

Usage: python -m tests.jobs_crash PHOTOS RESULTS STORE MODEL HOW SEED

HOW is "anywhen": the parent sends SIGKILL some time after the child has begun to work; "between": the child kills
itself right before a random one of its steps in the results folder (open, link, rename, remove), so that every gap
between two steps of the writing is met; or "choosing": the same, while photos that were done follow what was asked of
their faces. The children are forked, because importing torch anew for each would take most
of the time. Prints the number of kills.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from gpen_ui.choices import FaceChoice
from gpen_ui.engine import Restorer
from gpen_ui.jobs import RunRecord, Runs, RunSettings, RunStore, plan_run
from gpen_ui.jobs.location import Location

ROUNDS_MOST = 400
SETTINGS = RunSettings(reserve_mb=0)


def main(photos: Path, results: Path, folder: Path, model: Path, how: str, seed: int) -> int:
    torch.set_num_threads(1)
    Restorer.load(model, device="cpu").close()  # imports what is imported at the first use
    folder.mkdir(parents=True, exist_ok=True)
    store = RunStore(Location(folder))
    run_id = store.add(plan_run([photos], results, settings=SETTINGS))
    store.close()
    if how == "choosing":
        choose_first_faces(run_id, folder, model)
        how = "between"
    chance = random.Random(seed)
    for kills in range(ROUNDS_MOST):
        step, wait_share = chance.randrange(1, 26), chance.random()
        listening, speaking = os.pipe()
        child = os.fork()
        if child == 0:
            if how == "between":
                kill_before_step(step, results)
            work(run_id, folder, model, speaking)
            os._exit(0)
        os.close(speaking)
        os.read(listening, 1)
        os.close(listening)
        if how == "anywhen":
            time.sleep(wait_share * (0.2 + kills / 20))  # longer and longer, so that a busy machine gets through
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            sys.stdout.write(f"{kills}\n")
            return os.WEXITSTATUS(status)
    return 1


def choose_first_faces(run_id: str, folder: Path, model: Path) -> None:
    """Does the run, then turns the first face of every photo off."""
    child = os.fork()
    if child == 0:
        work(run_id, folder, model, os.open(os.devnull, os.O_WRONLY))
        os._exit(0)
    os.waitpid(child, 0)
    store = RunStore(Location(folder))
    for photo in store.ledger.photos(run_id):
        store.ledger.choose(run_id, photo.id, (FaceChoice(number=1, on=False),))
    store.close()


def work(run_id: str, folder: Path, model: Path, speaking: int) -> None:
    store = RunStore(Location(folder))
    runs = Runs(store, loader(model, speaking))
    if store.run(run_id).state != "done" or store.ledger.counts(run_id).left:
        runs.resume(run_id)
        runs.wait(run_id)
    if store.run(run_id).state != "done" or store.ledger.counts(run_id).left:
        os._exit(3)
    store.close()


def loader(model: Path, speaking: int) -> Any:
    @contextmanager
    def load(run: RunRecord, stop: threading.Event) -> Iterator[Restorer]:
        with Restorer.load(model, device="cpu", batch_size=2) as restorer:
            os.write(speaking, b".")
            yield restorer

    return load


def kill_before_step(number: int, results: Path) -> None:
    """Arms this process: the `number`-th step in the results folder is not reached any more."""
    steps = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal steps
        if event in ("open", "os.link", "os.rename", "os.remove") and Path(str(arguments[0])).is_relative_to(results):
            steps += 1
            if steps == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


if __name__ == "__main__":
    *paths, how, seed = sys.argv[1:]
    sys.exit(main(*(Path(path) for path in paths), how, int(seed)))  # type: ignore[call-arg]
