"""Turns completed calls into columns, for the bulk insert.

Refuses to know files and offsets. Invariant: one value a column of `CALL_COLUMNS`, in its order, for each
call.
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import duckdb
import msgspec

from pilothouse.contracts.events import RequestCompleted, RequestStarted
from pilothouse.store.bulk import bulk_insert
from pilothouse.store.schema import CALL_COLUMNS

__all__ = ["cut_call", "insert_calls"]

_json = msgspec.json.Encoder().encode
_plain = attrgetter(
    *(
        name
        for name, _ in CALL_COLUMNS
        if name not in {"finish_reasons", "parameters", "attempts", "has_content"}
    )
)
_names = [name for name, _ in CALL_COLUMNS]
_REASONS = _names.index("finish_reasons")
_PARAMETERS = _names.index("parameters") - 1
"""Where among the plain columns the ones stand that are made here."""


def insert_calls(
    connection: duckdb.DuckDBPyConnection, calls: Sequence[RequestCompleted], has_content: Sequence[bool]
) -> None:
    """Adds a row for each of `calls`."""
    if not calls:
        return
    rows = [_row(call, kept) for call, kept in zip(calls, has_content, strict=True)]
    bulk_insert(connection, "calls", CALL_COLUMNS, list(zip(*rows, strict=True)))


def cut_call(started: RequestStarted) -> RequestCompleted:
    """Returns the call that a stream's start became when its process died before its end."""
    return RequestCompleted(
        call_id=started.call_id,
        request_id=started.request_id,
        at_ns=started.at_ns,
        operation=started.operation,
        status=200,
        outcome="cut",
        model=started.model,
        provider=started.provider,
        deployment=started.deployment,
        key_id=started.key_id,
        team=started.team,
        purpose=started.purpose,
        subject=started.subject,
        conversation_id=started.conversation_id,
        trace_id=started.trace_id,
        is_stream=True,
        error_type="api_error",
        error_code="process_ended",
        error_message="The process that served this stream ended before the stream did.",
    )


def _row(call: RequestCompleted, has_content: bool) -> tuple[Any, ...]:  # noqa: FBT001 - a column's value
    plain = _plain(call)
    reasons = _json(call.finish_reasons).decode() if call.finish_reasons else None
    return (
        *plain[:_REASONS],
        reasons,
        *plain[_REASONS:_PARAMETERS],
        _json(call.parameters).decode(),
        _json(call.attempts).decode(),
        has_content,
        *plain[_PARAMETERS:],
    )
