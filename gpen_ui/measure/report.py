"""Everything that can be measured, in one go: as a record for machines and as tables for people."""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from unicodedata import east_asian_width

from gpen_ui import __version__
from gpen_ui.engine.restorer import Restorer
from gpen_ui.engine.tuning import Curve
from gpen_ui.measure.prices import ROUNDS, Price, PriceList, PriceLists, measure_prices
from gpen_ui.measure.tables import (
    BATCH_SIZES,
    LONG_EDGES,
    BatchRow,
    LongEdges,
    measure_batches,
    measure_long_edges,
    measure_stages,
)
from gpen_ui.options import option_specs
from gpen_ui.texts import Language, say

Tell = Callable[[str], None]  # told the key of the part that begins


@dataclass(frozen=True)
class Measurements:
    """What one machine does with one model.

    Attributes:
        measured_for: device, its memory, model's hash, number type, PyTorch; see `Restorer.measured_for`.
        stages: seconds of each stage of one photo of 1280 x 960 with the everyday preset.
    """

    model: str
    size_px: int
    device: str
    device_name: str
    precision: str
    measured_for: tuple[str, ...]
    curve: Curve
    stages: dict[str, float]
    prices: PriceList
    batches: tuple[BatchRow, ...]
    long_edges: LongEdges

    def record(self) -> dict[str, object]:
        """Plain values for JSON, seconds and bytes throughout."""
        prices = [{**asdict(price), "share_of_a_face": self.prices.share(price)} for price in self.prices.prices]
        return {
            "software": f"GPEN UI {__version__}",
            "system": platform.platform(),
            "model": self.model,
            "size_px": self.size_px,
            "device": self.device,
            "device_name": self.device_name,
            "precision": self.precision,
            "measured_for": list(self.measured_for),
            "curve": {**asdict(self.curve), "knee": self.curve.knee},
            "stages": self.stages,
            "face_seconds": self.prices.face_seconds,
            "prices": prices,
            "face_options_together": self.prices.together("face"),
            "photo_options_together": self.prices.together("photo"),
            "batches": [{**asdict(row), "seconds_per_photo": row.seconds_per_photo} for row in self.batches],
            "long_edges": asdict(self.long_edges),
        }


def measure_everything(
    restorer: Restorer,
    *,
    quick: bool = False,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    stop: threading.Event | None = None,
    tell: Tell = lambda key: None,
) -> Measurements:
    """Measures the network, the stages, the options, the batches and the long edges, and keeps the prices.

    Args:
        quick: fewer rounds, fewer long edges, and the batch curve only where it is not known: for a first impression.

    Raises:
        Stopped: `stop` was set; what was kept on disk before stays.
        OutOfMemoryError: not even one face fits.
    """
    tell("curve")
    curve = restorer.curve if quick and restorer.curve is not None else restorer.tune()
    tell("stages")
    stages = measure_stages(restorer, rounds=1 if quick else 5, stop=stop)
    tell("prices")
    prices = measure_prices(restorer, rounds=1 if quick else ROUNDS, stop=stop)
    PriceLists().save(prices, restorer)
    tell("batches")
    batches = measure_batches(restorer, batch_sizes, rounds=1 if quick else 3, stop=stop)
    tell("long_edges")
    edges = LONG_EDGES[::2] if quick else LONG_EDGES
    long_edges = measure_long_edges(restorer, edges, rounds=1 if quick else 3, stop=stop)
    report = restorer.device_report
    return Measurements(
        model=restorer.model_name,
        size_px=restorer.size_px,
        device=report.device,
        device_name=report.name,
        precision=report.precision,
        measured_for=restorer.measured_for,
        curve=curve,
        stages=stages,
        prices=prices,
        batches=batches,
        long_edges=long_edges,
    )


