"""Runs that survive: kept on disk, worked on by one process at a time, seen by all."""

from gpen_ui.jobs.archive import FILE_TYPES, REPORT_TYPES, run_file, run_file_name, stream_zip
from gpen_ui.jobs.asked_faces import asked_before, choices_told, choices_typed, photo_named, with_asked
from gpen_ui.jobs.plan import plan_run
from gpen_ui.jobs.report import photo_facts, report_csv, report_json, run_facts
from gpen_ui.jobs.service import Runs
from gpen_ui.jobs.sheet import contact_sheet
from gpen_ui.jobs.store import RunStore
from gpen_ui.jobs.types import (
    AT_WORK,
    ENDED,
    Event,
    FaceRecord,
    Ignored,
    PhotoRecord,
    Plan,
    PlannedPhoto,
    RunProgress,
    RunRecord,
    RunSettings,
    Told,
    run_settings_of,
)
from gpen_ui.jobs.uploads import forget_uploads, is_upload, keep_uploads, trim_uploads
from gpen_ui.jobs.worker import LoadRestorer

__all__ = [
    "AT_WORK",
    "ENDED",
    "FILE_TYPES",
    "REPORT_TYPES",
    "Event",
    "FaceRecord",
    "Ignored",
    "LoadRestorer",
    "PhotoRecord",
    "Plan",
    "PlannedPhoto",
    "RunProgress",
    "RunRecord",
    "RunSettings",
    "RunStore",
    "Runs",
    "Told",
    "asked_before",
    "choices_told",
    "choices_typed",
    "contact_sheet",
    "forget_uploads",
    "is_upload",
    "keep_uploads",
    "photo_facts",
    "photo_named",
    "plan_run",
    "report_csv",
    "report_json",
    "run_facts",
    "run_file",
    "run_file_name",
    "run_settings_of",
    "stream_zip",
    "trim_uploads",
    "with_asked",
]
