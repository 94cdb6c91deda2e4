"""Opens a folder in the file manager of the person who sits before this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from gpen_ui.errors import UsageError, reason_of
from gpen_ui.paths import shown


def opener() -> str | None:
    """The program that opens a folder; None where there is none, or no screen to show it on."""
    if sys.platform == "win32":
        return shutil.which("explorer")
    if sys.platform == "darwin":
        return shutil.which("open")
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return shutil.which("xdg-open")
    return None


def open_folder(folder: Path) -> None:
    """Opens it and does not wait.

    Raises:
        UsageError: it is not there, or nothing here can open it.
    """
    program = opener()
    if program is None or not folder.is_dir():
        raise UsageError("page_folder_unopened", folder=shown(folder))
    try:
        # a session of its own: it must not end with the server, nor get its Ctrl-C
        opened = subprocess.Popen(
            [program, str(folder.resolve())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise UsageError("page_folder_unopened", folder=f"{shown(folder)} ({reason_of(error)})") from error
    threading.Thread(target=opened.wait, daemon=True).start()  # so that no dead child is left
