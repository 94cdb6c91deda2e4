"""What MkDocs does not do by itself: references made from the code, pictures shared by both languages, the way from a
page to the same page in the other language, and links that leave the documentation."""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

CHECKOUT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(CHECKOUT))  # MkDocs loads this file by its path

from docs.site import commands, rest, tables  # noqa: E402
from docs.site.words import Language  # noqa: E402

MADE = {
    "commands": commands.reference,
    "options": tables.options,
    "presets": tables.presets,
    "models": tables.models,
    "settings": tables.settings,
    "rest": rest.reference,
}
WIDE = ("options", "settings", "models")  # pages
OTHER_PLACES = {"en": "zh/", "zh": "../"}  # from the root of a language's site to that of the other
NAMES = {"en": "English", "zh": "中文"}
SHARED = CHECKOUT / "docs" / "samples"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Gives the Chinese site the pictures that lie beside the English pages."""
    if _language(config) == "zh":
        for path in sorted(SHARED.iterdir()):
            if path.suffix != ".py" and path.is_file():
                files.append(File.generated(config, f"samples/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    language = _language(config)
    if language == "zh":  # in the repository its pages lie one folder deeper than in its site
        markdown = re.sub(r"\]\((\.\./)+samples/", lambda found: found[0].replace("../", "", 1), markdown)
    if "<!-- made: " in markdown and page.file.name in WIDE:
        page.meta["hide"] = ["toc"]  # its tables need the room
    markdown = re.sub(r"<!-- made: (\w+) -->", lambda found: MADE[found[1]](language), markdown)
    return re.sub(r"\[([^\]]*)\]\(((?:\.\./)+[^)#:]+)\)", lambda found: _inside(found, page, files), markdown)


def _inside(link: re.Match[str], page: Page, files: Files) -> str:
    """A link as it is, or, when it leads out of the documentation, its words and the file's place in the checkout."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(page.file.src_uri), link[2]))
    if not target.startswith("..") and files.get_file_from_path(target) is not None:
        return link[0]
    place = target.lstrip("./")
    return link[1] if link[1].strip("`") == place else f"{link[1]} (`{place}`)"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The choice of language; where it leads is another place on every page."""
    config.extra["alternate"] = [
        {"name": name, "link": _mark(tongue), "lang": tongue} for tongue, name in NAMES.items()
    ]
    return config


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    language = _language(config)
    root = posixpath.relpath(".", posixpath.dirname(page.url) or ".")
    for tongue in NAMES:
        place = "" if tongue == language else OTHER_PLACES[language]
        output = output.replace(_mark(tongue), posixpath.normpath(posixpath.join(root, place, page.url)))
    return output


def _mark(tongue: str) -> str:
    """Stands in a page for its address in that language; the theme leaves what has a scheme as it is."""
    return f"same-page-in:{tongue}"


def _language(config: MkDocsConfig) -> Language:
    return "zh" if config.theme["language"] == "zh" else "en"
