"""The commands that README and docs tell people to type: those that need nothing from outside are run for real on the
astronaut, in the order in which they stand; of all others the program's own parser must know every command and flag."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gpen_ui.cli.program import build_program
from tests.commands import CHECKOUT, run
from tests.jobs_lab import save_tiny_network

PAGES = [CHECKOUT / "README.md", CHECKOUT / "README.zh-CN.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
STARTS = ("./run.sh", "run.bat", "gpen-ui", ".venv/bin/gpen-ui", "python -m gpen_ui", "python app.py")
SHELLS = ("", "bash", "bat")
# What is not run: it serves, downloads, takes a card or minutes, or needs a cluster. It is parsed like everything else.
NOT_RUN = ("serve", "models download", "models import", "bench", "warmup", "test")
NOT_RUN_FLAGS = ("--engine", "--watch", "realesrgan", "@gpen-bfr", "my-gpen.pth", "--ray-address", "--face")
OF_A_RUN = ("RUN", "20261124-1342")  # how the docs write the id of a run


@dataclass(frozen=True)
class Command:
    """One line that starts the program.

    Attributes:
        arguments: without the program's own name.
        place: where it stands, for the failure's text.
    """

    arguments: tuple[str, ...]
    place: str

    @property
    def runs_here(self) -> bool:
        line = " ".join(self.arguments)
        if not self.arguments or self.arguments[0].startswith("-") or line.startswith(NOT_RUN):
            return False
        return not any(flag in line for flag in NOT_RUN_FLAGS)


def commands() -> list[Command]:
    return [command for page in PAGES for command in commands_of(page)]


def commands_of(page: Path) -> Iterator[Command]:
    """Every line of a page's shell blocks that starts the program."""
    for kind, block in re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        if kind not in SHELLS:
            continue
        for line in block.replace("\\\n", " ").splitlines():
            typed = re.sub(r"^(\w+=('[^']*'|\$\([^)]*\)|\S+)\s+)+", "", line.strip())  # variables before a command
            start = next((each for each in STARTS if typed == each or typed.startswith(f"{each} ")), None)
            if start is not None and not typed.startswith(f"{start}  "):  # else it is a list of files
                arguments = shlex.split(typed.removeprefix(start), comments=True)
                yield Command(tuple(arguments), f"{page.relative_to(CHECKOUT)}: {typed}")


def parse(program: Any, arguments: list[str]) -> None:
    """As far as the program's own parser goes; it fails for what the program does not know."""
    command = program
    given, names = list(arguments), ["gpen-ui"]
    while hasattr(command, "commands"):
        assert given and given[0] in command.commands, f"no such command: {' '.join([*names, *given[:1]])}"
        names.append(given.pop(0))
        command = command.commands[names[-1]]
    command.make_context(" ".join(names), given)


def test_the_docs_tell_people_to_type_something():
    found = commands()
    assert len(found) > 80
    assert sum(command.runs_here for command in found) > 25
    assert {"enhance", "batch", "runs", "models", "doctor", "serve"} <= {
        each.arguments[0] for each in found if each.arguments
    }


def test_the_program_knows_every_command_and_flag_of_the_docs():
    """Also those that are not run. `test` is run.sh's own, and no command or a flag first means `serve`."""
    from typer.main import get_command

    program, wrong = get_command(build_program("en")), []
    for command in commands():
        arguments = list(command.arguments)
        if arguments[:1] == ["test"]:
            continue
        if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("--help", "--version")):
            arguments = ["serve", *arguments]
        try:
            parse(program, [argument for argument in arguments if argument != "[...]"])
        except Exception as error:  # of several kinds, inside the parser
            wrong.append(f"{command.place}: {error}")
    assert wrong == []


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, face: Image.Image) -> Iterator[Path]:
    """A folder with every photo and folder that the docs speak of."""
    folder = tmp_path_factory.mktemp("studio")
    (folder / "docs" / "samples").mkdir(parents=True)
    small = face.resize((128, 128))
    for name in ("old.jpg", "small.jpg", "photo.jpg", "family.jpg", "docs/samples/astronaut-old.jpg"):
        small.save(folder / name, quality=90)
    (folder / "album.toml").write_text("[options]\nstrength = 60\n", encoding="utf-8")
    for place in ("scans", "scans/more", "photos", "inbox"):
        (folder / place).mkdir()
        small.save(folder / place / "a.jpg", quality=90)
    yield folder


def test_the_commands_do_what_they_say(studio: Path, monkeypatch: pytest.MonkeyPatch):
    """Each ends with exit code 0, in one folder, as somebody who follows the docs from top to bottom types them."""
    monkeypatch.chdir(studio)
    monkeypatch.setenv("GPEN_UI_OUTPUTS_FOLDER", str(studio / "outputs"))
    monkeypatch.setenv("GPEN_UI_DEVICE", "cpu")
    first = next(command for command in commands() if command.runs_here)
    assert run(*first.arguments).exit_code == 0, first.place  # with the network that a reader has
    save_tiny_network(studio / "tiny.pth")
    monkeypatch.setenv("GPEN_UI_MODEL", str(studio / "tiny.pth"))  # the rest is about everything but the network
    assert run("batch", "photos", "-o", "restored").exit_code == 0  # the run that `runs show RUN` is about
    run_id = re.findall(r"\d{8}-\d{6}-\w+", run("runs", "list").output)[0]
    done: set[tuple[str, ...]] = set()
    for command in (each for each in commands() if each.runs_here):
        arguments = tuple(run_id if each in OF_A_RUN else each for each in command.arguments)
        if arguments in done:
            continue
        done.add(arguments)
        result = run(*arguments)
        ended = arguments[:2] in (("runs", "pause"), ("runs", "cancel"))  # the run is over by then, which is said
        assert result.exit_code == 0 or (ended and result.exit_code == 2), f"{command.place}\n{result.output}"
    assert list((studio / "outputs").rglob("*_gpen*"))


@pytest.mark.parametrize("page", [page for page in PAGES if "```python" in page.read_text(encoding="utf-8")], ids=str)
def test_the_python_of_the_docs_runs(page: Path, studio: Path, monkeypatch: pytest.MonkeyPatch):
    """Each block alone, as it stands. Those that speak of a server or of a caller's own functions are compiled."""
    monkeypatch.chdir(studio)
    monkeypatch.setenv("GPEN_UI_DEVICE", "cpu")
    for name in ("a.jpg", "b.png", "grandmother.tif"):
        if not (studio / name).exists():
            Image.open(studio / "old.jpg").save(studio / name)
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        code = compile(block, str(page), "exec")
        if "http://" in block or "load_restorer" in block or "zh" in page.relative_to(CHECKOUT).as_posix():
            continue  # the Chinese pages have the same blocks
        exec(code, {"folder": studio / "album", "settings": None})


@pytest.mark.skipif(
    shutil.which("bash") is None, reason="bash is missing, so the blocks of the docs are not parsed by it"
)
def test_the_shell_understands_every_block():
    for page in PAGES:
        for block in re.findall(r"^```bash\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            read = subprocess.run(
                ["bash", "-n"], input=block, text=True, capture_output=True, env=os.environ, check=False
            )
            assert read.returncode == 0, (page, read.stderr)


def test_the_program_in_a_process_of_its_own_says_where_its_docs_are():
    shown = subprocess.run(
        [sys.executable, "-m", "gpen_ui", "--help"], cwd=CHECKOUT, text=True, capture_output=True, check=True
    ).stdout
    assert "docs/" in shown
