"""The documentation as a site: it builds without a warning, both languages say the same, and it can be searched."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gpen_ui.options import option_specs
from gpen_ui.settings import Settings
from tests.commands import CHECKOUT, all_commands

DOCS = CHECKOUT / "docs"
ENGLISH = sorted(
    page.relative_to(DOCS)
    for page in DOCS.rglob("*.md")
    if page.relative_to(DOCS).parts[0] not in ("zh", "site", "training")
)
PICTURE_BYTES = 200_000


def shape(page: Path) -> list[str]:
    """Headings by their level, tables by their columns and rows, blocks of code, pictures, numbered lists."""
    found, fenced, rows = [], False, 0
    for line in [*page.read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith("```"):
            fenced = not fenced
            if fenced:
                found.append(f"code {line[3:]}")
            continue
        if fenced:
            continue
        if line.startswith("|"):
            columns = len(re.split(r"(?<!\\)\|", line)) - 2
            rows += 1
            continue
        if rows:
            found.append(f"table {columns} x {rows}")
            rows = 0
        if heading := re.match(r"#+ ", line):
            found.append(heading[0])
        if line.startswith("!["):
            found.append("picture")
        if made := re.match(r"<!-- made: \w+ -->|::: .+|\d\. ", line):
            found.append(made[0])
    return found


@pytest.mark.parametrize("page", ENGLISH, ids=str)
def test_the_chinese_page_has_what_the_english_one_has(page: Path):
    """A section, table row or block of code that is added to one is missing from the other until it is translated."""
    chinese = DOCS / "zh" / page
    assert chinese.is_file(), f"docs/zh/{page} is missing"
    assert shape(chinese) == shape(DOCS / page)


def test_no_chinese_page_is_left_over():
    assert sorted(page.relative_to(DOCS / "zh") for page in (DOCS / "zh").rglob("*.md")) == ENGLISH


@pytest.mark.parametrize("page", ENGLISH, ids=str)
def test_the_chinese_page_is_chinese(page: Path):
    text = re.sub(
        r"```.*?```|`[^`]*`|\([^)]*\)|^:::.*$",
        "",
        (DOCS / "zh" / page).read_text(encoding="utf-8"),
        flags=re.DOTALL | re.M,
    )
    chinese, latin = len(re.findall(r"[\u4e00-\u9fff]", text)), len(re.findall(r"[A-Za-z]{2,}", text))
    assert chinese > 2 * latin


def test_pictures_are_small():
    for picture in (DOCS / "samples").iterdir():
        assert picture.stat().st_size <= PICTURE_BYTES, picture.name


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. A broken link, anchor or page outside of the navigation ends the build."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "docs.site", str(folder)], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_every_page_leads_to_itself_in_the_other_language(site: Path):
    for page in ENGLISH:
        for here, other in ((site, "zh"), (site / "zh", "en")):
            place = here / page.with_suffix(".html")
            html = place.read_text(encoding="utf-8")
            link = re.search(rf'<a href="([^"]+)" hreflang="{other}"', html)
            assert link is not None, place
            target = (place.parent / link[1]).resolve()
            assert target == ((site / "zh" if other == "zh" else site) / page.with_suffix(".html")).resolve()


def test_nothing_is_fetched_from_elsewhere(site: Path):
    for page in site.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        assert (
            re.findall(r'<(?:script|img|iframe)[^>]+src="https?://[^"]+|<link[^>]+stylesheet[^>]+https?://', html) == []
        )


@pytest.mark.parametrize("language, word", [("en", "likeness"), ("zh", "相似度")])
def test_a_word_of_the_language_is_found(site: Path, language: str, word: str):
    """Chinese has no spaces; the index must hold its words apart, by zero-width spaces."""
    place = site / "zh" if language == "zh" else site
    index = json.loads((place / "search" / "search_index.json").read_text(encoding="utf-8"))
    assert index["config"]["lang"][0] == language
    tokens = {token for each in index["docs"] for token in re.split(index["config"]["separator"], each["text"].lower())}
    assert word in tokens


def test_the_references_hold_everything(site: Path):
    for place in (site, site / "zh"):
        commands = (place / "reference" / "cli.html").read_text(encoding="utf-8")
        assert all(f">{' '.join(command)}<" in commands for command in all_commands())
        options = (place / "reference" / "options.html").read_text(encoding="utf-8")
        assert all(f"<code>{spec.name}</code>" in options for spec in option_specs())
        settings = (place / "reference" / "settings.html").read_text(encoding="utf-8")
        assert all(f"GPEN_UI_{name.upper()}<" in settings for name in Settings.model_fields if name != "options")
        rest = (place / "reference" / "rest.html").read_text(encoding="utf-8")
        assert all(f'id="{name}"' in rest for name in ("restore", "upload_run", "folder_run", "send_zip"))
        python = (place / "reference" / "python.html").read_text(encoding="utf-8")
        assert all(
            f'id="gpen_ui.{name}"' in python for name in ("engine.Restorer", "options.RestoreOptions", "jobs.Runs")
        )
