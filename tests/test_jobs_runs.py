"""Runs on real photos through the real engine: what is done, what is not done twice, and whose failure is whose."""

from __future__ import annotations

import dataclasses
import errno
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gpen_ui.engine import Restorer
from gpen_ui.engine.runner import FaceRunner
from gpen_ui.errors import GpenError, UsageError
from gpen_ui.jobs import PlannedPhoto, Runs, RunSettings, RunStore
from gpen_ui.jobs.location import Location
from gpen_ui.jobs.rows import Facts
from gpen_ui.jobs.types import Plan, Told
from gpen_ui.options import RestoreOptions
from gpen_ui.photo import read_photo
from tests.jobs_lab import QUICK, Lab, draw, draw_many, happened, is_held, is_photo, one_thread, save_tiny_network


@pytest.fixture(scope="module", autouse=True)
def single_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("model") / "tiny.pth"


@pytest.fixture
def lab(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setattr("gpen_ui.jobs.patience.HOLD_S", 0.02)
    lab = Lab(tmp_path, model)
    yield lab
    lab.close()


# ---- folders and names ----


def test_a_folder_is_done_with_its_tree_and_the_originals_are_untouched(lab: Lab):
    draw(lab.photos / "a.jpg")
    draw(lab.photos / "a.png")
    draw(lab.photos / "1" / "x.png")
    draw(lab.photos / "2" / "x.png", 0)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in lab.photos.rglob("*.*")}
    run = lab.plan()
    lab.do(run)
    assert lab.files() == ["1/x_gpen.png", "2/x_gpen.png", "a_gpen.jpg", "a_gpen.png"]
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in lab.photos.rglob("*.*")} == before
    progress = lab.runs.progress(run)
    assert (progress.state, progress.planned, progress.done, progress.percent) == ("done", 4, 4, 100.0)
    assert progress.faces_restored == 3


def test_names_that_would_collide_are_told_apart_and_nothing_is_overwritten(lab: Lab):
    for name in ("a.jpg", "a.png", "a.webp", "A.bmp"):
        draw(lab.photos / name)
    lab.results.mkdir()
    (lab.results / "a_gpen.png").write_bytes(b"the user's own")
    (lab.results / "a_gpen_2.png").write_bytes(b"")
    lab.do(lab.plan(settings=dataclasses.replace(QUICK, output_format="png")))
    assert (lab.results / "a_gpen.png").read_bytes() == b"the user's own"
    assert (lab.results / "a_gpen_2.png").read_bytes() == b""
    assert lab.files() == ["A_gpen.png", *(f"a_gpen{end}.png" for end in ("", "_2", "_3", "_4", "_5"))]


def test_a_template_numbers_the_photos(lab: Lab):
    draw_many(lab.photos, 3)
    lab.do(lab.plan(settings=dataclasses.replace(QUICK, template="portrait {n:03}")))
    assert lab.files() == ["portrait 001.png", "portrait 002.png", "portrait 003.png"]


def test_names_that_are_no_text_and_names_in_chinese_go_through(lab: Lab):
    draw(lab.photos / "奶奶 1952 🙂.png")
    os.rename(draw(lab.photos / "b.png"), os.fsencode(lab.photos) + b"/caf\xe9.png")  # noqa: PTH104
    run = lab.plan()
    lab.do(run)
    assert lab.runs.progress(run).done == 2
    assert {os.fsencode(name) for name in lab.files()} == {"奶奶 1952 🙂_gpen.png".encode(), b"caf\xe9_gpen.png"}


def test_metadata_comes_through_a_run_also_for_names_unlike_the_source(lab: Lab):
    exif = Image.Exif()
    exif[0x0132] = "1984:07:01 12:00:00"
    exif[0x0112] = 6
    picture = Image.open(draw(lab.photos / "plain.png"))
    picture.save(lab.photos / "dated.jpg", exif=exif)
    lab.do(lab.plan(settings=dataclasses.replace(QUICK, template="p{n}")))
    result = Image.open(lab.results / "p1.jpg").getexif()
    assert result[0x0132] == "1984:07:01 12:00:00" and result.get(0x0112, 1) == 1


# ---- resume ----


