"""Running the command line in tests: in this process, or as a process of its own."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner, Result

from gpen_ui.cli.program import build_program
from gpen_ui.texts import Language

CHECKOUT = Path(__file__).resolve().parent.parent
CPU = ("--device", "cpu")


def run(*arguments: object, language: Language = "en") -> Result:
    """One command in this process."""
    return CliRunner().invoke(build_program(language), [str(argument) for argument in arguments])


def command_names(*group: str) -> list[str]:
    """The commands of the program, or of a group of them, as the help lists them."""
    _, _, listed = run(*group, "--help").stdout.partition("Commands:\n")
    return re.findall(r"^  (\w+)", listed, re.MULTILINE)


def all_commands() -> list[tuple[str, ...]]:
    """Every command with the group before it."""
    tops = [(name, command_names(name)) for name in command_names()]
    return [(top, *rest) for top, subs in tops for rest in ([(sub,) for sub in subs] or [()])]


def start(*arguments: object, cwd: Path | None = None, **variables: str) -> subprocess.Popen[str]:
    """One command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "gpen_ui", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def json_lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def fingerprints(folder: Path) -> dict[str, tuple[str, int]]:
    """Content and time of every file below a folder."""
    return {
        str(path.relative_to(folder)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }
