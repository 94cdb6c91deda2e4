"""`gpen-ui batch` and `gpen-ui runs` as a user meets them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gpen_ui.cli.program import build_program
from gpen_ui.texts import Language
from tests.jobs_lab import draw, draw_many, one_thread, save_tiny_network

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module", autouse=True)
def single_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with photos in `in/` and a small network; the store goes to `store/`."""
    monkeypatch.setenv("GPEN_UI_OUTPUTS_FOLDER", str(tmp_path / "store"))
    monkeypatch.setenv("GPEN_UI_MODEL", str(save_tiny_network(tmp_path / "tiny.pth")))
    monkeypatch.setenv("GPEN_UI_DEVICE", "cpu")
    monkeypatch.chdir(tmp_path)
    draw_many(tmp_path / "in", 3)
    return tmp_path


def run(*arguments: object, language: Language = "en") -> Result:
    return CliRunner().invoke(build_program(language), [str(argument) for argument in arguments])


def lines(result: Result) -> list[dict]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_is_done_and_told_line_by_line(here: Path):
    result = run("batch", here / "in", "-o", here / "out")
    assert result.exit_code == 0, result.stderr
    assert names(here / "out") == ["000_gpen.png", "001_gpen.png", "002_gpen.png"]
    assert f"{here / 'in' / '001.png'} -> {here / 'out' / '001_gpen.png'}: 1 of 1 face restored" in result.stdout
    assert "3 planned = 3 done + 0 failed + 0 skipped + 0 left" in result.stderr


def test_failures_give_exit_code_1_and_retry_does_only_them(here: Path):
    (here / "in" / "broken.jpg").write_text("no photo")
    result = run("batch", here / "in", "-o", here / "out", "--json")
    *photos, summary = lines(result)
    assert result.exit_code == 1 and summary["summary"]["failed"] == 1
    assert [photo["outcome"] for photo in photos] == ["done", "done", "done", "failed"]
    assert "broken.jpg is not a picture" in result.stderr
    draw(here / "in" / "broken.jpg", 1)
    again = run("batch", "--retry-failed", "--json")
    assert again.exit_code == 0 and [Path(photo["source"]).name for photo in lines(again)[:-1]] == ["broken.jpg"]


def test_resume_finds_the_run_by_its_folder_by_its_id_or_takes_the_latest(here: Path):
    first = lines(run("batch", here / "in", "-o", here / "out", "--json"))[-1]["summary"]["id"]
    draw(here / "in" / "new.png", 1)
    by_folder = run("batch", here / "in", "-o", here / "out", "--resume", "--json")
    assert [Path(photo["source"]).name for photo in lines(by_folder)[:-1]] == ["new.png"]
    assert lines(by_folder)[-1]["summary"]["id"] == first
    for arguments in (["--resume"], ["--resume", first], ["--resume", first[:-2]]):
        result = run("batch", *arguments, "--json")
        assert result.exit_code == 0 and len(lines(result)) == 1
    other = run("batch", "--resume", first, "--strength", "30", "--mode", "strong", "--json")
    assert len(lines(other)) == 5 and lines(other)[-1]["summary"]["options"]["strength"] == 30
    assert lines(run("batch", "--resume", "--json"))[-1]["summary"]["options"]["mode"] == "strong"


def test_a_dry_run_shows_the_plan_and_makes_nothing(here: Path):
    (here / "in" / "notes.txt").touch()
    before = sorted(str(path) for path in here.rglob("*"))
    result = run("batch", here / "in", "-o", here / "out", "--dry-run")
    assert result.exit_code == 0 and sorted(str(path) for path in here.rglob("*")) == before
    assert f"{here / 'in' / '000.png'} -> {here / 'out'}/" in result.stdout
    assert f"{here / 'in' / 'notes.txt'}: not a photo" in result.stdout and "3 photos would be" in result.stderr
    assert lines(run("batch", here / "in", "-o", here / "out", "--dry-run", "--json"))[-1] == {
        "summary": {"planned": 3, "ignored": 1}
    }


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "nothing to restore"),
        (["in", "-o", "in"], "is an input folder"),
        (["in", "--name", "{title}"], "holds 'title'"),
        (["in", "--strength", "300"], "between 0 and 100"),
        (["in", "--engine", "cloud"], "local, ray"),
        (["in", "--engine", "ray", "--ray-actors", "0"], "between 1 and"),
        (["empty"], "no photos"),
        (["--resume"], "no run to resume"),
        (["--resume", "20200101"], "no run '20200101'"),
    ],
)
def test_requests_that_cannot_work_end_with_2_and_one_sentence(here: Path, arguments: list[str], reason: str):
    (here / "empty").mkdir()
    result = run("batch", *arguments)
    assert result.exit_code == 2 and reason in result.stderr and "Traceback" not in result.stderr
    assert not (here / "out").exists()


