"""Turns of the network and the other stages on a processor."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from gpen_ui.engine.turns import Turns

SOON = 5.0  # seconds until a test gives up


def test_stages_run_with_each_other_and_never_with_the_network() -> None:
    turns, lock = Turns(), threading.Lock()
    running = {"beside": 0, "alone": 0}
    seen: set[tuple[int, int]] = set()

    def work(kind: str) -> None:
        for _ in range(40):
            with turns.alone() if kind == "alone" else turns.beside():
                with lock:
                    running[kind] += 1
                    seen.add((running["beside"], running["alone"]))
                time.sleep(0.0005)
                with lock:
                    running[kind] -= 1

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(work, kind) for kind in ("beside", "beside", "alone")]:
            done.result(SOON)
    assert seen <= {(1, 0), (2, 0), (0, 1)}
    assert (2, 0) in seen and (0, 1) in seen


def test_a_network_that_waits_goes_before_stages_that_have_not_begun() -> None:
    turns, order = Turns(), list[str]()
    network = threading.Thread(target=lambda: _note(turns, order, "network"))
    stage = threading.Thread(target=lambda: _note(turns, order, "stage"))
    with turns.beside():
        network.start()
        while not turns._waiting:
            time.sleep(0.001)
        stage.start()
        time.sleep(0.02)
        assert not order
    network.join(SOON)
    stage.join(SOON)
    assert order == ["network", "stage"]


@pytest.mark.parametrize("kind", ["alone", "beside"])
def test_an_error_gives_the_turn_back(kind: str) -> None:
    turns = Turns()
    with pytest.raises(ValueError), turns.alone() if kind == "alone" else turns.beside():
        raise ValueError
    with turns.alone():
        pass
    with turns.beside():
        pass


def _note(turns: Turns, order: list[str], name: str) -> None:
    with turns.alone() if name == "network" else turns.beside():
        order.append(name)
