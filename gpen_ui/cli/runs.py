"""`gpen-ui runs`: the runs that are kept on disk, whoever works on them: list, show, report, choose faces, pause,
cancel."""

# no `from __future__ import annotations` here: typer reads the flags from the annotations as they stand

import secrets
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from gpen_ui.choices import FaceChoice, read_choices
from gpen_ui.cli.flags import FACE
from gpen_ui.cli.speech import answer, answer_json, spoken_errors, tell
from gpen_ui.cli.usage import spoken_command, spoken_group
from gpen_ui.errors import UsageError, reason_of
from gpen_ui.paths import shown
from gpen_ui.settings import load_settings
from gpen_ui.texts import Language, say
from gpen_ui.texts.numbers import moment

if TYPE_CHECKING:
    from gpen_ui.engine import Restorer
    from gpen_ui.jobs import PhotoRecord, RunRecord, Runs, RunStore

FORMS = ("html", "json", "csv", "zip")


def add_to(program: typer.Typer, language: Language) -> None:
    """Adds the group of commands, with its help in one language."""
    group = typer.Typer(
        cls=spoken_group(language), no_args_is_help=True, rich_markup_mode=None, help=say("cli.runs.help", language)
    )
    program.add_typer(group, name="runs")
    _add_list(group, language)
    _add_show(group, language)
    _add_report(group, language)
    _add_choose(group, language)
    _add_wishes(group, language)


def _add_list(group: typer.Typer, language: Language) -> None:
    text = partial(say, language=language)

    @group.command("list", cls=spoken_command(language), help=text("cli.runs.list.help"))
    def list_runs(as_json: Annotated[bool, typer.Option("--json", help=text("cli.flag.json"))] = False) -> None:
        with spoken_errors(language), _opened() as runs:
            for run in runs.runs():
                _show_run(runs, run, language, as_json)


def _add_show(group: typer.Typer, language: Language) -> None:
    text = partial(say, language=language)

    @group.command(cls=spoken_command(language), help=text("cli.runs.show.help"))
    def show(
        run: Annotated[str, typer.Argument(metavar="[RUN]", help=text("cli.runs.run"))] = "last",
        failed: Annotated[bool, typer.Option("--failed", help=text("cli.runs.failed"))] = False,
        as_json: Annotated[bool, typer.Option("--json", help=text("cli.flag.json"))] = False,
    ) -> None:
        with spoken_errors(language), _opened() as runs:
            found = runs.run(run)
            _show_run(runs, found, language, as_json)
            _show_photos(runs.store, found, language, as_json, only_failed=failed)


def _add_report(group: typer.Typer, language: Language) -> None:
    text = partial(say, language=language)

    @group.command(cls=spoken_command(language), help=text("cli.runs.report.help"))
    def report(
        run: Annotated[str, typer.Argument(metavar="[RUN]", help=text("cli.runs.run"))] = "last",
        output: Annotated[str | None, typer.Option("--output", "-o", help=text("cli.runs.output"))] = None,
        form: Annotated[str, typer.Option("--format", metavar="|".join(FORMS), help=text("cli.runs.format"))] = "html",
    ) -> None:
        from gpen_ui.jobs import run_file, run_file_name

        with spoken_errors(language), _opened() as runs:
            if form not in FORMS:
                raise UsageError("option_choice", name="--format", value=form, choices=", ".join(FORMS))
            found = runs.run(run)
            pieces = run_file(runs.store, found, form, language)
            if output == "-":
                for piece in pieces:
                    sys.stdout.buffer.write(piece)
                sys.stdout.buffer.flush()
            else:
                path = Path(output or run_file_name(found, form))
                _write(path, pieces)
                answer(shown(path))


def _add_choose(group: typer.Typer, language: Language) -> None:
    text = partial(say, language=language)

    @group.command(cls=spoken_command(language), help=text("cli.runs.choose.help"))
    def choose(
        run: Annotated[str, typer.Argument(metavar="RUN", help=text("cli.runs.run"))],
        photo: Annotated[str, typer.Argument(metavar="PHOTO", help=text("cli.runs.photo"))],
        face: Annotated[list[str] | None, typer.Option(metavar=FACE, help=text("cli.flag.face"))] = None,
        forget: Annotated[bool, typer.Option("--forget", help=text("cli.runs.forget"))] = False,
        as_json: Annotated[bool, typer.Option("--json", help=text("cli.flag.json"))] = False,
    ) -> None:
        with spoken_errors(language), _opened() as runs:
            new = read_choices(",".join(face or ()))
            if not new and not forget:
                raise UsageError("runs_choose_nothing")
            found, comes = _choose(runs, run, photo, new, forget=forget)
            _show_photos(runs.store, runs.run(run), language, as_json, only=found)
            tell(text("cli.runs.chosen_waits" if comes else "cli.runs.chosen", run=runs.run(run).id))


