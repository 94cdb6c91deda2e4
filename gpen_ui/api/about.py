"""What can be asked for, and what it runs on."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from fastapi import APIRouter

from gpen_ui import __version__
from gpen_ui.api.models import DeviceAnswer, HealthAnswer, OptionList, PresetList
from gpen_ui.api.parts import GivenLanguage, GivenParts
from gpen_ui.errors import OptionError
from gpen_ui.options import option_specs
from gpen_ui.presets import load_preset, preset_names

router = APIRouter()


@router.get("/options", response_model=OptionList)
def list_options(parts: GivenParts, language: GivenLanguage) -> dict[str, Any]:
    """The table of options with their ranges, and the defaults of this installation."""
    names = ("name", "kind", "low", "high", "choices", "acts_on")
    return {
        "options": [
            {
                **{name: getattr(spec, name) for name in names},
                "default": getattr(parts.engine.usual_options, spec.name),
                "title": spec.title(language),
                "help": spec.help(language),
            }
            for spec in option_specs()
        ]
    }


@router.get("/presets", response_model=PresetList)
def list_presets(language: GivenLanguage) -> dict[str, Any]:
    """Named sets of options; one of a user's own that this version cannot read is left out."""
    presets = []
    for name in preset_names():
        with suppress(OptionError):
            presets.append(load_preset(name))
    return {
        "presets": [
            {
                "name": preset.name,
                "title": preset.title(language),
                "options": preset.options,
                "batch_size": preset.batch_size,
            }
            for preset in presets
        ]
    }


@router.get("/device", response_model=DeviceAnswer)
def show_device(parts: GivenParts, language: GivenLanguage) -> dict[str, Any]:
    """What the network runs on, measured."""
    restorer = parts.engine.restorer
    if restorer is None:
        if parts.engine.load_error is not None:
            raise parts.engine.load_error
        return {**dict.fromkeys(DeviceAnswer.model_fields), "state": "loading"}
    report = restorer.device_report
    return {
        "state": "ready",
        "model": restorer.model_name,
        "model_sha256": restorer.model_sha256,
        "face_size_px": restorer.size_px,
        "device": report.device,
        "name": report.name,
        "precision": report.precision,
        "seconds_per_face": report.seconds_per_face,
        "why": report.why.sentence(language) if report.why is not None else None,
        "batch_size": restorer.batch_size,
    }


@router.get("/health", response_model=HealthAnswer)
def show_health(parts: GivenParts) -> dict[str, Any]:
    """Whether photos can be restored; 503 with the reason when no model could be loaded."""
    engine = parts.engine
    if engine.restorer is None and engine.load_error is not None:
        raise engine.load_error
    return {
        "status": "loading" if engine.restorer is None else "ready",
        "version": __version__,
        "queue": {"taken": parts.places.taken, "limit": parts.places.limit},
    }