def test_a_model_that_is_missing_is_one_sentence_and_the_run_can_go_on(here: Path):
    result = run("batch", here / "in", "-o", here / "out", "--model", "nowhere.pth")
    assert result.exit_code == 1 and "nowhere.pth" in result.stderr and "Traceback" not in result.stderr
    assert run("batch", "--resume", "--model", here / "tiny.pth").exit_code == 0
    assert len(names(here / "out")) == 3


def test_runs_are_listed_shown_and_reported(here: Path):
    (here / "in" / "broken.jpg").write_text("no photo")
    run("batch", here / "in", "-o", here / "out", "--quiet")
    (listed,) = lines(run("runs", "list", "--json"))
    assert (listed["planned"], listed["done"], listed["failed"], listed["state"]) == (4, 3, 1, "done")
    assert "finished" in run("runs", "list").stdout and "已完成" in run("runs", "list", language="zh").stdout
    shown = run("runs", "show", listed["id"], "--failed").stdout
    assert "broken.jpg" in shown and "001.png" not in shown
    page = run("runs", "report")
    assert page.exit_code == 0 and "<!doctype html>" in Path(page.stdout.strip()).read_text(encoding="utf-8")
    assert run("runs", "report").exit_code == 2  # never over an existing file
    assert run("runs", "report", "--format", "zip", "-o", "all.zip").exit_code == 0
    assert "001_gpen.png" in zipfile.ZipFile("all.zip").namelist()
    assert run("runs", "show", "nonsense").exit_code == 2


def test_faces_of_one_photo_are_chosen_and_the_next_resume_does_that_photo(here: Path):
    run("batch", here / "in", "-o", here / "out", "--quiet", "--likeness-guard", "off")
    before = {path.name: path.read_bytes() for path in (here / "out").iterdir()}
    chosen = run("runs", "choose", "last", "002.png", "--face", "1=off", "--face", "2=40")
    assert chosen.exit_code == 0 and "face 1: left as it was, face 2: strength 40" in chosen.stdout
    assert "gpen-ui batch --resume" in chosen.stderr
    (shown,) = (each for each in lines(run("runs", "show", "--json")) if each.get("number") == 3)
    assert (shown["outcome"], shown["choices"]) == ("waiting", "1=off,2=40")
    resumed = run("batch", "--resume")
    assert "002.png" in resumed.stdout and "001.png" not in resumed.stdout
    after = {path.name: path.read_bytes() for path in (here / "out").iterdir()}
    assert after.keys() == before.keys() and [name for name in after if after[name] != before[name]] == ["002_gpen.png"]
    assert "保持原样" in run("runs", "show", language="zh").stdout
    assert lines(run("runs", "choose", "last", "3", "--forget", "--json"))[0]["choices"] == ""
    run("batch", "--resume", "--quiet")
    assert {path.name: path.read_bytes() for path in (here / "out").iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["last", "1"], "--face 2=off"),
        (["last", "9", "--face", "1=off"], "no photo '9'"),
        (["last", "2", "--face", "1=maybe"], "1=maybe"),
        (["last", "2", "--face", "7=off"], "no face 7"),
        (["last", "2", "--face", "1=40@../x"], "1=40@../x"),
        (["nonsense", "2", "--face", "1=off"], "no run 'nonsense'"),
    ],
)
def test_choices_that_cannot_be_end_with_2_and_one_sentence(here: Path, arguments: list[str], reason: str):
    run("batch", here / "in", "-o", here / "out", "--quiet")
    result = run("runs", "choose", *arguments)
    assert result.exit_code == 2 and reason in result.stderr and result.stderr.count("\n") == 1
    assert {each["outcome"] for each in lines(run("runs", "show", "--json")) if "number" in each} == {"done"}


def test_ctrl_c_pauses_and_the_next_resume_goes_on(here: Path):
    draw_many(here / "in", 40)
    command = [sys.executable, "-m", "gpen_ui", "batch", here / "in", "-o", here / "out"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(CHECKOUT)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    process.stdout.readline()  # the first photo is done
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "--resume" in errors and "Traceback" not in errors
    done_before = len(names(here / "out"))
    assert 1 <= done_before < 40
    (listed,) = lines(run("runs", "list", "--json"))
    assert listed["state"] == "paused" and listed["left"] == 40 - listed["done"] and listed["done"] == done_before
    assert run("batch", "--resume", "--quiet").exit_code == 0
    assert names(here / "out") == [f"{number:03}_gpen.png" for number in range(40)]


def test_a_run_can_be_cancelled_from_elsewhere(here: Path):
    run("batch", here / "in", "-o", here / "out", "--quiet")
    draw(here / "in" / "new.png")
    assert run("runs", "cancel").exit_code == 0 and run("runs", "pause").exit_code == 0
    (listed,) = lines(run("runs", "list", "--json"))
    assert listed["state"] == "cancelled" and listed["done"] == 3
