"""HTML of the page: progress, facts of a photo, table of outcomes, state of the device, catalogue. Pure functions.

Everything that comes from a user or a file (names, paths, reasons) is escaped here and nowhere else.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from gpen_ui.jobs.likeness_marks import likeness_marks
from gpen_ui.ui.runs import Outcome, Run
from gpen_ui.ui.speech import Speech

if TYPE_CHECKING:
    from gpen_ui.engine import Restorer
    from gpen_ui.engine.backdrop import TileProgress
    from gpen_ui.engine.tuning import Curve


def progress(run: Run, speech: Speech) -> str:
    """A bar with what is done and what is left."""
    if run.finished.is_set():
        return _summary(run, speech)
    if run.is_waiting:
        return _bar(None, speech("page.progress.waiting"))
    if run.stop.is_set():
        return _bar(run.done_count / run.total, speech("page.progress.stopping", done=run.done_count, total=run.total))
    if run.tile is not None:
        return _tile(run, run.tile, speech)
    if run.left_s is None:
        key = "page.progress.one" if run.total == 1 else "page.progress.first"
        return _bar(None, speech(key, total=run.total, elapsed=speech.took(run.elapsed_s)))
    left = speech.duration(max(1, run.left_s))
    share = run.done_count / run.total
    return _bar(share, speech("page.progress.some", done=run.done_count, total=run.total, left=left))


def _tile(run: Run, tile: TileProgress, speech: Speech) -> str:
    """A bar about the background of one photo, which can take as long as many photos."""
    left = speech.duration(max(1, tile.left_s))
    values = {"name": tile.name, "tile": tile.done + 1, "tiles": tile.total, "left": left}
    share = (run.done_count + tile.done / tile.total) / run.total
    return _bar(share, speech("page.progress.tile", **values, done=run.done_count, total=run.total))


def waiting(text: str) -> str:
    """A bar that only says that something goes on."""
    return _bar(None, text)


def share_done(share: float | None, text: str) -> str:
    """A bar at a share from 0 to 1; None when it is not known."""
    return _bar(share, text)


def _bar(share: float | None, text: str) -> str:
    if share is None:
        kind, now, width = "bar unknown", "", ""
    else:
        percent = f"{100 * share:.1f}"
        kind, now, width = "bar", f' aria-valuenow="{percent}"', f' style="width:{percent}%"'
    return (
        f'<div class="run"><div class="{kind}" role="progressbar" aria-label="{escape(text)}"{now}>'
        f'<div{width}></div></div><p role="status">{escape(text)}</p></div>'
    )


def _summary(run: Run, speech: Speech) -> str:
    good = run.done_count - run.failed_count
    values = {"done": good, "total": run.total, "failed": run.failed_count, "elapsed": speech.took(run.took_s)}
    if run.stop.is_set() and run.done_count < run.total:
        key, kind = "page.progress.stopped", "stopped"
    elif run.failed_count:
        key, kind = "page.progress.done_failed", "some-failed"
    else:
        key, kind = "page.progress.done_one" if run.total == 1 else "page.progress.done", "all-done"
    return f'<div class="run {kind}"><p role="status">{escape(speech(key, **values))}</p></div>'


def failures(outcomes: Sequence[Outcome], speech: Speech) -> str:
    """The photos that are not done, each with its reason; empty when there is none."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if not failed:
        return ""
    items = "".join(
        f"<li><strong>{escape(outcome.name)}</strong>: {escape(speech.sentence(outcome.error))}</li>"
        for outcome in failed
        if outcome.error is not None
    )
    return f'<div class="failures"><h3>{escape(speech("page.single.failed"))}</h3><ul>{items}</ul></div>'


def facts(outcome: Outcome, speech: Speech, *, shows_paths: bool) -> str:
    """What happened to one photo.

    Args:
        shows_paths: the reader sits at the machine that holds the files.
    """
    rows = [("photo", outcome.name)]
    if outcome.before_wh and outcome.after_wh:
        before, after = ("×".join(map(str, size)) for size in (outcome.before_wh, outcome.after_wh))
        rows.append(("size", speech("page.fact.size.value", before=before, after=after)))
    rows.append(("faces", faces_text(outcome, speech)))
    pairs = [(speech(f"page.fact.{key}"), value) for key, value in rows]
    if outcome.recipe is not None:
        pairs.append((speech("page.model.now.model"), outcome.recipe.model))
    pairs.append((speech("page.fact.seconds"), speech.exact_seconds(outcome.seconds)))
    pairs.append((speech("page.fact.device"), outcome.device))
    if outcome.saved is not None:
        pairs.append((speech("page.fact.saved"), str(outcome.saved) if shows_paths else outcome.saved.name))
    marked = [(speech("runs.likeness"), likeness_marks((face for face, _ in outcome.faces), speech.language))]
    return definitions(pairs, [], marked)


def faces_text(outcome: Outcome, speech: Speech) -> str:
    return speech("page.fact.faces.value", found=outcome.faces_found, restored=outcome.faces_restored)


