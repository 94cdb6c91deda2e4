"""Pictures of what was measured, drawn by matplotlib without its windows (pyplot)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from gpen_ui.engine.tuning import Curve
from gpen_ui.errors import UsageError
from gpen_ui.measure.report import Measurements, price_name
from gpen_ui.texts import Language, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TIME_COLOUR, MEMORY_COLOUR, QUIET_COLOUR = "#0f766e", "#b45309", "#64748b"
CURVE_INCHES, REPORT_INCHES = (7.0, 3.6), (13.0, 8.0)
DPI = 120
# Families with Chinese characters, as the systems bring them.
CHINESE_FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Noto Sans CJK JP", "PingFang SC", "Hiragino Sans GB",
    "Heiti SC", "Microsoft YaHei", "SimHei", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei",
)  # fmt: skip


def curve_svg(curve: Curve, language: Language) -> str:
    """Time and memory by batch size as an SVG document; letters are outlines, so that no font is needed to show it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=CURVE_INCHES, layout="constrained")
    _draw_curve(figure.add_subplot(), curve, *_voice(language))
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def save_report(measured: Measurements, path: Path, language: Language) -> None:
    """Writes curve, stages, prices and batches as one PNG.

    Raises:
        UsageError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    spoken, family = _voice(language)
    figure = Figure(figsize=REPORT_INCHES, layout="constrained")
    first, second, third, fourth = figure.subplots(2, 2).flat
    _draw_curve(first, measured.curve, spoken, family)
    _draw_bars(
        second, {say(f"measure.stage.{stage}", spoken): spent for stage, spent in measured.stages.items()}, family
    )
    second.set_title(say("measure.plot.stages", spoken), family=family)
    prices = {price_name(price, spoken): price.seconds for price in measured.prices.prices}
    _draw_bars(third, prices, family)
    third.set_title(say("measure.plot.prices", spoken), family=family)
    _draw_bars(fourth, {str(row.batch_size): row.seconds_per_photo for row in measured.batches}, family)
    fourth.set_title(say("measure.plot.batches", spoken), family=family)
    figure.suptitle(f"{measured.model} · {measured.device_name} · {measured.precision}", family=family)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=DPI)
    try:
        path.write_bytes(picture.getvalue())
    except OSError as error:
        raise UsageError("measure_file", path=path, reason=error.strerror or error) from error


def _voice(language: Language) -> tuple[Language, list[str]]:
    """The language that this machine's fonts can write, and their families."""
    if language == "en":
        return "en", ["sans-serif"]
    from matplotlib.font_manager import fontManager

    here = {font.name for font in fontManager.ttflist}
    family = next((name for name in CHINESE_FONTS if name in here), None)
    return ("en", ["sans-serif"]) if family is None else (language, [family, "sans-serif"])


def _draw_curve(axes: Axes, curve: Curve, language: Language, family: list[str]) -> None:
    sizes = [sample.faces for sample in curve.samples]
    times = [1000 * sample.seconds_per_face for sample in curve.samples]
    axes.plot(sizes, times, "o-", color=TIME_COLOUR)
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.set_ylim(0, 1.15 * max(times))
    axes.set_xlabel(say("measure.plot.batch", language), family=family)
    axes.set_ylabel(say("measure.plot.time", language), family=family, color=TIME_COLOUR)
    axes.axvline(curve.knee, color=QUIET_COLOUR, linestyle="--", linewidth=1)
    axes.annotate(
        say("measure.plot.knee", language, knee=curve.knee), (curve.knee, 1.06 * max(times)), xytext=(5, 0),
        textcoords="offset points", color=QUIET_COLOUR, family=family,
    )  # fmt: skip
    memory = [
        (sample.faces, sample.memory_bytes / 2**20) for sample in curve.samples if sample.memory_bytes is not None
    ]
    if memory:
        right = axes.twinx()
        right.plot(*zip(*memory, strict=True), "s:", color=MEMORY_COLOUR)
        right.set_ylim(bottom=0)
        right.set_ylabel(say("measure.plot.memory", language), family=family, color=MEMORY_COLOUR)


def _draw_bars(axes: Axes, seconds: dict[str, float], family: list[str]) -> None:
    """Horizontal bars in milliseconds, the first on top, each with its number."""
    values = [1000 * spent for spent in seconds.values()]
    bars = axes.barh(range(len(values)), values, color=TIME_COLOUR)
    axes.bar_label(bars, fmt="%.0f ms", padding=3)
    axes.set_yticks(range(len(values)), list(seconds), family=family)
    axes.invert_yaxis()
    axes.margins(x=0.18)
    axes.spines[["top", "right"]].set_visible(False)
