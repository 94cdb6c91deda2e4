"""Runs on a real Ray cluster: two nodes on this machine, their actors killed, and the driver, too."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gpen_ui.choices import read_choices
from gpen_ui.engine import Chosen, Restorer
from gpen_ui.jobs import RunSettings, report_json, with_asked
from gpen_ui.jobs.cluster.bench import Bench, BenchOrder, Greeting
from gpen_ui.jobs.cluster.parcel import OtherFiles, pack
from gpen_ui.jobs.outcome import Outcome
from gpen_ui.network import Gpen, GpenConfig
from gpen_ui.options import RestoreOptions
from gpen_ui.photo import load_file
from tests import pictures, ray_faults
from tests.commands import json_lines, start
from tests.commands import run as run_command
from tests.jobs_lab import QUICK, Lab, draw, draw_many, happened, is_held, is_photo, one_thread, save_tiny_network

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install -r requirements-ray.txt")
pytestmark = pytest.mark.ray
CHECKOUT = Path(__file__).resolve().parent.parent
ON_RAY = dataclasses.replace(QUICK, engine="ray")
WAIT_S = 90
Orders = Callable[..., Any]  # of faults: name of a photo -> what shall happen at it


@pytest.fixture(scope="module", autouse=True)
def single_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("faults") / "faults.json"
    path.write_text("{}")
    return path


@pytest.fixture(scope="module")
def cluster(faults: Path) -> Iterator[str]:
    """Two nodes with one core each; its address."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patched.setenv("PYTHONPATH", str(CHECKOUT))
        patched.setenv("OMP_NUM_THREADS", "1")
        patched.setenv(ray_faults.FILE_VARIABLE, str(faults))
        patched.setenv(ray_faults.LOADS_VARIABLE, str(faults.with_name("loads")))
        node = {"num_cpus": 1, "object_store_memory": 80 << 20}
        cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        cluster.add_node(**node)
        yield cluster.address
        cluster.shutdown()


@pytest.fixture
def connected(cluster: str, faults: Path) -> Iterator[Orders]:
    """This process on the cluster, with faults that the test can order in the actors."""
    faults.write_text("{}")
    ray.init(
        address=cluster,
        logging_level="ERROR",
        log_to_driver=False,
        runtime_env={"worker_process_setup_hook": ray_faults.arm},
    )
    yield lambda **ordered: faults.write_text(json.dumps(ordered))
    ray.shutdown()


