"""What things cost: the samples, the price list and its file, the tables, the plots, the command."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gpen_ui.engine import Restorer, tuning
from gpen_ui.engine.placement import PlainNetwork
from gpen_ui.engine.results import Note
from gpen_ui.engine.tuning import Curve, Sample
from gpen_ui.errors import Stopped
from gpen_ui.measure import prices as prices_module
from gpen_ui.measure.plot import curve_svg
from gpen_ui.measure.prices import PriceList, PriceLists, measure_prices, neutral_value, tried_values
from gpen_ui.measure.report import markdown
from gpen_ui.measure.samples import clean_photo, degraded, portrait, psnr
from gpen_ui.measure.tables import STAGES, measure_batches, measure_stages
from gpen_ui.network import Gpen, GpenConfig
from gpen_ui.options import option_specs, parse_options
from gpen_ui.texts import LANGUAGES, Language
from gpen_ui.ui import views
from gpen_ui.ui.speech import Speech
from tests import commands

PNG = b"\x89PNG\r\n\x1a\n"
RESULT_OPTIONS = {spec.name for spec in option_specs() if spec.acts_on != "input"}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("tiny") / "tiny.pth"
    torch.save(Gpen(GpenConfig(64, 1, 1 / 16)).state_dict(), path)
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tuning, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def loaded(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restorer]:
    own = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "cache_folder", lambda: own)
        with Restorer.load(checkpoint, device="cpu") as restorer:
            yield restorer


@pytest.fixture
def restorer(loaded: Restorer, cache: Path) -> Iterator[Restorer]:
    before = loaded.batch_size
    yield loaded
    loaded.batch_size = before


@pytest.fixture(scope="module")
def price_list(loaded: Restorer) -> PriceList:
    """Measured once; the tests look at it and keep it in folders of their own."""
    return measure_prices(loaded, rounds=1)


def test_the_samples_are_what_the_tables_say():
    clean = clean_photo()
    assert clean.size_wh == (2560, 1920) and portrait().size_wh == (1280, 960)
    damaged = degraded(clean)
    assert damaged.size_wh == clean.size_wh
    assert np.array_equal(damaged.pixels, degraded(clean).pixels)
    assert 20 < psnr(damaged.pixels, clean.pixels) < 40
    assert psnr(clean.pixels, clean.pixels) == float("inf")


def test_every_option_of_the_result_is_tried_at_allowed_values():
    for spec in option_specs():
        if spec.acts_on == "input":
            continue
        tried = tried_values(spec)
        assert tried and neutral_value(spec) not in tried
        for value in (neutral_value(spec), *tried):
            parse_options({spec.name: value})
        if spec.kind == "choice":
            assert {neutral_value(spec), *tried} == set(spec.choices)


def test_every_option_has_a_price_that_is_kept(price_list: PriceList, restorer: Restorer, cache: Path):
    assert {price.option for price in price_list.prices} == RESULT_OPTIONS
    assert price_list.face_seconds > 0
    costly = {(price.option, price.value): price.seconds for price in price_list.prices}
    assert costly["output_scale", 4] > 0 and costly["denoise", 50] > 0
    dear = max(price_list.prices, key=lambda price: price.seconds)
    assert price_list.share(dear) == dear.seconds / price_list.face_seconds
    lists = PriceLists()
    assert lists.load(restorer) is None
    lists.save(price_list, restorer)
    assert lists.load(restorer) == price_list
    (file,) = (cache / "prices").iterdir()
    for broken in (b"", b"[]", b'{"prices": [], "face_seconds": 0}', b'{"face_seconds": 1, "prices": [{"a": 1}]}'):
        file.write_bytes(broken)
        assert lists.load(restorer) is None


def test_prices_of_another_model_are_not_shown(price_list: PriceList, restorer: Restorer, tmp_path: Path):
    PriceLists().save(price_list, restorer)
    torch.save(Gpen(GpenConfig(64, 1, 1 / 16)).state_dict(), tmp_path / "other.pth")
    with Restorer.load(tmp_path / "other.pth", device="cpu") as other:
        assert PriceLists().load(other) is None


def test_a_cache_that_cannot_be_written_is_no_error(price_list: PriceList, restorer: Restorer, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    PriceLists(tmp_path / "file").save(price_list, restorer)


def test_measuring_is_stopped_between_two_photos(restorer: Restorer):
    stop, seen = threading.Event(), []

    def advance(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 2:
            stop.set()

    with pytest.raises(Stopped):
        measure_prices(restorer, stop=stop, advance=advance)
    assert [done for done, _ in seen] == [1, 2]


def test_a_slow_machine_makes_fewer_rounds(restorer: Restorer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(prices_module, "PATIENCE_S", 0.0)
    monkeypatch.setattr(prices_module, "LEAST_ROUNDS", 1)
    seen: list[int] = []
    measure_prices(restorer, advance=lambda done, total: seen.append(done))
    tried = [spec for spec in option_specs() if spec.acts_on != "input" and spec.name != prices_module.ESTIMATED]
    assert len(seen) == sum(len(tried_values(spec)) for spec in tried)


def test_a_row_of_batches_adds_up_and_the_batch_size_stays(restorer: Restorer):
    restorer.batch_size = 3
    told = []
    rows = measure_batches(restorer, (1, 9), rounds=1, each=told.append)
    assert list(rows) == told and restorer.batch_size == 3
    assert [(row.batch_size, row.photos) for row in rows] == [(1, 8), (9, 9)]
    for row in rows:
        assert row.is_stable and 0 < row.network_seconds < row.seconds
        assert row.seconds_per_photo * row.photos == pytest.approx(row.seconds)


def test_a_row_that_stepped_down_is_not_stable(restorer: Restorer, monkeypatch: pytest.MonkeyPatch):
    runner = restorer._parts.runner
    network = runner._network

    def narrow(x: torch.Tensor) -> torch.Tensor:
        if len(x) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return network(x)

    narrow.dtype, narrow.config, narrow.close = network.dtype, network.config, network.close  # type: ignore[attr-defined]
    monkeypatch.setattr(runner, "_network", narrow)
    (row,) = measure_batches(restorer, (8,), rounds=1)
    assert not row.is_stable and row.photos == 8


def test_every_stage_of_a_photo_is_timed(restorer: Restorer):
    stages = measure_stages(restorer, rounds=1)
    assert tuple(stages) == STAGES and all(spent > 0 for spent in stages.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_curve_is_drawn_with_or_without_memory(language: Language):
    for memory in (None, 2**20):
        drawing = curve_svg(Curve((Sample(1, 0.5, memory), Sample(2, 0.3, memory)), 4), language)
        assert drawing.startswith("<?xml") and "</svg>" in drawing


def test_a_markdown_table_lines_up():
    lines = markdown(["a", "中文"], [["bbb", "c"]]).splitlines()
    assert lines == ["| a   | 中文 |", "| --- | ---- |", "| bbb | c    |"]


def test_bench_tells_everything_to_people_and_machines(checkpoint: Path, cache: Path, tmp_path: Path):
    record_file, plot = tmp_path / "bench.json", tmp_path / "bench.png"
    wishes = ("--quick", "--model", checkpoint, *commands.CPU, "--batch-size", 2)
    ran = commands.run("bench", *wishes, "--json", record_file, "--plot", plot)
    assert ran.exit_code == 0, ran.output
    assert plot.read_bytes().startswith(PNG)
    assert min(Image.open(plot).size) > 500
    record = json.loads(record_file.read_text(encoding="utf-8"))
    assert {price["option"] for price in record["prices"]} == RESULT_OPTIONS
    assert set(record["stages"]) == set(STAGES)
    assert [row["batch_size"] for row in record["batches"]] == [2]
    assert record["curve"]["knee"] in [sample["faces"] for sample in record["curve"]["samples"]]
    assert all(20 < row["psnr"] < 40 for row in record["long_edges"]["rows"])
    assert len(list((cache / "prices").iterdir())) == 1
    for said in ("| batch", "| long edge", "| stage", "| Denoise 50", "together"):
        assert said in ran.stdout


@pytest.mark.parametrize("flag", ["--json", "--plot"])
def test_a_place_that_cannot_be_written_is_refused_before_measuring(flag: str, tmp_path: Path):
    ran = commands.run("bench", flag, tmp_path / "missing" / "file")
    assert ran.exit_code == 2 and "cannot be written" in ran.stderr and "Network" not in ran.stderr


def test_bench_refuses_a_batch_size_that_is_none():
    ran = commands.run("bench", "--batch-size", 0)
    assert ran.exit_code == 2 and "0" in ran.stderr


def test_a_card_without_its_own_kernels_is_told_by_the_page_and_the_doctor(
    restorer: Restorer, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
):
    note = Note("kernels_wrong", {"off": "1.0e-01"})
    monkeypatch.setattr(PlainNetwork, "trouble", note, raising=False)
    assert note.sentence("zh") in views.device_card(restorer, None, "", Speech("zh"))
    ran = commands.run("doctor", "--model", checkpoint, "--json")
    assert note.sentence("en") in [finding["sentence"] for finding in json.loads(ran.stdout)["findings"]]


def test_the_curve_of_the_page_is_a_picture_with_words_and_a_table():
    html = views.batch_curve(Curve((Sample(1, 0.5, None), Sample(2, 0.3, 2**20)), 4), Speech("en"))
    assert 'alt="Plot of time per face and memory for 1 to 2 faces at once.' in html
    assert html.count("<tr") == 4 and "300 ms" in html and "not enough memory" in html
    assert "img" not in views.batch_curve(None, Speech("en"))
