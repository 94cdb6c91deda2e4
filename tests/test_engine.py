"""The engine end to end on real files: batches across photos, options, failures of one photo, memory, stop."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gpen_ui.engine import Restorer
from gpen_ui.engine.runner import FaceRunner
from gpen_ui.errors import DeviceError, FaceRestoreError, OutOfMemoryError, PhotoReadError
from gpen_ui.network import Gpen, GpenConfig
from gpen_ui.options import RestoreOptions
from gpen_ui.photo import Photo, save_photo
from tests import pictures

# a network that brightens is not asked who it shows
FAST = RestoreOptions(mode="strong", skin_protection=False, match_look=False, strength=100, likeness_guard="off")


def write(path: Path, pixels: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return path


class Identity(nn.Module):
    """Returns the faces it is given, a little brighter, and remembers the sizes of its batches."""

    def __init__(self, *, fits: int = 10**6, broken: bool = False) -> None:
        super().__init__()
        self.config = GpenConfig(64, 1, 1 / 16)
        self.dtype = torch.float32
        self.batches: list[int] = []
        self.fits = fits
        self.broken = broken

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > self.fits:
            raise torch.OutOfMemoryError(f"out of memory with {len(x)} faces")
        self.batches.append(len(x))
        return x * float("nan") if self.broken else x + 0.2

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def embedded() -> Iterator[Restorer]:
    with Restorer.load(device="cpu") as restorer:
        yield restorer


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Restorer]:
    """An engine with a small random network; its runner can be replaced."""
    path = tmp_path / "tiny.pth"
    torch.manual_seed(0)
    torch.save(Gpen(GpenConfig(64, 1, 1 / 16)).state_dict(), path)
    with Restorer.load(path, device="cpu", batch_size=4) as restorer:
        yield restorer


def with_network(restorer: Restorer, network: Identity, batch_size: int, monkeypatch: pytest.MonkeyPatch) -> Restorer:
    runner = FaceRunner(network, "cpu", batch_size)
    monkeypatch.setattr(restorer, "_parts", restorer._parts.__class__(**{**vars(restorer._parts), "runner": runner}))
    return restorer


def test_a_degraded_astronaut_comes_back_nearer_to_the_clean_one(embedded: Restorer) -> None:
    clean = pictures.astronaut()
    low = pictures.degraded(clean, factor=0.5, noise=10)
    result = embedded.restore(Photo(low), RestoreOptions(output_scale=2, strength=100))
    assert result.error is None and result.photo is not None and result.restored_count == 1
    assert result.photo.pixels.shape == clean.shape
    face = np.s_[60:180, 160:290]
    naive = cv2.resize(low, (512, 512), interpolation=cv2.INTER_LANCZOS4)

    def distance(picture: np.ndarray) -> float:
        return float(np.abs(picture[face].astype(float) - clean[face]).mean())

    assert distance(result.photo.pixels) < distance(naive)


def test_pixels_outside_the_face_are_bit_identical(embedded: Restorer) -> None:
    low = pictures.degraded(pictures.astronaut(), factor=1.0, noise=8)
    result = embedded.restore(Photo(low))
    assert result.photo is not None
    changed = (result.photo.pixels != low).any(axis=2)
    ys, xs = np.nonzero(changed)
    assert xs.min() > 130 and xs.max() < 340 and ys.max() < 240 and changed.sum() > 5000


def test_strength_zero_gives_the_photo_back_and_more_changes_more(embedded: Restorer) -> None:
    low = pictures.degraded(pictures.astronaut(), factor=0.6)
    changes = []
    for strength in (0, 50, 100):
        result = embedded.restore(Photo(low), RestoreOptions(strength=strength))
        assert result.photo is not None
        changes.append(np.abs(result.photo.pixels.astype(float) - low).sum())
    assert changes[0] == 0 < changes[1] < changes[2]


def test_a_gray_photo_stays_exactly_gray(embedded: Restorer) -> None:
    gray = cv2.cvtColor(pictures.degraded(pictures.astronaut()), cv2.COLOR_RGB2GRAY)
    for mode in ("natural", "strong", "detail"):
        result = embedded.restore(Photo(np.repeat(gray[:, :, None], 3, 2)), RestoreOptions(mode=mode, denoise=40))
        assert result.photo is not None
        assert np.ptp(result.photo.pixels, axis=2).max() == 0


def test_a_large_sharp_face_does_not_come_out_softer(embedded: Restorer) -> None:
    photo = cv2.resize(pictures.astronaut()[30:230, 120:320], (2800, 2800), interpolation=cv2.INTER_CUBIC)
    rng = np.random.default_rng(0)
    for _ in range(1500):  # clean fine lines over the whole head
        x, y = (int(v) for v in rng.integers(200, 2600, 2))
        cv2.line(photo, (x, y), (x + 50, y + 18), (40, 30, 30), 1, cv2.LINE_AA)
    result = embedded.restore(Photo(photo))
    assert result.photo is not None and result.restored_count == 1
    face = result.faces[0].box_xyxy
    assert min(face[2] - face[0], face[3] - face[1]) > 1000
    left, top, right, bottom = (int(v) for v in face)

    def sharpness(picture: np.ndarray) -> float:
        gray = cv2.cvtColor(picture[top:bottom, left:right], cv2.COLOR_RGB2GRAY).astype(np.float32)
        return float(np.abs(cv2.Laplacian(gray, cv2.CV_32F)).mean())

    assert sharpness(result.photo.pixels) > 0.95 * sharpness(photo)
    assert "suggest_model" in [note.key for note in result.notes]


def test_a_larger_model_that_is_here_is_named_for_a_large_face(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(Gpen(GpenConfig(64, 1, 1 / 16)).state_dict(), tmp_path / "tiny.pth")
    (tmp_path / "GPEN-BFR-1024.pth").write_bytes(b"only its name matters here")
    with Restorer.load(tmp_path / "tiny.pth", device="cpu", models_folder=tmp_path) as restorer:
        notes = restorer.restore(Photo(pictures.crowd(1, 1, face_px=150)), FAST).notes
    assert [(note.key, note.values["model"]) for note in notes] == [("suggest_model_here", "gpen-bfr-1024")]


def test_a_photo_without_a_face_is_done_and_says_so(tiny: Restorer) -> None:
    photo = pictures.landscape()
    result = tiny.restore(Photo(photo), RestoreOptions(output_scale=2))
    assert result.error is None and result.photo is not None
    assert result.photo.size_wh == (640, 480)
    assert [note.key for note in result.notes] == ["no_face"]
    neutral = tiny.restore(Photo(photo))
    assert neutral.photo is not None and np.array_equal(neutral.photo.pixels, photo)


def test_the_long_edge_is_limited_once_and_said(tiny: Restorer) -> None:
    photo = cv2.resize(pictures.landscape(), (3000, 1500))
    result = tiny.restore(Photo(photo), RestoreOptions(long_edge=1280, output_scale=2))
    assert result.photo is not None and result.photo.size_wh == (2560, 1280)
    assert "3000x1500" in result.notes[0].sentence("en") and "1280x640" in result.notes[0].sentence("zh")


def test_faces_below_the_limit_are_left_alone_and_reported(tiny: Restorer) -> None:
    photo = pictures.crowd(3, 1, face_px=40)
    result = tiny.restore(Photo(photo), RestoreOptions(smallest_face_px=200))
    assert [face.state for face in result.faces] == ["left"] * 3
    assert result.faces[0].why is not None and "200 px" in result.faces[0].why.sentence("en")
    assert result.photo is not None and np.array_equal(result.photo.pixels, photo)


@pytest.mark.parametrize(("face_px", "scale"), [(70, 2), (40, 4)])
def test_small_faces_bring_the_advice_to_enlarge(embedded: Restorer, face_px: int, scale: int) -> None:
    result = embedded.restore(Photo(pictures.crowd(1, 1, face_px=face_px)))
    assert [(note.key, note.values["scale"]) for note in result.notes] == [("suggest_scale", scale)]


def test_alpha_and_metadata_come_through(tiny: Restorer) -> None:
    alpha = np.zeros((240, 320), np.uint8)
    alpha[:, 160:] = 255
    result = tiny.restore(Photo(pictures.landscape(), alpha=alpha), RestoreOptions(output_scale=2))
    assert result.photo is not None and result.photo.alpha is not None
    assert result.photo.alpha.shape == (480, 640) and result.photo.alpha[240, 10] == 0


def test_aligned_gives_the_networks_picture_at_its_own_size(embedded: Restorer) -> None:
    face = pictures.degraded(pictures.astronaut()[40:220, 140:320], factor=1.2)
    result = embedded.restore(Photo(face), RestoreOptions(aligned=True))
    assert result.photo is not None and result.photo.size_wh == (512, 512) and result.restored_count == 1
    expected = cv2.resize(face, (512, 512), interpolation=cv2.INTER_CUBIC).astype(float)
    assert np.abs(result.photo.pixels - expected).mean() < 15


def test_results_come_in_order_and_one_bad_photo_is_one_failure(tiny: Restorer, tmp_path: Path) -> None:
    good = write(tmp_path / "a.png", pictures.astronaut())
    (tmp_path / "b.jpg").write_text("not a picture")
    results = list(tiny.restore_many([good, tmp_path / "b.jpg", tmp_path / "missing.png", good], FAST))
    assert [result.name for result in results] == ["a.png", "b.jpg", "missing.png", "a.png"]
    assert [result.error is None for result in results] == [True, False, False, True]
    assert all(isinstance(result.error, PhotoReadError) for result in results[1:3])
    assert (tmp_path / "b.jpg").read_text() == "not a picture"


def test_a_failure_nobody_thought_of_fails_one_photo_only(tiny: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    class Fussy:
        name = "fussy"

        def detect(self, pixels: np.ndarray, threshold: float) -> list:
            if pixels.shape[0] == 240:
                raise cv2.error("strange")
            return []

    parts = tiny._parts.__class__(**{**vars(tiny._parts), "detector": Fussy()})
    monkeypatch.setattr(tiny, "_parts", parts)
    sources = [Photo(pictures.landscape(320, 240)), Photo(pictures.landscape(320, 200))]
    results = list(tiny.restore_many(sources))
    assert results[0].error is not None and "strange" in str(results[0].error)
    assert results[1].error is None


def test_faces_of_several_photos_share_batches(tiny: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Identity()
    engine = with_network(tiny, network, 4, monkeypatch)
    photos = [Photo(pictures.crowd(columns, 1)) for columns in (1, 3, 2, 4)]
    results = list(engine.restore_many(photos, FAST))
    assert [result.restored_count for result in results] == [1, 3, 2, 4]
    assert network.batches == [4, 4, 2]
    alone = [next(engine.restore_many([photo], FAST)) for photo in photos]
    for together, single in zip(results, alone, strict=True):
        assert together.photo is not None and single.photo is not None
        assert np.array_equal(together.photo.pixels, single.photo.pixels)


def test_out_of_memory_halves_the_batch_and_loses_nothing(tiny: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Identity(fits=3)
    engine = with_network(tiny, network, 8, monkeypatch)
    results = list(engine.restore_many([Photo(pictures.crowd(5, 2)), Photo(pictures.crowd(4, 1))], FAST))
    assert [result.restored_count for result in results] == [10, 4]
    assert max(network.batches) <= 3 and engine.batch_size == 2
    notes = [note for result in results for note in result.notes if note.key == "batch_halved"]
    assert [(note.values["asked"], note.values["now"]) for note in notes][:1] == [(8, 2)]


def test_out_of_memory_at_one_face_is_said_and_the_photo_is_kept(
    tiny: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = with_network(tiny, Identity(fits=0), 4, monkeypatch)
    photo = pictures.crowd(2, 1)
    result = engine.restore(Photo(photo), FAST)
    assert [face.state for face in result.faces] == ["failed", "failed"]
    assert result.faces[0].why is not None and "Out of memory" in result.faces[0].why.sentence("en")
    assert "内存不足" in result.faces[0].why.sentence("zh")
    assert result.photo is not None and np.array_equal(result.photo.pixels, photo)


def test_a_face_that_comes_back_as_nonsense_is_failed_not_passed_off(
    tiny: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = with_network(tiny, Identity(broken=True), 4, monkeypatch)
    photo = pictures.crowd(1, 1)
    result = engine.restore(Photo(photo), FAST)
    assert [face.state for face in result.faces] == ["failed"]
    assert result.photo is not None and np.array_equal(result.photo.pixels, photo)


def test_stop_ends_after_the_batch_in_flight(tiny: Restorer) -> None:
    stop = threading.Event()
    taken: list[int] = []

    def sources() -> Iterator[Photo]:
        for number in range(50):
            taken.append(number)
            yield Photo(pictures.crowd(1, 1))

    results = []
    for result in tiny.restore_many(sources(), FAST, stop=stop):
        results.append(result)
        stop.set()
    assert 1 <= len(results) < 15 and len(taken) < 20
    assert all(result.error is None and result.restored_count == 1 for result in results)


def test_giving_up_early_leaves_nothing_running(tiny: Restorer) -> None:
    before = threading.active_count()
    iterator = tiny.restore_many([Photo(pictures.crowd(1, 1))] * 6, FAST)
    next(iterator)
    iterator.close()  # type: ignore[attr-defined]
    assert threading.active_count() <= before


def test_a_restored_photo_can_be_saved_with_the_original_untouched(tiny: Restorer, tmp_path: Path) -> None:
    path = write(tmp_path / "脸 🙂.png", pictures.crowd(1, 1))
    before = path.read_bytes()
    result = tiny.restore(path, FAST)
    assert result.photo is not None
    saved = save_photo(result.photo, tmp_path, name=path.name)
    assert saved.name == "脸 🙂_gpen.png" and path.read_bytes() == before


def test_a_device_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA card")
    with pytest.raises(DeviceError, match=r"cuda cannot be used: .*PyTorch"):
        Restorer.load(device="cuda")


def test_errors_of_the_runner_name_the_size_and_the_device() -> None:
    runner = FaceRunner(Identity(fits=0), "cpu", 2)
    results = runner.run([np.zeros((64, 64, 3), np.float32)] * 3)
    assert all(isinstance(result, OutOfMemoryError) for result in results) and len(results) == 3
    broken = FaceRunner(Identity(broken=True), "cpu", 2).run([np.zeros((64, 64, 3), np.float32)])
    assert isinstance(broken[0], FaceRestoreError)


def test_the_report_says_what_computes_and_how_fast(tiny: Restorer) -> None:
    report = tiny.measure()
    assert report.device == "cpu" and report.name and report.seconds_per_face is not None
    assert report.seconds_per_face > 0 and tiny.device_report == report
