"""What every test stands on: an environment without the machine's own settings, and a portrait."""

import os
from pathlib import Path

import pytest
from PIL import Image
from skimage.data import astronaut


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch):
    """No setting of the machine that runs the tests may reach them."""
    for name in list(os.environ):
        if name.startswith("GPEN_UI_") or name in ("LC_ALL", "LC_MESSAGES", "LANG"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LANG", "C.UTF-8")


@pytest.fixture(scope="session")
def face() -> Image.Image:
    """A public-domain portrait of 256 x 256 pixels with one face."""
    return Image.fromarray(astronaut()).resize((256, 256), Image.Resampling.LANCZOS)


@pytest.fixture
def photo(tmp_path: Path, face: Image.Image) -> Path:
    path = tmp_path / "photo.jpg"
    face.save(path, quality=90)
    return path
