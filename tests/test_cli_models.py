"""The command line about models and devices: list, import, verify, download, doctor, bench."""

from pathlib import Path

import pytest
import torch

from gpen_ui import __version__
from tests.commands import CHECKOUT, CPU, json_lines, run


@pytest.mark.parametrize(
    ("model", "mentioned"), [("gpen-9000", "gpen-bfr-512"), ("nowhere/my.pth", "my.pth"), ("gpen-bfr-2048", "download")]
)
def test_a_model_that_is_not_there_is_one_sentence(photo: Path, tmp_path: Path, model: str, mentioned: str):
    result = run("enhance", photo, "-o", tmp_path / "out", "--model", model, *CPU)
    assert result.exit_code == 1
    assert mentioned in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_model_file_that_is_none_is_one_sentence(photo: Path, tmp_path: Path):
    fake = tmp_path / "fake.pth"
    fake.write_text("no network", encoding="utf-8")
    result = run("enhance", photo, "--model", fake, *CPU)
    assert result.exit_code == 1
    assert "fake.pth" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_device_that_is_not_there_is_one_sentence(photo: Path):
    result = run("enhance", photo, "--device", "xpu:7")
    assert result.exit_code == 1
    assert "xpu:7" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.fixture
def models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    monkeypatch.setenv("GPEN_UI_MODELS_FOLDER", str(folder))
    return folder


def test_the_list_of_models_shows_state_and_licence(models_folder: Path):
    records = {record["name"]: record for record in json_lines(run("models", "list", "--json").stdout)}
    assert records["gpen-lite-512"]["state"] == "present"
    assert records["gpen-bfr-512"]["state"] == "missing"
    assert all(record["licence"] for record in records.values())
    shown = run("models", "list").stdout
    for record in records.values():
        assert record["name"] in shown
        assert record["licence"] in shown


def test_a_model_of_ones_own_is_imported_and_used(models_folder: Path, photo: Path, tmp_path: Path):
    own = tmp_path / "my own.pth"
    state = torch.load(CHECKOUT / "models" / "gpen-lite-512.pth", weights_only=True)
    torch.save({name: tensor * 1.001 for name, tensor in state.items()}, own)
    result = run("models", "import", own)
    assert result.exit_code == 0, result.stderr
    assert (models_folder / "my own.pth").is_file()
    assert run("enhance", photo, "-o", tmp_path / "out", "--model", models_folder / "my own.pth", *CPU).exit_code == 0


def test_a_file_that_is_no_model_is_not_imported(models_folder: Path, tmp_path: Path):
    fake = tmp_path / "GPEN-BFR-512.pth"
    fake.write_bytes(b"no network")
    result = run("models", "import", fake)
    assert result.exit_code == 1
    assert "GPEN-BFR-512.pth" in result.stderr
    assert not list(models_folder.glob("*.pth"))


def test_verify_names_a_wrong_file(models_folder: Path):
    models_folder.mkdir()
    (models_folder / "GPEN-BFR-512.pth").write_bytes(b"half a network")
    result = run("models", "verify", "--json")
    assert result.exit_code == 1
    states = {record["name"]: record["state"] for record in json_lines(result.stdout)}
    assert states == {"gpen-lite-512": "present", "gpen-bfr-512": "wrong"}
    assert "GPEN-BFR-512.pth" in result.stderr
    assert run("models", "verify", "gpen-lite-512").exit_code == 0
    assert run("models", "verify", "gpen-bfr-1024").exit_code == 1


def test_an_unknown_model_is_not_downloaded(models_folder: Path):
    result = run("models", "download", "gpen-9000")
    assert result.exit_code == 1
    assert "gpen-bfr-256" in result.stderr


def test_doctor_times_a_face_on_the_processor():
    result = run("doctor", "--json")
    (record,) = json_lines(result.stdout)
    processor = record["devices"][-1]
    assert processor["device"] == "cpu"
    assert processor["seconds_per_face"] > 0
    assert record["torch"]["version"]
    assert result.exit_code == int(any(finding["level"] == "problem" for finding in record["findings"]))


def test_doctor_speaks_to_people():
    result = run("doctor", language="zh")
    assert "处理一张人脸" in result.stdout
    assert __version__ in result.stdout
