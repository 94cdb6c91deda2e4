"""The page in one language: four tabs over one service."""

from __future__ import annotations

import json
from html import escape
from typing import Any

import gradio as gr

from gpen_ui.photo import PHOTO_SUFFIXES
from gpen_ui.settings import Settings
from gpen_ui.texts import LANGUAGES, Language
from gpen_ui.ui import (
    background_time,
    kept,
    model_list,
    option_prices,
    own_presets,
    tab_batch,
    tab_model,
    tab_parameters,
    tab_single,
    welcome,
)
from gpen_ui.ui.batch_handlers import BatchHandlers
from gpen_ui.ui.blocks import Page
from gpen_ui.ui.service import Service
from gpen_ui.ui.speech import Speech

# Uploads, previews and zips are looked at every hour and go after a day, also when the page stays open.
DELETE_EVERY_S, DELETE_AFTER_S = 3600, 86400


def build_page(service: Service, language: Language) -> gr.Blocks:
    """Lays out the four tabs, then wires them."""
    speech = Speech(language)
    settings = service.settings
    with Page(
        speech, title=speech("page.title"), analytics_enabled=False, delete_cache=(DELETE_EVERY_S, DELETE_AFTER_S)
    ) as blocks:
        page: gr.Blocks = blocks
        header = _header(speech, settings.serves_only_this_machine) + _intake(settings, speech)
        gr.HTML(header, padding=False, elem_id="header")
        status = gr.HTML(padding=False, elem_id="status")
        welcomed = welcome.lay_out(speech)
        store = kept.lay_out()
        tabs: dict[str, gr.Tab] = {}
        with gr.Tabs() as all_tabs:
            with gr.Tab(speech("page.tab.single"), id="single") as tabs["single"]:
                single = tab_single.lay_out(speech)
            with gr.Tab(speech("page.tab.batch"), id="batch") as tabs["batch"]:
                batch = tab_batch.lay_out(settings, speech)
            with gr.Tab(speech("page.tab.parameters"), id="parameters") as tabs["parameters"]:
                parameters = tab_parameters.lay_out(speech)
            with gr.Tab(speech("page.tab.model"), id="model") as tabs["model"]:
                model = tab_model.lay_out(settings, speech)

        model_handlers = tab_model.ModelHandlers(model, status, service, speech)
        single_handlers = tab_single.SingleHandlers(single, service, speech)
        batch_handlers = BatchHandlers(batch, service, speech)
        tab_single.wire(single, parameters.controls, model.batch_size, model.output_format, single_handlers)
        tab_batch.wire(batch, tabs, parameters.controls, model.batch_size, model.output_format, batch_handlers)
        own_presets.wire(own_presets.PresetHandlers(parameters, model.batch_size, service, speech), page)
        told = [single.settings, batch.new.settings]
        kept.wire(
            kept.KeptHandlers(parameters, store, model.batch_size, model.output_format, told, service, speech),
            model.card,
            page,
        )
        price_handlers = option_prices.PriceHandlers(parameters, service, speech)
        option_prices.wire_prices(parameters, model.batch_size, model.card, price_handlers)
        background_time.wire(single, parameters, model.card, service, speech)
        tab_model.wire(model, status, model_handlers)
        model_list.wire(
            model_list.ListHandlers(model.models, service, speech),
            status,
            [model.model],
            model_handlers.show_models,
            tabs["model"],
        )

        welcome.wire(welcomed, all_tabs, page)

        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        page.load(
            speech.guard(model_handlers.show_when_loaded),
            outputs=tab_model.shown_by(model, status),
            concurrency_limit=None,
            **quiet,
        )

        def forget(request: gr.Request) -> None:
            service.forget(request.session_hash)

        page.unload(forget)
    return page


def _intake(settings: Settings, speech: Speech) -> str:
    """`<photo-intake>` (web/intake.js): photos that are dropped on the page or pasted."""
    texts = json.dumps(
        {
            word: speech.template(f"page.intake.{word}", ("name", "most"))
            for word in ("add", "drop", "nowhere", "kind", "large")
        }
    )
    return (
        f'<photo-intake fields="single-files batch-files" kinds="{" ".join(PHOTO_SUFFIXES)}" '
        f'most-mb="{settings.upload_mb}" texts="{escape(texts)}"></photo-intake>'
    )


def _header(speech: Speech, here: bool) -> str:
    """Title, one line of what the page does, and the way to the other language."""
    other = next(language for language in LANGUAGES if language != speech.language)
    tagline = speech("page.tagline" if here else "page.tagline_server")
    tag = {"en": "en", "zh": "zh-CN"}[other]
    return (
        '<header><div><h1><span class="mark" aria-hidden="true"></span>'
        f"{escape(speech('page.title'))}</h1><p>{escape(tagline)}</p></div>"
        f'<a id="language" href="../language/{other}" lang="{tag}" hreflang="{tag}" '
        f'title="{escape(speech("page.other_language.help"))}">{escape(speech("page.other_language"))}</a></header>'
    )
