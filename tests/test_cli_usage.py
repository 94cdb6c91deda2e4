"""Wrong usage, language, help and entries of the command line."""

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from gpen_ui import __version__
from gpen_ui.cli.flags import options_from_flags
from gpen_ui.errors import OptionError
from gpen_ui.options import OptionSpec, flag_name, option_specs, spelled
from gpen_ui.presets import load_preset
from gpen_ui.texts import LANGUAGES, Language, say
from tests.commands import CHECKOUT, CPU, all_commands, run, start


@pytest.mark.parametrize(
    ("arguments", "mentioned"),
    [
        (["--strength", "130"], ["--strength", "0", "100", "130"]),
        (["--strength", "much"], ["--strength"]),
        (["--contrast", "-101"], ["--contrast", "-100", "-101"]),
        (["--mode", "gentle"], ["--mode", "natural, strong, detail", "gentle"]),
        (["--long-edge", "900"], ["--long-edge", "off, 2560, 1920, 1280", "900"]),
        (["--scale", "3"], ["--scale", "1, 2, 4", "3"]),
        (["--smallest-face", "2"], ["--smallest-face", "8", "512"]),
        (["--detector-threshold", "1.5"], ["--detector-threshold", "1.5"]),
        (["--preset", "monthly"], ["monthly", "everyday, high-quality, low-end"]),
        (["--batch-size", "0"], ["batch_size", "0"]),
        (["--device", "gpu"], ["device", "gpu"]),
        (["--format", "bmp"], ["bmp"]),
        (["--no-such-flag"], ["--no-such-flag"]),
    ],
)
def test_wrong_usage_is_a_sentence_and_exit_code_2(photo: Path, arguments: list[str], mentioned: list[str]):
    result = run("enhance", photo, *arguments)
    assert result.exit_code == 2
    assert all(word in result.stderr for word in mentioned), result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("arguments", [["enhance"], ["paint"], ["models", "burn"]])
def test_a_missing_argument_or_unknown_command_is_exit_code_2(arguments: list[str]):
    assert run(*arguments).exit_code == 2


def test_sentences_come_in_the_users_language(photo: Path):
    result = run("enhance", photo, "--strength", "130", language="zh")
    assert "必须在 0 到 100 之间" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "mentioned"),
    [
        (["paint"], ["paint", "enhance"]),
        (["enhance"], ["INPUT"]),
        (["enhance", "x", "--recursiv"], ["--recursiv", "--recursive"]),
        (["enhance", "x", "--strength"], ["--strength"]),
        (["enhance", "x", "--strength", "much"], ["--strength", "much"]),
        (["enhance", "x", "--detector-threshold=x"], ["--detector-threshold", "x"]),
        (["enhance", "x", "--json=3"], ["--json"]),
        (["serve", "extra"], ["extra"]),
        (["models", "burn"], ["burn", "download"]),
    ],
)
def test_what_is_typed_wrongly_is_told_in_the_users_language(arguments: list[str], mentioned: list[str]):
    for language in LANGUAGES:
        result = run(*arguments, language=language)
        assert result.exit_code == 2 and result.stdout == ""
        first = result.stderr.splitlines()[0]
        assert all(word in first for word in mentioned), first
        assert bool(re.search("[一-鿿]", first)) == (language == "zh"), first


def test_the_language_follows_the_system(tmp_path: Path):
    process = start("enhance", "a.jpg", "--preset", "x", cwd=tmp_path, LANG="zh_CN.UTF-8")
    assert "预设" in process.communicate(timeout=60)[1]
    process = start("enhance", "a.jpg", "--preset", "x", cwd=tmp_path, LANG="zh_CN.UTF-8", GPEN_UI_LANGUAGE="en")
    assert "presets" in process.communicate(timeout=60)[1]


def test_a_traceback_is_shown_when_asked_for(photo: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GPEN_UI_DEBUG", "1")
    result = run("enhance", photo, "--strength", "130")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr


def test_a_broken_settings_file_stops_commands_but_not_the_help(tmp_path: Path):
    broken = tmp_path / "broken.toml"
    broken.write_text("device = ", encoding="utf-8")
    helped = start("--help", GPEN_UI_CONFIG=str(broken))
    assert "enhance" in helped.communicate(timeout=60)[0]
    assert helped.returncode == 0
    refused = start("enhance", "a.jpg", GPEN_UI_CONFIG=str(broken))
    stderr = refused.communicate(timeout=60)[1]
    assert refused.returncode == 2
    assert str(broken) in stderr
    assert "Traceback" not in stderr


def test_an_explicit_flag_wins_over_the_preset_and_that_over_the_default():
    given = {spec.name: None for spec in option_specs()}
    options = options_from_flags({**given, "strength": 90, "long_edge": "off"}, load_preset("everyday"))
    assert (options.strength, options.long_edge, options.denoise, options.contrast) == (90, 0, 30, 0)


@pytest.mark.parametrize("spec", option_specs(), ids=lambda spec: spec.name)
def test_every_choice_can_be_typed(spec: OptionSpec):
    for choice in spec.choices:
        assert getattr(options_from_flags({spec.name: spelled(choice)}, None), spec.name) == choice
    if spec.choices:
        with pytest.raises(OptionError, match=flag_name(spec)):
            options_from_flags({spec.name: "nonsense"}, None)


# ---- one program, one table ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", [["-m", "gpen_ui"], ["app.py"], ["-c", "from gpen_ui.cli import main; main()"]])
def test_all_entries_are_the_same_program(program: list[str]):
    ran = subprocess.run([sys.executable, *program, "--version"], cwd=CHECKOUT, capture_output=True, text=True)
    assert ran.stdout.strip() == f"gpen-ui {__version__}"
    assert ran.returncode == 0


def test_flags_alone_start_the_page_and_ctrl_c_ends_it():
    process = start("--port", "0", *CPU)
    assert process.stdout is not None
    found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
    assert found, process.communicate(timeout=60)
    try:
        with urllib.request.urlopen(found.group(), timeout=60) as answer:
            assert answer.status == 200
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0  # the page has no other end


def test_the_page_is_not_opened_to_the_network_without_a_password():
    result = run("serve", "--host", "0.0.0.0", "--port", "0")
    assert result.exit_code == 2
    assert "--auth" in result.stderr


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_help_of_enhance_is_the_table_of_options(language: Language):
    shown = " ".join(run("enhance", "--help", language=language).stdout.split())
    squeezed = shown.replace(" ", "")
    for spec in option_specs():
        assert flag_name(spec) in shown
        assert spec.help(language).replace(" ", "") in squeezed
        if spec.kind == "choice":
            assert "|".join(spelled(choice) for choice in spec.choices) in squeezed
        elif spec.kind != "bool":
            assert f"{spec.low:g}..{spec.high:g}" in shown


def test_the_help_is_chinese_on_a_chinese_command_line():
    for command in all_commands():
        text = run(*command, "--help", language="zh").stdout
        assert "用法：" in text and "显示本帮助。" in text, command
        assert not re.search("Usage:|Options:|Commands:|Show this|required", text), command


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_command_has_help(language: Language):
    assert {("enhance",), ("serve",), ("doctor",), ("bench",), ("models", "list")} <= set(all_commands())
    for command in all_commands():
        helped = run(*command, "--help", language=language)
        assert helped.exit_code == 0
        assert helped.stdout.startswith(say("cli.usage.usage", language))
