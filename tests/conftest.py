"""What every test stands on: an environment without the machine's own settings, a portrait, and a browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from skimage.data import astronaut

from gpen_ui.ui import refusals
from tests.browsing import CHROMIUM, CHROMIUM_FLAGS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# The files that take longest, which are begun first: so the processes come to their end at about the same time. Those
# with a browser and others in turns, so that two browsers seldom work beside each other.
LONGEST = (
    "browser_runs", "training", "browser", "security", "measure", "browser_walks", "rest_schema", "rest_load",
    "browser_settings", "jobs_crash", "cli", "browser_access", "fused", "rest_safety", "browser_compare", "batch_tab",
    "photo_files", "strangers", "jobs_runs", "rest", "network", "jobs_cli", "proxy", "page", "engine", "browser_faces",
)  # fmt: skip
PROCESSES = 2  # each holds torch, a server now and then, and a browser: more would want 16 GB


def pytest_configure() -> None:
    """One thread of computing for each process, and so for every server and command that the tests start: the tests'
    processes share the machine, and threads that wait for each other's cores take far longer than one alone."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """How many processes share the tests: one file is done in this one, where a debugger and `-s` work as ever."""
    files = {argument.partition("::")[0] for argument in config.args}
    alone = len(files) == 1 and files.pop().endswith(".py")
    return 0 if alone else min(PROCESSES, os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; `--no-loadscope-reorder` leaves them so."""
    places = {f"test_{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory):
    """No setting of the machine that runs the tests may reach them."""
    for name in list(os.environ):
        if name.startswith("GPEN_UI_") or name in ("LC_ALL", "LC_MESSAGES", "LANG"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setattr(refusals, "_limit", refusals.LineLimit())  # what others were refused leaves no room in the log
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "no-config"))  # own presets, defaults


@pytest.fixture(scope="session")
def face() -> Image.Image:
    """A public-domain portrait of 256 x 256 pixels with one face."""
    return Image.fromarray(astronaut()).resize((256, 256), Image.Resampling.LANCZOS)


@pytest.fixture
def photo(tmp_path: Path, face: Image.Image) -> Path:
    path = tmp_path / "photo.jpg"
    face.save(path, quality=90)
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window; for tests marked with `NEEDS_CHROMIUM`. It ends with its module, because Playwright
    keeps an event loop running meanwhile, beside which others start none."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def faces_seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one number per batch: how many faces the network was asked for."""
    from gpen_ui.engine.runner import FaceRunner  # loads torch, which most tests do without

    seen: list[int] = []
    forward = FaceRunner._forward

    def counted(self: FaceRunner, crops: list) -> list:
        seen.append(len(crops))
        return forward(self, crops)

    monkeypatch.setattr(FaceRunner, "_forward", counted)
    return seen
