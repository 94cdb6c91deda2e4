"""run.bat and what it starts, as far as they can be tried without Windows: the environment, the books, the choices."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import windows_start
from scripts.windows_start import Installation, main
from tests.commands import CHECKOUT
from tests.test_run_sh import Machine

FILES = ("requirements.txt", "requirements-dev.txt", "requirements-docs.txt", "requirements-likeness.txt")
BATCH = CHECKOUT / "run.bat"


class Tried(Installation):
    """An installation in a folder of the test: pip and the programs are written down and not run."""

    def __init__(self, checkout: Path) -> None:
        super().__init__(checkout)
        self.told: list[str] = []
        self.fails: str | None = None
        self.made = 0

    def make_venv(self) -> None:
        self.made += 1
        shutil.rmtree(self.venv, ignore_errors=True)
        self.python.parent.mkdir(parents=True)
        self.installing.touch()
        self.python.symlink_to(sys.executable)

    def pip(self, *arguments: object) -> None:
        line = " ".join(str(each).replace(f"{self.checkout}/", "") for each in arguments)
        self.told.append(f"pip {line}")
        if self.fails and self.fails in line:
            raise subprocess.CalledProcessError(1, "pip")

    def can_continue(self) -> bool:
        return self.made > 0 and not self.installing.exists()

    def check_packages(self) -> None:
        self.told.append("check")

    def run(self, *arguments: object, cwd: Path | None = None) -> int:
        self.told.append(" ".join(map(str, arguments)))
        return 3 if "gpen_ui" in arguments else 0

    def take(self) -> list[str]:
        told, self.told = self.told, []
        return told


@pytest.fixture
def tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tried:
    checkout = tmp_path / "GPEN 修复 (x86)"
    checkout.mkdir()
    for name in (*FILES, "pyproject.toml"):
        shutil.copy(CHECKOUT / name, checkout / name)
    monkeypatch.setattr(windows_start, "can_reach", lambda address: True)
    monkeypatch.setattr(windows_start, "asked", lambda *command: "")
    return Tried(checkout)


def test_the_first_start_installs_everything_and_passes_arguments_and_exit_code_on(tried: Tried):
    assert main(["enhance", "a photo.jpg"], tried) == 3
    first, *rest = tried.take()
    assert first.startswith("pip --index-url https://download.pytorch.org/whl/cpu torch>=") and "torchvision>=" in first
    assert rest == [
        "pip -r requirements.txt",
        f"pip --no-deps -e {tried.checkout}",
        "pip -r requirements-likeness.txt",
        "check",
        "-P -m gpen_ui enhance a photo.jpg",
    ]
    assert not tried.installing.exists()


def test_a_second_start_installs_nothing(tried: Tried):
    main([], tried)
    tried.take()
    main([], tried)
    assert tried.take() == ["-P -m gpen_ui"]


@pytest.mark.parametrize("step", ["requirements.txt", "--no-deps"])
def test_an_installation_that_failed_or_was_cut_off_begins_anew(tried: Tried, step: str):
    tried.fails = step
    assert main([], tried) == 1
    assert tried.installing.exists() and not tried.installed.exists()
    tried.fails = None
    tried.take()
    assert main([], tried) == 3
    assert tried.made == 2 and "pip -r requirements.txt" in tried.take()


def test_changed_requirements_are_added_to_the_environment_that_is_there(tried: Tried):
    main([], tried)
    with (tried.checkout / "requirements.txt").open("a", encoding="utf-8") as more:
        more.write("something>=1\n")
    tried.take()
    main([], tried)
    assert tried.made == 1 and "pip -r requirements.txt" in tried.take()


def test_a_second_start_during_the_installation_is_refused(tried: Tried, capsys: pytest.CaptureFixture[str]):
    tried.make_venv()
    with tried.at_work():
        assert main([], tried) == 1
    assert "Another start is installing" in capsys.readouterr().err
    assert tried.take() == []


def test_what_likeness_needs_may_be_missing(tried: Tried):
    tried.fails = "requirements-likeness.txt"
    assert main([], tried) == 3


def test_a_source_of_pytorch_that_fails_leaves_it_to_pip(tried: Tried):
    tried.fails = "--index-url"
    assert main([], tried) == 3


def test_the_tests_are_lint_format_types_and_pytest(tried: Tried):
    assert main(["test", "-x"], tried) == 0
    told = tried.take()
    assert told[-6:-4] == ["pip -r requirements-dev.txt", "pip -r requirements-docs.txt"]
    assert told[-4:] == ["-m ruff check .", "-m ruff format --check .", "-m mypy", "-m pytest -x"]


@pytest.fixture(scope="module")
def run_sh(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return Machine(tmp_path_factory.mktemp("run_sh"))


def test_both_starts_choose_the_same_build(run_sh: Machine):
    cases = [
        (cuda, card) for cuda in ("11.4", "11.8", "12.0", "12.4", "12.8", "13.0") for card in ("6.1", "7.5", "9.0", "")
    ]
    shell = "; ".join(f"torch_build {cuda} {card}" for cuda, card in cases)
    assert [windows_start.torch_build(*case) for case in cases] == run_sh.call(shell).split()


@pytest.mark.parametrize(
    "told", ["| NVIDIA-SMI 570.1  Driver Version: 572.1  CUDA Version: 12.8 |", "CUDA UMD Version : 12.8"]
)
def test_the_driver_is_understood(told: str):
    assert windows_start.driver_cuda(told) == "12.8"
    assert windows_start.oldest_capability("12.0\n8.6\n[N/A]\n") == "8.6"


def test_it_checks_what_run_sh_checks():
    assert windows_start.CHECK.strip() in (CHECKOUT / "run.sh").read_text(encoding="utf-8")


def test_the_batch_file_is_one_that_windows_reads():
    """cmd.exe takes labels wrongly from files with other line ends, and other letters by the code page of the day."""
    raw = BATCH.read_bytes()
    assert raw.isascii() and raw.count(b"\n") == raw.count(b"\r\n")
    text = raw.decode()
    assert r"%~dp0scripts\windows_start.py" in text and r"%~dp0scripts\no_python.txt" in text
    assert all((CHECKOUT / "scripts" / name).is_file() for name in ("windows_start.py", "no_python.txt"))
    attributes = (CHECKOUT / ".gitattributes").read_text(encoding="utf-8")
    assert "*.bat text eol=crlf" in attributes
