"""Checkpoints: every container of a tiny network loads, everything else is refused in one sentence."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gpen_ui.catalog import ModelSpec, all_models, model_spec
from gpen_ui.errors import CheckpointError, GpenError, UnknownModelError
from gpen_ui.network import Gpen, GpenConfig
from gpen_ui.weights import (
    ModelState,
    find_checkpoint,
    import_model,
    load_network,
    model_state,
    read_state,
    recognise_config,
    verify_model,
)
from gpen_ui.weights.files import sha256_of
from tests import recipe

GOLDEN = Path(__file__).parent / "golden"
TINY = GpenConfig(32, 2, 1 / 32)
NESTS = ["g_ema", "params_ema", "params", "state_dict", "ema"]


def manifest_shapes(name: str) -> dict[str, torch.Tensor]:
    """The published checkpoint's names and shapes, without memory behind them."""
    entries = json.loads((GOLDEN / f"{name}.json").read_text())["state_dict"]
    return {key: torch.empty(entry["shape"], device="meta") for key, entry in entries.items()}


@cache
def tiny_network() -> Gpen:
    return recipe.fill(Gpen(TINY))


def tiny_state() -> dict[str, torch.Tensor]:
    return tiny_network().state_dict()


def sentence(error: pytest.ExceptionInfo[GpenError]) -> str:
    """The English sentence, after a look that both languages are whole sentences."""
    english, chinese = error.value.sentence("en"), error.value.sentence("zh")
    assert english.endswith(".") and chinese.endswith("。")
    return english


def refusal(path: Path, **options: str) -> str:
    with pytest.raises(CheckpointError) as error:
        load_network(path, **options)
    return sentence(error)


def assert_is_tiny(network: Gpen) -> None:
    assert network.config.size == 32 and not network.training
    x = recipe.input_tensor(32, "A")
    with torch.inference_mode():
        assert torch.equal(network(x), tiny_network()(x))


# --- containers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_flat_files_load(suffix: str, tmp_path: Path):
    path = tmp_path / f"net{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(tiny_state(), path)
    assert_is_tiny(load_network(path))


@pytest.mark.parametrize("nest", NESTS)
def test_nested_files_load_and_the_rest_of_them_is_left_alone(nest: str, tmp_path: Path):
    content = {"g": {"a": torch.zeros(1)}, nest: tiny_state(), "d": {}, "iteration": 7, "args": {"lr": 0.1}}
    torch.save(content, tmp_path / "net.pth")
    assert_is_tiny(load_network(tmp_path / "net.pth"))


def test_averaged_weights_win_over_raw_ones(tmp_path: Path):
    raw = {key: value + 1 for key, value in tiny_state().items()}
    torch.save({"params": raw, "params_ema": tiny_state()}, tmp_path / "net.pth")
    assert_is_tiny(load_network(tmp_path / "net.pth"))


def test_the_prefix_of_parallel_training_is_taken_off(tmp_path: Path):
    torch.save({"state_dict": {f"module.{k}": v for k, v in tiny_state().items()}, "epoch": 3}, tmp_path / "net.pth")
    assert_is_tiny(load_network(tmp_path / "net.pth"))


