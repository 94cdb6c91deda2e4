"""HTML of the list of models on tab 4. What can be pressed is a real button or box that carries a `data-key`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from gpen_ui.catalog import ModelSpec
from gpen_ui.ui import views
from gpen_ui.ui.downloads import Progress
from gpen_ui.ui.speech import Speech


@dataclass(frozen=True)
class ModelRow:
    """One model as the list shows it.

    Attributes:
        state: of its file: present, missing, partial or wrong.
        progress: of its download; None where this server has begun none.
        size_bytes: of the published file, or of the one that is here; None where neither is known.
        acknowledged: this visitor has agreed to its licence.
        in_use: it is the one that restores now.
    """

    spec: ModelSpec
    state: str
    progress: Progress | None
    size_bytes: int | None
    acknowledged: bool
    in_use: bool

    @property
    def is_on(self) -> bool:
        return self.progress is not None and self.progress.is_on

    @property
    def needs_licence(self) -> bool:
        return self.spec.restricted and not self.spec.embedded


def model_items(rows: Sequence[ModelRow], speech: Speech) -> str:
    """All models with size, licence, state, and what can be done about them."""
    items = "".join(_item(row, speech) for row in rows)
    return f'<ul class="models">{items}</ul>'


def _item(row: ModelRow, speech: Speech) -> str:
    spec = row.spec
    size = views.bytes_text(row.size_bytes) if row.size_bytes else speech("page.model.size.unknown")
    state = "downloading" if row.is_on else row.state
    said = speech("page.model.in_use") if row.in_use else speech(f"page.model.state.{state}")
    facts = f'<span class="state {state}">{escape(said)}</span><span class="size">{escape(size)}</span>'
    title = spec.title(speech.language)
    return (
        f'<li><div class="what"><strong>{escape(title)}</strong>{facts}</div>'
        f'<p class="licence">{escape(spec.licence_note(speech.language))}</p>'
        f"{_trouble(row, speech)}{_actions(row, title, speech)}</li>"
    )


def _trouble(row: ModelRow, speech: Speech) -> str:
    progress = row.progress
    if progress is None or progress.state != "failed" or progress.error is None or row.state == "present":
        return ""
    return f'<p class="trouble" role="alert">{escape(speech.sentence(progress.error))}</p>'


def _actions(row: ModelRow, title: str, speech: Speech) -> str:
    name = row.spec.name
    if row.is_on:
        label = speech("page.model.download.stop_one", model=title)
        return f'<div class="do">{_button(f"stop:{name}", speech("page.stop"), label)}</div>'
    if row.state == "present" or not row.spec.sources:
        return ""
    key = "resume" if row.state == "partial" else "get"
    label = speech(f"page.model.download.{key}_one", model=title)
    free = row.acknowledged or not row.needs_licence
    button = _button(f"get:{name}", speech(f"page.model.download.{key}"), label, disabled=not free)
    if not row.needs_licence:
        return f'<div class="do">{button}</div>'
    checked = " checked" if row.acknowledged else ""
    agree = escape(speech("page.model.agree"))
    box = (
        f'<label><input type="checkbox" data-key="agree:{escape(name)}" aria-label="{agree} {escape(title)}"{checked}> '
        f"{agree}</label>"
    )
    return f'<div class="do">{box}{button}</div>'


def _button(key: str, text: str, label: str, *, disabled: bool = False) -> str:
    off = " disabled" if disabled else ""
    return f'<button type="button" data-key="{escape(key)}" aria-label="{escape(label)}"{off}>{escape(text)}</button>'


def bars(progress: Mapping[ModelSpec, Progress], speech: Speech) -> str:
    """A bar for every download that is going on."""
    return "".join(_bar(spec.title(speech.language), each, speech) for spec, each in progress.items() if each.is_on)


def _bar(model: str, progress: Progress, speech: Speech) -> str:
    if progress.state == "waiting":
        return views.waiting(speech("page.model.download.waiting", model=model))
    if not progress.host:
        return views.waiting(speech("page.model.download.starting", model=model))
    said = {"model": model, "done": views.bytes_text(progress.done_bytes), "host": progress.host}
    if not progress.total_bytes:
        return views.waiting(speech("page.model.download.progress_unknown", **said))
    text = speech("page.model.download.progress", total=views.bytes_text(progress.total_bytes), **said)
    return views.share_done(min(1.0, progress.done_bytes / progress.total_bytes), text)


def upload_form(speech: Speech) -> str:
    """Choosing a file of a model; `UPLOAD` sends it."""
    return (
        f'<div class="import"><label class="choose"><input type="file" accept=".pth,.pt,.safetensors" '
        f'data-wrong="{escape(speech("page.model.import.broken"))}" '
        f'data-sending="{escape(speech("page.model.import.sending"))}" '
        f'data-checking="{escape(speech("page.model.import.checking"))}" data-language="{speech.language}">'
        f"<span>{escape(speech('page.model.import'))}</span></label>"
        f'<p class="hint">{escape(speech("page.model.import.help"))}</p>'
        f'<div class="bar" hidden><div></div></div><p class="said" role="status"></p></div>'
    )


# The file goes as the body of a request of its own: Gradio's uploads are made for photos, and as large as those.
UPLOAD = """
const start = () => element.querySelector('input[type=file]');
element.addEventListener('change', event => {
  const input = event.target;
  if (input !== start() || !input.files.length) return;
  const file = input.files[0], told = input.dataset;
  const bar = element.querySelector('.bar'), said = element.querySelector('.said');
  const request = new XMLHttpRequest();
  const end = (text, good) => {
    bar.hidden = true; said.textContent = text; said.className = good ? 'said' : 'said trouble';
    input.disabled = false; input.value = '';
    trigger('click', {key: 'imported'});
  };
  input.disabled = true; bar.hidden = false; said.className = 'said';
  said.textContent = told.sending;
  request.upload.onprogress = each => {
    bar.firstChild.style.width = `${100 * each.loaded / (each.total || 1)}%`;
    said.textContent = each.loaded < each.total ? told.sending : told.checking;
  };
  request.onload = () => {
    let answer = null;
    try { answer = JSON.parse(request.responseText); } catch {}
    end(answer?.detail ?? request.responseText.slice(0, 400) ?? told.wrong, request.status === 200);
  };
  request.onerror = () => end(told.wrong, false);
  request.open('POST', `../models/import?language=${told.language}`);
  request.setRequestHeader('Content-Type', 'application/octet-stream');
  request.setRequestHeader('X-File-Name', encodeURIComponent(file.name));
  request.send(file);
});
"""
