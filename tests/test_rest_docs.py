"""docs/rest.md against the program: its curl session is run word for word, and its routes, fields and limits are so."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from gpen_ui.api import build_api
from gpen_ui.api.app import openapi_document
from gpen_ui.options import option_specs
from gpen_ui.settings import Settings
from gpen_ui.ui.service import Service
from tests.commands import CHECKOUT
from tests.jobs_lab import draw
from tests.rest_server import RestServer, running_rest

TEXT = (CHECKOUT / "docs" / "rest.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestServer]:
    with running_rest(tmp_path_factory.mktemp("docs")) as running:
        yield running


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is missing, so the session of docs/rest.md is not run")
def test_the_curl_session_works_as_it_stands(server: RestServer, tmp_path: Path):
    draw(tmp_path / "old.png", 1)
    Image.open(tmp_path / "old.png").save(tmp_path / "old.jpg")
    Image.open(draw(tmp_path / "older.png", 2)).save(tmp_path / "older.jpg")
    session = "\n".join(block for block in blocks("bash") if "curl" in block)
    session = session.replace("http://127.0.0.1:7860", server.url)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", session], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'event: end\ndata: {"state": "done"}' in done.stdout
    old, new = (Image.open(tmp_path / name) for name in ("old.jpg", "new.jpg"))
    assert new.size == (2 * old.width, 2 * old.height)
    assert Image.open(tmp_path / "first.jpg").size == old.size
    assert "<article" in (tmp_path / "report.html").read_text(encoding="utf-8")
    with zipfile.ZipFile(io.BytesIO((tmp_path / "results.zip").read_bytes())) as archive:
        assert {"old_gpen.jpg", "older_gpen.jpg", "report.json"} <= set(archive.namelist())
    with server.client() as client:
        assert client.get("/runs").json() == {"runs": []}


def test_the_page_opens_to_gradio_client_as_documented(server: RestServer, capsys: pytest.CaptureFixture[str]):
    (program,) = (block for block in blocks("python") if "gradio_client" in block)
    exec(compile(program.replace("http://127.0.0.1:7860", server.url), "docs/rest.md", "exec"), space := {})
    assert capsys.readouterr().out == "GPEN UI\n"
    assert space["page"].view_api(return_format="dict")["named_endpoints"] == {}


def test_the_document_names_every_route_field_and_limit():
    document = openapi_document(build_api(Service(Settings(), Path()), Settings()), "en")
    written = TEXT.replace("ID", "{run_id}").replace("NUMBER", "{number}")
    for path in document["paths"]:
        tail = "/" + path.rpartition("/")[2].replace(".{form}", ".json")
        assert path.replace(".{form}", ".json") in written or f"`{tail}`" in written or f"`...{tail}`" in written, path
    bodies = [
        document["paths"]["/runs/upload"]["post"]["requestBody"]["content"]["multipart/form-data"],
        document["paths"]["/runs/folder"]["post"]["requestBody"]["content"]["application/json"],
    ]
    options = {spec.name for spec in option_specs()}  # the document leaves them to `GET /options`
    for body in bodies:
        for name in set(body["schema"]["properties"]) - options:
            assert f"`{name}`" in TEXT, name
    for name in ("queue_limit", "upload_mb", "submission_mb", "photo_megapixels"):
        assert f"| `{name}` | {Settings.model_fields[name].default} |" in TEXT