def test_the_older_file_form_of_torch_loads(tmp_path: Path):
    torch.save(tiny_state(), tmp_path / "net.pth", _use_new_zipfile_serialization=False)
    assert_is_tiny(load_network(tmp_path / "net.pth"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(dtype: torch.dtype, tmp_path: Path):
    torch.save({key: value.to(dtype) for key, value in tiny_state().items()}, tmp_path / "net.pth")
    network = load_network(tmp_path / "net.pth")
    assert {value.dtype for value in network.state_dict().values()} == {torch.float32}
    assert all(value.device.type == "cpu" for value in network.state_dict().values())


def test_the_embedded_model_loads_and_restores():
    path, spec = find_checkpoint("gpen-lite-512", Path("/nowhere"))
    network = load_network(path, sha256=spec.sha256 if spec else None)
    assert network.config == GpenConfig(512, 2, 0.5)
    with torch.inference_mode():
        assert torch.isfinite(network(torch.zeros(1, 3, 512, 512))).all()


def test_a_name_in_chinese_with_an_emoji(tmp_path: Path):
    torch.save(tiny_state(), tmp_path / "我的模型 👵🏻.pth")
    assert_is_tiny(load_network(tmp_path / "我的模型 👵🏻.pth"))


# --- recognition ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tiny-64", "tiny-128", *(f"GPEN-BFR-{size}" for size in (256, 512, 1024, 2048))])
def test_the_configuration_of_published_checkpoints_is_recognised_from_shapes_alone(name: str):
    facts = json.loads((GOLDEN / f"manifest-{name}.json").read_text())["config"]
    expected = GpenConfig(facts["size"], facts["channel_multiplier"], facts["narrow"])
    assert recognise_config(manifest_shapes(f"manifest-{name}")) == expected


@pytest.mark.parametrize("multiplier", [1, 2, 3, 4])
@pytest.mark.parametrize("narrow", [1, 0.5, 0.75, 0.3, 0.1, 1 / 16, 1 / 3, 1.7])
@pytest.mark.parametrize("size", [8, 32, 64, 128, 512])
def test_the_recognised_network_has_the_same_shapes(size: int, narrow: float, multiplier: int):
    with torch.device("meta"):
        state = Gpen(GpenConfig(size, multiplier, narrow)).state_dict()
        found = Gpen(recognise_config(state)).state_dict()
    assert {key: value.shape for key, value in found.items()} == {key: value.shape for key, value in state.items()}


def test_widths_that_no_gpen_network_has_are_refused():
    state = manifest_shapes("manifest-tiny-128")
    state["generator.convs.2.conv.weight"] = torch.empty((1, 33, 64, 3, 3), device="meta")
    with pytest.raises(CheckpointError) as error:
        recognise_config(state, "odd.pth")
    assert "odd.pth resembles a GPEN checkpoint of 128 px" in sentence(error)


def test_a_missing_level_is_refused():
    state = manifest_shapes("manifest-tiny-128")
    del state["generator.convs.4.conv.weight"], state["generator.convs.5.conv.weight"]
    with pytest.raises(CheckpointError) as error:
        recognise_config(state, "odd.pth")
    assert "resembles" in sentence(error)


# --- refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "found"),
    [("ParseNet", "ParseNet"), ("RetinaFace-R50", "RetinaFace"), ("realesrnet_x2", "RRDBNet (Real-ESRGAN)")],
)
def test_networks_of_another_kind_are_named(name: str, found: str, tmp_path: Path):
    shapes = manifest_shapes(f"aux-manifest-{name}")
    torch.save({key: torch.zeros(1) for key in shapes}, tmp_path / "other.pth")
    words = refusal(tmp_path / "other.pth")
    assert f"is a {found} network" in words and "'generator.input.input'" in words


def test_a_network_that_nobody_knows_is_refused(tmp_path: Path):
    torch.save({"fc.weight": torch.zeros(2, 2)}, tmp_path / "other.pth")
    assert "is not a GPEN checkpoint: it has no 'generator.input.input'" in refusal(tmp_path / "other.pth")


class Evil:
    """Unpickled without care, it would leave a file behind."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.proof),)


@pytest.mark.parametrize("form", ["zip", "old", "pickle"])
def test_a_pickle_that_wants_to_run_code_is_refused_and_does_not_run(form: str, tmp_path: Path):
    path, proof = tmp_path / "evil.pth", tmp_path / "ran"
    if form == "pickle":
        path.write_bytes(pickle.dumps({"weights": Evil(proof)}, protocol=2))
    else:
        torch.save({**tiny_state(), "x": Evil(proof)}, path, _use_new_zipfile_serialization=form == "zip")
    words = refusal(path)
    assert not proof.exists()
    assert "wants to run code" in words and "mkdir" in words


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("share", [0.0001, 0.01, 0.5, 0.999])
def test_a_file_that_is_cut_off_is_refused(share: float, suffix: str, tmp_path: Path):
    path = tmp_path / f"net{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(tiny_state(), path)
    path.write_bytes(path.read_bytes()[: max(1, int(path.stat().st_size * share))])
    assert f"net{suffix} is cut off, damaged or no checkpoint" in refusal(path)


def test_empty_missing_folder_and_web_page(tmp_path: Path):
    (tmp_path / "empty.pth").touch()
    (tmp_path / "page.pth").write_text("<!DOCTYPE html><html>Sign in</html>")
    (tmp_path / "pointer.pth").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n")
    (tmp_path / "noise.pth").write_bytes(os.urandom(5000))
    (tmp_path / "zip.pth").write_bytes(b"PK\x03\x04" + os.urandom(5000))
    assert "is empty: 0 bytes" in refusal(tmp_path / "empty.pth")
    assert "does not exist" in refusal(tmp_path / "gone.pth")
    assert "is a folder" in refusal(tmp_path)
    assert "text or web page" in refusal(tmp_path / "page.pth")
    assert "text or web page" in refusal(tmp_path / "pointer.pth")
    assert "cut off, damaged or no checkpoint" in refusal(tmp_path / "noise.pth")
    assert "cut off, damaged or no checkpoint" in refusal(tmp_path / "zip.pth")


@pytest.mark.parametrize("length", [10, 2**62, 2**63 + 5])
def test_a_safetensors_header_that_lies_is_refused(length: int, tmp_path: Path):
    save_file(tiny_state(), tmp_path / "net.safetensors")
    data = (tmp_path / "net.safetensors").read_bytes()
    (tmp_path / "net.safetensors").write_bytes(struct.pack("<Q", length) + data[8:])
    assert "cut off, damaged" in refusal(tmp_path / "net.safetensors")


def test_a_safetensors_header_that_points_outside_the_file_is_refused(tmp_path: Path):
    header = json.dumps({"a": {"dtype": "F32", "shape": [1000000], "data_offsets": [0, 4000000]}}).encode()
    (tmp_path / "net.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
    assert "cut off, damaged" in refusal(tmp_path / "net.safetensors")


def test_a_file_without_weights_says_what_it_holds(tmp_path: Path):
    torch.save({"epoch": 3, "note": "hello"}, tmp_path / "net.pth")
    assert "it holds: epoch, note" in refusal(tmp_path / "net.pth")
    torch.save([1, 2], tmp_path / "net.pth")
    assert "it holds: list" in refusal(tmp_path / "net.pth")
    torch.save({}, tmp_path / "net.pth")
    assert "holds no weights" in refusal(tmp_path / "net.pth")


def test_missing_extra_misshapen_and_broken_parameters_are_named(tmp_path: Path):
    path = tmp_path / "net.pth"
    cases = {
        "1 parameter is missing (generator.conv1.noise.weight)": {"generator.conv1.noise.weight": None},
        "1 parameter that a GPEN network does not have (extra.weight)": {"extra.weight": torch.zeros(1)},
        "'final_linear.0.bias' has the shape (7,) instead of (512,)": {"final_linear.0.bias": torch.zeros(7)},
        "no numbers (in 'final_linear.0.bias')": {"final_linear.0.bias": torch.full((512,), torch.nan)},
        "is stored as int8": {"final_linear.0.bias": torch.zeros(512, dtype=torch.int8)},
    }
    for words, change in cases.items():
        torch.save({key: value for key, value in {**tiny_state(), **change}.items() if value is not None}, path)
        assert words in refusal(path)


def test_infinite_values_of_half_precision_are_refused(tmp_path: Path):
    torch.save({key: (value * 1e6).half() for key, value in tiny_state().items()}, tmp_path / "net.pth")
    assert "no numbers" in refusal(tmp_path / "net.pth")


def test_a_wrong_hash_is_refused_and_the_right_one_in_either_case_is_not(tmp_path: Path):
    path = tmp_path / "net.pth"
    torch.save(tiny_state(), path)
    assert_is_tiny(load_network(path, sha256=sha256_of(path).upper()))
    words = refusal(path, sha256="0" * 64)
    assert "not the published file" in words and "000000000000" in words


def test_random_damage_never_lets_a_foreign_error_out(tmp_path: Path):
    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(3), "b": {"c": torch.ones(2)}}, buffer)
    generator = torch.Generator().manual_seed(0)
    for _ in range(150):
        data = bytearray(buffer.getvalue())
        for place in torch.randint(len(data), (4,), generator=generator).tolist():
            data[place] = int(torch.randint(256, (1,), generator=generator))
        (tmp_path / "net.pth").write_bytes(data)
        try:
            read_state(tmp_path / "net.pth")
        except CheckpointError as error:
            assert error.sentence("zh")


# --- finding ----------------------------------------------------------------------------------------------------


def test_names_of_the_catalogue_in_either_case(tmp_path: Path):
    (tmp_path / "GPEN-BFR-512.pth").touch()
    for name in ("gpen-bfr-512", "GPEN-BFR-512", "GPEN-BFR-512.pth"):
        path, spec = find_checkpoint(name, tmp_path)
        assert path == tmp_path / "GPEN-BFR-512.pth" and spec is not None and spec.name == "gpen-bfr-512"


def test_the_embedded_model_is_found_wherever_the_models_folder_is(tmp_path: Path):
    path, spec = find_checkpoint("GPEN-lite-512", tmp_path / "elsewhere")
    assert path.is_file() and spec is not None and spec.embedded


def test_paths_and_own_files(tmp_path: Path):
    (tmp_path / "mine.pth").touch()
    assert find_checkpoint(tmp_path / "mine.pth", tmp_path / "models") == (tmp_path / "mine.pth", None)
    assert find_checkpoint("mine.pth", tmp_path) == (tmp_path / "mine.pth", None)
    (tmp_path / "GPEN-BFR-256.pth").touch()
    _, spec = find_checkpoint(str(tmp_path / "GPEN-BFR-256.pth"), tmp_path)
    assert spec is not None and spec.name == "gpen-bfr-256"


def test_what_is_not_there_says_how_to_get_it(tmp_path: Path):
    with pytest.raises(CheckpointError) as missing:
        find_checkpoint("gpen-bfr-1024", tmp_path)
    assert "gpen-ui models download gpen-bfr-1024" in sentence(missing)
    with pytest.raises(UnknownModelError) as unknown:
        find_checkpoint("gpen-bfr-4096", tmp_path)
    assert "gpen-bfr-2048" in sentence(unknown)
    for path in ("nothere.pth", str(tmp_path / "x"), tmp_path / "gone.safetensors"):
        with pytest.raises(CheckpointError) as error:
            find_checkpoint(path, tmp_path)
        assert "does not exist" in sentence(error)
    with pytest.raises(CheckpointError) as folder:
        find_checkpoint(tmp_path, tmp_path)
    assert "is a folder" in sentence(folder)


def test_a_folder_that_may_not_be_entered_or_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(CheckpointError) as error:
        find_checkpoint("~nobody-of-this-name/net.pth", tmp_path)
    assert "cannot be read" in sentence(error)

    def denied(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", denied)
    with pytest.raises(CheckpointError) as error:
        find_checkpoint(tmp_path / "net.pth", tmp_path)
    assert "cannot be read: Permission denied" in sentence(error)


# --- state and import -------------------------------------------------------------------------------------------


def spec_of(path: Path, **changes: object) -> ModelSpec:
    """A row for a tiny network that lies, or will lie, at `path`."""
    facts = {"name": "gpen-bfr-256", "kind": "gpen", "file": path.name, "size_px": 32, "bytes": None, "sha256": None}
    return ModelSpec(**{**facts, "sources": (), "licence": "gpen", "embedded": False, **changes})


def test_the_states_of_a_model(tmp_path: Path):
    path = tmp_path / "net.pth"
    torch.save(tiny_state(), path)
    spec = spec_of(path, bytes=path.stat().st_size, sha256=sha256_of(path))
    assert model_state(spec, tmp_path) == verify_model(spec, tmp_path) == ModelState.PRESENT == "present"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert model_state(spec, tmp_path) == "present" and verify_model(spec, tmp_path) == "wrong"
    path.write_bytes(b"short")
    assert model_state(spec, tmp_path) == verify_model(spec, tmp_path) == "wrong"
    path.rename(tmp_path / "net.pth.part")
    assert model_state(spec, tmp_path) == verify_model(spec, tmp_path) == "partial"
    (tmp_path / "net.pth.part").unlink()
    assert model_state(spec, tmp_path) == verify_model(spec, tmp_path / "nowhere") == "missing"


def test_a_file_without_a_known_hash_is_verified_by_loading_it(tmp_path: Path):
    spec = spec_of(tmp_path / "net.pth")
    torch.save({"a": torch.zeros(1)}, tmp_path / "net.pth")
    assert model_state(spec, tmp_path) == "present" and verify_model(spec, tmp_path) == "wrong"
    torch.save(tiny_state(), tmp_path / "net.pth")
    assert verify_model(spec, tmp_path) == "wrong"  # a GPEN network, but not with the published widths


def test_importing_a_network_of_ones_own(tmp_path: Path):
    torch.save(tiny_state(), tmp_path / "mine.pth")
    folder = tmp_path / "models"
    assert import_model(tmp_path / "mine.pth", folder) is None
    assert (folder / "mine.pth").read_bytes() == (tmp_path / "mine.pth").read_bytes()
    assert import_model(tmp_path / "mine.pth", folder) is None  # twice changes nothing
    assert [path.name for path in folder.iterdir()] == ["mine.pth"]
    torch.save({key: value * 2 for key, value in tiny_state().items()}, tmp_path / "mine.pth")
    import_model(tmp_path / "mine.pth", folder)
    assert sorted(path.name for path in folder.iterdir()) == ["mine.pth", "mine.pth.old"]  # nothing is lost
    assert import_model(folder / "mine.pth", folder) is None


def test_importing_a_published_network_under_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shapes = manifest_shapes("manifest-GPEN-BFR-256")
    torch.save({key: torch.zeros(value.shape, dtype=torch.half) for key, value in shapes.items()}, tmp_path / "x.pt")
    spec = import_model(tmp_path / "x.pt", tmp_path / "models")
    assert spec == model_spec("gpen-bfr-256")
    assert (tmp_path / "models" / "GPEN-BFR-256.pth").is_file()
    assert verify_model(model_spec("gpen-bfr-256"), tmp_path / "models") == "present"


def test_helpers_are_imported_by_their_hash_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    torch.save({key: torch.zeros(1) for key in manifest_shapes("aux-manifest-ParseNet")}, tmp_path / "p.pth")
    with pytest.raises(CheckpointError) as error:
        import_model(tmp_path / "p.pth", tmp_path / "models")
    assert "not the published file" in sentence(error)
    rows = all_models()
    row = rows["parsenet"]
    known = ModelSpec(**{**row.__dict__, "sha256": sha256_of(tmp_path / "p.pth"), "bytes": None})
    monkeypatch.setattr("gpen_ui.weights.state.all_models", lambda: {**rows, "parsenet": known})
    assert import_model(tmp_path / "p.pth", tmp_path / "models") == known
    assert verify_model(known, tmp_path / "models") == "present"


def test_a_changed_copy_may_not_take_a_published_files_name(tmp_path: Path):
    torch.save(tiny_state(), tmp_path / "GPEN-BFR-512.pth")
    with pytest.raises(CheckpointError) as error:
        import_model(tmp_path / "GPEN-BFR-512.pth", tmp_path / "models")
    assert "not the published file" in sentence(error)
    assert not (tmp_path / "models").exists()


def test_the_embedded_model_is_never_replaced_by_an_import(tmp_path: Path):
    embedded, _ = find_checkpoint("gpen-lite-512", tmp_path)
    before = sha256_of(embedded)
    (tmp_path / "copy.pth").write_bytes(embedded.read_bytes())
    assert import_model(tmp_path / "copy.pth", embedded.parent) == model_spec("gpen-lite-512")
    torch.save(tiny_state(), tmp_path / "gpen-lite-512.pth")
    with pytest.raises(CheckpointError) as error:
        import_model(tmp_path / "gpen-lite-512.pth", embedded.parent)
    assert "has the name of the model gpen-lite-512" in sentence(error)
    assert sha256_of(embedded) == before


def test_an_import_that_fails_leaves_everything_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "mine.pth").write_bytes(b"older")
    torch.save(tiny_state(), tmp_path / "mine.pth")

    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError) as error:
        import_model(tmp_path / "mine.pth", folder)
    assert "No space left" in sentence(error)
    assert [path.name for path in folder.iterdir()] == ["mine.pth"]
    assert (folder / "mine.pth").read_bytes() == b"older"


@pytest.mark.parametrize("content", [b"", b"hello", b"<html></html>"])
def test_what_is_no_checkpoint_is_not_imported(content: bytes, tmp_path: Path):
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(CheckpointError):
        import_model(tmp_path / "x.pth", tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_looking_at_models_loads_no_torch():
    import subprocess
    import sys

    script = (
        "import sys, pathlib; from gpen_ui.weights import model_state; from gpen_ui.catalog import all_models;"
        "[model_state(spec, pathlib.Path('/nowhere')) for spec in all_models().values()];"
        "sys.exit('torch' in sys.modules or 'httpx' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