def test_resume_does_only_what_is_new_gone_or_changed(lab: Lab, faces_seen: list[int]):
    photos = draw_many(lab.photos, 6)
    run = lab.plan(settings=dataclasses.replace(QUICK, keep_crops=False))
    lab.do(run)
    stamps = {name: (lab.results / name).stat().st_mtime_ns for name in lab.files()}
    (lab.results / "001_gpen.png").unlink()  # gone
    draw(photos[2], 2, shade=9)  # another photo under the same name
    os.utime(photos[4])  # touched, but the same
    draw(lab.photos / "new.png", 1)
    faces_seen.clear()
    lab.runs.resume(run)
    assert lab.runs.wait(run, 60)
    assert sum(faces_seen) == 1 + 2 + 1
    assert set(lab.files()) - set(stamps) == {"002_gpen_2.png", "new_gpen.png"}
    untouched = [name for name in stamps if name not in ("001_gpen.png",)]
    assert all((lab.results / name).stat().st_mtime_ns == stamps[name] for name in untouched)
    assert lab.runs.progress(run).done == 7


def test_a_run_that_is_stopped_goes_on_with_what_is_left_and_pixels_are_the_same(
    lab: Lab, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
):
    draw_many(lab.photos, 14)
    run = lab.plan()
    end = type(lab.store.ledger).done

    def pause_after_it(ledger: object, run_id: str, photo_id: int, pace_s: float | None) -> None:
        end(ledger, run_id, photo_id, pace_s)  # type: ignore[arg-type]
        lab.runs.pause(run)

    with monkeypatch.context() as patched:
        patched.setattr(type(lab.store.ledger), "done", pause_after_it)
        lab.do(run)
    paused = lab.runs.progress(run)
    assert paused.state == "paused" and 1 <= paused.done < 14 and paused.done + paused.left == 14
    lab.runs.resume(run)
    assert lab.runs.wait(run, 60)
    (tmp_path / "other").mkdir()
    other = Lab(tmp_path / "other", model)
    for path in lab.photos.iterdir():
        (other.photos / path.name).write_bytes(path.read_bytes())
    other.do(other.plan())
    assert lab.files() == other.files() and len(lab.files()) == 14
    assert all((lab.results / name).read_bytes() == (other.results / name).read_bytes() for name in lab.files())
    other.close()


def test_another_strength_needs_no_network_another_model_does(lab: Lab, faces_seen: list[int], tmp_path: Path):
    draw_many(lab.photos, 4)
    run = lab.plan(RestoreOptions(strength=100))
    lab.do(run)
    first = sum(faces_seen)
    assert first == 3
    for options in (
        RestoreOptions(strength=40),
        RestoreOptions(mode="strong", sharpen=30),
        RestoreOptions(contrast=20),
    ):
        faces_seen.clear()
        lab.runs.resume(run, options=options)
        assert lab.runs.wait(run, 60)
        assert sum(faces_seen) == 0
    assert lab.runs.progress(run).done == 4 and len(lab.files()) == 16
    fresh = lab.restorer.restore(lab.photos / "001.png", RestoreOptions(contrast=20))
    kept = read_photo(lab.results / "001_gpen_4.png")
    assert fresh.photo is not None
    assert np.abs(fresh.photo.pixels.astype(int) - kept.pixels).max() <= 2  # 8 bits are kept of each face
    faces_seen.clear()
    lab.restorer = Restorer.load(save_tiny_network(tmp_path / "other.pth", seed=1), device="cpu")
    lab.runs.resume(run)
    assert lab.runs.wait(run, 60)
    assert sum(faces_seen) == first


def test_options_of_before_are_not_restored_again(lab: Lab):
    draw_many(lab.photos, 3)
    run = lab.plan()
    lab.do(run)
    lab.runs.resume(run)
    assert lab.runs.wait(run, 60)
    assert len(lab.files()) == 3


def test_a_second_run_of_the_same_folder_skips_what_is_done_unless_asked(lab: Lab):
    draw_many(lab.photos, 3)
    first = lab.plan()
    lab.do(first)
    second = lab.plan()
    lab.do(second)
    assert set(lab.outcome(second).values()) == {"skipped"} and len(lab.files()) == 3
    assert first in lab.reason(second, "000.png")
    lab.do(lab.plan(settings=dataclasses.replace(QUICK, again=True)))
    assert len(lab.files()) == 6


