"""A watched folder: photos are taken when they are still, once, and never the run's own results."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpen_ui.jobs import RunSettings, plan_run
from gpen_ui.jobs.watch import Watcher
from tests.jobs_lab import QUICK, Lab, draw, draw_many, happened, is_photo, one_thread

STABLE_S = 3.0


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module", autouse=True)
def single_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("model") / "tiny.pth"


def watcher_of(folder: Path, clock: Clock) -> Watcher:
    return Watcher(lambda: plan_run([folder], folder / "out"), {}, STABLE_S, clock)


def test_a_photo_is_taken_when_it_has_been_still_for_long_enough(tmp_path: Path):
    clock = Clock()
    watcher = watcher_of(tmp_path, clock)
    (tmp_path / "a.jpg").write_bytes(b"1")
    assert watcher.look() == ()
    clock.now += STABLE_S - 0.1
    assert watcher.look() == ()
    (tmp_path / "a.jpg").write_bytes(b"12")  # still being copied
    clock.now += 0.2
    assert watcher.look() == ()
    os.utime(tmp_path / "a.jpg", (1, 1))  # as copying programs do at the end
    clock.now += STABLE_S
    assert watcher.look() == ()
    clock.now += STABLE_S
    assert [photo.path.name for photo in watcher.look()] == ["a.jpg"]
    clock.now += STABLE_S
    assert watcher.look() == ()


def test_a_photo_that_goes_again_is_forgotten_and_one_that_changes_is_new(tmp_path: Path):
    clock = Clock()
    watcher = watcher_of(tmp_path, clock)
    (tmp_path / "gone.jpg").write_bytes(b"1")
    (tmp_path / "b.jpg").write_bytes(b"1")
    watcher.look()
    (tmp_path / "gone.jpg").unlink()
    clock.now += STABLE_S
    assert [photo.path.name for photo in watcher.look()] == ["b.jpg"]
    (tmp_path / "b.jpg").write_bytes(b"another")
    watcher.look()
    clock.now += STABLE_S
    assert [photo.size_bytes for photo in watcher.look()] == [7]


def test_a_folder_that_is_away_for_a_while_gives_nothing(tmp_path: Path):
    clock = Clock()
    folder = tmp_path / "in"
    folder.mkdir()
    watcher = watcher_of(folder, clock)
    folder.rmdir()
    clock.now += STABLE_S
    assert watcher.look() == ()
    clock.now += STABLE_S
    assert watcher.look() == ()


def test_a_watching_run_takes_what_comes_survives_a_restart_and_leaves_its_results_alone(tmp_path: Path, model: Path):
    lab = Lab(tmp_path, model)
    lab.results = lab.photos / "results"  # inside the watched folder
    settings: RunSettings = dataclasses.replace(QUICK, watch=True, stable_s=0.0)
    draw_many(lab.photos, 2)
    run = lab.plan(settings=settings)
    lab.runs.start(run)
    wait_for(lab, run, 2)
    draw(lab.photos / "later" / "new.png", 1)
    wait_for(lab, run, 3)
    lab.runs.close()  # the process ends in the middle of watching
    assert lab.runs.run(run).state == "queued"
    draw(lab.photos / "meanwhile.png", 0)
    after = type(lab.runs)(lab.store, lab.load)
    assert after.pick_up() == [run]
    lab.runs = after
    wait_for(lab, run, 4)
    draw(lab.photos / "000.png", 2)  # another photo under an old name
    wait_for(lab, run, 5)
    after.pause(run)
    assert after.wait(run, 60) and after.progress(run).state == "paused"
    expected = ["000_gpen.png", "000_gpen_2.png", "001_gpen.png", "later/new_gpen.png", "meanwhile_gpen.png"]
    assert lab.files() == expected and after.progress(run).planned == 4
    lab.close()


def wait_for(lab: Lab, run: str, results: int) -> None:
    """Waits until so many photos came to their end and the run watches again."""
    seen = happened(lab.runs, run, is_photo, results).seq
    if lab.runs.run(run).state != "watching":
        happened(lab.runs, run, lambda event: event.seq > seen and event.data.get("state") == "watching")
