"""The management API's questions about traces and conversations: list, histogram, one, completion.

Refuses to know who may ask. Invariant: words are opened for the trace or conversation that is asked for, or
to be compared with what is looked for; a search ends within its time and says how far it came.
"""

import time
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from pilothouse.analytics.conversations import (
    Conversation,
    ConversationList,
    get_conversation,
    list_conversations,
)
from pilothouse.analytics.filters.complete import Completion, complete
from pilothouse.analytics.filters.lexer import MOST_CHARACTERS
from pilothouse.analytics.known_values import known_values
from pilothouse.analytics.routes import Now, RecordHere
from pilothouse.analytics.trace_detail import TraceDetail, get_trace
from pilothouse.analytics.traces import Asker, Histogram, TraceList, histogram, list_traces
from pilothouse.store.search_index import SearchIndex

router = APIRouter(prefix="/api/v1")

SEARCH_S = 0.7
"""How long words are looked for before the answer says how far it came."""
MOST_ID_CHARACTERS = 300
LATEST_MS = 9_000_000_000_000

Filter = Annotated[
    str,
    Query(
        max_length=4 * MOST_CHARACTERS,
        description='As `model = "x" and latency_ms > 500 and text ~ "refund"`.',
    ),
]
Time = Annotated[int | None, Query(ge=0, le=LATEST_MS, description="Unix milliseconds.")]
Before = Annotated[str | None, Query(max_length=MOST_ID_CHARACTERS, description="`next_before` of a page.")]
Id = Annotated[str, Path(max_length=MOST_ID_CHARACTERS)]


def _asker(request: Request, record: RecordHere, now: int) -> Asker:
    index = getattr(request.app.state, "search_index", None)
    ends = time.monotonic() + SEARCH_S
    return Asker(
        record=record.analytics,
        keyring=record.keyring,
        key_names=record.key_names(),
        now_ms=now,
        is_over=lambda: time.monotonic() > ends,
        index=index if isinstance(index, SearchIndex) else None,
        lock=record.keyring_lock,
    )


@router.get("/traces", tags=["Traces"], summary="Traces, newest first")
def show_traces(
    *,
    request: Request,
    record: RecordHere,
    now: Now,
    filter: Filter = "",  # noqa: A002 - the query's own word
    from_ms: Time = None,
    to_ms: Time = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Before = None,
) -> TraceList:
    """Traces of which a call or a span passes the filter; one row a trace, in pages."""
    asker = _asker(request, record, now)
    return list_traces(asker, text=filter, from_ms=from_ms, to_ms=to_ms, limit=limit, before=before)


@router.get("/traces/histogram", tags=["Traces"], summary="How many pass a filter, over time")
def show_histogram(
    *,
    request: Request,
    record: RecordHere,
    now: Now,
    filter: Filter = "",  # noqa: A002 - the query's own word
    from_ms: Time = None,
    to_ms: Time = None,
    points: Annotated[int, Query(ge=1, le=240)] = 60,
) -> Histogram:
    """Calls and spans that pass the filter at each step of time, failed ones apart."""
    asker = _asker(request, record, now)
    return histogram(asker, text=filter, from_ms=from_ms, to_ms=to_ms, points=points)


@router.get("/traces/{trace_id}", tags=["Traces"], summary="One trace, with its words")
def show_trace(
    *,
    trace_id: Id,
    record: RecordHere,
    at_ms: Annotated[int | None, Query(ge=0, le=LATEST_MS, description="About when it was.")] = None,
    step: Annotated[
        str | None, Query(max_length=MOST_ID_CHARACTERS, description="Open the words of this step only.")
    ] = None,
) -> TraceDetail:
    """Every call and span of a trace, with messages, tool calls, documents, scores and feedback."""
    with record.keyring_lock:
        return get_trace(
            record.analytics,
            trace_id,
            keyring=record.keyring,
            key_names=record.key_names(),
            at_ms=at_ms,
            only_step=step,
        )


@router.get("/conversations", tags=["Traces"], summary="Conversations, the latest first")
def show_conversations(
    *,
    record: RecordHere,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Before = None,
    from_ms: Time = None,
    to_ms: Time = None,
) -> ConversationList:
    """Conversations by their latest turn, in pages."""
    return list_conversations(
        record.analytics,
        key_names=record.key_names(),
        limit=limit,
        before=before,
        from_ms=from_ms or 0,
        to_ms=to_ms,
    )


@router.get("/conversations/{conversation_id}", tags=["Traces"], summary="One conversation, in order")
def show_conversation(conversation_id: Id, record: RecordHere, at_ms: Time = None) -> Conversation:
    """The turns of a conversation with what was said, the earliest first."""
    with record.keyring_lock:
        return get_conversation(record.analytics, conversation_id, keyring=record.keyring, at_ms=at_ms)


@router.get("/filter/complete", tags=["Traces"], summary="What may come next in a filter")
def show_completion(
    record: RecordHere,
    text: Filter = "",
    at: Annotated[int | None, Query(ge=0, description="Where the cursor is; the end by default.")] = None,
) -> Completion:
    """Fields, operators, and values that were on record lately."""
    names = record.key_names()

    def values(field: str) -> list[str]:
        return known_values(record.analytics, field, names)

    return complete(text, len(text) if at is None else at, values)
