"""Every sentence exists in both languages, every one that the code asks for is there, and none is left over."""

import ast
import re
import string
from pathlib import Path

import pytest

from gpen_ui.texts import LANGUAGES, pick_language, say, table

PACKAGE = Path(__file__).resolve().parent.parent / "gpen_ui"
SAYERS = (
    "say",
    "text",
    "tell",
    "speech",
)  # functions whose first argument is a key; `tell` only when it looks like one


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def trees() -> list[ast.Module]:
    return [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))]


def asked_keys() -> set[str]:
    """Keys that the code asks for by a literal: in errors, notes and calls that say something."""
    errors = (PACKAGE / "errors.py").read_text(encoding="utf-8")
    error_classes = set(re.findall(r"^class (\w+)", errors, re.MULTILINE))
    keys = set()
    for node in (node for tree in trees() for node in ast.walk(tree)):
        if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
            continue
        first = node.args[0].value
        function = ast.unparse(node.func).split(".")[-1]
        if not isinstance(first, str):
            continue
        if function in error_classes:
            keys.add(f"error.{first}")
        elif function == "Note":
            keys.add(f"note.{first}")
        elif function in SAYERS and re.fullmatch(r"[a-z_]+(\.[\w-]+)+", first):
            keys.add(first)
    return keys


def used_patterns() -> list[re.Pattern[str]]:
    """What could name a key: every string of the code, the changing parts of formatted ones standing for anything."""
    patterns = set()
    for node in (node for tree in trees() for node in ast.walk(tree)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[\w.-]+", node.value):
            patterns.add(re.escape(node.value))
        elif isinstance(node, ast.JoinedStr):
            parts = [
                re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"[\w-]+" for part in node.values
            ]
            fixed = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
            if "." in fixed and re.fullmatch(r"[\w.-]+", fixed):
                patterns.add("".join(parts))
    return [re.compile(pattern) for pattern in patterns]


@pytest.mark.parametrize("key", sorted(table()))
def test_a_text_is_there_in_both_languages_with_the_same_places(key: str):
    texts = table()[key]
    assert set(texts) == set(LANGUAGES)
    assert all(text.strip() for text in texts.values())
    assert places(texts["en"]) == places(texts["zh"])


@pytest.mark.parametrize("key", sorted(asked_keys()))
def test_every_text_that_the_code_asks_for_exists(key: str):
    assert key in table()


def test_no_text_is_left_over():
    patterns = used_patterns()
    unused = []
    for key in table():
        # errors, notes and licences are named without their first part, which their class adds
        names = (key, key.partition(".")[2]) if key.split(".")[0] in ("error", "note") else (key,)
        if not any(pattern.fullmatch(name) for name in names for pattern in patterns):
            unused.append(key)
    assert unused == []


def test_errors_say_what_to_do_and_end_as_sentences():
    for key, texts in table().items():
        if key.startswith("error."):
            assert texts["en"].endswith((".", "!", "?")), key
            assert texts["zh"].endswith(("。", "！", "？")), key


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-US,en;q=0.9,zh;q=0.8", "en"),
        ("de-DE,de;q=0.9,zh;q=0.5,en;q=0.4", "zh"),
        ("fr", "en"),
        ("zh_CN.UTF-8", "zh"),
        ("zh_TW", "zh"),
        ("C.UTF-8", "en"),
        ("", "en"),
        (None, "en"),
        ("en;q=0.1,zh", "zh"),
        ("zh;q=broken,en", "en"),
    ],
)
def test_the_language_follows_browser_and_locale(asked: str | None, language: str):
    assert pick_language(asked) == language


def test_say_fills_places():
    assert "7" in say("error.option_range", "zh", name="strength", low=0, high=5, value=7)
