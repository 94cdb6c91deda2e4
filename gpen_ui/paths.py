"""Where the files that come with the program lie: beside the package in a checkout, inside it when installed."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def home_folder() -> Path:
    """The folder that holds `configs/`, `models/` and `outputs/`: the checkout, or the package of an installed copy."""
    checkout = _PACKAGE.parent
    return checkout if (checkout / "configs" / "models.toml").is_file() else _PACKAGE


def configs_folder() -> Path:
    return home_folder() / "configs"
