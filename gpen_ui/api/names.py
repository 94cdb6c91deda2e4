"""Names of files in headers."""

from __future__ import annotations

import re
from urllib.parse import quote

from gpen_ui.paths import shown


def attachment(name: str) -> str:
    """The Content-Disposition of a file, with a plain name for old programs and the true one (RFC 6266)."""
    name = shown(name)
    plain = re.sub(r'[^ -~]|["\\]', "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
