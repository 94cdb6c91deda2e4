"""How an installation is set up: defaults < file < environment < command line, and what a wrong setting says."""

import re
import tomllib
from pathlib import Path

import pytest

from gpen_ui.errors import SettingsError
from gpen_ui.paths import configs_folder, home_folder
from gpen_ui.settings import Settings, load_settings
from gpen_ui.texts import LANGUAGES


def settings_file(folder: Path, text: str) -> dict[str, str]:
    """An environment that names a settings file with this text."""
    file = folder / "my settings.toml"
    file.write_text(text, encoding="utf-8")
    return {"GPEN_UI_CONFIG": str(file)}


def test_only_this_machine_is_served_unless_told_otherwise():
    settings = load_settings(environment={})
    assert settings.host == "127.0.0.1"
    assert settings.serves_only_this_machine
    assert settings.readable_folders == (Path.home().resolve(),)


def test_a_served_network_may_read_no_folder_unless_told_otherwise(tmp_path: Path):
    assert load_settings({"host": "0.0.0.0"}, {}).readable_folders == ()
    open_to = load_settings({"host": "0.0.0.0", "allowed_folders": (tmp_path,)}, {})
    assert open_to.readable_folders == (tmp_path.resolve(),)


def test_file_then_environment_then_command_line(tmp_path: Path):
    environment = settings_file(tmp_path, 'batch_size = 2\nport = 1111\ndevice = "cpu"\n')
    environment["GPEN_UI_PORT"] = "2222"
    environment["GPEN_UI_DEVICE"] = "cuda:1"
    settings = load_settings({"device": "mps", "port": None}, environment)
    assert (settings.batch_size, settings.port, settings.device) == (2, 2222, "mps")


def test_folders_of_the_environment_are_separated_like_a_path(tmp_path: Path):
    settings = load_settings(environment={"GPEN_UI_ALLOWED_FOLDERS": f"{tmp_path}:{tmp_path / 'b'}"})
    assert settings.readable_folders == (tmp_path.resolve(), (tmp_path / "b").resolve())


def test_a_tilde_stands_for_the_home_folder():
    settings = load_settings({"outputs_folder": Path("~/restored")}, {})
    assert settings.outputs_folder == Path.home() / "restored"


@pytest.mark.parametrize(
    ("given", "mentioned"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 1000}, "1000"),
        ({"device": "gpu"}, "gpu"),
        ({"device": "cuda:"}, "cuda:"),
        ({"port": 70000}, "70000"),
        ({"output_format": "bmp"}, "bmp"),
        ({"suffix": "a/b"}, "a/b"),
        ({"language": "de"}, "de"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_a_wrong_setting_is_one_sentence(given: dict[str, object], mentioned: str):
    with pytest.raises(SettingsError) as caught:
        load_settings(given, {})
    assert caught.value.exit_code == 2
    for language in LANGUAGES:
        assert mentioned in caught.value.sentence(language)
        assert "\n" not in caught.value.sentence(language)


@pytest.mark.parametrize("text", ["batch_size = ", "\udcff", "[["])
def test_a_broken_settings_file_is_named(tmp_path: Path, text: str):
    file = tmp_path / "broken.toml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(SettingsError, match=re.escape(str(file))):
        load_settings(environment={"GPEN_UI_CONFIG": str(file)})


def test_a_missing_settings_file_is_named(tmp_path: Path):
    with pytest.raises(SettingsError, match="nowhere"):
        load_settings(environment={"GPEN_UI_CONFIG": str(tmp_path / "nowhere.toml")})


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "en_GB.UTF-8"}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "GPEN_UI_LANGUAGE": "zh"}, "zh"),
    ],
)
def test_the_terminal_is_spoken_to_in_the_users_language(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], language: str
):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "GPEN_UI_LANGUAGE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert load_settings().spoken_language() == language


def test_every_setting_stands_in_the_file_that_comes_with_the_program():
    """Uncommented, its lines are the defaults or an example, and all of them are valid."""
    text = (configs_folder() / "default.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text) == {}
    shown = tomllib.loads("\n".join(re.findall(r"^# (\w+ = .*)$", text, re.MULTILINE)))
    assert set(shown) == set(Settings.model_fields)
    load_settings(shown, {})
    defaults = Settings()
    for name in ("model", "device", "batch_size", "output_format", "suffix", "host", "port"):
        assert shown[name] == getattr(defaults, name)


def test_the_program_finds_its_own_files():
    assert (home_folder() / "configs" / "models.toml").is_file()


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("device", "quantum", "one of auto, cpu, cuda, cuda:1, mps, xpu"),
        ("output_format", "gif", "one of same, png, jpeg"),
        ("port", 99999, "between 0 and 65535"),
        ("batch_size", "many", "between 1 and 256"),
    ],
)
def test_a_refused_value_comes_with_what_is_allowed_in_both_languages(name: str, value: object, allowed: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({name: value}, {})
    assert allowed in caught.value.sentence("en") and str(value) in caught.value.sentence("en")
    assert "pattern" not in caught.value.sentence("en") and "should" not in caught.value.sentence("zh")


def test_pydantics_reasons_come_in_the_users_language():
    given = {"upload_mb": "x", "keep_time": "maybe", "suffix": "a/b", "models_folder": 3, "allowed_folders": 3}
    for name, value in given.items():
        with pytest.raises(SettingsError) as caught:
            load_settings({name: value}, {})
        reason = caught.value.sentence("zh").partition("：")[2]
        assert re.search("[一-鿿]", reason) and not re.search("[a-z]{6,}", reason), reason
        assert "Input should" not in caught.value.sentence("en")
