"""Where a run is worked on: what is kept of it, how actors are laid out, and what is said where there is no Ray."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest

from gpen_ui.jobs import Runs, RunSettings, RunStore, plan_run
from gpen_ui.jobs.cluster.engine import layout
from gpen_ui.jobs.cluster.parcel import program
from gpen_ui.options import CARD_BATCH
from tests.commands import run
from tests.jobs_lab import draw_many, save_tiny_network


def test_settings_of_before_and_of_later_can_be_read(tmp_path: Path):
    draw_many(tmp_path / "in", 1)
    store = RunStore.open(tmp_path / "store")
    run_id = store.add(plan_run([tmp_path / "in"], tmp_path / "out", settings=RunSettings(batch_size=7)))
    kept = dataclasses.asdict(store.run(run_id).settings)
    before = {name: value for name, value in kept.items() if not name.startswith(("ray_", "engine"))}
    with store.database.writing() as connection:
        connection.execute("UPDATE runs SET settings = ?", (json.dumps({**before, "of_a_later_version": 1}),))
    assert store.run(run_id).settings == RunSettings(batch_size=7)
    store.close()


def test_without_ray_nothing_is_begun_and_the_command_that_installs_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not installed
    monkeypatch.setenv("GPEN_UI_OUTPUTS_FOLDER", str(tmp_path / "store"))
    monkeypatch.setenv("GPEN_UI_MODEL", str(save_tiny_network(tmp_path / "tiny.pth")))
    draw_many(tmp_path / "in", 1)
    for language, sentence in (("en", "Ray is not installed"), ("zh", "未安装 Ray")):
        result = run("batch", tmp_path / "in", "-o", tmp_path / "out", "--engine", "ray", language=language)
        assert result.exit_code == 2 and sentence in result.stderr
        assert "-m pip install -r" in result.stderr and "requirements-ray.txt" in result.stderr
    assert not (tmp_path / "out").exists() and not (tmp_path / "store").exists()
    store = RunStore.open(tmp_path / "store")  # a run that was made with Ray, resumed where there is none
    runs = Runs(store, lambda run, stop: pytest.fail("the restorer of this process is not asked"))
    run_id = runs.create(plan_run([tmp_path / "in"], tmp_path / "out", settings=RunSettings(engine="ray")))
    runs.start(run_id)
    assert runs.wait(run_id, 60)
    progress = runs.progress(run_id)
    assert progress.state == "broken" and progress.left == 1 and progress.why is not None
    assert "Ray is not installed" in progress.why.sentence("en")
    store.close()
    assert run("batch", "--resume", "--engine", "local", "--device", "cpu").exit_code == 0
    assert (tmp_path / "out" / "000_gpen.png").is_file()


@pytest.mark.parametrize(
    ("nodes", "settings", "count", "cores", "cards"),
    [
        ([{"CPU": 2}], {}, 1, 2, 0),
        ([{"CPU": 16}, {"CPU": 6}, {"CPU": 2}], {}, 5, 4, 0),
        ([{"CPU": 1}, {"CPU": 1}], {}, 2, 1, 0),
        ([{"CPU": 16}], {"ray_cores": 2}, 8, 2, 0),
        ([{"CPU": 16}], {"ray_cores": 2, "ray_actors": 3}, 3, 2, 0),
        ([{"CPU": 32, "GPU": 4}, {"CPU": 8, "GPU": 1}, {"CPU": 4}], {}, 5, 1, 1),
        ([{"CPU": 32, "GPU": 4}], {"device": "cpu"}, 8, 4, 0),
        ([{"CPU": 32, "GPU": 4}], {"ray_actors": 1, "ray_cores": 6}, 1, 6, 1),
        ([], {}, 1, 1, 0),  # a cluster that grows when something is asked of it
    ],
)
def test_one_actor_for_each_card_or_for_some_cores(
    nodes: list[dict[str, float]], settings: dict[str, object], count: int, cores: int, cards: int
):
    alive = [{"Alive": True, "Resources": node} for node in nodes]
    dead = {"Alive": False, "Resources": {"CPU": 64, "GPU": 8}}
    actors, demands, depth = layout(RunSettings(**settings), [*alive, dead])  # type: ignore[arg-type]
    assert (actors, demands["num_cpus"], demands["num_gpus"]) == (count, cores, cards)
    assert depth >= (2 * CARD_BATCH if cards else 4)  # else a batch could never fill


def test_the_program_is_told_by_its_content():
    assert program() == program() and program().count("-") == 1
