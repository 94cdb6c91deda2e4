"""REST against its own OpenAPI document: schemathesis makes requests that the document allows, and ones that it does
not, and looks at every answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from gpen_ui.api import build_api
from gpen_ui.api.app import openapi_document
from gpen_ui.settings import Settings
from gpen_ui.ui.service import Service
from tests.jobs_lab import draw
from tests.rest_server import WAIT_S, RestServer, ended, running_rest


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestServer]:
    with running_rest(tmp_path_factory.mktemp("schema"), queue_limit=1000) as running:
        yield running


@pytest.fixture(scope="module")
def run_id(server: RestServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run that is done, so that the routes below it have something to show."""
    photo = draw(tmp_path_factory.mktemp("photos") / "a.png", 1)
    with server.client() as client:
        answer = client.post("/runs/upload", files={"files": (photo.name, photo.read_bytes())})
        return str(ended(client, answer.json()["id"])["id"])


schema = schemathesis.openapi.from_dict(openapi_document(build_api(Service(Settings(), Path()), Settings()), "en"))


@schema.parametrize()
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
def test_every_answer_is_as_the_document_says(case: schemathesis.Case, server: RestServer, run_id: str):
    if "run_id" in case.path_parameters and case.method == "GET" and case.meta.generation.mode.is_positive:
        case.path_parameters["run_id"] = run_id
    answer = case.call(base_url=f"{server.url}/api/v1", timeout=WAIT_S)
    # that bytes must be a picture cannot be said in a schema
    no_picture = answer.status_code == 422 and answer.json()["error"]["key"].startswith("photo_")
    case.validate_response(answer, excluded_checks=[positive_data_acceptance] if no_picture else [])


def test_the_document_is_complete_and_the_one_that_is_served(server: RestServer):
    operations = {f"{each.ok().method.upper()} {each.ok().path}" for each in schema.get_all_operations()}
    assert {"POST /restore", "POST /runs/upload", "GET /runs/{run_id}/events", "DELETE /runs/{run_id}"} <= operations
    with server.client() as client:
        assert client.get("/openapi.json").json() == schema.raw_schema
