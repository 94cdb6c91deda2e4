"""Does the server stand many at once? Page sessions and REST submissions together, with answers, times and memory.

usage: python -m benchmarks.load [--sessions 20] [--submissions 200] [--rounds 3]

Starts the real server with the network that comes with the program. In each round all page sessions, opened with
gradio_client, send a photo and wait for it, while all submissions are sent to REST at the same moment, one photo with
one face each. Prints what was answered and how long it took, and resident memory and threads of the server before and
after. Linux only. benchmarks/README.md holds what was measured.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from gradio_client import Client
from PIL import Image

from gpen_ui.options import RestoreOptions, option_specs
from tests import pictures
from tests.rest_server import RestServer, until

CONNECTIONS = 50  # at once for the submissions; a client machine has no more either


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--submissions", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        server = RestServer(Path(temporary), model="gpen-lite-512", upload_mb=10)
        server.start()
        try:
            with server.client() as client:
                until(lambda: client.get("/health").json()["status"] == "ready")
                client.post("/restore", files={"file": ("a.png", photo(0))}).raise_for_status()
            print(f"at rest: {memory(server)}")
            for number in range(given.rounds):
                load(server, given.sessions, given.submissions, number)
            server.end()
        finally:
            server.kill()


def load(server: RestServer, sessions: int, submissions: int, number: int) -> None:
    """One round; prints its figures."""
    begin = threading.Barrier(sessions + min(CONNECTIONS, submissions))
    first = number * submissions
    with ThreadPoolExecutor(sessions) as pages, ThreadPoolExecutor(CONNECTIONS) as clients:
        start = time.monotonic()
        visits = [pages.submit(visit, server, begin) for _ in range(sessions)]
        shares = [range(first + place, first + submissions, CONNECTIONS) for place in range(CONNECTIONS)]
        answers = [each for ten in clients.map(lambda share: submit(server, share, begin), shares) for each in ten]
        answered_s = time.monotonic() - start
        seen = Counter(each.result() for each in visits)
        visited_s = time.monotonic() - start
    statuses = Counter(status for status, _, _ in answers)
    ids = [run for _, run, _ in answers if run]
    peak = memory(server)
    with server.client() as client:
        until(lambda: client.get("/health").json()["queue"]["taken"] == 0, 1800)
        states = Counter((run["state"], run["done"]) for run in (client.get(f"/runs/{each}").json() for each in ids))
    seconds = sorted(took for _, _, took in answers)
    print(f"round {number + 1}: REST {dict(statuses)} in {answered_s:.1f} s, {median_and_worst(seconds)}")
    ended_s = time.monotonic() - start
    print(f"  page {dict(seen)} in {visited_s:.1f} s; runs {dict(states)}, all ended after {ended_s:.1f} s")
    print(f"  {peak} when all was answered, {memory(server)} after", flush=True)


def submit(server: RestServer, share: range, begin: threading.Barrier) -> list[tuple[int, str, float]]:
    """Sends some submissions, one after another; the status, the run and the seconds of each."""
    answers = []
    with server.client() as client:
        begin.wait()
        for number in share:
            start = time.monotonic()
            answer = client.post("/runs/upload", files={"files": (f"{number}.png", photo(number))})
            answers.append((answer.status_code, answer.json().get("id", ""), time.monotonic() - start))
    return answers


def visit(server: RestServer, begin: threading.Barrier) -> str:
    """One visitor of the page: opens it, sends a photo, waits for the result; what came of it."""
    page = Client(f"{server.url}/en/", verbose=False)
    begin.wait()
    try:
        return use(page, server)
    finally:
        page.close()


def use(page: Client, server: RestServer) -> str:
    step = next(each for each in page.config["dependencies"] if len(each["inputs"]) == 3 + len(option_specs()))
    session = page.session_hash
    values = [getattr(RestoreOptions(), spec.name) for spec in option_specs()]
    with httpx.Client(base_url=f"{server.url}/en/gradio_api", timeout=600, trust_env=False) as web:
        (path,) = web.post("/upload", files={"files": ("a.png", photo(0))}).json()
        file = {"path": path, "meta": {"_type": "gradio.FileData"}, "orig_name": "a.png"}
        body = {"data": [[file], 4, "same", *values], "fn_index": step["id"], "session_hash": session}
        web.post("/queue/join", json=body).raise_for_status()
        with web.stream("GET", "/queue/data", params={"session_hash": session}) as stream:
            for line in stream.iter_lines():
                if "process_completed" in line:
                    said: dict[str, Any] = json.loads(line.removeprefix("data: "))
                    return "restored" if said["success"] else "failed"
    return "cut off"


def photo(number: int) -> bytes:
    """A small photo with one face, different for each number."""
    pixels = np.clip(pictures.crowd(1, 1, face_px=90).astype(int) + number % 40, 0, 255).astype(np.uint8)
    pixels[0, :3] = number % 251
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


def median_and_worst(seconds: list[float]) -> str:
    return f"an answer took {statistics.median(seconds) * 1000:.0f} ms, at worst {seconds[-1] * 1000:.0f} ms"


def memory(server: RestServer) -> str:
    assert server.process is not None
    of_server = Path(f"/proc/{server.process.pid}")
    pages = int((of_server / "statm").read_text(encoding="ascii").split()[1])
    threads = len(list((of_server / "task").iterdir()))
    return f"{pages * os.sysconf('SC_PAGE_SIZE') >> 20} MB, {threads} threads"


if __name__ == "__main__":
    main()
