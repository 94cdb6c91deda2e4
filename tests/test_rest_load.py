"""Many clients at once, and a server that is killed in the middle: nothing is lost, nothing is done twice."""

from __future__ import annotations

import io
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.jobs_lab import draw
from tests.rest_server import RestServer, ended, running_rest, until

LIMIT = 20


def tiny(number: int) -> bytes:
    """A picture without a face, different for each number."""
    data = io.BytesIO()
    Image.new("RGB", (48, 48), (number % 256, 80, 160)).save(data, "PNG")
    return data.getvalue()


def test_a_killed_server_goes_on_with_the_runs_of_before(tmp_path: Path):
    photos = [draw(tmp_path / f"{number:02}.png", 1, shade=number) for number in range(10)]
    server = RestServer(tmp_path)
    server.start()
    try:
        with server.client() as client:
            files = [("files", (photo.name, photo.read_bytes())) for photo in photos]
            first = client.post("/runs/upload", files=files, data={"output_scale": "2", "output": "first"}).json()
            second = client.post("/runs/upload", files=files[:2], data={"output": "second"}).json()
            until(lambda: client.get(f"/runs/{first['id']}").json()["done"] >= 2)
        server.kill()
        server.start()
        with server.client() as client:
            ends = [ended(client, run["id"]) for run in (first, second)]
            assert [(end["state"], end["done"], end["failed"]) for end in ends] == [("done", 10, 0), ("done", 2, 0)]
            events = client.get(f"/runs/{first['id']}/events").text
        for end in ends:
            results = sorted(path.name for path in Path(end["output_folder"]).iterdir())
            assert results == sorted(f"{photo.stem}_gpen.png" for photo in photos[: end["planned"]])
        assert events.count('"state": "done", "why": null, "result"') == 10
        server.end()
    finally:
        server.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RestServer]:
    with running_rest(tmp_path_factory.mktemp("load"), queue_limit=LIMIT) as running:
        with running.client() as client:
            until(lambda: client.get("/health").json()["status"] == "ready")
        yield running


def test_two_hundred_submissions_at_once_are_taken_or_told_that_the_queue_is_full(server: RestServer):
    for number in range(40):  # a run that keeps the device meanwhile
        draw(server.photos / f"{number}.png", 2, shade=number)
    with server.client() as client:
        long = client.post("/runs/folder", json={"folder": str(server.photos), "output_scale": 4}).json()["id"]
    begin = threading.Barrier(20)
    with ThreadPoolExecutor(20) as pool:
        answers = [answer for ten in pool.map(lambda n: submit_ten(server, n, begin), range(20)) for answer in ten]

    taken = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code != 201]
    assert len(answers) == 200 and len(set(taken)) == len(taken) >= LIMIT - 1 and refused
    for answer in refused:
        assert (answer.status_code, answer.json()["error"]["key"]) == (429, "api_queue_full"), answer.text
        assert int(answer.headers["retry-after"]) > 0
    with server.client() as client:
        assert client.get("/health").json()["queue"]["taken"] <= LIMIT
        client.post(f"/runs/{long}/cancel")
        ends = [ended(client, run_id) for run_id in taken]
        assert Counter((end["state"], end["planned"], end["done"]) for end in ends) == {("done", 1, 1): len(taken)}
        listed = {run["id"] for run in client.get("/runs", params={"limit": 200}).json()["runs"]}
        assert listed == {long, *taken}
        until(lambda: client.get("/health").json()["queue"]["taken"] == 0)
    assert len(list((server.outputs / ".gpen-ui" / "uploads").iterdir())) == len(taken)
    results = [result for end in ends for result in Path(end["output_folder"]).iterdir()]
    assert len(results) == len(set(results)) == len(taken)


def submit_ten(server: RestServer, client_number: int, begin: threading.Barrier) -> list[httpx.Response]:
    """One client; after half of its submissions it also asks how things stand."""
    answers: list[httpx.Response] = []
    with server.client() as client:
        begin.wait()
        for number in range(10):
            name = f"{client_number}-{number}.png"
            answers.append(client.post("/runs/upload", files={"files": (name, tiny(client_number * 10 + number))}))
            if number % 2:
                assert client.get("/runs", params={"limit": 5}).status_code == 200
    return answers


def test_photos_that_are_restored_at_once_wait_for_each_other(server: RestServer, tmp_path: Path):
    photo = draw(tmp_path / "a.png", 1).read_bytes()
    begin = threading.Barrier(12)

    def restore(number: int) -> tuple[int, bytes]:
        with server.client() as client:
            begin.wait()
            answer = client.post("/restore", files={"file": ("a.png", photo)})
            return answer.status_code, answer.content

    with ThreadPoolExecutor(12) as pool:
        answers = set(pool.map(restore, range(12)))
    assert len(answers) == 1 and answers.pop()[0] == 200
