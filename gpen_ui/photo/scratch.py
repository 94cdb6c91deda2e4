"""Files in memory, through which Pillow hands out pixels and takes them in."""

from __future__ import annotations

import io
import os
from typing import IO


def memory_file() -> IO[bytes]:
    """An empty file to write and read. Where it is one of the system's, Pillow writes a picture into it while other
    threads of Python go on; into a `BytesIO` it does not."""
    return os.fdopen(os.memfd_create("photo"), "w+b") if hasattr(os, "memfd_create") else io.BytesIO()
