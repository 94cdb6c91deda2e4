"""Options that do nothing here and now, because of the machine or of other options: hidden, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gpen_ui.errors import ModelError
from gpen_ui.options import ActsOn, RestoreOptions, option_specs
from gpen_ui.ui.speech import Speech

if TYPE_CHECKING:
    from gpen_ui.engine import Restorer

# With `aligned` the network's own picture is the result, and nothing else acts; see `gpen_ui.engine.finish`.
WITH_ALIGNED = ("likeness_guard", "least_likeness", "long_edge", "aligned")


@dataclass(frozen=True)
class Machine:
    """What is known of this installation. While the model is being loaded nothing is missing yet.

    Attributes:
        no_likeness: likeness cannot be measured.
        no_background: why no network can make backgrounds; None where one can.
    """

    no_likeness: bool = False
    no_background: ModelError | None = None


def machine_of(restorer: Restorer | None, models_folder: Path) -> Machine:
    """What the loaded restorer and the models folder lack."""
    if restorer is None:
        return Machine()
    from gpen_ui.weights.upscaler import find_upscaler

    try:
        find_upscaler(1, models_folder)
    except ModelError as error:
        return Machine(not restorer.measures_likeness, error)
    return Machine(not restorer.measures_likeness)


def useless(options: RestoreOptions, machine: Machine, speech: Speech) -> dict[str, str]:
    """The options that would change nothing: name -> why, and what to do about it."""
    found: dict[str, str] = {}
    if machine.no_likeness:
        found |= dict.fromkeys(("likeness_guard", "least_likeness"), speech("page.hidden.likeness"))
    elif options.likeness_guard == "off":
        found["least_likeness"] = speech("page.hidden.guard_off")
    if machine.no_background is not None:
        found["background"] = speech("page.hidden.background", reason=machine.no_background)
    if options.aligned:
        others = [spec.name for spec in option_specs() if spec.name not in WITH_ALIGNED]
        found |= dict.fromkeys(others, speech("page.hidden.aligned"))
    return found


def reasons(found: dict[str, str], group: ActsOn, speech: Speech) -> list[str]:
    """For one group of the tab: a sentence for each reason, naming what is hidden for it."""
    named: dict[str, list[str]] = {}
    for spec in option_specs():
        if spec.acts_on == group and spec.name in found:
            named.setdefault(found[spec.name], []).append(spec.title(speech.language))
    return [speech("page.hidden.names", names=speech.listed(titles), why=why) for why, titles in named.items()]