def test_kept_faces_stay_below_their_limit_and_a_broken_cache_costs_nothing_else(lab: Lab, tmp_path: Path):
    from gpen_ui.jobs.crops import KeptCrops

    noise = np.random.default_rng(0).integers(0, 255, (4, 256, 256, 3)).astype(np.float32)
    crops = KeptCrops(tmp_path, "model", limit_mb=1)
    for number in range(12):
        crops.put(noise[number % 4] + number, noise[number % 4], deep=False)
        crops.get(noise[number % 4] + number)  # waits for it
    assert crops._bytes <= 1 << 20
    assert crops.get(noise[3] + 11) is not None and crops.get(noise[0]) is None
    crops.close()
    assert KeptCrops(tmp_path, "another model", 1).get(noise[3] + 11) is None
    (lab.store.folder / "crops.sqlite").write_bytes(b"rubbish" * 1000)
    draw_many(lab.photos, 2)
    run = lab.plan()
    lab.do(run)
    assert lab.runs.progress(run).done == 2


@pytest.mark.parametrize(("deep", "step"), [(False, 1.0), (True, 1 / 257)])
def test_a_kept_face_comes_back_in_the_depth_of_its_photo(tmp_path: Path, deep: bool, step: float):
    from gpen_ui.jobs.crops import KeptCrops

    crop = np.full((64, 64, 3), 7, np.float32)
    restored = np.random.default_rng(0).uniform(0, 255, (64, 64, 3)).astype(np.float32)
    crops = KeptCrops(tmp_path, "model", limit_mb=1)
    given = crops.put(crop, restored, deep=deep)
    kept = crops.get(crop)
    crops.close()
    assert kept is not None and np.array_equal(given, kept)
    assert np.abs(kept - restored).max() <= step / 2 + 1e-3


# ---- one photo's failure is its own ----


