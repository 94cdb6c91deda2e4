"""What happens in a run, as server-sent events. A client that was cut off goes on after the last event that it saw."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from gpen_ui.api.parts import GivenLanguage, GivenParts, GivenRun, Parts
from gpen_ui.api.runs import progress_answer
from gpen_ui.errors import UsageError
from gpen_ui.jobs import AT_WORK, Event, RunRecord
from gpen_ui.jobs.told import unpack_plain
from gpen_ui.texts import Language

LOOK_AGAIN_S = 0.3
SEQ_MOST = (1 << 62) - 1
EVENTS_MOST = 500  # sent in one go

router = APIRouter()


@router.get("/runs/{run_id}/events", response_class=EventSourceResponse)
async def follow_run(
    run: GivenRun,
    parts: GivenParts,
    language: GivenLanguage,
    after: Annotated[int, Query(ge=0, le=SEQ_MOST)] = 0,
    last_event_id: Annotated[str, Header()] = "",
) -> AsyncIterator[ServerSentEvent]:
    """Events until the run ends: `state`, `photo` and `plan` with an id, `progress` after each of their bursts, and
    `end` as the last one."""
    if last_event_id.isdecimal() and len(last_event_id) < 19:
        after = int(last_event_id)
    is_first = True
    while True:
        found = await run_in_threadpool(_look, parts, run.id, after)
        if found is None:
            return
        now, events = found
        for event in events:
            after = event.seq
            yield ServerSentEvent(event=event.kind, id=str(event.seq), data=_data(event, language))
        if len(events) == EVENTS_MOST:
            continue
        if events or is_first:
            is_first = False
            yield ServerSentEvent(event="progress", data=await run_in_threadpool(progress_answer, parts, now))
        if now.state not in AT_WORK:
            yield ServerSentEvent(event="end", data={"state": now.state})
            return
        await asyncio.sleep(LOOK_AGAIN_S)


def _look(parts: Parts, run_id: str, after: int) -> tuple[RunRecord, tuple[Event, ...]] | None:
    """The run, and then what happened, so that nothing that happened before its end is missed; None when it is gone."""
    try:
        run = parts.runs.run(run_id)
    except UsageError:
        return None
    return run, parts.runs.events(run_id, after, EVENTS_MOST)


def _data(event: Event, language: Language) -> dict[str, Any]:
    why = event.data.get("why")
    sentence = unpack_plain(why).sentence(language) if why else None
    return {"run": event.run_id, "time": event.time_s, **event.data, "why": sentence}
