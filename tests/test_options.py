"""The one table of options: ranges, presets, precedence and what is said about a wrong value."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpen_ui.errors import OptionError
from gpen_ui.options import (
    OptionSpec,
    Preset,
    RestoreOptions,
    option_specs,
    parse_options,
)
from gpen_ui.presets import BUILT_IN, load_preset, read_preset
from gpen_ui.texts import LANGUAGES, Language, has

SPECS = {spec.name: spec for spec in option_specs()}
NUMBERS = [spec for spec in SPECS.values() if spec.kind in ("int", "float")]


def test_the_defaults_are_the_promised_ones():
    assert RestoreOptions().model_dump() == {
        "strength": 80,
        "mode": "natural",
        "skin_protection": True,
        "detail_enhancement": False,
        "match_look": True,
        "keep_occluded": "auto",
        "likeness_guard": "lower",
        "least_likeness": 50,
        "denoise": 0,
        "sharpen": 0,
        "contrast": 0,
        "brightness": 0,
        "output_scale": 1,
        "background": "lanczos",
        "long_edge": 0,
        "which_faces": "all",
        "smallest_face_px": 24,
        "most_turned_deg": 90,
        "most_blur_percent": 7,
        "second_look": "auto",
        "detector_threshold": 0.7,
        "aligned": False,
    }


def test_the_table_holds_every_field_with_its_default():
    assert {name: spec.default for name, spec in SPECS.items()} == RestoreOptions().model_dump()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", SPECS)
def test_every_option_is_explained(name: str, language: Language):
    spec = SPECS[name]
    assert spec.title(language)
    assert spec.help(language)
    for choice in spec.choices:
        assert spec.choice_title(choice, language)
    if spec.kind in ("int", "float"):
        assert has(f"option.{name}.low")
        assert has(f"option.{name}.high")


@pytest.mark.parametrize("spec", NUMBERS, ids=lambda spec: spec.name)
def test_both_ends_of_a_range_are_allowed_and_nothing_beyond(spec: OptionSpec):
    kind = int if spec.kind == "int" else float
    for value in (spec.low, spec.high):
        assert getattr(parse_options({spec.name: kind(value)}), spec.name) == value
    for value in (kind(spec.low) - 1, kind(spec.high) + 1):
        with pytest.raises(OptionError) as caught:
            parse_options({spec.name: value})
        for language in LANGUAGES:
            sentence = caught.value.sentence(language)
            assert spec.name in sentence
            assert str(value) in sentence
            assert str(spec.low) in sentence
            assert str(spec.high) in sentence


@pytest.mark.parametrize(
    ("values", "mentioned"),
    [
        ({"strenght": 50}, "strenght"),
        ({"mode": "gentle"}, "natural, strong, detail"),
        ({"output_scale": 3}, "1, 2, 4"),
        ({"long_edge": 1000}, "2560"),
        ({"skin_protection": "perhaps"}, "true, false"),
        ({"strength": "much"}, "much"),
        ({"strength": 50.5}, "50.5"),
        ({"detector_threshold": float("nan")}, "nan"),
    ],
)
def test_a_wrong_value_is_one_sentence_in_both_languages(values: dict[str, object], mentioned: str):
    with pytest.raises(OptionError) as caught:
        parse_options(values)
    assert caught.value.exit_code == 2
    for language in LANGUAGES:
        assert mentioned in caught.value.sentence(language)
        assert "\n" not in caught.value.sentence(language)
    assert re.search("[一-鿿]", caught.value.sentence("zh"))


@given(st.fixed_dictionaries({}, optional={"strength": st.integers(0, 100), "denoise": st.integers(0, 100)}))
def test_an_explicit_value_wins_over_the_preset_and_that_over_the_default(explicit: dict[str, int]):
    preset = Preset("mine", {"strength": 33, "sharpen": 44}, 2)
    options = parse_options({"strength": None, "denoise": None, **explicit}, preset)
    assert options.strength == explicit.get("strength", 33)
    assert options.denoise == explicit.get("denoise", 0)
    assert options.sharpen == 44


@pytest.mark.parametrize(
    ("name", "batch_size", "options"),
    [
        ("everyday", 4, {"long_edge": 1920, "strength": 50, "denoise": 30, "sharpen": 40, "skin_protection": True}),
        (
            "high-quality",
            8,
            {
                "long_edge": 2560,
                "strength": 70,
                "denoise": 50,
                "sharpen": 60,
                "detail_enhancement": True,
                "skin_protection": True,
            },
        ),
        (
            "low-end",
            1,
            {
                "long_edge": 1280,
                "strength": 40,
                "denoise": 20,
                "sharpen": 30,
                "detail_enhancement": False,
                "skin_protection": False,
            },
        ),
    ],
)
def test_the_presets_are_the_three_ready_settings(name: str, batch_size: int, options: dict[str, object]):
    preset = load_preset(name)
    assert preset.batch_size == batch_size
    assert preset.options == options
    assert parse_options({}, preset).model_dump() == {**RestoreOptions().model_dump(), **options}


def test_presets_have_a_title_in_both_languages():
    for name in BUILT_IN:
        assert has(f"preset.{name}")


def test_an_unknown_preset_is_answered_with_the_known_ones():
    with pytest.raises(OptionError) as caught:
        load_preset("monthly")
    assert "everyday, high-quality, low-end" in caught.value.sentence("en")


def test_a_preset_file_with_a_wrong_value_is_refused(tmp_path: Path):
    file = tmp_path / "mine.toml"
    file.write_text("[options]\nstrength = 400\n", encoding="utf-8")
    with pytest.raises(OptionError, match="400"):
        read_preset(file)


def test_options_cannot_be_changed_afterwards():
    options = RestoreOptions()
    with pytest.raises(ValueError, match="frozen"):
        options.strength = 3
