"""The batch size that chooses itself."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gpen_ui.engine import Restorer, tuning
from gpen_ui.engine.tuning import Curve, Curves, Sample, measure_curve
from gpen_ui.errors import OutOfMemoryError
from gpen_ui.network import Gpen, GpenConfig
from tests import commands


def device(fixed_ms: float, each_ms: float, room: int, asked: list[int] | None = None):
    """A device with a time per batch and per face, and room for so many faces of 1000 bytes."""

    def sample(faces: int) -> Sample:
        if asked is not None:
            asked.append(faces)
        if faces > room:
            raise OutOfMemoryError("batch_memory", faces=faces, device="cuda:0")
        return Sample(faces, (fixed_ms + each_ms * faces) / faces / 1000, 1000 * faces)

    return sample


def test_the_knee_is_the_smallest_batch_that_loses_nothing() -> None:
    curve = measure_curve(device(10, 1, 1000), None)
    assert [sample.faces for sample in curve.samples] == [1, 2, 4, 8, 16, 32, 64]
    assert curve.knee == 64 and curve.out_of_memory_at is None
    assert measure_curve(device(1, 1, 1000), None).knee == 16


def test_a_device_that_gains_nothing_is_not_measured_on_and_on() -> None:
    asked: list[int] = []
    assert measure_curve(device(0, 1, 1000, asked), None).knee == 1
    assert asked == [1, 2, 4]


def test_memory_ends_the_measurement() -> None:
    curve = measure_curve(device(10, 1, 5), None)
    assert curve.knee == 4 and curve.out_of_memory_at == 8
    asked: list[int] = []
    curve = measure_curve(device(10, 1, 1000, asked), free_bytes=7000)
    assert asked == [1, 2, 4] and curve.out_of_memory_at == 8  # eight faces would take more than there is
    with pytest.raises(OutOfMemoryError):
        measure_curve(device(10, 1, 0), None)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="elsewhere no freed memory is kept")
def test_memory_that_is_used_again_is_memory_that_the_work_takes() -> None:
    """Else a batch size that was measured after another one would seem to need nothing."""
    code = """
import torch
from gpen_ui.engine.memory import PeakMemory, keep_freed_memory
keep_freed_memory()
for _ in range(3):
    with PeakMemory("cpu") as memory:
        pieces = [torch.ones(1 << 19) for _ in range(64)]
        del pieces
    print(memory.peak_bytes)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(int(line) > 120_000_000 for line in ran.stdout.split())


def test_a_curve_is_kept_for_its_device_model_and_type(tmp_path: Path) -> None:
    curves = Curves(tmp_path / "cache")
    curve = Curve((Sample(1, 0.5, None), Sample(2, 0.25, 100)), 4)
    assert curves.load("card", "model") is None
    curves.save(curve, "card", "model")
    assert curves.load("card", "model") == curve
    assert curves.load("card", "another model") is None


@pytest.mark.parametrize(
    "broken", [b"", b"{", b"[]", b'{"samples": [], "out_of_memory_at": null}', b'{"samples": [{}]}']
)
def test_a_broken_file_costs_a_new_measurement(tmp_path: Path, broken: bytes) -> None:
    curves = Curves(tmp_path)
    curves.save(Curve((Sample(1, 0.5, None),)), "key")
    next(tmp_path.glob("*.json")).write_bytes(broken)
    assert curves.load("key") is None


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    Curves(tmp_path / "file").save(Curve((Sample(1, 0.5, None),)), "key")


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tuning, "cache_folder", lambda: tmp_path / "cache")
    torch.manual_seed(0)
    path = tmp_path / "tiny.pth"
    torch.save(Gpen(GpenConfig(64, 1, 1 / 16)).state_dict(), path)
    return path


def test_auto_takes_what_was_measured_and_a_number_wins(checkpoint: Path) -> None:
    with Restorer.load(checkpoint, device="cpu") as restorer:
        assert restorer.batch_size == 1 and restorer.curve is None
        curve = restorer.tune()
        assert [sample.faces for sample in curve.samples][:2] == [1, 2]
        assert restorer.batch_size == curve.knee
        restorer.batch_size = 3
        assert restorer.batch_size == 3
        restorer.batch_size = "auto"
        assert restorer.batch_size == curve.knee
    with Restorer.load(checkpoint, device="cpu") as again:
        assert again.curve == curve and again.batch_size == curve.knee
    with Restorer.load(checkpoint, device="cpu", batch_size=5) as asked:
        assert asked.batch_size == 5


def test_warmup_measures_ahead_and_says_what_it_found(checkpoint: Path, tmp_path: Path) -> None:
    record = json.loads(commands.run("warmup", "--model", checkpoint, "--device", "cpu", "--json").stdout)
    assert record["device"] == "cpu" and record["batch_size"] in [sample["faces"] for sample in record["samples"]]
    assert len(list((tmp_path / "cache" / "batch").glob("*.json"))) == 1
    spoken = commands.run("warmup", "--model", checkpoint, "--device", "cpu").stdout
    assert "1 at once" in spoken and "Ready after" in spoken
