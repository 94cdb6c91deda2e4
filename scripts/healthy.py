"""Whether the server of this container answers: exit code 0 or 1. For the HEALTHCHECK of the Dockerfile.

With a token in the environment the answer must be that it can restore; without one, that it answers at all.
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request

TIMEOUT_S = 8


def healthy(port: int, token: str | None) -> bool:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/health")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S):
            return True
    except urllib.error.HTTPError as error:
        return not token and error.code in (401, 403)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(not healthy(int(os.environ.get("GPEN_UI_PORT", "7860")), os.environ.get("GPEN_UI_API_TOKEN")))
