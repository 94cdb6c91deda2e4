"""Dockerfile, .dockerignore and compose.yaml against the program, as far as that goes without Docker."""

from __future__ import annotations

import fnmatch
import re
import shlex
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from gpen_ui.settings import Settings, load_settings
from tests.commands import CHECKOUT

DOCKERFILE = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
COMPOSE = yaml.safe_load((CHECKOUT / "compose.yaml").read_text(encoding="utf-8"))["services"]["gpen-ui"]
AUTH = "anna:a-long-password"


def copied() -> list[str]:
    """What the image gets of the checkout."""
    lines = re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


def environment() -> dict[str, str]:
    (line,) = re.findall(r"^ENV (.+)$", DOCKERFILE, re.MULTILINE)
    return dict(each.split("=", 1) for each in shlex.split(line))


def test_what_is_copied_is_there_and_not_ignored():
    kept = [line[1:] for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for source in copied():
        assert (CHECKOUT / source).exists(), source
        assert any(fnmatch.fnmatch(source, pattern) for pattern in kept), source
    assert set(kept) == set(copied())


def test_everything_that_the_program_reads_is_copied():
    assert {"gpen_ui", "configs", "models/gpen-lite-512.pth", "pyproject.toml", "requirements.txt"} <= set(copied())


def test_its_variables_are_settings_and_a_password_is_demanded():
    variables = {name: value for name, value in environment().items() if name.startswith("GPEN_UI_")}
    assert {name.removeprefix("GPEN_UI_").lower() for name in variables} <= set(Settings.model_fields)
    settings = load_settings({}, {**variables, "GPEN_UI_AUTH": AUTH})
    assert not settings.serves_only_this_machine
    volumes = re.findall(r'"(/data/\w+)"', DOCKERFILE)
    assert {str(settings.outputs_folder), str(settings.models_folder)} == set(volumes)


def test_it_does_not_run_as_root():
    assert re.findall(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE) == ["10001"]


def test_the_requirements_of_pytorch_are_found_as_the_dockerfile_looks_for_them():
    (pattern,) = re.findall(r"grep -E '([^']+)' requirements\.txt", DOCKERFILE)
    lines = (CHECKOUT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [re.split(r"[><=]", line)[0] for line in lines if re.match(pattern, line)] == ["torch", "torchvision"]


def test_compose_serves_this_machine_and_keeps_what_the_image_keeps():
    assert COMPOSE["ports"] == ["127.0.0.1:7860:7860"]
    places = {volume.split(":")[-1 if volume.count(":") == 1 else -2] for volume in COMPOSE["volumes"]}
    assert {"/data/outputs", "/data/models"} <= places
    assert all(each.split("=")[0].startswith("GPEN_UI_") for each in COMPOSE["environment"])


@pytest.mark.parametrize(
    "status, token, healthy",
    [(200, None, True), (403, None, True), (401, None, True), (503, None, False), (200, "t", True), (503, "t", False),
     (401, "t", False)],
)  # fmt: skip
def test_the_health_check(status: int, token: str | None, healthy: bool):
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = self.headers.get("Authorization")
            self.send_response(status if given == (f"Bearer {token}" if token else None) else 400)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        variables = {"GPEN_UI_PORT": str(server.server_address[1]), **({"GPEN_UI_API_TOKEN": token} if token else {})}
        asked = subprocess.run([sys.executable, CHECKOUT / "scripts" / "healthy.py"], env=variables, check=False)
        server.shutdown()
    assert (asked.returncode == 0) is healthy