def device_card(restorer: Restorer | None, error: BaseException | None, licence: str, speech: Speech) -> str:
    """The model and device in use, and why it is not the one that was asked for."""
    title = f"<h3>{escape(speech('page.model.now'))}</h3>"
    if restorer is None:
        text = speech.sentence(error) if error else speech("page.status.loading")
        return f'<div class="card">{title}<p>{escape(text)}</p></div>'
    report = restorer.device_report
    cuda = speech("page.model.now.cuda.yes" if report.cuda_available else "page.model.now.cuda.no")
    pairs = [
        (speech("page.model.now.model"), f"{restorer.model_name} ({restorer.size_px} px)"),
        (speech("page.model.now.device"), f"{report.name} ({report.device})"),
    ]
    if report.seconds_per_face is not None:
        seconds = f"{report.seconds_per_face:.2f}"
        pairs.append((speech("page.model.now.speed"), speech("page.model.now.speed.value", seconds=seconds)))
    pairs.append((speech("page.model.now.cuda"), cuda))
    if report.memory_bytes:
        pairs.append((speech("page.model.now.memory"), bytes_text(report.memory_bytes)))
    pairs.append((speech("page.model.now.batch_size"), str(restorer.batch_size)))
    measured = "yes" if restorer.measures_likeness else "no"
    pairs.append((speech("runs.likeness"), speech(f"page.model.now.likeness.{measured}")))
    pairs.append((speech("page.model.now.licence"), licence))
    told = [note for note in (report.why, restorer.kernel_trouble) if note is not None]
    why = [(speech("page.model.now.why"), note.sentence(speech.language)) for note in told]
    return f'<div class="card">{title}{definitions(pairs, why)}</div>'


def batch_curve(curve: Curve | None, speech: Speech) -> str:
    """The measured batch sizes as a picture, and the same numbers as a table for those who do not see it."""
    title = f"<h3>{escape(speech('page.curve.title'))}</h3>"
    if curve is None:
        return f'<div class="card curve">{title}{hint(speech("page.curve.unknown"))}</div>'
    from gpen_ui.measure.plot import curve_svg

    picture = base64.b64encode(curve_svg(curve, speech.language).encode()).decode()
    quickest = min(curve.samples, key=lambda sample: sample.seconds_per_face)
    values = {"knee": curve.knee, "first": curve.samples[0].faces, "last": curve.samples[-1].faces}
    described = speech("page.curve.alt", **values, ms=_ms(quickest.seconds_per_face), fastest=quickest.faces)
    rows = [
        ("", [str(sample.faces), f"{_ms(sample.seconds_per_face)} ms", _mib(sample.memory_bytes)])
        for sample in curve.samples
    ]
    if curve.out_of_memory_at is not None:
        rows.append(("", [str(curve.out_of_memory_at), speech("measure.no_room"), ""]))
    columns = [speech(f"measure.column.{name}") for name in ("batch", "per_face", "memory")]
    return (
        f'<div class="card curve">{title}<img src="data:image/svg+xml;base64,{picture}" alt="{escape(described)}">'
        f"{hint(speech('page.curve.knee', knee=curve.knee))}"
        f"<details><summary>{escape(speech('page.curve.table'))}</summary>{_table(columns, rows)}</details></div>"
    )


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f}" if seconds < 0.1 else f"{1000 * seconds:.0f}"


def _mib(size_bytes: int | None) -> str:
    return "–" if size_bytes is None else f"{size_bytes / 2**20:.0f} MiB"


def status_line(restorer: Restorer | None, is_loading: bool, speech: Speech) -> str:
    """One line for the top of the page."""
    if restorer is not None:
        report = restorer.device_report
        text = speech("page.status", model=restorer.model_name, device=f"{report.name} ({report.device})")
    else:
        text = speech("page.status.loading" if is_loading else "page.status.none")
    return f'<p class="status-line" role="status">{escape(text)}</p>'


def empty(first: str, more: str = "") -> str:
    """What stands where results will be."""
    second = f"<p>{escape(more)}</p>" if more else ""
    return f'<div class="empty"><p>{escape(first)}</p>{second}</div>'


def hint(text: str) -> str:
    return f'<p class="hint">{escape(text)}</p>' if text else ""


def hints(texts: Iterable[str]) -> str:
    return "".join(hint(text) for text in texts)


def bytes_text(count: float) -> str:
    """A number of bytes as people read it."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def definitions(
    pairs: Sequence[tuple[str, str]], notes: Sequence[tuple[str, str]], marked: Sequence[tuple[str, str]] = ()
) -> str:
    """A list of names and values; notes stand out.

    Args:
        marked: their values are HTML; empty ones are left out.
    """
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)
    rows += "".join(f"<dt>{escape(name)}</dt><dd>{value}</dd>" for name, value in marked if value)
    rows += "".join(f'<dt>{escape(name)}</dt><dd class="note">{escape(value)}</dd>' for name, value in notes)
    return f'<dl class="facts">{rows}</dl>'


def _table(columns: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """A table; each row comes with its class, and the first two cells keep their words together."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(
        f'<tr class="{kind}">' + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>" for kind, cells in rows
    )
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
