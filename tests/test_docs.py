"""The READMEs and the changelog against the program."""

import re

import pytest

from gpen_ui import __version__
from gpen_ui.options import flag_name, option_specs, spelled
from gpen_ui.presets import BUILT_IN
from gpen_ui.settings import Settings
from tests.commands import CHECKOUT, all_commands


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readme_names_every_option_command_preset_and_setting(name: str):
    text = (CHECKOUT / name).read_text(encoding="utf-8")
    for spec in option_specs():
        assert f"`{flag_name(spec)}`" in text
        if spec.kind == "choice":
            row = next(line for line in text.splitlines() if line.startswith(f"| `{flag_name(spec)}`"))
            assert all(spelled(choice) in row for choice in spec.choices)
        elif spec.kind != "bool":
            row = next(line for line in text.splitlines() if line.startswith(f"| `{flag_name(spec)}`"))
            assert all(f"{value:g}" in row for value in (spec.low, spec.high, spec.default))
    for command in all_commands():
        assert f"`{' '.join(command)}" in text
    for preset in BUILT_IN:
        assert f"`{preset}`" in text
    for setting in Settings.model_fields:
        assert f"`{setting}`" in text


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readme_opens_with_the_two_commands_and_its_pictures_are_there(name: str):
    text = (CHECKOUT / name).read_text(encoding="utf-8")
    commands = [line for line in text.splitlines() if line.startswith("./run.sh")]
    assert commands[:2] == ["./run.sh", "./run.sh test"]
    for target in re.findall(r"\]\(((?!https?://)[^)#]+)\)", text):
        assert (CHECKOUT / target).is_file(), target


def test_version_and_changelog_agree():
    changelog = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[{re.escape(__version__)}\]", changelog, re.MULTILINE)


@pytest.mark.parametrize("name", ["security.md", "zh/security.md"])
def test_what_the_threat_model_names_is_there(name: str):
    """Each claim of docs/security.md stands on a test or a file; one that was renamed must not leave it in the air."""
    text = (CHECKOUT / "docs" / name).read_text(encoding="utf-8")
    tests = re.findall(r"`(tests/\w+\.py)::(\w+)`", text)
    files = re.findall(r"`(gpen_ui/[\w/]+\.py)`", text)
    assert len(tests) > 30 and files
    for file, name in tests:
        assert f"def {name}(" in (CHECKOUT / file).read_text(encoding="utf-8"), (file, name)
    assert all((CHECKOUT / file).is_file() for file in files)
