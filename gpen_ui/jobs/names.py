"""How results of a run are called: a template of `{name}`, `{suffix}`, `{ext}` and `{n}`."""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Iterator

from gpen_ui.errors import UsageError
from gpen_ui.photo import result_names

FIELDS = ("name", "suffix", "ext", "n")
LONGEST = 120  # characters of a template
_DIGITS = re.compile(r"0?\d{1,2}d?")  # how {n} may be padded: {n:4}, {n:04}


def check_template(template: str) -> None:
    """Refuses a template that could not name every photo.

    Raises:
        UsageError: an unknown or broken field, a path separator, or nothing that tells photos apart.
    """
    try:
        fields = [(name, spec, turn) for _, name, spec, turn in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise UsageError("run_template_broken", template=template, reason=error) from error
    known = ", ".join(f"{{{name}}}" for name in FIELDS)
    for name, spec, turn in fields:
        padded = name == "n" and _DIGITS.fullmatch(spec or "")
        if name not in FIELDS or turn or (spec and not padded):
            raise UsageError("run_template_field", template=template, field=name, known=known)
    names = [name for name, _, _ in fields]
    fixed = re.search(r'[/\\:*?"<>|\x00-\x1f]', re.sub(r"\{[^}]*\}", "", template))
    if fixed or len(template) > LONGEST or template.startswith("."):
        raise UsageError("run_template_letters", template=template)
    if "name" not in names and "n" not in names:
        raise UsageError("run_template_same", template=template)
    if "ext" in names and not template.endswith("{ext}"):
        raise UsageError("run_template_ext", template=template)


def candidates(template: str, *, name: str, suffix: str, extension: str, number: int) -> Iterator[str]:
    """Names for one result in the order in which they are tried; the second one ends in `_2`, and so on.

    Args:
        name: of the source, with its extension.
        extension: of the result, with its dot.
        number: of the photo in its run.
    """
    stem = next(result_names(name, "", ""))
    base = template.removesuffix("{ext}").format(name=stem, suffix=suffix, ext=extension, n=number)
    base = base.rstrip(". ") or "photo"  # Windows would cut them off, and two names would become one
    yield f"{base}{extension}"
    for again in itertools.count(2):
        yield f"{base}_{again}{extension}"
