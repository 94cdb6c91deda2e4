"""Where the files that come with the program lie, beside the package in a checkout, inside it when installed; and how
any path is shown."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def home_folder() -> Path:
    """The folder that holds `configs/`, `models/` and `outputs/`: the checkout, or the package of an installed copy."""
    checkout = _PACKAGE.parent
    return checkout if (checkout / "configs" / "models.toml").is_file() else _PACKAGE


def configs_folder() -> Path:
    return home_folder() / "configs"


def findable(model: str | Path) -> str:
    """A model's name, or its file's path as it is found from any folder: a run may be resumed from another one."""
    path = Path(model).expanduser()
    return os.fspath(path.absolute()) if path.is_file() else os.fspath(model)


def shown(path: Path | str) -> str:
    """A path as it can be printed: bytes of a name that are no text become question marks."""
    return os.fspath(path).encode("utf-8", "replace").decode("utf-8")
