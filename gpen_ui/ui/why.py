"""Why a result looks as it does, in words; the settings it was made with; and the command that makes it again. Pure
functions: everything that comes from a user or a file is escaped here."""

from __future__ import annotations

import math
import re
import shlex
from html import escape
from typing import TYPE_CHECKING

from gpen_ui.choices import as_typed
from gpen_ui.options import RestoreOptions, as_flags, option_specs, salvaged
from gpen_ui.ui import views
from gpen_ui.ui.runs import Outcome
from gpen_ui.ui.speech import Speech
from gpen_ui.ui.tab_parameters import in_words

if TYPE_CHECKING:
    from gpen_ui.engine.results import FaceOutcome
    from gpen_ui.jobs import FaceRecord
    from gpen_ui.settings import Settings

ABOUT_EQUAL = 1.15  # sizes that differ by less are called the same
PROGRAM = ("./run.sh", "enhance")
# Some terminals do what such a character says also inside of quotes, or show another text than they run.
NOT_TYPED = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
COMMAND_ID = "single-command"  # of the element that holds the command


def why(outcome: Outcome, speech: Speech) -> str:
    """The reasons, each a sentence: about every face, about the whole photo, and what would help."""
    said = [_found(outcome, speech)]
    said += [sentence for face, box in outcome.faces for sentence in _about_face(face, box, outcome, speech)]
    said += _about_photo(outcome, speech)
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in said if sentence)
    notes = "".join(f'<li class="note">{escape(note.sentence(speech.language))}</li>' for note in outcome.notes)
    return f'<section class="why"><h3>{escape(speech("page.why"))}</h3><ul>{items}{notes}</ul></section>'


def _found(outcome: Outcome, speech: Speech) -> str:
    """How many faces; also for none at all, which has a note of its own."""
    found, restored = outcome.faces_found, outcome.faces_restored
    if not found:
        return ""
    if found == 1:
        return speech("page.why.one_restored" if restored else "page.why.one_left")
    return speech("page.why.found", found=found, restored=restored)


def _about_face(
    face: FaceOutcome | FaceRecord, box: tuple[float, float, float, float], outcome: Outcome, speech: Speech
) -> list[str]:
    number = face.number
    if face.state != "restored":
        return [_titled(number, face.why.sentence(speech.language), speech)] if face.why is not None else []
    sentences = [_size_sentence(face, box, speech)]
    if face.strength is not None and face.why is None:
        key = "full" if face.strength == 100 else "none" if face.strength == 0 else "part"
        sentences.append(speech(f"page.why.strength.{key}", strength=face.strength, kept=100 - face.strength))
    if face.why is not None:
        sentences.append(_sentence(face.why.sentence(speech.language), speech))
    if face.model is not None:
        sentences.append(speech("page.why.other_model", model=face.model))
    if face.likeness is not None:
        sentences.append(speech("page.why.likeness", likeness=math.floor(face.likeness)))
    return [_titled(number, speech.paragraph(each for each in sentences if each), speech)]


def _size_sentence(face: FaceOutcome | FaceRecord, box: tuple[float, float, float, float], speech: Speech) -> str:
    """The face's size in the photo against the network's, and what follows from it; empty where a record of a run does
    not know the latter."""
    square_px, network_px = getattr(face, "square_px", None), getattr(face, "network_px", None)
    if square_px is None or network_px is None:
        return ""
    ratio = network_px / square_px
    key = "smaller" if ratio > ABOUT_EQUAL else "larger" if ratio < 1 / ABOUT_EQUAL else "same"
    times = max(ratio, 1 / ratio)
    shown = f"{times:.1f}" if times < 10 else f"{times:.0f}"
    values = {"face": round(box[2] - box[0]), "square": round(square_px), "network": network_px}
    return speech(f"page.why.size.{key}", **values, times=shown)


def _about_photo(outcome: Outcome, speech: Speech) -> list[str]:
    """What was done to the rest of the photo."""
    if outcome.job is None:
        return []
    options = outcome.job.options
    said = []
    if options.output_scale > 1 and not options.aligned:
        said.append(speech("page.why.enlarged", scale=options.output_scale))
    default = RestoreOptions()
    names = ("denoise", "sharpen", "contrast", "brightness")
    changed = [spec for spec in option_specs() if spec.name in names]
    changed = [spec for spec in changed if getattr(options, spec.name) != getattr(default, spec.name)]
    if changed:
        titles = speech.listed(f"{spec.title(speech.language)} {getattr(options, spec.name)}" for spec in changed)
        said.append(speech("page.why.adjusted", adjustments=titles))
    elif options.output_scale == 1 and options.long_edge == 0 and not options.draws_background and not options.aligned:
        said.append(speech("page.why.untouched"))
    return said


def _titled(number: int, text: str, speech: Speech) -> str:
    return speech("page.why.face", number=number, text=_sentence(text, speech))


def _sentence(text: str, speech: Speech) -> str:
    """Notes about faces are clauses; here they end as sentences."""
    end = "." if speech.language == "en" else "。"
    return text if text.endswith((".", "。", "!", "?")) else text + end


def settings_used(outcome: Outcome, model: str, settings: Settings, speech: Speech) -> str:
    """The settings of a result, with the command that makes it again and a button that copies it.

    Args:
        model: as for `command_of`.
    """
    if outcome.job is None:
        return ""
    command = shlex.join(NOT_TYPED.sub("?", word) for word in command_of(outcome, model, settings))
    said = in_words(outcome.job.options, speech)
    copy = escape(speech("page.used.copy"))
    return (
        f'<section class="used"><h3>{escape(speech("page.used"))}</h3><p>{escape(said)}</p>'
        f'<pre tabindex="0" aria-label="{escape(speech("page.used.command"))}"><code id="{COMMAND_ID}">'
        f'{escape(command)}</code></pre><button type="button" data-copy="{COMMAND_ID}" '
        f'data-copied="{escape(speech("page.used.copied"))}">{copy}</button>'
        f"{views.hint(speech('page.used.command.help'))}</section>"
    )


def command_of(outcome: Outcome, model: str, settings: Settings) -> list[str]:
    """The words of the command line that makes this result again, from the photo in the folder where it is run.

    What is at its default is left out. The photo stands last, behind `--`, since a name may begin with a dash.

    Args:
        model: name or path of the model that made it.
        settings: of this installation, which the command follows, too.
    """
    if outcome.job is None:
        raise ValueError("a result of unknown origin has no command")
    usual, _ = salvaged(settings.options)
    words = [*PROGRAM, *as_flags(outcome.job.options, usual), "--model", model]
    words += [word for choice in outcome.choices for word in ("--face", as_typed([choice]))]
    if outcome.job.output_format != settings.output_format:
        words += ["--format", outcome.job.output_format]
    return [*words, "--", outcome.name]