@pytest.fixture
def lab(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """Runs with a network of 64 px."""
    monkeypatch.setattr("gpen_ui.jobs.patience.HOLD_S", 0.1)
    monkeypatch.setenv("GPEN_UI_OUTPUTS_FOLDER", str(tmp_path / "store"))
    lab = Lab(tmp_path, tmp_path_factory.getbasetemp() / "tiny.pth")
    yield lab
    lab.close()


def on_ray(lab: Lab, **changes: Any) -> RunSettings:
    """Settings of a run on the cluster with the lab's own network."""
    return dataclasses.replace(ON_RAY, model=str(lab.restorer.model_path), **changes)


def do(lab: Lab, run: str) -> None:
    lab.runs.start(run)
    assert lab.runs.wait(run, WAIT_S)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def told(lab: Lab, run: str) -> list[dict[str, Any]]:
    """What the report says of each photo, besides where and when it was made."""
    photos = json.loads("".join(report_json(lab.store, lab.store.run(run), "en")))["photos"]
    for photo in photos:
        photo["result"] = Path(photo["result"]).name if photo["result"] else None
        for changing in ("seconds", "seconds_total", "device", "finished"):
            del photo[changing]
    return photos


def device_of(lab: Lab, run: str) -> set[str]:
    return {photo.device for photo in lab.store.ledger.photos(run, limit=1000) if photo.device}


def ends(lab: Lab, run: str) -> list[str]:
    """The name of each photo as often as it came to an end."""
    return sorted(event.data["name"] for event in lab.store.events(run, limit=10_000) if event.kind == "photo")


def actors() -> list[int]:
    """Processes of actors on this machine."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and (entry / "cmdline").read_bytes().startswith(b"ray::Bench"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def after_photos(lab: Lab, run: str, count: int) -> None:
    """Returns when so many photos have come to an end."""
    happened(lab.runs, run, is_photo, count)


# ---- the same results ----


def test_results_and_report_are_those_of_one_process(
    connected: Orders, lab: Lab, faults: Path, monkeypatch: pytest.MonkeyPatch
):
    """With the embedded network, several formats, a photo without a face and two that fail."""
    for number, factor in enumerate((0.5, 0.4, 0.3, 0.35, 0.45)):
        Image.fromarray(pictures.degraded(pictures.astronaut(), factor=factor)).save(lab.photos / f"{number}.png")
    exif = Image.Exif()
    exif[0x0132] = "1984:07:01 12:00:00"
    exif[0x0112] = 6
    Image.fromarray(pictures.degraded(pictures.astronaut(), seed=1)).save(lab.photos / "dated.jpg", exif=exif)
    os.utime(lab.photos / "dated.jpg", (1e9, 1e9))
    draw(lab.photos / "sub" / "landscape.webp", 0)
    (lab.photos / "text.jpg").write_text("no photo")
    (lab.photos / "empty.jpg").touch()
    loads = faults.with_name("loads")
    loads.write_text("")
    run = lab.plan(settings=dataclasses.replace(ON_RAY, model="gpen-lite-512"))
    do(lab, run)
    assert len(set(loads.read_text().split())) == len(loads.read_text().split()) <= 2  # once in each actor
    assert {device.rpartition("#")[2] for device in device_of(lab, run)} <= {"1", "2"}
    monkeypatch.setattr("gpen_ui.engine.loading.choose_dtype", lambda *asked: torch.float32)
    (lab.folder / "here").mkdir()
    here = Lab(lab.folder / "here", lab.restorer.model_path)
    here.photos = lab.photos
    here.restorer = Restorer.load("gpen-lite-512", device="cpu")
    local = here.plan()
    here.do(local)
    assert bytes_of(lab.results) == bytes_of(here.results) and len(lab.files()) == 7
    assert (lab.results / "dated_gpen.jpg").stat().st_mtime == 1e9
    assert told(lab, run) == told(here, local) and lab.runs.progress(run).failed == 2
    assert ends(lab, run) == sorted(path.name for path in lab.photos.rglob("*.*"))
    here.close()


def test_faces_are_kept_on_the_drivers_own_node_and_the_bytes_are_the_same_elsewhere(
    connected: Orders, lab: Lab, monkeypatch: pytest.MonkeyPatch
):
    """The actor's own code, called here: this process is on the driver's node."""
    monkeypatch.setattr("gpen_ui.engine.loading.choose_dtype", lambda *asked: torch.float32)
    path = draw(lab.photos / "one.png", 1)
    run = lab.store.run(lab.plan(settings=on_ray(lab)))
    (photo,) = lab.store.ledger.photos(run.id)
    parcel = pack(ray, run.settings.model, lab.folder)
    home = ray.get_runtime_context().get_node_id()
    outcomes = []
    for node_id, kept in (("another", 0), (home, 1)):
        bench = Bench()
        order = BenchOrder(1, parcel, run.options, run.settings, 150, node_id, lab.store.folder)
        assert isinstance(bench.load(order), Greeting)
        outcomes.append(bench.restore(photo, load_file(path, most_bytes=1 << 20), "recipe", {}))
        bench.close()
        file = lab.store.folder / "crops.sqlite"
        assert file.exists() == bool(kept)
    assert sqlite3.connect(file).execute("SELECT COUNT(*) FROM crops").fetchone()[0] == 1
    assert all(isinstance(outcome, Outcome) and outcome.why is None for outcome in outcomes)
    assert outcomes[0].data == outcomes[1].data != b""


def test_what_is_asked_of_single_faces_is_done_on_the_cluster_also_through_another_network(
    connected: Orders, lab: Lab, monkeypatch: pytest.MonkeyPatch
):
    torch.manual_seed(128)
    torch.save(Gpen(GpenConfig(128, 1, 1 / 16)).state_dict(), lab.folder / "tiny-128.pth")
    monkeypatch.setenv("GPEN_UI_MODELS_FOLDER", str(lab.folder))
    monkeypatch.setattr("gpen_ui.engine.loading.choose_dtype", lambda *asked: torch.float32)
    draw(lab.photos / "a.png", 3)
    options = RestoreOptions(likeness_guard="off")
    run = lab.plan(options, on_ray(lab))
    do(lab, run)
    (photo,) = lab.store.ledger.photos(run)
    new = read_choices("1=off,2=70@tiny-128.pth")
    choices = with_asked(lab.store, lab.runs.run(run), photo, new, lab.folder)
    lab.runs.choose(run, photo.id, choices)
    assert lab.runs.wait(run, WAIT_S) and lab.files() == ["a_gpen.png"]
    faces = lab.store.ledger.faces(photo.id)
    assert [(face.state, face.strength, face.model) for face in faces] == [
        ("left", None, None), ("restored", 70, "tiny-128.pth"), ("restored", 80, None),
    ]  # fmt: skip
    here = Restorer.load(lab.restorer.model_path, device="cpu", models_folder=lab.folder)
    alone = here.restore(Chosen(photo.path, choices), options)
    with Image.open(lab.results / "a_gpen.png") as picture:
        assert alone.photo is not None and np.abs(np.asarray(picture).astype(int) - alone.photo.pixels).max() <= 1


def test_another_file_in_the_place_of_a_faces_network_counts_from_the_next_photo_on(
    connected: Orders, lab: Lab, monkeypatch: pytest.MonkeyPatch
):
    """The actor's own code, called here."""
    monkeypatch.setattr("gpen_ui.engine.loading.choose_dtype", lambda *asked: torch.float32)
    path = draw(lab.photos / "one.png", 1)
    other = save_tiny_network(lab.folder / "other.pth", seed=1)
    run = lab.store.run(lab.plan(RestoreOptions(likeness_guard="off"), on_ray(lab)))
    (photo,) = lab.store.ledger.photos(run.id)
    photo = dataclasses.replace(photo, choices=read_choices(f"1=100@{other.name}"))
    files, file, bench = OtherFiles(ray, lab.folder), load_file(path, most_bytes=1 << 20), Bench()
    order = BenchOrder(
        1, pack(ray, run.settings.model, lab.folder), run.options, run.settings, 150, "", lab.store.folder
    )
    assert isinstance(bench.load(order), Greeting)

    def restored() -> bytes:
        outcome = bench.restore(photo, file, "recipe", files.asked_by(photo.choices))
        assert isinstance(outcome, Outcome) and outcome.why is None
        return outcome.data

    before = restored()
    assert restored() == before
    first = files.asked_by(photo.choices)
    assert files.asked_by(photo.choices) == first  # it travels once
    save_tiny_network(other, seed=2)
    assert restored() != before and files.asked_by(photo.choices) != first
    bench.close()


# ---- what is lost is done again ----


def test_lost_actors_cost_time_only_and_what_a_photo_breaks_is_its_own(
    connected: Orders, lab: Lab, monkeypatch: pytest.MonkeyPatch
):
    """An actor is killed from outside; one photo kills each of its actors, one hangs, one breaks the stream."""
    monkeypatch.setattr("gpen_ui.jobs.worker.ALONE_FROM", 1)  # after fewer trials than usual, for the sake of time
    monkeypatch.setattr("gpen_ui.jobs.worker.CRASHES_MOST", 2)
    draw_many(lab.photos, 30)
    names = [f"{number:03}.png" for number in range(30)]
    connected(**{"020.png": "die", "022.png": "hang", "024.png": "fall"})
    run = lab.plan(settings=on_ray(lab, time_limit_s=6.0))
    lab.runs.start(run)
    after_photos(lab, run, 4)
    os.kill(actors()[0], signal.SIGKILL)
    assert lab.runs.wait(run, WAIT_S)
    assert ends(lab, run) == names
    assert {name for name, state in lab.outcome(run).items() if state == "failed"} == {"020.png", "022.png", "024.png"}
    assert "begun 2 times" in lab.reason(run, "020.png")
    assert "within 6 seconds" in lab.reason(run, "022.png")
    assert "illegal instruction" in lab.reason(run, "024.png")
    assert lab.runs.progress(run).done == 27 and len(lab.files()) == 27
    connected()
    lab.store.change(run, None, on_ray(lab, engine="local"))
    assert lab.runs.retry_failed(run) == 3 and lab.runs.wait(run, WAIT_S)
    assert lab.files() == [name.replace(".png", "_gpen.png") for name in names]


def test_a_killed_driver_is_taken_up_again_and_nothing_is_done_twice(cluster: str, lab: Lab):
    draw_many(lab.photos, 40)
    command = ["batch", lab.photos, "-o", lab.results, "--model", lab.restorer.model_path, "--json"]
    driver = start(*command, "--engine", "ray", "--ray-address", cluster, "--ray-actors", 1)
    assert driver.stdout is not None
    for _ in range(3):
        driver.stdout.readline()
    driver.kill()
    driver.wait()
    run = lab.store.runs()[0]
    before = lab.store.ledger.counts(run.id).done
    assert 3 <= before < 40 and run.settings.engine == "ray"
    again = start("batch", "--resume", "--json")  # the run remembers its engine
    photos, errors = again.communicate(timeout=WAIT_S)
    assert again.returncode == 0, errors
    assert len(json_lines(photos)) - 1 in (40 - before, 40 - before - 1)
    assert lab.files() == [f"{number:03}_gpen.png" for number in range(40)]
    assert ends(lab, run.id) == [f"{number:03}.png" for number in range(40)]


# ---- steering ----


def test_a_full_disk_pause_resume_and_cancel(connected: Orders, lab: Lab, monkeypatch: pytest.MonkeyPatch):
    draw_many(lab.photos, 30)
    full = threading.Event()
    full.set()
    monkeypatch.setattr("gpen_ui.jobs.patience.has_room", lambda folder, need, reserve: not full.is_set())
    run = lab.plan(settings=on_ray(lab, ray_actors=1))
    lab.runs.start(run)
    held = happened(lab.runs, run, is_held)
    assert held.data["why"]["key"] == "runs.held.room" and lab.files() == []
    full.clear()
    after_photos(lab, run, 3)
    lab.runs.pause(run)
    assert lab.runs.wait(run, WAIT_S)
    paused = lab.runs.progress(run)
    assert paused.state == "paused" and 3 <= paused.done < 30 and paused.done + paused.left == 30
    assert len(lab.files()) == paused.done
    lab.runs.resume(run)
    after_photos(lab, run, paused.done + 2)
    lab.runs.cancel(run)
    assert lab.runs.wait(run, WAIT_S)
    cancelled = lab.runs.progress(run)
    assert cancelled.state == "cancelled" and cancelled.left == 0 and cancelled.done + cancelled.skipped == 30
    while actors():  # the system takes a moment to end them
        time.sleep(0.1)
    lab.runs.resume(run, settings=on_ray(lab, engine="local"))
    assert lab.runs.wait(run, WAIT_S)
    assert lab.runs.progress(run).done == 30 and len(lab.files()) == 30


def test_a_cluster_without_room_is_waited_for(connected: Orders, lab: Lab, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gpen_ui.jobs.cluster.engine.PATIENCE_S", 1.0)
    draw_many(lab.photos, 2)
    run = lab.plan(settings=on_ray(lab, ray_cores=2))
    lab.runs.start(run)
    held = happened(lab.runs, run, is_held)
    assert held.data["why"]["key"] == "runs.held.ray"
    lab.runs.pause(run)
    assert lab.runs.wait(run, WAIT_S) and lab.runs.progress(run).state == "paused"


# ---- what cannot work is said in a sentence ----


def test_another_program_on_a_machine_is_refused(connected: Orders, lab: Lab):
    draw_many(lab.photos, 1)
    connected(program="0.0.1-old")
    run = lab.plan(settings=on_ray(lab))
    do(lab, run)
    broken = lab.runs.progress(run)
    assert (
        broken.state == "broken"
        and broken.why is not None
        and "another GPEN UI (0.0.1-old)" in broken.why.sentence("en")
    )
    assert broken.left == 1


def test_a_cluster_of_other_versions_is_refused(cluster: str, lab: Lab):
    from ray._raylet import GcsClient

    facts_of_cluster = GcsClient(address=cluster)
    key, room = b"CLUSTER_METADATA", b"cluster"
    facts = facts_of_cluster.internal_kv_get(key, namespace=room)
    older = json.dumps({**json.loads(facts), "ray_version": "2.1.0"}).encode()
    draw_many(lab.photos, 1)
    facts_of_cluster.internal_kv_put(key, older, overwrite=True, namespace=room)
    try:
        result = run_command("batch", lab.photos, "-o", lab.results, "--engine", "ray", "--ray-address", cluster)
    finally:
        facts_of_cluster.internal_kv_put(key, facts, overwrite=True, namespace=room)
    assert result.exit_code == 1 and "other versions" in result.stderr and "2.1.0" in result.stderr


def test_an_address_where_nobody_is_ends_with_its_sentence_and_the_run_can_go_on(lab: Lab):
    draw_many(lab.photos, 2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        batch = ("batch", lab.photos, "-o", lab.results, "--model", lab.restorer.model_path)
        result = run_command(*batch, "--engine", "ray", "--ray-address", address)
    assert result.exit_code == 1 and f"No Ray cluster answers at {address}" in result.stderr
    assert "Traceback" not in result.stderr
    client = run_command("batch", "--resume", "--ray-address", "ray://127.0.0.1:10001")
    assert client.exit_code != 0 and "is not supported" in client.stderr
    assert run_command("batch", "--resume", "--engine", "local").exit_code == 0 and len(lab.files()) == 2


def test_what_is_no_cluster_is_not_waited_for_without_end(lab: Lab):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        code = (
            "from gpen_ui.jobs.cluster import connection\n"
            "connection.SILENT_S = 2.0\n"
            f"with connection.connected('127.0.0.1:{silent.getsockname()[1]}'): pass\n"
        )
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1 and "did not answer as a Ray cluster within 2 seconds" in ran.stderr
