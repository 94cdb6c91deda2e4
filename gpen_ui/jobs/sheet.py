"""The contact sheet of a run: one HTML file with everything in it, for the eye and for the archive."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape

from gpen_ui.jobs.asked_faces import choices_told
from gpen_ui.jobs.likeness_marks import likeness_marks
from gpen_ui.jobs.report import counts, photos_of
from gpen_ui.jobs.store import RunStore
from gpen_ui.jobs.types import PhotoRecord, RunRecord
from gpen_ui.options import option_specs
from gpen_ui.paths import shown
from gpen_ui.texts import Language, say
from gpen_ui.texts.numbers import moment

PICTURES_MOST = 2000  # photos with pictures; a browser would choke on many more. The rest are listed without

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 1180px; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0 0 .2rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .4rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 1rem 0; }
dt { opacity: .7; } dd { margin: 0; overflow-wrap: anywhere; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); gap: 1rem; margin-bottom: 1rem; }
article { border: 1px solid #8884; border-radius: 8px; padding: .7rem; break-inside: avoid; }
article h3 { font-size: .95rem; margin: 0 0 .4rem; overflow-wrap: anywhere; font-weight: 600; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .4rem; }
figure { margin: 0; } figcaption { font-size: .8rem; opacity: .7; }
img { width: 100%; height: 150px; object-fit: contain; background: #8882; border-radius: 4px; }
p { margin: .3rem 0 0; font-size: .87rem; overflow-wrap: anywhere; }
.likeness { display: inline-block; padding: 0 .5em; border-radius: 9px; margin: .1rem .2rem .1rem 0; color: #fff; }
.likeness.high { background: #15703b; } .likeness.middle { background: #8a5a00; } .likeness.low { background: #b3261e; }
.failed { border-color: #c33; } .failed h3, .bad { color: #c33; }
@media (prefers-color-scheme: dark) { .failed h3, .bad { color: #f77; } }
"""


def contact_sheet(store: RunStore, run: RunRecord, language: Language) -> Iterator[str]:
    """The sheet in pieces: facts of the run, then every photo with its pictures before and after; failed ones first."""
    title = say("runs.sheet.title", language, run=run.id)
    yield (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>\n<h1>{escape(title)}</h1>\n"
    )
    yield from _head(store, run, language)
    shown_count = 0
    for wanted in ("failed", None):
        yield '<div class="sheet">\n'
        for photo in photos_of(store, run):
            if (photo.state == "failed") == (wanted == "failed"):
                yield _article(store, photo, language, with_pictures=shown_count < PICTURES_MOST)
                shown_count += 1
        yield "</div>\n"
    if shown_count > PICTURES_MOST:
        yield f"<p>{escape(say('runs.sheet.without', language, most=PICTURES_MOST))}</p>\n"
    yield from _ignored(store, run, language)
    yield "</body></html>\n"


def _head(store: RunStore, run: RunRecord, language: Language) -> Iterator[str]:
    numbers = counts(store, run)
    options = ", ".join(f"{spec.title(language)}: {getattr(run.options, spec.name)}" for spec in option_specs())
    state = say(f"runs.state.{run.shown_state}", language)
    facts = [
        ("state", state + (f": {run.why.sentence(language)}" if run.why else "")),
        ("photos", say("runs.counts", language, **numbers)),
        ("faces", say("runs.faces", language, restored=numbers["faces_restored"], failed=numbers["faces_failed"])),
        ("inputs", ", ".join(shown(path) for path in run.inputs)),
        ("output", shown(run.output_folder)),
        ("model", f"{run.model_name or run.settings.model} {run.model_hash[:12]}"),
        ("device", run.device or "-"),
        ("created", moment(run.created_s, language)),
        ("worked", say("runs.seconds", language, seconds=round(run.worked_s))),
        ("options", options),
    ]
    yield "<dl>\n"
    for name, value in facts:
        yield f"<dt>{escape(say(f'runs.sheet.{name}', language))}</dt><dd>{escape(value)}</dd>\n"
    yield "</dl>\n"


def _article(store: RunStore, photo: PhotoRecord, language: Language, *, with_pictures: bool) -> str:
    parts = [
        f'<article class="{photo.state}"><h3>{photo.number}. {escape(shown(photo.subfolder / photo.path.name))}</h3>'
    ]
    if with_pictures:
        parts += _pictures(store, photo, language)
    for line, is_bad in _lines(store, photo, language):
        kind = "bad" if is_bad else "fact"
        parts.append(f'<p class="{kind}">{escape(line)}</p>')
    marks = likeness_marks(store.ledger.faces(photo.id), language)
    if marks:
        parts.append(f'<p class="fact">{escape(say("runs.likeness", language))}: {marks}</p>')
    return "".join(parts) + "</article>\n"


def _pictures(store: RunStore, photo: PhotoRecord, language: Language) -> list[str]:
    figures: list[str] = []
    sizes = {"before": photo.before_wh, "after": photo.after_wh}
    for which, data in store.ledger.thumbnails(photo.id).items():
        size = sizes.get(which)
        caption = say(f"runs.sheet.{which}", language) + (f", {size[0]} x {size[1]}" if size else "")
        source = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
        figures.append(
            f'<figure><img loading="lazy" alt="{escape(caption)}" src="{source}">'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )
    return ['<div class="pair">', *figures, "</div>"] if figures else []


def _lines(store: RunStore, photo: PhotoRecord, language: Language) -> Iterator[tuple[str, bool]]:
    """Lines about a photo, each with whether it is bad news."""
    outcome = say(f"runs.photo.{photo.state}", language)
    facts = [outcome]
    if photo.state == "done" and photo.faces_found:  # of a photo without a face a note tells
        facts.append(say("cli.line.faces", language, restored=photo.faces_restored, found=photo.faces_found))
    if photo.seconds:
        facts.append(say("cli.line.seconds", language, seconds=f"{photo.total_seconds:.1f}"))
    if photo.device:
        facts.append(photo.device)
    yield "; ".join(facts), photo.state == "failed"
    if photo.why:
        yield photo.why.sentence(language), photo.state == "failed"
    if photo.result and photo.state == "done":
        yield shown(photo.result.name), False
    for face in store.ledger.faces(photo.id):
        if face.why is not None:
            line = say("cli.line.face", language, number=face.number, reason=face.why.sentence(language))
            yield line, face.state == "failed"
    chosen = choices_told(photo, store.ledger.faces(photo.id), language)
    if chosen:
        yield f"{say('runs.chosen', language)}: {chosen}", False
    for note in photo.notes:
        yield note.sentence(language), False


def _ignored(store: RunStore, run: RunRecord, language: Language) -> Iterator[str]:
    ignored = store.ignored(run.id, 0, PICTURES_MOST)
    if not ignored:
        return
    title = say("runs.sheet.ignored", language, count=store.ignored_count(run.id))
    yield f"<h2>{escape(title)}</h2>\n<dl>\n"
    for each in ignored:
        yield f"<dt>{escape(each.why.sentence(language))}</dt><dd>{escape(shown(each.path))}</dd>\n"
    yield "</dl>\n"
