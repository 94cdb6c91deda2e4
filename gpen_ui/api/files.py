"""A run's report or zip as an answer of the server. REST and the page have each their own address for it, and their own
gate in front; what is sent is the same."""

from __future__ import annotations

from fastapi.responses import StreamingResponse

from gpen_ui.api.names import attachment
from gpen_ui.jobs import FILE_TYPES, RunRecord, RunStore, run_file, run_file_name
from gpen_ui.texts import Language

# The sheet shows what is inside it and nothing else: no script, no other place.
SHEET_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox"


def send_run_file(store: RunStore, run: RunRecord, form: str, language: Language) -> StreamingResponse:
    """Everything of a run in one file, made while it is sent, also of a run at work. The sheet is shown, other forms
    are downloaded.

    Args:
        form: one of `FILE_TYPES`.
    """
    if form == "html":
        headers = {"Content-Security-Policy": SHEET_POLICY}
    else:
        headers = {"Content-Disposition": attachment(run_file_name(run, form))}
    headers["Cache-Control"] = "no-store"  # the same address tells something else tomorrow
    return StreamingResponse(run_file(store, run, form, language), media_type=FILE_TYPES[form], headers=headers)