def tables(measured: Measurements, language: Language) -> Iterator[str]:
    """The report, block by block: a heading or a Markdown table each."""
    values = {
        "model": measured.model, "size": measured.size_px, "device": measured.device_name,
        "precision": measured.precision, "face": time_text(measured.prices.face_seconds),
    }  # fmt: skip
    yield say("measure.title", language, **values)
    yield say("measure.curve", language, knee=measured.curve.knee)
    yield curve_table(measured.curve, language)
    yield say("measure.batches", language)
    yield batch_table(measured.batches, language)
    edges = measured.long_edges
    damaged = {"psnr": f"{edges.damaged_psnr:.1f}", "face_psnr": f"{edges.damaged_face_psnr:.1f}"}
    yield say("measure.long_edges", language, **damaged)
    yield long_edge_table(edges, language)
    yield say("measure.stages", language)
    yield stage_table(measured.stages, language)
    yield say("measure.prices", language)
    yield price_table(measured.prices, language)
    together = {kind: f"{100 * measured.prices.together(kind):.1f}" for kind in ("face", "photo")}
    yield say("measure.together", language, **together)


def curve_table(curve: Curve, language: Language) -> str:
    columns = [say(f"measure.column.{name}", language) for name in ("batch", "per_face", "memory")]
    rows = [
        [str(sample.faces), time_text(sample.seconds_per_face), _memory(sample.memory_bytes)]
        for sample in curve.samples
    ]
    if curve.out_of_memory_at is not None:
        rows.append([str(curve.out_of_memory_at), say("measure.no_room", language), ""])
    return markdown(columns, rows)


def batch_table(batches: Sequence[BatchRow], language: Language) -> str:
    names = ("batch", "photos", "per_photo", "total", "network", "memory", "stable")
    columns = [say(f"measure.column.{name}", language) for name in names]
    rows = [
        [
            str(row.batch_size),
            str(row.photos),
            time_text(row.seconds_per_photo),
            time_text(row.seconds),
            time_text(row.network_seconds / row.photos),
            _memory(row.memory_bytes),
            say("measure.stable.yes" if row.is_stable else "measure.stable.no", language),
        ]
        for row in batches
    ]
    return markdown(columns, rows)


def long_edge_table(edges: LongEdges, language: Language) -> str:
    names = ("long_edge", "per_photo", "network", "psnr", "face_psnr")
    columns = [say(f"measure.column.{name}", language) for name in names]
    rows = [
        [
            f"{row.long_edge_px} px",
            time_text(row.seconds),
            time_text(row.network_seconds),
            f"{row.psnr:.1f} dB",
            f"{row.face_psnr:.1f} dB",
        ]
        for row in edges.rows
    ]
    return markdown(columns, rows)


def stage_table(stages: dict[str, float], language: Language) -> str:
    columns = [say(f"measure.column.{name}", language) for name in ("stage", "seconds", "share")]
    whole = sum(stages.values())
    rows = [
        [say(f"measure.stage.{stage}", language), time_text(spent), f"{100 * spent / whole:.0f} %"]
        for stage, spent in stages.items()
    ]
    return markdown(columns, rows)


def price_table(prices: PriceList, language: Language) -> str:
    columns = [say(f"measure.column.{name}", language) for name in ("option", "extra", "of_a_face")]
    rows = [
        [price_name(price, language), f"{1000 * price.seconds:+.1f} ms", f"{100 * prices.share(price):+.1f} %"]
        for price in prices.prices
    ]
    return markdown(columns, rows)


def price_name(price: Price, language: Language) -> str:
    """The option and its tried value as the page writes them."""
    spec = next((spec for spec in option_specs() if spec.name == price.option), None)
    if spec is None:
        return f"{price.option} {price.value}"
    if spec.kind == "bool":
        return spec.title(language)
    value = spec.choice_title(price.value, language) if spec.kind == "choice" else price.value
    return f"{spec.title(language)} {value}"


def time_text(seconds: float) -> str:
    """A duration as tables show it."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.1f} ms"


def _memory(size_bytes: int | None) -> str:
    return "–" if size_bytes is None else f"{size_bytes / 2**20:.0f} MiB"


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns also line up in a terminal; Chinese characters are two places wide."""
    lines = [list(columns), *map(list, rows)]
    widths = [max(_width(line[place]) for line in lines) for place in range(len(columns))]
    text = [
        "| " + " | ".join(cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
    text.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(text)


def _width(text: str) -> int:
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)
