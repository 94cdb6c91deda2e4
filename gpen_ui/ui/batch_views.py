"""HTML of tab 2: the list of runs, how one of them stands, and its photos. Pure functions.

Everything that comes from a user or a file is escaped here. What can be chosen is a real button that carries a
`data-key`; `CHOOSE` makes a press of it an event, and keeps the keyboard's place when a list is drawn anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from gpen_ui.paths import shown
from gpen_ui.texts.numbers import moment
from gpen_ui.ui import views
from gpen_ui.ui.speech import Speech

if TYPE_CHECKING:
    from gpen_ui.jobs import FaceRecord, PhotoRecord, RunProgress, RunRecord
    from gpen_ui.jobs.rows import Thumbnail
    from gpen_ui.ui.board import Row

CURRENT_MOST = 3  # photos in work that are named
CHOOSE = """
let last = null, pressed = null;
const keyed = event => event.target.closest('[data-key]');
element.addEventListener('click', event => {
  const chosen = keyed(event);
  if (chosen) trigger('click', {key: chosen.dataset.key});
});
// A list drawn anew between press and release has other elements, and the browser makes no click of it.
element.addEventListener('pointerdown', event => { pressed = event.button === 0 ? keyed(event) : null; });
element.addEventListener('pointerup', event => {
  const key = keyed(event)?.dataset.key;
  if (pressed && !pressed.isConnected && key === pressed.dataset.key) trigger('click', {key});
  pressed = null;
});
element.addEventListener('focusin', event => { last = event.target.dataset.key ?? null; });
element.addEventListener('focusout', event => { if (event.relatedTarget) last = null; });
new MutationObserver(() => {
  if (last === null || document.activeElement !== document.body) return;
  element.querySelector(`[data-key="${CSS.escape(last)}"]`)?.focus({preventScroll: true});
}).observe(element, {childList: true, subtree: true});
"""


def run_list(rows: Sequence[Row], chosen: str | None, speech: Speech, *, uploads: Sequence[int]) -> str:
    """The runs as buttons, the newest first.

    Args:
        uploads: for each run how many of its inputs were uploaded.
    """
    if not rows:
        return views.empty(speech("page.batch.empty"), speech("page.batch.empty.more"))
    items = "".join(
        _run_item(row, speech, is_chosen=row.run.id == chosen, uploads=count)
        for row, count in zip(rows, uploads, strict=True)
    )
    return f'<nav class="runs" aria-label="{escape(speech("page.batch.runs"))}"><ul>{items}</ul></nav>'


def _run_item(row: Row, speech: Speech, *, is_chosen: bool, uploads: int) -> str:
    run, counts = row.run, row.counts
    state = run.shown_state
    numbers = speech("page.batch.numbers", done=counts.done, total=counts.planned)
    if counts.failed:
        numbers += speech("page.batch.numbers.failed", failed=counts.failed)
    current = ' aria-current="true"' if is_chosen else ""
    return (
        f'<li><button type="button" data-key="{escape(run.id)}"{current}>'
        f'<span class="state {state}">{escape(speech(f"runs.state.{state}"))}</span>'
        f'<span class="what">{escape(inputs_text(run, speech, uploads=uploads))}</span>'
        f'<span class="numbers">{escape(numbers)}</span>'
        f'<span class="when">{escape(moment(run.created_s, speech.language))}</span></button></li>'
    )


def inputs_text(run: RunRecord, speech: Speech, *, uploads: int) -> str:
    """What a run was given, without saying where it lies."""
    if len(run.inputs) == 1:
        return shown(run.inputs[0].name or str(run.inputs[0]))
    if uploads == len(run.inputs):
        return speech("page.batch.uploads", count=uploads)
    return speech("page.batch.inputs", first=shown(run.inputs[0].name), more=len(run.inputs) - 1)


def progress(run: RunRecord, now: RunProgress, speech: Speech) -> str:
    """A bar while somebody works on the run, else a sentence about how it ended."""
    ended = now.planned - now.left
    values = {"done": now.done, "total": now.planned, "failed": now.failed, "left": now.left}
    state = now.shown_state
    if state in ("queued", "running") and run.wish != "go":
        key = "pausing" if run.wish == "pause" else "ending"
        return views.share_done(now.percent / 100, speech(f"page.batch.{key}", done=ended, total=now.planned))
    if state == "queued":
        return views.waiting(speech("page.batch.queued", total=now.planned))
    if state in ("running", "held"):
        why = [now.why.sentence(speech.language)] if now.why else []
        lines = [*why, _pace(now, speech), _current(now, speech)]
        return _bar(now.percent / 100, [line for line in lines if line])
    if state == "watching":
        return views.waiting(now.why.sentence(speech.language) if now.why else speech("page.batch.watching", **values))
    kind = {"done": "some-failed" if now.failed else "all-done"}.get(state, "stopped")
    key = "done_failed" if state == "done" and now.failed else state
    text = speech(f"page.batch.ended.{key}", elapsed=speech.took(now.worked_s), **values)
    if now.why is not None:
        text = f"{text} {now.why.sentence(speech.language)}"
    return f'<div class="run {kind}"><p role="status">{escape(text)}</p></div>'


def _pace(now: RunProgress, speech: Speech) -> str:
    values = {"done": now.planned - now.left, "total": now.planned, "percent": f"{now.percent:.0f}"}
    text = speech("page.batch.going", **values)
    if now.failed:
        text += speech("page.batch.numbers.failed", failed=now.failed)
    if now.seconds_left is not None and now.photos_per_minute is not None:
        left, pace = speech.duration(now.seconds_left), f"{now.photos_per_minute:.1f}"
        text += speech("page.batch.going.left", left=left, pace=pace)
    return text


def _current(now: RunProgress, speech: Speech) -> str:
    return speech("page.batch.current", names=", ".join(now.current[:CURRENT_MOST])) if now.current else ""


def _bar(share: float, lines: Sequence[str]) -> str:
    """A bar with lines below it. They are no live region: a screen reader would speak every second."""
    first, *more = lines
    percent = f"{100 * share:.1f}"
    rest = "".join(f'<p class="hint">{escape(line)}</p>' for line in more)
    return (
        f'<div class="run"><div class="bar" role="progressbar" aria-label="{escape(first)}" aria-valuenow="{percent}">'
        f'<div style="width:{percent}%"></div></div><p>{escape(first)}</p>{rest}</div>'
    )


def photo_table(
    photos: Sequence[tuple[PhotoRecord, Sequence[FaceRecord]]], opened: int | None, card: str, speech: Speech
) -> str:
    """One page of the photos of a run, each with its pictures and its outcome in a sentence.

    Args:
        opened: the photo below whose row its card stands.
        card: HTML.
    """
    if not photos:
        return f'<p class="hint">{escape(speech("page.batch.no_photos"))}</p>'
    columns = [speech(f"page.batch.column.{name}") for name in ("state", "photo", "faces", "seconds", "result")]
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = ""
    for photo, faces in photos:
        body += _photo_row(photo, faces, speech, is_open=photo.id == opened)
        if photo.id == opened:
            body += f'<tr class="opened"><td colspan="{len(columns)}">{card}</td></tr>'
    return f'<div class="table photos"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _photo_row(photo: PhotoRecord, faces: Sequence[FaceRecord], speech: Speech, *, is_open: bool) -> str:
    pictures = "".join(picture(photo, which, "") for which in ("before", "after")) if is_done(photo) else ""
    name = shown(photo.subfolder / photo.path.name)
    cells = [
        escape(state_text(photo, speech)),
        f'<button type="button" data-key="{photo.id}" aria-expanded="{str(is_open).lower()}">{pictures}'
        f"<span>{escape(name)}</span></button>",
        f"{photo.faces_restored} / {photo.faces_found}" if is_done(photo) else "",
        escape(" · ".join(_seconds_and_device(photo, speech))),
        escape(" · ".join(outcome(photo, faces, speech))),
    ]
    label = escape(speech("page.batch.column.faces"))  # a narrow window shows no heads of columns
    marks = ["", "", f' data-label="{label}"', "", ""]
    row = "".join(f"<td{mark}>{cell}</td>" for mark, cell in zip(marks, cells, strict=True))
    return f'<tr class="{photo.state}">{row}</tr>'


def is_done(photo: PhotoRecord) -> bool:
    return photo.state == "done"


def state_text(photo: PhotoRecord, speech: Speech) -> str:
    mark = {"done": "✓ ", "failed": "✗ "}.get(photo.state, "")
    return mark + speech(f"runs.photo.{photo.state}")


def outcome(photo: PhotoRecord, faces: Sequence[FaceRecord], speech: Speech) -> list[str]:
    """What came of a photo: the result's name, or why there is none, and what else there is to say."""
    said = [shown(photo.result.name)] if photo.result is not None and is_done(photo) else []
    said += [photo.why.sentence(speech.language)] if photo.why is not None else []
    if is_done(photo):
        said += [face.why.sentence(speech.language) for face in faces if face.why is not None]
        said += [note.sentence(speech.language) for note in photo.notes]
    return said


def _seconds_and_device(photo: PhotoRecord, speech: Speech) -> list[str]:
    if photo.state not in ("done", "failed") or not photo.seconds:
        return []
    return [speech.exact_seconds(photo.total_seconds), *([photo.device] if photo.device else [])]


def picture(photo: PhotoRecord, which: Thumbnail, caption: str) -> str:
    """A small picture of a photo, by its address; the browser gets it when it comes into sight."""
    version = round(photo.finished_s or 0)
    address = f"../runs/photos/{photo.id}/{which}.jpg?v={version}"
    return f'<img src="{escape(address)}" alt="{escape(caption)}" loading="lazy" decoding="async">'


def pager_text(page: int, rows: int, total: int, per_page: int, speech: Speech) -> str:
    """Which photos the page shows, of how many."""
    if not total:
        return ""
    first = page * per_page + 1
    return views.hint(speech("page.batch.page", first=first, last=first + rows - 1, total=total))
