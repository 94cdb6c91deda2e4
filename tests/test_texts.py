"""Every sentence exists in both languages, every one that the code asks for is there, and none is left over."""

import ast
import re
import string
import time
from pathlib import Path

import pytest

from gpen_ui.texts import LANGUAGES, Language, pick_language, say, table
from gpen_ui.texts.numbers import grouped, moment

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


@pytest.mark.parametrize(
    ("count", "en", "zh"),
    [
        (0, "0 photos", "0 张"),
        (1, "1 photo", "1 张"),
        (2, "2 photos", "2 张"),
        (1234, "1,234 photos", "1,234 张"),
    ],
)
def test_numbers_and_plurals_are_each_languages_own(count: int, en: str, zh: str):
    assert en in say("page.progress.first", "en", total=count, elapsed="3 s")
    assert zh in say("page.progress.first", "zh", total=count, elapsed="3 秒")


def test_digits_are_grouped_only_in_numbers():
    assert [grouped(number) for number in (0, 999, 1000, 1234567, -1234, "?", True)] == [
        "0", "999", "1,000", "1,234,567", "-1,234", "?", "True",
    ]  # fmt: skip
    assert "7860" in say("error.page_port_taken", "en", host="127.0.0.1", port=7860, reason="x")


@pytest.mark.parametrize(("language", "text"), [("en", "5 Mar 2026, 09:07"), ("zh", "2026年3月5日 09:07")])
def test_a_day_is_written_as_each_language_does(language: Language, text: str):
    assert moment(time.mktime((2026, 3, 5, 9, 7, 0, 0, 0, -1)), language) == text


def test_no_text_guesses_a_plural():
    """A number in front of a noun goes through `{count:face|faces}`."""
    nouns = "photos?|faces?|files?|tiles?|parameters?|pictures?|bytes?|seconds?|minutes?|models?"
    for key, texts in table().items():
        assert "(s)" not in texts["en"], key
        found = set(re.findall(rf"(?<!\{{)\{{(\w+)\}} (?:{nouns})\b", texts["en"]))
        assert found <= {"pace", "last", "format"}, (key, texts["en"])  # a decimal, the end of a span, a kind of file
