"""Where the files that come with the program lie, beside the package in a checkout, inside it when installed; and how
any path is shown."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def home_folder() -> Path:
    """The folder that holds `configs/`, `models/` and `outputs/`: the checkout, or the package of an installed copy."""
    checkout = _PACKAGE.parent
    return checkout if (checkout / "configs" / "models.toml").is_file() else _PACKAGE


def configs_folder() -> Path:
    return home_folder() / "configs"


def user_folder() -> Path:
    """Where what a user keeps lies: own presets and the defaults that were set from the page. It is the configuration
    folder of the system's user, so that an update or a fresh checkout leaves it alone."""
    from platformdirs import user_config_path

    return user_config_path("gpen-ui", appauthor=False)


def write_whole(path: Path, text: str) -> None:
    """Writes a small file of a user's so that it is there whole or as it was before. Makes its folder.

    Raises:
        OSError: as the system says.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with temporary.open("x", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def findable(model: str | Path) -> str:
    """A model's name, or its file's path as it is found from any folder: a run may be resumed from another one."""
    path = Path(model).expanduser()
    return os.fspath(path.absolute()) if path.is_file() else os.fspath(model)


def shown(path: Path | str) -> str:
    """A path as it can be printed: bytes of a name that are no text become question marks."""
    return os.fspath(path).encode("utf-8", "replace").decode("utf-8")
