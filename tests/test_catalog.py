"""The catalogue of checkpoints: complete rows, trustworthy hashes, a licence with each."""

import re

import pytest

from gpen_ui.catalog import all_models, model_spec, restoration_models
from gpen_ui.errors import UnknownModelError
from gpen_ui.settings import Settings
from gpen_ui.texts import LANGUAGES

ROWS = all_models()


def test_the_networks_of_the_first_day_are_there():
    assert [spec.name for spec in restoration_models()] == [
        "gpen-lite-512",
        "gpen-bfr-256",
        "gpen-bfr-512",
        "gpen-bfr-1024",
        "gpen-bfr-2048",
    ]
    assert {spec.kind for spec in ROWS.values()} == {"gpen", "detector", "parsing", "upscaler"}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_complete(name: str):
    spec = ROWS[name]
    assert spec.file == re.sub(r"[/\\]", "", spec.file)
    assert spec.file.endswith((".pth", ".pt", ".safetensors"))
    assert (spec.size_px is not None) == (spec.kind == "gpen")
    assert spec.embedded or spec.sources
    assert all(source.startswith("https://") for source in spec.sources)
    for language in LANGUAGES:
        assert spec.title(language)
        assert spec.licence_note(language)


@pytest.mark.parametrize("name", ROWS)
def test_a_hash_is_a_sha256_and_a_size_is_plausible(name: str):
    spec = ROWS[name]
    if spec.sha256 is not None:
        assert re.fullmatch("[0-9a-f]{64}", spec.sha256)
    if spec.bytes is not None:
        assert 1 << 20 < spec.bytes < 1 << 33


def test_files_do_not_overwrite_each_other():
    files = [spec.file.lower() for spec in ROWS.values()]
    assert len(set(files)) == len(files)


def test_the_default_model_comes_with_the_program():
    spec = model_spec(Settings().model)
    assert spec.embedded
    assert (Settings().models_folder / spec.file).is_file()


def test_names_are_found_in_either_case():
    assert model_spec("GPEN-BFR-512").name == "gpen-bfr-512"


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(UnknownModelError) as caught:
        model_spec("gpen-9000")
    for language in LANGUAGES:
        sentence = caught.value.sentence(language)
        assert "gpen-9000" in sentence
        assert "gpen-bfr-1024" in sentence
