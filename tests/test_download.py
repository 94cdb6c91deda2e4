"""Downloads against a real server that cuts, stalls, lies and serves the wrong thing."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gpen_ui.catalog import ModelSpec
from gpen_ui.errors import DownloadError, Stopped
from gpen_ui.weights import download_model, model_state
from tests.serving import Habits, Server, running_server
from tests.test_photo_read import sentence

GOOD = bytes(range(256)) * 4000  # 1 MB
STALL_S = 0.5


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr("gpen_ui.weights.fetch._PAUSE_S", 0.01)
    with running_server() as server:
        yield server


def spec_for(*urls: str, data: bytes | None = GOOD, known_bytes: bool = True) -> ModelSpec:
    """A row whose file has these bytes; with None neither its length nor its hash is known."""
    return ModelSpec(
        name="gpen-bfr-256",
        kind="gpen",
        file="net.pth",
        size_px=256,
        bytes=len(data) if data is not None and known_bytes else None,
        sha256=hashlib.sha256(data).hexdigest() if data is not None else None,
        sources=urls,
        licence="gpen",
        embedded=False,
    )


def downloaded(spec: ModelSpec, folder: Path) -> bytes:
    path = download_model(spec, folder, stall_s=STALL_S)
    assert path == folder / "net.pth"
    visible = [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")]
    assert visible == ["net.pth"]  # nothing of the way there is left
    return path.read_bytes()


def failure(spec: ModelSpec, folder: Path) -> str:
    with pytest.raises(DownloadError) as error:
        download_model(spec, folder, stall_s=STALL_S)
    assert not (folder / "net.pth").exists()
    return sentence(error)


def test_a_file_arrives_with_progress(server: Server, tmp_path: Path):
    server.paths["/net"] = Habits(GOOD)
    steps: list[tuple[int, int | None, str]] = []
    folder = tmp_path / "new" / "models"
    path = download_model(spec_for(server.url("/net")), folder, on_progress=lambda *step: steps.append(step))
    assert path.read_bytes() == GOOD
    done = [step[0] for step in steps]
    assert done[0] == 0 and done[-1] == len(GOOD) and done == sorted(done)
    assert {step[1:] for step in steps} == {(len(GOOD), server.url("").removeprefix("http://"))}


def test_what_is_there_is_not_downloaded_again(server: Server, tmp_path: Path):
    server.paths["/net"] = Habits(GOOD)
    spec = spec_for(server.url("/net"))
    download_model(spec, tmp_path)
    assert downloaded(spec, tmp_path) == GOOD and len(server.requests) == 1


def test_a_wrong_file_in_its_place_is_kept_aside(server: Server, tmp_path: Path):
    server.paths["/net"] = Habits(GOOD)
    (tmp_path / "net.pth").write_bytes(b"mine")
    download_model(spec_for(server.url("/net")), tmp_path)
    assert (tmp_path / "net.pth").read_bytes() == GOOD and (tmp_path / "net.pth.old").read_bytes() == b"mine"


def test_a_wrong_file_stays_when_no_source_helps(server: Server, tmp_path: Path):
    (tmp_path / "net.pth").write_bytes(b"mine")
    with pytest.raises(DownloadError):
        download_model(spec_for(server.url("/net")), tmp_path)
    assert (tmp_path / "net.pth").read_bytes() == b"mine"


def test_a_connection_that_breaks_is_continued_where_it_broke(server: Server, tmp_path: Path):
    server.paths["/net"] = Habits(GOOD, cuts=[300_000, 200_000])
    assert downloaded(spec_for(server.url("/net")), tmp_path) == GOOD
    assert server.requests == [
        ("/net", None, None),
        ("/net", "bytes=300000-", '"v1"'),
        ("/net", "bytes=500000-", '"v1"'),
    ]


def test_a_connection_that_falls_silent_is_continued(server: Server, tmp_path: Path):
    server.paths["/net"] = Habits(GOOD, stalls=[300_000])
    assert downloaded(spec_for(server.url("/net")), tmp_path) == GOOD
    assert server.requests[1][1] == "bytes=300000-"


def test_a_server_that_ignores_ranges_starts_over(server: Server, tmp_path: Path):
    server.paths["/net"] = Habits(GOOD, cuts=[300_000], ranges=False)
    assert downloaded(spec_for(server.url("/net")), tmp_path) == GOOD


def test_a_server_that_answers_ranges_wrongly_is_asked_for_the_whole(server: Server, tmp_path: Path):
    server.paths["/net"] = Habits(GOOD, cuts=[1000], shift=7)
    assert downloaded(spec_for(server.url("/net")), tmp_path) == GOOD
    assert [request[1] for request in server.requests] == [None, "bytes=1000-", None]


def test_another_version_behind_the_address_starts_over(server: Server, tmp_path: Path):
    server.paths["/net"] = Habits(b"x" * len(GOOD), cuts=[300_000, 0, 0, 0], etag='"old"')
    spec = spec_for(server.url("/net"))
    assert "broke off" in failure(spec, tmp_path)
    assert model_state(spec, tmp_path) == "partial"
    server.paths["/net"] = Habits(GOOD, etag='"new"')
    assert downloaded(spec, tmp_path) == GOOD
    assert server.requests[-1] == ("/net", "bytes=300000-", '"old"')


def test_weak_validators_are_not_used_and_wrong_old_bytes_are_noticed(server: Server, tmp_path: Path):
    server.paths["/net"] = Habits(b"x" * len(GOOD), cuts=[300_000, 0, 0, 0], etag='W/"1"')
    spec = spec_for(server.url("/net"))
    failure(spec, tmp_path)
    server.paths["/net"] = Habits(GOOD, etag='W/"1"')
    assert downloaded(spec, tmp_path) == GOOD
    assert [request[1:] for request in server.requests[-2:]] == [("bytes=300000-", None), (None, None)]


def test_a_second_source_continues_what_the_first_one_began(server: Server, tmp_path: Path):
    server.paths["/a"] = Habits(GOOD, cuts=[400_000, 0, 0, 0])
    server.paths["/b"] = Habits(GOOD)
    assert downloaded(spec_for(server.url("/a"), server.url("/b")), tmp_path) == GOOD
    assert server.requests[-1] == ("/b", "bytes=400000-", None)


@pytest.mark.parametrize(
    ("habits", "reason"),
    [
        (Habits(status=404), "HTTP 404"),
        (Habits(status=403), "HTTP 403"),
        (Habits(status=500), "HTTP 500"),
        (Habits(GOOD[:-1] + b"?"), "not the published file"),
        (Habits(GOOD + b"more"), "another length"),
        (Habits(GOOD[:1000]), "another length"),
        (Habits(GOOD, content_length=len(GOOD) + 50), "another length"),
        (Habits(GOOD + b"more", content_length="none"), "another length"),
        (Habits(GOOD[:-5], content_length="none"), "another length"),
        (Habits(b""), "another length"),
        (Habits(b"<html>sign in</html>", content_type="text/html; charset=utf-8"), "web page"),
        (Habits(GOOD, cuts=[0] * 9), "broke off"),
        (Habits(GOOD, stalls=[0] * 9), "nothing more arrived"),
        (Habits(redirect="/bad"), "no connection"),
    ],
)
def test_a_bad_source_is_named_and_a_good_second_one_helps(habits: Habits, reason: str, server: Server, tmp_path: Path):
    server.paths["/bad"], server.paths["/good"] = habits, Habits(GOOD)
    cuts, stalls = list(habits.cuts), list(habits.stalls)
    bad = spec_for(server.url("/bad"))
    words = failure(bad, tmp_path / "first")
    assert reason in words and server.url("").removeprefix("http://") in words and "gpen-ui models import" in words
    habits.cuts, habits.stalls = cuts, stalls
    assert downloaded(replace(bad, sources=(server.url("/bad"), server.url("/good"))), tmp_path / "second") == GOOD


def test_every_source_and_its_reason_is_told_in_both_languages(server: Server, tmp_path: Path):
    server.paths["/b"] = Habits(GOOD[:-1] + b"?")
    spec = spec_for("http://127.0.0.1:9/x", server.url("/a"), server.url("/b"))
    with pytest.raises(DownloadError) as error:
        download_model(spec, tmp_path, stall_s=STALL_S)
    english, chinese = error.value.sentence("en"), error.value.sentence("zh")
    for part in ("3 sources tried", "127.0.0.1:9: no connection", "HTTP 404", "not the published file"):
        assert part in english
    for part in ("3 个来源", "无法连接", "HTTP 404", "不是官方发布的文件"):
        assert part in chinese
    assert ".part" not in english


def test_a_redirect_is_followed(server: Server, tmp_path: Path):
    server.paths["/short"], server.paths["/net"] = Habits(redirect="/net"), Habits(GOOD)
    assert downloaded(spec_for(server.url("/short")), tmp_path) == GOOD


def test_secrets_of_an_address_are_not_told(server: Server, tmp_path: Path):
    url = server.url("/net?token=hush").replace("//", "//me:hush@")
    assert "hush" not in failure(spec_for(url), tmp_path)


def test_proxies_of_the_environment_are_used(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    server.paths["http://models.invalid/net"] = Habits(GOOD)  # what a proxy is asked for
    monkeypatch.setenv("HTTP_PROXY", server.url(""))
    assert downloaded(spec_for("http://models.invalid/net"), tmp_path) == GOOD
    monkeypatch.setenv("HTTP_PROXY", "socks5://127.0.0.1:9")
    assert "models.invalid" in failure(spec_for("http://models.invalid/net"), tmp_path / "other")


def test_stopping_keeps_what_has_arrived(server: Server, tmp_path: Path):
    server.paths["/net"] = Habits(GOOD)
    spec, stop = spec_for(server.url("/net")), threading.Event()

    def stop_halfway(done: int, total: int | None, host: str) -> None:
        if done > len(GOOD) // 2:
            stop.set()

    with pytest.raises(Stopped) as error:
        download_model(spec, tmp_path, on_progress=stop_halfway, stop=stop)
    assert "goes on from there" in sentence(error)
    kept = (tmp_path / "net.pth.part").stat().st_size
    assert kept > len(GOOD) // 2 and model_state(spec, tmp_path) == "partial"
    assert downloaded(spec, tmp_path) == GOOD
    assert server.requests[-1][1] == f"bytes={kept}-"


def test_stopping_does_not_wait_for_a_silent_server(server: Server, tmp_path: Path):
    server.paths["/net"] = Habits(GOOD, stalls=[300_000])
    stop = threading.Event()

    def stop_when_silent(done: int, total: int | None, host: str) -> None:
        if done == 300_000:
            threading.Timer(0.1, stop.set).start()

    with pytest.raises(Stopped):  # the time-out of one hour would let the test hang
        download_model(spec_for(server.url("/net")), tmp_path, on_progress=stop_when_silent, stop=stop, stall_s=3600)
    assert (tmp_path / "net.pth.part").stat().st_size == 300_000


def test_a_whole_part_of_a_process_that_ended_is_only_checked(server: Server, tmp_path: Path):
    (tmp_path / "net.pth.part").write_bytes(GOOD)
    assert downloaded(spec_for(server.url("/net")), tmp_path) == GOOD and server.requests == []
    other = tmp_path / "other"
    other.mkdir()
    (other / "net.pth.part").write_bytes(GOOD)
    server.paths["/net"] = Habits(GOOD)
    assert downloaded(spec_for(server.url("/net"), known_bytes=False), other) == GOOD


@pytest.mark.parametrize("rubbish", [b"x" * len(GOOD), b"x" * (len(GOOD) + 9), b"x"])
def test_a_part_full_of_rubbish_is_noticed(rubbish: bytes, server: Server, tmp_path: Path):
    server.paths["/net"] = Habits(GOOD)
    (tmp_path / "net.pth.part").write_bytes(rubbish)
    (tmp_path / "net.pth.part.json").write_text("{broken")
    assert downloaded(spec_for(server.url("/net")), tmp_path) == GOOD


def checkpoint(tmp_path: Path, size: int, channel_multiplier: int, narrow: float) -> bytes:
    import torch  # here, so that the processes that these tests start begin quickly

    from gpen_ui.network import Gpen, GpenConfig

    with torch.device("meta"):
        state = Gpen(GpenConfig(size, channel_multiplier, narrow)).state_dict()
    torch.save({key: torch.zeros(value.shape, dtype=torch.half) for key, value in state.items()}, tmp_path / "made")
    return (tmp_path / "made").read_bytes()


def test_without_a_known_hash_the_file_must_load_as_the_right_network(server: Server, tmp_path: Path):
    right, wrong = checkpoint(tmp_path, 256, 1, 0.5), checkpoint(tmp_path, 64, 1, 1 / 16)
    server.paths["/text"], server.paths["/wrong"] = Habits(GOOD), Habits(wrong)
    server.paths["/right"] = Habits(right, cuts=[len(right) // 2])
    urls = [server.url("/text"), server.url("/wrong")]
    words = failure(spec_for(*urls, data=None), tmp_path / "models")
    assert "no checkpoint" in words and "another network than gpen-bfr-256" in words
    assert downloaded(spec_for(*urls, server.url("/right"), data=None), tmp_path / "models") == right


def test_without_a_known_hash_parts_of_different_sources_are_never_mixed(server: Server, tmp_path: Path):
    right = checkpoint(tmp_path, 256, 1, 0.5)
    server.paths["/a"] = Habits(b"x" * len(right), cuts=[len(right) // 2, 0, 0, 0])
    server.paths["/b"] = Habits(right)
    assert downloaded(spec_for(server.url("/a"), server.url("/b"), data=None), tmp_path / "models") == right
    assert server.requests[-1] == ("/b", None, None)


def test_without_a_known_hash_only_named_versions_are_continued(server: Server, tmp_path: Path):
    right = checkpoint(tmp_path, 256, 1, 0.5)
    server.paths["/net"] = Habits(right, cuts=[len(right) // 2], etag="")
    assert downloaded(spec_for(server.url("/net"), data=None), tmp_path / "models") == right
    assert [request[1] for request in server.requests] == [None, None]


def _download_in_a_process(url: str, folder: str) -> None:
    download_model(spec_for(url), Path(folder))


def test_two_processes_do_not_write_one_part(server: Server, tmp_path: Path):
    server.paths["/net"] = Habits(GOOD)
    context = multiprocessing.get_context("spawn")
    jobs = [context.Process(target=_download_in_a_process, args=(server.url("/net"), str(tmp_path))) for _ in range(2)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0, 0]
    assert (tmp_path / "net.pth").read_bytes() == GOOD and len(server.requests) == 1


def test_a_killed_download_leaves_no_file_and_is_continued(server: Server, tmp_path: Path):
    server.paths["/net"] = Habits(GOOD, stalls=[400_000])
    script = (
        "import sys, pathlib; from tests.test_download import download_model, spec_for;"
        "tell = lambda done, total, host: print(done, flush=True);"
        "download_model(spec_for(sys.argv[1]), pathlib.Path(sys.argv[2]), on_progress=tell)"
    )
    command = [sys.executable, "-c", script, server.url("/net"), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 262_144:
                break
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "net.pth").exists() and (tmp_path / "net.pth.part").exists()
    assert downloaded(spec_for(server.url("/net")), tmp_path) == GOOD


def test_a_full_disk_ends_it_at_once(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    server.paths["/net"] = Habits(GOOD)
    monkeypatch.setattr(os, "fsync", full)
    words = failure(spec_for(server.url("/net"), server.url("/net")), tmp_path)
    assert "does not fit on the disk" in words and "1 MB" in words and len(server.requests) == 1


def test_a_models_folder_that_is_none(server: Server, tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError) as error:
        download_model(spec_for(server.url("/net")), tmp_path / "file")
    assert "cannot be written to" in sentence(error)


def test_a_model_without_an_address(tmp_path: Path):
    assert "Import its file" in failure(spec_for(), tmp_path)
