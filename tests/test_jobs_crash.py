"""Killed at any moment, a run ends with every photo exactly once and no half file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from gpen_ui.jobs import RunStore
from gpen_ui.jobs.location import Location
from tests.jobs_lab import draw_many, save_tiny_network

CHECKOUT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def crash(tmp_path: Path, photos: Path, how: str, seed: int, **variables: str) -> int:
    """Runs over the photos with kills; how many there were."""
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "tests.jobs_crash", photos, tmp_path / how, tmp_path / f"{how}-store"),
            *(tmp_path / "tiny.pth", how, str(seed)),
        ],
        cwd=CHECKOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **variables},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stderr
    return int(ran.stdout)


@pytest.mark.parametrize(("how", "count"), [("between", 10), ("anywhen", 16)])
def test_killed_again_and_again_every_photo_is_there_exactly_once(how: str, count: int, tmp_path: Path):
    photos = tmp_path / "photos"
    draw_many(photos, count)
    save_tiny_network(tmp_path / "tiny.pth")
    originals = {path.name: path.read_bytes() for path in photos.iterdir()}
    kills = crash(tmp_path, photos, how, seed=1)
    assert kills >= 3
    results = tmp_path / how
    assert sorted(path.name for path in results.iterdir()) == [f"{number:03}_gpen.png" for number in range(count)]
    for path in results.iterdir():
        Image.open(path).load()
    assert {path.name: path.read_bytes() for path in photos.iterdir()} == originals
    store = RunStore(Location(tmp_path / f"{how}-store"))
    (run,) = store.runs()
    photos_of_run = store.ledger.photos(run.id, limit=1000)
    assert run.state == "done" and {photo.state for photo in photos_of_run} == {"done"}
    ends = [event.data["number"] for event in store.events(run.id, limit=10_000) if event.kind == "photo"]
    assert sorted(ends) == list(range(1, count + 1))  # each photo came to its end once
    store.close()


def test_where_there_are_no_hard_links_a_kill_leaves_no_empty_file_behind(tmp_path: Path):
    """As on exFAT: the name is taken by an empty file, which the result then replaces."""
    photos = tmp_path / "photos"
    draw_many(photos, 6)
    save_tiny_network(tmp_path / "tiny.pth")
    (tmp_path / "sitecustomize.py").write_text(
        "import os\ndef link(*a, **k): raise PermissionError(1, 'not permitted')\nos.link = link\n"
    )
    assert crash(tmp_path, photos, "between", seed=2, PYTHONPATH=str(tmp_path)) >= 2
    results = sorted((tmp_path / "between").iterdir())
    assert [path.name for path in results] == [f"{number:03}_gpen.png" for number in range(6)]
    assert all(path.stat().st_size > 0 for path in results)


def test_killed_while_results_follow_a_choice_each_photo_keeps_its_one_file(tmp_path: Path):
    photos = tmp_path / "photos"
    draw_many(photos, 6)
    save_tiny_network(tmp_path / "tiny.pth")
    assert crash(tmp_path, photos, "choosing", seed=3) >= 2
    results = sorted((tmp_path / "choosing").iterdir())
    assert [path.name for path in results] == [f"{number:03}_gpen.png" for number in range(6)]
    one_face = [number for number in range(6) if number % 3 == 1]
    for number in one_face:  # whose only face is off
        result, photo = (Image.open(path) for path in (results[number], photos / f"{number:03}.png"))
        assert result.tobytes() == photo.tobytes()
    store = RunStore(Location(tmp_path / "choosing-store"))
    (run,) = store.runs()
    done = store.ledger.photos(run.id)
    assert {photo.state for photo in done} == {"done"} and all(photo.choices for photo in done)
    assert all(photo.old_result is None for photo in done)
    store.close()
