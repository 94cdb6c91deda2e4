"""What counts as "done in just the same way": a newer version of the program must not do old runs again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import Field

from gpen_ui.jobs.store import options_hash
from gpen_ui.options import RestoreOptions
from tests.jobs_lab import Lab, draw_many, one_thread


@pytest.fixture(scope="module", autouse=True)
def single_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture
def lab(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path, tmp_path_factory.getbasetemp() / "tiny.pth")
    yield lab
    lab.close()


class Later(RestoreOptions):
    """The options of a version to come."""

    halo: int = Field(3, ge=0, le=9)


@pytest.mark.parametrize(
    ("values", "expected"),
    [({}, "1553039bb297dbb7"), ({"strength": 40, "background": "realesrgan"}, "89202744b5605c18")],
)
def test_the_hash_of_options_stays_what_it_was_also_when_more_options_come(values: dict[str, object], expected: str):
    assert options_hash(RestoreOptions(**values)) == expected
    assert options_hash(Later(**values)) == expected
    assert options_hash(Later(**values, halo=4)) != expected


def test_a_run_of_a_version_with_fewer_options_is_not_done_again(lab: Lab):
    draw_many(lab.photos, 3)
    run = lab.plan(RestoreOptions(strength=60))
    options = lab.runs.run(run).options.model_dump()
    fewer = {name: value for name, value in options.items() if name not in ("background", "which_faces")}
    old_hash = hashlib.blake2b(json.dumps(fewer, sort_keys=True).encode(), digest_size=8).hexdigest()
    with lab.store.database.writing() as connection:  # as that version kept it
        connection.execute("UPDATE runs SET options = ?, options_hash = ?", (json.dumps(fewer), old_hash))
    lab.do(run)
    assert len(lab.files()) == 3
    for again in (None, RestoreOptions(strength=60)):
        lab.runs.resume(run, options=again)
        assert lab.runs.wait(run, 60)
    assert len(lab.files()) == 3 and lab.runs.run(run).options_hash == old_hash
    lab.runs.resume(run, options=RestoreOptions(strength=61))
    assert lab.runs.wait(run, 60)
    assert len(lab.files()) == 6
