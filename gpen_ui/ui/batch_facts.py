"""HTML of tab 2 that is looked up rather than watched: one photo, the settings of a run, what it left out. Pure
functions that escape what comes from a user or a file."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from gpen_ui.jobs.asked_faces import choices_told
from gpen_ui.jobs.likeness_marks import likeness_marks
from gpen_ui.paths import shown
from gpen_ui.texts.numbers import moment
from gpen_ui.ui import views
from gpen_ui.ui.batch_size import AUTO
from gpen_ui.ui.batch_views import inputs_text, is_done, picture, state_text
from gpen_ui.ui.speech import Speech
from gpen_ui.ui.tab_parameters import in_words

if TYPE_CHECKING:
    from gpen_ui.jobs import FaceRecord, Ignored, PhotoRecord, RunRecord
    from gpen_ui.jobs.rows import Thumbnail

FACES_KEY = "faces"  # of the button in a photo's card
REPORTS = ("html", "json", "csv", "zip")


def photo_card(
    photo: PhotoRecord,
    faces: Sequence[FaceRecord],
    pictures: Sequence[Thumbnail],
    speech: Speech,
    *,
    shows_paths: bool,
    can_choose: bool,
) -> str:
    """One photo: its pictures before and after, and everything that is known of it.

    Args:
        pictures: those that there are; none below a comparison, which shows the same.
        can_choose: its faces can be looked at one by one.
    """
    figures = "".join(_figure(photo, which, speech) for which in pictures)
    pairs = [(speech("page.batch.column.state"), state_text(photo, speech))]
    if photo.before_wh is not None and photo.after_wh is not None:
        before, after = (" × ".join(map(str, size)) for size in (photo.before_wh, photo.after_wh))
        pairs.append((speech("page.fact.size"), speech("page.fact.size.value", before=before, after=after)))
    if is_done(photo):
        values = {"found": photo.faces_found, "restored": photo.faces_restored}
        pairs.append((speech("page.fact.faces"), speech("page.fact.faces.value", **values)))
    if photo.seconds:
        pairs.append((speech("page.fact.seconds"), speech.exact_seconds(photo.total_seconds)))
    if photo.device:
        pairs.append((speech("page.fact.device"), photo.device))
    if photo.result is not None and is_done(photo):
        pairs.append((speech("page.fact.saved"), shown(photo.result if shows_paths else photo.result.name)))
    if chosen := choices_told(photo, faces, speech.language):
        pairs.append((speech("runs.chosen"), chosen))
    notes = [(speech("page.fact.note"), photo.why.sentence(speech.language))] if photo.why is not None else []
    notes += [
        (speech("page.fact.face_left", number=face.number), face.why.sentence(speech.language))
        for face in faces
        if face.why is not None
    ]
    notes += [(speech("page.fact.note"), note.sentence(speech.language)) for note in photo.notes]
    shown_figures = f'<div class="figures">{figures}</div>' if figures else ""
    marked = [(speech("runs.likeness"), likeness_marks(faces, speech.language))]
    button = f'<button type="button" data-key="{FACES_KEY}">{escape(speech("page.batch.faces"))}</button>'
    facts = views.definitions(pairs, notes, marked) + (button if can_choose else "")
    return f'<div class="photo-card">{shown_figures}<div class="known">{facts}</div></div>'


def _figure(photo: PhotoRecord, which: Thumbnail, speech: Speech) -> str:
    caption = speech(f"runs.sheet.{which}")
    return f"<figure>{picture(photo, which, caption)}<figcaption>{escape(caption)}</figcaption></figure>"


def run_facts(run: RunRecord, speech: Speech, *, uploads: int, shows_paths: bool) -> str:
    """What a run works with, folded away until it is asked for. Nothing here changes while the run is at work: drawn
    anew it would fold again."""
    from_where = ", ".join(shown(path) for path in run.inputs) if shows_paths and not uploads else ""
    settings = run.settings
    pairs = [
        (speech("page.batch.fact.id"), run.id),
        (speech("runs.sheet.created"), moment(run.created_s, speech.language)),
        (speech("runs.sheet.inputs"), from_where or inputs_text(run, speech, uploads=uploads)),
        (speech("runs.sheet.output"), shown(run.output_folder if shows_paths else run.output_folder.name)),
        (speech("runs.sheet.options"), in_words(run.options, speech)),
        (speech("runs.sheet.model"), run.model_name or shown(settings.model if shows_paths else "")),
        (speech("runs.sheet.device"), run.device or settings.device),
        (speech("page.model.batch_size"), _batch_size(run, speech)),
        (speech("page.model.format"), speech(f"page.model.format.{settings.output_format}")),
        (speech("page.batch.template"), settings.template),
        (speech("page.batch.subfolders"), "✓" if settings.recursive else "✗"),
    ]
    return _folded(speech("page.batch.facts"), views.definitions([pair for pair in pairs if pair[1]], []))


def _batch_size(run: RunRecord, speech: Speech) -> str:
    size = run.settings.batch_size
    return speech("page.model.batch_size.auto") if size == AUTO else str(size)


def ignored_list(ignored: Sequence[Ignored], count: int, speech: Speech) -> str:
    """What was found but is not restored, each with the reason, folded away; empty when there is nothing."""
    if not count:
        return ""
    items = "".join(
        f"<li><strong>{escape(shown(each.path.name))}</strong>: {escape(each.why.sentence(speech.language))}</li>"
        for each in ignored
    )
    more = count - len(ignored)
    last = f'<p class="hint">{escape(speech("page.batch.ignored.more", count=more))}</p>' if more > 0 else ""
    return _folded(speech("runs.sheet.ignored", count=count), f"<ul>{items}</ul>{last}")


def report_links(run: RunRecord, speech: Speech) -> str:
    """The reports and the zip as links to the routes that make them while they are sent."""
    links = []
    for form in REPORTS:
        opens = ' target="_blank" rel="noopener"' if form == "html" else " download"
        address = f"../runs/{run.id}/{form}?language={speech.language}"
        links.append(f'<a href="{escape(address)}"{opens}>{escape(speech(f"page.batch.report.{form}"))}</a>')
    return f'<p class="links">{"".join(links)}</p>'


def _folded(title: str, inner: str) -> str:
    return f'<details class="folded"><summary>{escape(title)}</summary>{inner}</details>'