def _choose(
    runs: "Runs", run_id: str, photo_name: str, new: Sequence[FaceChoice], *, forget: bool
) -> tuple["PhotoRecord", bool]:
    """Notes what is asked of the faces of a photo; the photo, and whether somebody works on its run just now."""
    from gpen_ui.jobs import photo_named, with_asked

    run = runs.run(run_id)
    photo = photo_named(runs.store, run, photo_name)
    if forget:
        photo = replace(photo, choices=())
    choices = with_asked(runs.store, run, photo, new, load_settings().models_folder)
    return photo, runs.choose(run.id, photo.id, choices, at_once=False)


def _add_wishes(group: typer.Typer, language: Language) -> None:
    text = partial(say, language=language)

    @group.command(cls=spoken_command(language), help=text("cli.runs.pause.help"))
    def pause(run: Annotated[str, typer.Argument(metavar="[RUN]", help=text("cli.runs.run"))] = "last") -> None:
        with spoken_errors(language), _opened() as runs:
            found = runs.run(run)
            runs.pause(found.id)
            tell(text("cli.runs.asked", run=found.id))

    @group.command(cls=spoken_command(language), help=text("cli.runs.cancel.help"))
    def cancel(run: Annotated[str, typer.Argument(metavar="[RUN]", help=text("cli.runs.run"))] = "last") -> None:
        with spoken_errors(language), _opened() as runs:
            found = runs.run(run)
            runs.cancel(found.id)
            tell(text("cli.runs.asked", run=found.id))


@contextmanager
def _opened() -> Iterator["Runs"]:
    """The runs of this installation, to be looked at; nothing is worked on here."""
    from gpen_ui.jobs import Runs, RunStore

    store = RunStore.open(load_settings().outputs_folder)
    try:
        yield Runs(store, _never)
    finally:
        store.close()


def _never(run: "RunRecord", stop: threading.Event) -> "AbstractContextManager[Restorer]":
    raise NotImplementedError


def _show_run(runs: "Runs", run: "RunRecord", language: Language, as_json: bool) -> None:
    from gpen_ui.jobs import run_facts

    progress = runs.progress(run.id)
    counts = progress.counts
    if as_json:
        answer_json({**run_facts(run, language), **counts, "seconds_left": progress.seconds_left})
        return
    state = say(f"runs.state.{run.shown_state}", language)
    begun = moment(run.created_s, language)
    inputs = ", ".join(shown(path) for path in run.inputs)
    numbers = say("runs.counts", language, **counts)
    answer(f"{run.id}  {begun}  {state}  {inputs} -> {shown(run.output_folder)}: {numbers}")
    if run.why is not None:
        answer(f"  {run.why.sentence(language)}")


def _show_photos(
    store: "RunStore",
    run: "RunRecord",
    language: Language,
    as_json: bool,
    *,
    only_failed: bool = False,
    only: "PhotoRecord | None" = None,
) -> None:
    from gpen_ui.jobs import choices_told, photo_facts
    from gpen_ui.jobs.report import photos_of

    shown_photos = photos_of(store, run) if only is None else [store.ledger.photo(only.id) or only]
    for photo in shown_photos:
        if only_failed and photo.state != "failed":
            continue
        faces = store.ledger.faces(photo.id)
        if as_json:
            answer_json(photo_facts(photo, faces, language))
            continue
        state = say(f"runs.photo.{photo.state}", language)
        result = f" -> {shown(photo.result)}" if photo.result and photo.state == "done" else ""
        why = f": {photo.why.sentence(language)}" if photo.why else ""
        answer(f"  {photo.number}  {state}  {shown(photo.path)}{result}{why}")
        if chosen := choices_told(photo, faces, language):
            answer(f"     {say('runs.chosen', language)}: {chosen}")


def _write(path: Path, pieces: Iterable[bytes]) -> None:
    """Writes a new file that appears when it is whole."""
    if path.exists():
        raise UsageError("run_report_exists", path=shown(path))
    temporary = path.with_name(f".gpen-{secrets.token_hex(8)}.part")
    try:
        with temporary.open("xb") as file:
            for piece in pieces:
                file.write(piece)
        temporary.replace(path)
    except OSError as error:
        _refuse(path, error)
    finally:
        temporary.unlink(missing_ok=True)


def _refuse(path: Path, error: OSError) -> NoReturn:
    raise UsageError("run_report_unwritable", path=shown(path), reason=reason_of(error)) from error
