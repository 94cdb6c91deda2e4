"""How the page looks: Gradio's theme with the system's own fonts, and a little CSS. Nothing comes from elsewhere."""

from __future__ import annotations

import gradio as gr
from gradio.themes.utils import colors, sizes

FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC",
        "sans-serif")  # fmt: skip
MONO = ("ui-monospace", "Consolas", "monospace")


def theme() -> gr.themes.Base:
    """Calm: slate and teal, soft corners, room around things."""
    return gr.themes.Soft(
        primary_hue=colors.teal,
        secondary_hue=colors.teal,
        neutral_hue=colors.slate,
        radius_size=sizes.radius_lg,
        spacing_size=sizes.spacing_md,
        font=FONT,
        font_mono=MONO,
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color="white",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        block_title_text_color="*neutral_800",
        block_title_text_color_dark="*neutral_200",
        block_title_background_fill="none",
        block_title_background_fill_dark="none",
        block_title_padding="0",
        block_title_text_weight="600",
        block_label_background_fill="white",
        block_label_background_fill_dark="*neutral_900",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
        block_label_text_size="*text_sm",
        checkbox_label_background_fill_selected="*primary_700",
        checkbox_label_background_fill_selected_dark="*primary_700",
        checkbox_label_border_width="1px",
        checkbox_label_border_color="*neutral_300",
        checkbox_label_border_color_dark="*neutral_700",
        checkbox_label_shadow="none",
        input_border_width="1px",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_shadow="none",
        slider_color="*primary_700",
        slider_color_dark="*primary_500",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_700",
        button_border_width="1px",
        button_primary_shadow="none",
        button_secondary_shadow="none",
        button_cancel_background_fill="#fef2f2",
        button_cancel_background_fill_dark="#450a0a",
        button_cancel_text_color="#991b1b",
        button_cancel_text_color_dark="#fecaca",
        button_cancel_background_fill_hover="#fee2e2",
        button_cancel_background_fill_hover_dark="#7f1d1d",
        button_cancel_text_color_hover="#991b1b",
        button_cancel_text_color_hover_dark="#fecaca",
        button_cancel_border_color="#fecaca",
        button_cancel_border_color_hover="#fca5a5",
        button_cancel_border_color_hover_dark="#991b1b",
        button_cancel_border_color_dark="#7f1d1d",
        block_shadow="none",
        block_border_width="1px",
        block_border_color="*neutral_200",
        block_border_color_dark="*neutral_800",
    )