def test_photos_that_cannot_be_read_fail_with_their_reason_and_the_others_are_done(lab: Lab):
    draw_many(lab.photos, 3)
    (lab.photos / "empty.jpg").touch()
    (lab.photos / "text.jpg").write_text("no photo")
    whole = draw(lab.photos / "whole.jpg").read_bytes()
    (lab.photos / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (lab.photos / "failed.png").write_bytes((lab.photos / "001.png").read_bytes())
    run = lab.plan()
    (lab.photos / "whole.jpg").unlink()
    lab.do(run)
    outcome = lab.outcome(run)
    assert {name for name, state in outcome.items() if state == "failed"} == {
        "empty.jpg", "text.jpg", "cut.jpg", "whole.jpg",
    }  # fmt: skip
    assert "0 bytes" in lab.reason(run, "empty.jpg") and "does not exist" in lab.reason(run, "whole.jpg")
    assert [photo.state for photo in lab.store.ledger.photos(run, states=("done",))] == ["done"] * 4
    whole_again = draw(lab.photos / "cut.jpg")
    assert whole_again.exists()
    assert lab.runs.retry_failed(run) == 4 and lab.runs.wait(run, 60)
    assert lab.outcome(run)["cut.jpg"] == "done" and lab.runs.progress(run).failed == 3
    assert len(lab.files()) == 5


def test_memory_that_runs_out_fails_the_photos_with_faces_only(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    draw_many(lab.photos, 3)

    def too_small(self: FaceRunner, crops: list) -> list:
        raise torch.OutOfMemoryError("out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(FaceRunner, "_forward", too_small)
        run = lab.plan()
        lab.do(run)
    assert lab.outcome(run) == {"000.png": "done", "001.png": "failed", "002.png": "failed"}
    assert "Out of memory" in lab.reason(run, "001.png") and lab.files() == ["000_gpen.png"]
    lab.restorer._parts.runner.batch_size = 4
    lab.runs.retry_failed(run)
    assert lab.runs.wait(run, 60) and lab.runs.progress(run).done == 3


def test_a_face_that_failed_beside_others_is_in_the_record(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    draw(lab.photos / "two.png", 2)
    forward = FaceRunner._forward
    times: list[int] = []

    def first_is_broken(self: FaceRunner, crops: list) -> list:
        times.append(len(crops))
        good = forward(self, crops)
        return [GpenError("face_not_finite", device="cpu")] if len(times) == 1 else good

    monkeypatch.setattr(FaceRunner, "_forward", first_is_broken)
    run = lab.plan()
    lab.do(run)
    (photo,) = lab.store.ledger.photos(run)
    assert (photo.state, photo.faces_found, photo.faces_restored, photo.faces_failed) == ("done", 2, 1, 1)
    failed = [face for face in lab.store.ledger.faces(photo.id) if face.state == "failed"]
    assert failed[0].why is not None and "no usable picture" in failed[0].why.sentence("en")


def test_a_write_that_is_refused_fails_its_photo_only(lab: Lab):
    draw(lab.photos / "a.png")
    draw(lab.photos / "sub" / "b.png")
    lab.results.mkdir()
    (lab.results / "sub").write_text("a file where a folder is needed")
    run = lab.plan()
    lab.do(run)
    assert lab.outcome(run) == {"a.png": "done", "b.png": "failed"} and lab.files() == ["a_gpen.png", "sub"]


def test_a_photo_that_hangs_is_left_behind_after_its_time(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    draw_many(lab.photos, 5)
    parts = lab.restorer._parts
    release = threading.Event()

    def read(path: Path) -> object:
        if path.name == "002.png":
            release.wait(30)
        return read_photo(path)

    monkeypatch.setattr(lab.restorer, "_parts", dataclasses.replace(parts, read=read))
    run = lab.plan(settings=dataclasses.replace(QUICK, time_limit_s=1.0))
    lab.runs.start(run)
    assert lab.runs.wait(run, 60)
    assert lab.runs.hangs
    release.set()
    assert lab.outcome(run) == {f"00{n}.png": "failed" if n == 2 else "done" for n in range(5)}
    assert "within 1 second " in lab.reason(run, "002.png") and len(lab.files()) == 4


def test_a_stream_that_falls_over_is_sorted_out_photo_by_photo(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    draw_many(lab.photos, 6)
    draw(lab.photos / "003b.png", 1, shade=-120)
    forward = FaceRunner._forward

    def dark_faces_break_it(self: FaceRunner, crops: list) -> list:
        if any(float(crop.mean()) < 50 for crop in crops):
            raise RuntimeError("CUDA error: an illegal instruction was encountered")
        return forward(self, crops)

    monkeypatch.setattr(FaceRunner, "_forward", dark_faces_break_it)
    run = lab.plan()
    lab.do(run)
    assert {name for name, state in lab.outcome(run).items() if state == "failed"} == {"003b.png"}
    assert "illegal instruction" in lab.reason(run, "003b.png") and len(lab.files()) == 6


def test_a_model_that_cannot_be_loaded_breaks_the_run_off_with_its_sentence(lab: Lab):
    draw_many(lab.photos, 2)
    run = lab.plan()

    def missing(record: object, stop: object) -> object:
        raise GpenError("model_unknown", name="x", known="y")

    broken = Runs(lab.store, missing)  # type: ignore[arg-type]
    broken.start(run)
    assert broken.wait(run, 30)
    progress = lab.runs.progress(run)
    assert progress.state == "broken" and progress.why is not None and "no model" in progress.why.sentence("en")
    assert progress.left == 2
    lab.do(run)
    assert lab.runs.progress(run).done == 2


# ---- disks ----


def test_a_full_disk_holds_the_run_and_it_goes_on_by_itself(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    draw_many(lab.photos, 4)
    full = threading.Event()
    full.set()
    monkeypatch.setattr("gpen_ui.jobs.patience.has_room", lambda folder, need, reserve: not full.is_set())
    run = lab.plan()
    lab.runs.start(run)
    held = happened(lab.runs, run, is_held)
    assert held.data["why"]["key"] == "runs.held.room"
    progress = lab.runs.progress(run)
    assert progress.why is not None and "free" in progress.why.sentence("en") and progress.left == 4
    full.clear()
    assert lab.runs.wait(run, 60)
    assert lab.runs.progress(run).done == 4 and len(lab.files()) == 4


def test_a_disk_that_fills_up_while_a_result_is_written_leaves_nothing_half(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    draw_many(lab.photos, 3)
    times: list[str] = []
    fsync = os.fsync

    def full_twice(descriptor: int) -> None:
        times.append("")
        if len(times) <= 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full_twice)
    run = lab.plan()
    lab.do(run)
    kinds = [event.data.get("state") for event in lab.runs.events(run) if event.kind == "state"]
    assert kinds.count("held") == 2 and lab.runs.progress(run).done == 3
    assert lab.files() == ["000_gpen.png", "001_gpen.png", "002_gpen.png"]


@pytest.fixture
def small_disk(lab: Lab) -> Iterator[Path]:
    """The results folder on a disk of its own with 512 KB."""
    lab.results.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", lab.results], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("only root can mount a disk")
    yield lab.results
    lab.runs.close()
    subprocess.run(["umount", "-l", lab.results], check=True)


def test_a_real_disk_that_is_full_holds_the_run_until_somebody_makes_room(lab: Lab, small_disk: Path):
    draw_many(lab.photos, 9)
    (small_disk / "filler").write_bytes(bytes(400 << 10))
    run = lab.plan()
    lab.runs.start(run)
    happened(lab.runs, run, is_held)
    held = lab.runs.progress(run)
    assert held.done < 9 and held.failed == 0 and held.why is not None and str(small_disk) in held.why.sentence("zh")
    assert not [name for name in lab.files() if name.endswith(".part")]
    (small_disk / "filler").unlink()
    assert lab.runs.wait(run, 60)
    assert lab.runs.progress(run).done == 9
    for path in small_disk.iterdir():
        Image.open(path).load()


def test_a_store_on_a_full_disk_holds_the_run_too(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    draw_many(lab.photos, 3)
    reserve = type(lab.store.ledger).reserve
    times: list[int] = []

    def full_once(*arguments: object) -> bool:
        times.append(1)
        if len(times) == 1:
            raise GpenError("runs_store_full", path="runs.sqlite")
        return reserve(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(type(lab.store.ledger), "reserve", full_once)
    run = lab.plan()
    lab.do(run)
    assert lab.runs.progress(run).done == 3 and len(times) == 4


def test_a_held_run_can_be_paused(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    draw_many(lab.photos, 3)
    monkeypatch.setattr("gpen_ui.jobs.patience.has_room", lambda folder, need, reserve: False)
    run = lab.plan()
    lab.runs.start(run)
    happened(lab.runs, run, is_held)
    lab.runs.pause(run)
    assert lab.runs.wait(run, 60)
    progress = lab.runs.progress(run)
    assert (progress.state, progress.left, progress.done) == ("paused", 3, 0) and lab.files() == []


def test_an_input_folder_that_goes_away_holds_the_run_instead_of_failing_every_photo(lab: Lab):
    draw_many(lab.photos, 4)
    run = lab.plan()
    away = lab.photos.rename(lab.folder / "unplugged")
    lab.runs.start(run)
    happened(lab.runs, run, is_held)
    assert lab.runs.progress(run).failed == 0
    away.rename(lab.photos)
    assert lab.runs.wait(run, 60)
    assert lab.runs.progress(run).done == 4


# ---- several hands on one run ----


def test_two_hands_never_work_on_one_run(lab: Lab):
    draw_many(lab.photos, 3)
    run = lab.plan()
    second = RunStore(Location(lab.store.folder))
    others = Runs(second, lab.load)
    gate = threading.Event()

    class Waits:
        def __enter__(self) -> object:
            gate.wait(30)
            return lab.restorer

        def __exit__(self, *_: object) -> None:
            return None

    lab.runs._load = lambda record, stop: Waits()  # type: ignore[assignment,return-value]
    lab.runs.start(run)
    for attempt in (others.start, others.resume, others.retry_failed, others.remove, lab.runs.start):
        with pytest.raises(UsageError, match="being worked on"):
            attempt(run)
    assert others.pick_up() == []
    gate.set()
    assert lab.runs.wait(run, 60)
    assert others.progress(run).done == 3  # the other process sees it all
    others.start(run)
    assert others.wait(run, 60)
    second.close()


def test_another_process_can_pause_and_cancel(lab: Lab):
    draw_many(lab.photos, 9)
    second = RunStore(Location(lab.store.folder))
    others = Runs(second, lab.load)
    run = lab.plan()
    lab.runs.start(run)
    happened(others, run, is_photo)
    others.pause(run)
    assert lab.runs.wait(run, 60)
    assert others.progress(run).state in ("paused", "done")
    others.cancel(run)  # nobody works on it: it is done at once
    progress = lab.runs.progress(run)
    assert progress.left == 0 and progress.done + progress.skipped == 9
    others.resume(run)
    assert others.wait(run, 60)
    assert others.progress(run).done == 9 and len(lab.files()) == 9
    second.close()


def test_a_server_that_ends_in_order_goes_on_where_it_was(lab: Lab):
    draw_many(lab.photos, 9)
    run = lab.plan()
    lab.runs.start(run)
    happened(lab.runs, run, is_photo)
    lab.runs.close()
    assert lab.runs.run(run).state in ("queued", "done")
    after = Runs(lab.store, lab.load)
    assert after.pick_up() in ([run], [])
    assert after.wait(run, 60)
    assert after.progress(run).done == 9 and len(lab.files()) == 9


def test_events_tell_a_reader_everything_once_from_any_point(lab: Lab):
    draw_many(lab.photos, 3)
    run = lab.plan()
    lab.do(run)
    events = lab.runs.events(run)
    assert [event.data["state"] for event in events if event.kind == "state"] == [
        "planned",
        "queued",
        "running",
        "done",
    ]
    assert [event.data["name"] for event in events if event.kind == "photo"] == ["000.png", "001.png", "002.png"]
    half = events[len(events) // 2].seq
    assert lab.runs.events(run, after=half) == tuple(event for event in events if event.seq > half)


def test_removing_a_run_keeps_its_results_and_remembers_that_they_are_results(lab: Lab):
    draw_many(lab.photos, 2)
    run = lab.plan()
    lab.do(run)
    lab.runs.remove(run)
    assert len(lab.files()) == 2 and lab.runs.runs() == []
    assert lab.store.ledger.is_result(lab.results / "000_gpen.png")
    with pytest.raises(UsageError, match="no run"):
        lab.runs.progress(run)


# ---- numbers ----


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's own numbers")
def test_memory_stays_flat_over_many_photos(lab: Lab):
    def resident_mb() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)

    for number in range(40):
        draw(lab.photos / f"{number}.jpg", number % 4 == 0)
    lab.do(lab.plan())
    before = resident_mb()
    for number in range(40, 160):
        draw(lab.photos / f"{number}.jpg", number % 4 == 0, shade=number % 50)
    lab.do(lab.plan())
    assert resident_mb() - before < 25  # 120 of these photos are 27 MB, and twice that with their results


def test_time_left_is_not_claimed_too_early_and_comes_from_the_mean():
    from gpen_ui.jobs.pace import photos_per_minute, seconds_left

    assert seconds_left([1.0, 1.0], 10) is None and photos_per_minute([]) is None
    assert seconds_left([1.0, 1.0, 1.0, 97.0], 10) == 250.0  # a median would say 10
    assert photos_per_minute([0.5, 0.5, 0.5]) == 120.0


OPERATIONS = ("add", "take", "give_back", "crash", "done", "fail", "skip_all", "again", "retry", "renew")


@given(st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 5)), max_size=25))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_planned_is_always_done_and_failed_and_skipped_and_left(operations: list[tuple[str, int]]):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(Location(Path(folder)))
        store.database._connection.execute("PRAGMA synchronous = OFF")
        run = store.add(Plan((Path("/in"),), Path("/out"), RestoreOptions(), RunSettings(), (), ()))
        ledger, facts = store.ledger, Facts("recipe", "", 1, 1)
        expected = 0
        for operation, number in operations:
            photos = ledger.photos(run)
            busy = [photo for photo in photos if photo.state in ("working", "writing")]
            if operation == "add":
                path = Path(f"/in/{number}.jpg")
                expected += ledger.add(run, [PlannedPhoto(path, Path(), 1, 1, Path("/in"))])
            elif operation == "take":
                ledger.take(run)
            elif operation == "skip_all":
                ledger.skip_all(run, Told("runs.skipped.cancelled"))
            elif operation == "retry":
                ledger.retry_failed(run)
            elif operation == "renew":
                ledger.renew(run, PlannedPhoto(Path(f"/in/{number}.jpg"), Path(), 2, 2, Path("/in")))
            elif operation == "again" and photos:
                ledger.again(photos[number % len(photos)].id)
            elif busy:
                photo = busy[number % len(busy)]
                if operation == "done":
                    ledger.reserve(run, photo.id, Path(f"/out/{photo.id}.jpg"), "hash", facts, 1)
                    ledger.done(run, photo.id, 0.1)
                elif operation == "fail":
                    ledger.fail(run, photo.id, Told("error.photo_empty", {"name": "x"}), facts, 0.1)
                else:
                    ledger.give_back(photo.id, crashed=operation == "crash")
            counts = ledger.counts(run)
            assert counts.planned == expected == counts.done + counts.failed + counts.skipped + counts.left
        store.close()


def test_runs_made_in_the_same_moment_never_share_an_id(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    draw_many(lab.photos, 1)
    drawn = iter(["aaaa", "aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr("gpen_ui.jobs.store.secrets.token_hex", lambda size: next(drawn))
    monkeypatch.setattr("gpen_ui.jobs.store.time.strftime", lambda form: "20260101-000000")
    assert [lab.plan(), lab.plan()] == ["20260101-000000-aaaa", "20260101-000000-bbbb"]
