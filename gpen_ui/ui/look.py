"""How the page looks: Gradio's theme with the system's own fonts, and a little CSS. Nothing comes from elsewhere."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.themes.utils import colors, sizes

from gpen_ui.texts import Language, say

FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC",
        "sans-serif")  # fmt: skip
MONO = ("ui-monospace", "Consolas", "monospace")
# The page's own elements, as files of this server: the content security policy needs to allow nothing for them.
# The first is no module, so that it stands before Gradio's own script sends anything.
SCRIPTS = '<script src="../web/events.js"></script>' + "".join(
    f'<script type="module" src="../web/{name}.js"></script>' for name in ("compare", "intake", "focus")
)


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
        checkbox_border_color="*neutral_400",
        checkbox_border_color_dark="*neutral_500",
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
        button_secondary_background_fill_hover_dark="*neutral_600",
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
        block_radius="*radius_lg",
        container_radius="*radius_lg",
        block_border_width="1px",
        block_border_color="*neutral_200",
        block_border_color_dark="*neutral_800",
    )


def toast_titles(language: Language) -> str:
    """CSS that heads messages in the reader's language; Gradio 6.31 heads them with English words, whatever it is told.

    The texts hold no quotes, so they can stand in CSS as they are.
    """
    titles = {"error": say("page.error_title", language), "info": say("page.info_title", language)}
    return "".join(
        f".toast-title.{kind} {{ font-size: 0; }} .toast-title.{kind}::before "
        f'{{ content: "{title} "; font-size: 1rem; }} .toast-title .toast-count {{ font-size: 1rem; }}\n'
        for kind, title in titles.items()
    )


def stylesheet() -> Path:
    """What the theme does not reach."""
    return Path(__file__).with_name("page.css")
