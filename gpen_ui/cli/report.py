"""What `enhance` tells about each photo and about the run, for people and for scripts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gpen_ui.cli.speech import answer, answer_json, complain
from gpen_ui.errors import GpenError
from gpen_ui.texts import Language, say

if TYPE_CHECKING:  # the engine brings torch, which must not slow `--help` down
    from gpen_ui.engine.results import FaceOutcome, RestoredPhoto


@dataclass(frozen=True)
class Written:
    """One photo's end: its result on disk, or why there is none.

    Attributes:
        source: the file as the user named it.
        restored: what the engine gave; its picture is no longer needed here. None when it never came so far.
        path: the file written, None exactly when `error` is set.
    """

    source: Path
    restored: RestoredPhoto | None
    path: Path | None
    error: GpenError | None


@dataclass
class Tally:
    """Counts of a run."""

    done: int = 0
    failed: int = 0
    stopped: bool = False

    @property
    def exit_code(self) -> int:
        """130 stopped by the user, 1 some failed, 0 all done."""
        return 130 if self.stopped else int(self.failed > 0)


class Report:
    """Writes outcomes as they come.

    Args:
        as_json: one JSON object per photo and one for the run on stdout, nothing else there.
        quiet: only failures, on stderr.
    """

    def __init__(self, language: Language, *, as_json: bool, quiet: bool) -> None:
        self._language: Language = language
        self._as_json = as_json
        self._quiet = quiet
        self.tally = Tally()

    def photo(self, written: Written) -> None:
        """One photo came to its end."""
        if written.error is None:
            self.tally.done += 1
        else:
            self.tally.failed += 1
            complain(written.error, self._language, about=written.source.name)
        if self._as_json:
            answer_json(photo_record(written, self._language))
        elif not self._quiet and written.error is None:
            answer(photo_line(written, self._language))

    def run(self, seconds: float, device: str, model: str) -> None:
        """The whole run came to its end."""
        if self._as_json:
            tally = self.tally
            answer_json(
                {
                    "summary": {
                        "done": tally.done,
                        "failed": tally.failed,
                        "stopped": tally.stopped,
                        "seconds": round(seconds, 3),
                        "device": device,
                        "model": model,
                    }
                }
            )


def photo_line(written: Written, language: Language) -> str:
    """Source -> result, faces restored of found, seconds, notes."""
    assert written.restored is not None
    found, restored = len(written.restored.faces), written.restored.restored_count
    facts = [
        # of a photo without a face a note tells
        *([say("cli.line.faces", language, restored=restored, found=found)] if found else []),
        say("cli.line.seconds", language, seconds=f"{written.restored.total_seconds:.1f}"),
        *_likeness(written.restored.faces, language),
        *(note.sentence(language) for note in written.restored.notes),
        *_faces_left(written.restored.faces, language),
    ]
    return f"{written.source} -> {written.path}: {'; '.join(facts)}"


def _faces_left(faces: tuple[FaceOutcome, ...], language: Language) -> list[str]:
    """One remark per face that carries a reason: it was not restored, or with less strength than was asked for."""
    return [
        say("cli.line.face", language, number=face.number, reason=face.why.sentence(language))
        for face in faces
        if face.why is not None
    ]


def _likeness(faces: tuple[FaceOutcome, ...], language: Language) -> list[str]:
    """The likeness of the restored faces, from the least to the greatest."""
    found = sorted(
        math.floor(face.likeness) for face in faces if face.likeness is not None and face.state == "restored"
    )
    if not found:
        return []
    values = str(found[0]) if found[0] == found[-1] else f"{found[0]}-{found[-1]}"
    return [say("cli.line.likeness", language, values=values)]


def photo_record(written: Written, language: Language) -> dict[str, object]:
    """The same for scripts. `result` and `error` are never both set."""
    record: dict[str, object] = {
        "source": str(written.source),
        "result": str(written.path) if written.path else None,
        "error": written.error.sentence(language) if written.error else None,
        "error_key": written.error.key.removeprefix("error.") if written.error else None,
    }
    restored = written.restored
    if restored is None:
        return record
    return {
        **record,
        "faces_found": len(restored.faces),
        "faces_restored": restored.restored_count,
        "faces": [_face_record(face, language) for face in restored.faces],
        "seconds": {stage: round(float(seconds), 4) for stage, seconds in restored.seconds.items()},
        "seconds_total": round(float(restored.total_seconds), 4),
        "device": restored.device,
        "notes": [note.sentence(language) for note in restored.notes],
    }


def _face_record(face: FaceOutcome, language: Language) -> dict[str, object]:
    return {
        "number": face.number,
        "box_xyxy": [round(float(edge), 1) for edge in face.box_xyxy],
        "score": round(float(face.score), 4),
        "state": face.state,
        "why": face.why.sentence(language) if face.why else None,
        "strength": face.strength,
        "likeness": round(face.likeness, 1) if face.likeness is not None else None,
    }
