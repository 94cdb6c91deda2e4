"""The command line: `gpen-ui`, `python -m gpen_ui` and `python app.py` are this one program."""

from gpen_ui.cli.program import main

__all__ = ["main"]