CSS = """
.gradio-container { width: 100% !important; max-width: 1280px !important; margin: 0 auto !important;
  padding: 28px 32px 48px !important; }
.gradio-container .fillable { width: 100%; max-width: none !important; padding: 0 !important; }
.block.hide-container .html-container, .block.hide-container .prose { padding: 0 !important; margin: 0 !important; }
.block:has(> .html-container > .prose:empty) { display: none; }
#header header { display: flex; align-items: flex-start; justify-content: space-between; gap: 16px; }
#header h1 { margin: 0; font-size: 1.6rem; font-weight: 650; letter-spacing: -0.01em; display: flex; gap: 10px;
  align-items: center; }
#header p { margin: 2px 0 0; color: var(--body-text-color-subdued); }
#header .mark { width: 22px; height: 22px; border-radius: 50%; flex: none;
  background: linear-gradient(90deg, var(--neutral-400) 0 50%, var(--primary-600) 50% 100%); }
#language { flex: none; padding: 6px 14px; border: 1px solid var(--border-color-primary); border-radius: 999px;
  color: var(--body-text-color); text-decoration: none; background: var(--block-background-fill); }
#language:hover, #language:focus-visible { border-color: var(--primary-600); }
.status-line { margin: 0 !important; font-size: 0.9rem; color: var(--body-text-color-subdued); }
.work { gap: 28px !important; }
button[role="tab"][aria-selected="true"] { color: var(--primary-700) !important; font-weight: 600; }
.dark button[role="tab"][aria-selected="true"] { color: var(--primary-300) !important; }
:focus-visible { outline: 2px solid var(--primary-600) !important; outline-offset: 2px; }
.group-title { margin: 0 !important; padding: 12px 14px !important; font-size: 1rem; }
#single-gallery .grid-wrap, #single-gallery .gallery-container { height: auto; min-height: 0; }
#single-gallery .grid-wrap { max-height: 270px; overflow-y: auto; }
#single-gallery .grid-container { display: flex; flex-wrap: wrap; height: auto; padding: 0 !important; gap: 10px; }
#single-gallery .gallery-item { width: 118px; }
#single-gallery .thumbnail-item { aspect-ratio: 1; height: auto; }
#single-gallery .caption-label { font-size: 0.75rem; max-width: 90%; overflow: hidden; text-overflow: ellipsis; }
.hint { margin: 0 !important; font-size: 0.9rem; color: var(--body-text-color-subdued); line-height: 1.5; }
.empty { min-height: 320px; display: flex; flex-direction: column; align-items: center; justify-content: center;
  gap: 6px; padding: 24px; text-align: center; border: 1.5px dashed var(--border-color-primary);
  border-radius: var(--radius-xl); color: var(--body-text-color-subdued); }
.empty p { margin: 0 !important; } .empty p:first-child { font-size: 1.05rem; color: var(--body-text-color); }
.run p { margin: 6px 0 0 !important; }
.bar { height: 8px; border-radius: 999px; overflow: hidden; background: var(--neutral-200); }
.dark .bar { background: var(--neutral-700); }
.bar div { height: 100%; border-radius: inherit; background: var(--primary-600); transition: width 0.4s; }
.bar.unknown div { width: 30%; animation: gpen-slide 1.6s ease-in-out infinite alternate; }
@keyframes gpen-slide { from { margin-left: 0; } to { margin-left: 70%; } }
.run.all-done, .run.some-failed, .run.stopped { padding: 10px 14px; border-radius: var(--radius-lg);
  border-left: 4px solid var(--primary-600); background: var(--block-background-fill); }
.run.some-failed, .run.stopped { border-left-color: #b45309; }
.run.all-done p, .run.some-failed p, .run.stopped p { margin: 0 !important; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: 6px 18px; margin: 0; }
.facts dt { color: var(--body-text-color-subdued); } .facts dd { margin: 0; overflow-wrap: anywhere; }
.facts .note { color: #92400e; } .dark .facts .note { color: #fcd34d; }
.card { padding: 18px 20px; border: 1px solid var(--border-color-primary); border-radius: var(--radius-xl);
  background: var(--block-background-fill); }
.card h3, .failures h3 { margin: 0 0 10px !important; font-size: 1rem; }
.failures { padding: 14px 18px; border-radius: var(--radius-xl); background: #fef3c7; color: #451a03; }
.failures h3, .failures strong { color: inherit; }
.dark .failures { background: #451a03; color: #fef3c7; }
.failures ul { margin: 0; padding-left: 18px; } .failures li { overflow-wrap: anywhere; }
.table { overflow: auto; max-height: 620px; border: 1px solid var(--border-color-primary);
  border-radius: var(--radius-xl); background: var(--block-background-fill); }
.table table, .table thead, .table tr { border: 0 !important; }
.table table { width: 100%; border-collapse: collapse; margin: 0 !important; font-size: 0.92rem; }
.table th { position: sticky; top: 0; text-align: left; background: var(--background-fill-secondary);
  font-weight: 600; }
.table th, .table td { padding: 9px 14px !important; border: 0 !important; vertical-align: top; }
.table tbody tr + tr td { border-top: 1px solid var(--border-color-primary) !important; }
.table td:not(:last-child) { white-space: nowrap; }
.table td:last-child { overflow-wrap: anywhere; min-width: 220px; }
.table .failed td:first-child, .table .wrong td:nth-child(2) { color: #b91c1c; font-weight: 600; }
.dark .table .failed td:first-child { color: #fca5a5; }
.table .present td:nth-child(2), .table .done td:first-child { color: var(--primary-700); font-weight: 600; }
.dark .table .present td:nth-child(2), .dark .table .done td:first-child { color: var(--primary-300); }
@media (max-width: 700px) {
  .gradio-container { padding: 14px 14px 32px !important; }
  .work { gap: 16px !important; } .empty { min-height: 140px; }
  .facts { grid-template-columns: 1fr; gap: 0; } .facts dd { margin-bottom: 8px; }
  .table td:nth-child(2) { white-space: normal; }
  .tab-container button { padding: 0 9px !important; font-size: 0.9rem !important; }
}
@media (prefers-reduced-motion: reduce) { * { transition: none !important; animation: none !important; } }
"""
