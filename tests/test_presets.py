"""Own presets: saved under any name, listed, exported and imported, and never a way out of their folder; and the
defaults that are set from the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpen_ui.api.asked import read_fields
from gpen_ui.cli.flags import usual_options
from gpen_ui.errors import OptionError, SettingsError, UsageError
from gpen_ui.options import RestoreOptions, differences, parse_options, salvaged
from gpen_ui.presets import (
    BUILT_IN,
    OWN_MOST,
    checked_name,
    delete_preset,
    load_preset,
    load_preset_or_file,
    own_preset_names,
    parse_preset,
    preset_names,
    preset_toml,
    presets_folder,
    save_preset,
)
from gpen_ui.settings import Settings, forget_defaults, keep_defaults, kept_file, load_settings
from gpen_ui.texts import LANGUAGES
from tests.commands import run


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config"


@pytest.mark.parametrize("name", ["奶奶的相册", "Grandma's album", "Año 1920 (sepia)", "ß", "семья", "a.b"])
def test_a_preset_comes_back_under_a_name_of_any_language(name: str):
    save_preset(name, {"strength": 33, "mode": "detail", "detector_threshold": 0.5}, "auto", overwrite=False)
    assert preset_names() == (*BUILT_IN, name)
    preset = load_preset(name.upper())
    assert (preset.name, preset.batch_size) == (name, "auto")
    assert preset.options == {"strength": 33, "mode": "detail", "detector_threshold": 0.5}
    delete_preset(name)
    assert preset_names() == BUILT_IN


def test_a_taken_name_is_replaced_only_when_that_is_wished():
    save_preset("mine", {"strength": 10}, 4, overwrite=False)
    with pytest.raises(OptionError, match="already"):
        save_preset("Mine", {"strength": 20}, 4, overwrite=False)
    assert load_preset("mine").options == {"strength": 10}
    assert save_preset("Mine", {"strength": 20}, 4, overwrite=True).name == "mine"
    assert load_preset("mine").options == {"strength": 20}
    assert own_preset_names() == ("mine",)


@pytest.mark.parametrize(
    "name",
    [
        "", "   ", "..", ".", "../up", "a/b", "a\\b", "C:", "CON", "con.toml", "nul", "LPT1", "com\u00b9", ".hidden",
        "-flag", "end.", "x" * 61, "a\nb", "a\0b", "a\u202eb", 'say "hi"', "<b>", "what?", "\ud800", 7, None,
    ],
)  # fmt: skip
def test_a_name_cannot_leave_the_folder(name: object):
    with pytest.raises(OptionError) as caught:
        save_preset(name, {}, 1, overwrite=True)  # type: ignore[arg-type]
    assert not presets_folder().exists()
    assert all(caught.value.sentence(language) for language in LANGUAGES)


@given(st.text(max_size=70))
def test_whatever_name_passes_is_one_part_of_a_path(text: str):
    try:
        name = checked_name(text)
    except OptionError:
        return
    assert Path(f"{name}.toml").name == f"{name}.toml" and name not in (".", "..")


@pytest.mark.parametrize("name", ["everyday", "Everyday", "日常", "低配救急"])
def test_the_programs_own_presets_stay(name: str):
    with pytest.raises(OptionError, match="comes with the program"):
        save_preset(name, {}, 1, overwrite=True)
    with pytest.raises(OptionError, match="no preset of your own"):
        delete_preset(name)


def test_export_and_import_are_a_round_trip():
    saved = save_preset("Año", parse_options({"strength": 5, "aligned": True}).model_dump(), 16, overwrite=False)
    text = preset_toml(load_preset("Año"))
    assert parse_preset(text, "downloaded (1).toml") == saved


@pytest.mark.parametrize(
    ("text", "mentioned"),
    [
        ("[options]\nstrength = 400\n", ["strength", "400", "0", "100"]),
        ('[options]\nmode = "gentle"\n', ["mode", "gentle", "natural, strong, detail"]),
        ("[options]\nglow = 1\n", ["glow", "strength"]),
        ('[options]\nstrength = "much"\n', ["strength", "much"]),
        ("batch_size = 0\n", ["batch_size", "0", "256"]),
        ("strength = 40\n", ["strength", "options"]),
        ("options = 3\n", ["options"]),
        ('name = "../../x"\n', ["../../x"]),
        ("not toml at all", ["bad.toml"]),
    ],
)
def test_a_bad_file_is_refused_with_field_value_and_what_is_allowed(text: str, mentioned: list[str], tmp_path: Path):
    file = tmp_path / "bad.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(OptionError) as caught:
        load_preset_or_file(str(file))
    for language in LANGUAGES:
        sentence = caught.value.sentence(language)
        assert all(word in sentence for word in mentioned) and "bad.toml" in sentence


def test_a_huge_or_missing_file_is_a_sentence(tmp_path: Path):
    (tmp_path / "huge.toml").write_text("#" * 70_000, encoding="utf-8")
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    for name in ("huge.toml", "missing.toml", "latin.toml"):
        with pytest.raises(OptionError, match=name):
            load_preset_or_file(str(tmp_path / name))


def test_a_folder_that_cannot_be_written_is_a_sentence(own_folder: Path):
    own_folder.write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be written"):
        save_preset("mine", {}, 1, overwrite=False)
    assert preset_names() == BUILT_IN


def test_one_preset_too_many_is_a_sentence_and_nothing_is_lost():
    for number in range(OWN_MOST):
        save_preset(f"{number}", {"strength": 10}, 4, overwrite=False)
    with pytest.raises(OptionError, match=f"There are {OWN_MOST} own presets.*'one more' was not saved"):
        save_preset("one more", {"strength": 20}, 4, overwrite=True)
    assert len(own_preset_names()) == OWN_MOST and "one more" not in own_preset_names()
    assert save_preset("7", {"strength": 20}, 4, overwrite=True).options == {"strength": 20}
    delete_preset("8")
    assert save_preset("one more", {"strength": 20}, 4, overwrite=False).name in own_preset_names()


def test_the_command_line_takes_a_name_or_a_file(tmp_path: Path, photo: Path):
    save_preset("奶奶", {"strength": 12}, None, overwrite=False)
    file = tmp_path / "other.toml"
    file.write_text("[options]\nstrength = 400\n", encoding="utf-8")
    refused = run("enhance", photo, "--preset", file)
    assert refused.exit_code == 2 and "400" in refused.stderr
    missing = run("enhance", photo, "--preset", "no-such")
    assert missing.exit_code == 2 and "奶奶" in missing.stderr
    found = run("batch", photo, "--dry-run", "--preset", "奶奶", "-o", tmp_path / "out")
    assert found.exit_code == 0, found.stderr


def test_rest_takes_names_and_no_paths(tmp_path: Path):
    save_preset("奶奶", {"strength": 12}, None, overwrite=False)
    asked = read_fields({"preset": "奶奶"}, ("preset",))
    assert asked.restore_options(RestoreOptions(denoise=9)) == RestoreOptions(strength=12, denoise=9)
    assert asked.changed(Settings(batch_size=7)).batch_size == 7  # it says nothing about it
    (tmp_path / "mine.toml").write_text("[options]\n", encoding="utf-8")
    for path in (str(tmp_path / "mine.toml"), "../presets/奶奶", "奶奶.toml", "x" * 61):
        with pytest.raises(UsageError):
            read_fields({"preset": path}, ("preset",))


# ---- defaults of the installation ---------------------------------------------------------------------------------


def test_kept_defaults_stand_between_the_file_and_the_environment():
    keep_defaults(Settings(), {"device": "cpu", "batch_size": 3, "options": {"strength": 20, "mode": "strong"}})
    settings = load_settings({}, {})
    assert (settings.device, settings.batch_size) == ("cpu", 3)
    assert salvaged(settings.options) == (RestoreOptions(strength=20, mode="strong"), ())
    assert load_settings({}, {"GPEN_UI_BATCH_SIZE": "5"}).batch_size == 5
    assert load_settings({"batch_size": 6}, {"GPEN_UI_BATCH_SIZE": "5"}).batch_size == 6
    forget_defaults()
    assert load_settings({}, {}) == Settings()


def test_a_file_named_by_the_environment_holds_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    keep_defaults(Settings(), {"batch_size": 3})
    named = tmp_path / "named.toml"
    named.write_text("port = 1234\n[options]\nstrength = 7\n", encoding="utf-8")
    settings = load_settings({}, {"GPEN_UI_CONFIG": str(named)})
    assert (settings.batch_size, settings.port, settings.options) == ("auto", 1234, {"strength": 7})
    monkeypatch.setenv("GPEN_UI_CONFIG", str(named))
    for change in (lambda: keep_defaults(Settings(), {"batch_size": 9}), forget_defaults):
        with pytest.raises(SettingsError, match=r"named\.toml"):
            change()


def test_what_an_older_version_kept_is_left_out_and_never_stops_a_start():
    kept_file().parent.mkdir(parents=True)
    text = 'colour = "red"\nbatch_size = 9999\ndevice = "cpu"\nport = 1\n[options]\nglow = 3\nsharpen = 8\n'
    kept_file().write_text(text, encoding="utf-8")
    settings = load_settings({}, {})
    assert (settings.device, settings.batch_size, settings.port) == ("cpu", "auto", 7860)
    options, dropped = salvaged(settings.options)
    assert options == RestoreOptions(sharpen=8)
    assert [error.values["name"] for error in dropped] == ["glow"]
    kept_file().write_text("broken = ", encoding="utf-8")
    assert load_settings({}, {}) == Settings()


def test_a_default_outside_its_range_is_not_kept():
    with pytest.raises(SettingsError):
        keep_defaults(Settings(), {"batch_size": 0})
    assert not kept_file().exists()


def test_the_command_line_works_with_the_kept_defaults(capsys: pytest.CaptureFixture[str]):
    keep_defaults(Settings(), {"options": {"strength": 21, "glow": 1}})
    assert usual_options(load_settings({}, {}), "en") == RestoreOptions(strength=21)
    assert "glow" in capsys.readouterr().err  # one sentence, and the work goes on


def test_only_what_differs_is_kept_of_options():
    usual = RestoreOptions(strength=40)
    assert differences(RestoreOptions(strength=40, sharpen=3), usual) == {"sharpen": 3}
    assert differences(usual, usual) == {}
