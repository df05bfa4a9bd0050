"""Conversations: the list of those that went on lately, and one with its turns in order.

Refuses to know how a call got its conversation's id. Invariant: a turn is one call of the gateway, or one
span of a model's call that no call of the gateway stands for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pilothouse.analytics.filters.fields import CALL_ERROR
from pilothouse.analytics.record_contents import Words, read_sealed, words_of_parts
from pilothouse.analytics.trace_matches import TRACE_OF, newest
from pilothouse.contracts.errors import NotFoundError
from pilothouse.store.dialects.reader import Question, Readable, Reader
from pilothouse.telemetry.keyring import Keyring

__all__ = [
    "QUESTIONS",
    "Conversation",
    "ConversationList",
    "ConversationRow",
    "Turn",
    "get_conversation",
    "list_conversations",
]

QUESTIONS = ("conversations.list", "conversations.turns")
NS = 1_000_000
HOUR_NS = 3600 * 10**9
STEPS_NS = (HOUR_NS // 6, HOUR_NS, 24 * HOUR_NS, 7 * 24 * HOUR_NS, 30 * 24 * HOUR_NS)
MOST_LISTED = 200
MOST_TURNS = 200
MOST_CONTENT_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """A conversation in the list."""

    conversation_id: str
    first_ms: int
    """When its first turn in the time looked at was."""
    last_ms: int
    turns: int
    errors: int
    model: str | None
    """Of the latest turn."""
    key_id: str | None
    key_name: str | None
    tokens: int
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class ConversationList:
    """Conversations, the latest first."""

    data: list[ConversationRow]
    next_before: str | None


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer."""

    call_id: str | None
    span_id: str | None
    trace_id: str
    at_ms: int
    duration_ms: float
    model: str | None
    status: int | None
    is_error: bool
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    content: Words


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation, its turns in order."""

    conversation_id: str
    turns: list[Turn]
    is_cut: bool
    """Whether there are earlier turns than are shown."""


_ROWS = f"""SELECT conversation_id, at_ns, {CALL_ERROR} AS is_error, model, key_id,
        coalesce(input_tokens, 0) + coalesce(output_tokens, 0) AS tokens, cost_usd
    FROM calls WHERE at_ns >= $low AND at_ns < $high AND conversation_id IS NOT NULL AND shadow_of IS NULL
    UNION ALL SELECT conversation_id, at_ns, (status = 'error') AS is_error, model, key_id,
        coalesce(input_tokens, 0) + coalesce(output_tokens, 0) AS tokens, cost_usd
    FROM spans WHERE at_ns >= $low AND at_ns < $high AND conversation_id IS NOT NULL
        AND kind IN ('llm', 'agent')"""  # noqa: S608 - our own words
_TURNS = f"""SELECT call_id, span_id, {TRACE_OF["calls"]} AS trace, at_ns,
        coalesce(duration_ms, 0) AS duration_ms, model, status, {CALL_ERROR} AS is_error,
        input_tokens, output_tokens, cost_usd, has_content, parent_span_id
    FROM calls WHERE at_ns >= $low AND at_ns < $high AND conversation_id = $id AND shadow_of IS NULL
    UNION ALL SELECT NULL AS call_id, span_id, trace_id AS trace, at_ns, duration_ms, model, NULL AS status,
        (status = 'error') AS is_error, input_tokens, output_tokens, cost_usd, has_content, parent_span_id
    FROM spans WHERE at_ns >= $low AND at_ns < $high AND conversation_id = $id AND kind = 'llm'"""  # noqa: S608 - as above


def list_conversations(
    record: Readable,
    *,
    key_names: Mapping[str, str],
    limit: int = 50,
    before: str | None = None,
    from_ms: int = 0,
    to_ms: int | None = None,
) -> ConversationList:
    """Returns conversations by their latest turn, the latest first.

    A conversation that went on over more than the time that the list had to look at shows the turns in it.
    """
    limit = max(1, min(limit, MOST_LISTED))
    at, _, last_id = (before or "").partition("-")
    with record.reader() as reader:
        high = newest(reader) + 1
        if to_ms is not None:
            high = min(high, to_ms * NS)
        # What has gone on since is looked at too: a conversation stands where its latest turn is.
        since = min(high, int(at)) if at.isdigit() else high
        rows: list[tuple[Any, ...]] = []
        for step_ns in (*STEPS_NS, since):
            low = max(from_ms * NS, since - step_ns, 0)
            rows = _list(reader, low, high, (int(at), last_id) if at.isdigit() else None, limit + 1)
            if len(rows) > limit or low <= from_ms * NS:
                break
    shown = rows[:limit]
    data = [
        ConversationRow(
            conversation_id=str(name),
            first_ms=int(first) // NS,
            last_ms=int(last) // NS,
            turns=int(turns),
            errors=int(errors),
            model=model,
            key_id=key_id,
            key_name=key_names.get(key_id or ""),
            tokens=int(tokens or 0),
            cost_usd=cost,
        )
        for name, first, last, turns, errors, model, key_id, tokens, cost in shown
    ]
    more = f"{shown[-1][2]}-{shown[-1][0]}" if len(rows) > limit else None
    return ConversationList(data, more)


def _list(
    reader: Reader, low: int, high: int, before: tuple[int, str] | None, limit: int
) -> list[tuple[Any, ...]]:
    dialect = reader.dialect
    text = (
        "SELECT conversation_id, min(at_ns) AS first_ns, max(at_ns) AS last_ns, count(*) AS turns, "  # noqa: S608 - our own words
        f"{dialect.count_if('is_error')} AS errors, {dialect.value_at_largest('model', 'at_ns')} AS model, "
        f"{dialect.value_at_largest('key_id', 'at_ns')} AS key_id, "
        "sum(tokens) AS tokens, sum(cost_usd) AS cost "
        f"FROM ({_ROWS}) AS turns GROUP BY conversation_id "
        "HAVING last_ns < $at OR (last_ns = $at AND conversation_id < $last_id) "
        "ORDER BY last_ns DESC, conversation_id DESC LIMIT $limit"
    )
    at, last_id = before or (2**62, "")
    given = {"low": low, "high": high, "at": at, "last_id": last_id, "limit": limit}
    return reader.rows(Question("conversations.list", text, given))


def get_conversation(
    record: Readable, conversation_id: str, *, keyring: Keyring, at_ms: int | None = None
) -> Conversation:
    """Returns a conversation's turns in order with their words; of a long one the latest.

    Args:
        record: Where it is.
        conversation_id: Its id.
        keyring: What opens the words.
        at_ms: A time of which the caller knows that it went on then: turns of a week before it are shown.

    Raises:
        NotFoundError: no turn of it is on record.
    """
    with record.reader() as reader:
        high = newest(reader) + 1 if at_ms is None else at_ms * NS + HOUR_NS
        rows: list[tuple[Any, ...]] = []
        for step_ns in (24 * HOUR_NS, 7 * 24 * HOUR_NS, high):
            rows = _turns(reader, conversation_id, max(0, high - step_ns), high)
            if rows:
                break
        if not rows:
            raise NotFoundError(
                f"no conversation {conversation_id!r} is on record",
                hint="send it as the header x-conversation-id, or as metadata.conversation_id",
            )
        told = {row[-1] for row in rows if row[0] is not None}
        kept = [row for row in reversed(rows[:MOST_TURNS]) if row[0] is not None or row[1] not in told]
        sealed = read_sealed(reader, [(_row_id(row), int(row[3])) for row in kept if row[-2]])
    turns: list[Turn] = []
    size = 0
    for row in kept:
        parts = sealed.get(_row_id(row), [])
        size += sum(len(body) for _, body in parts)
        is_room = size <= MOST_CONTENT_BYTES
        words = words_of_parts(keyring, _row_id(row), parts) if is_room else Words("left_out")
        turns.append(_turn(row, words))
    return Conversation(conversation_id, turns, is_cut=len(rows) > MOST_TURNS)


def _turns(reader: Reader, conversation_id: str, low: int, high: int) -> list[tuple[Any, ...]]:
    text = f"SELECT * FROM ({_TURNS}) AS turns ORDER BY at_ns DESC LIMIT $limit"  # noqa: S608 - our own words
    given = {"low": low, "high": high, "id": conversation_id, "limit": MOST_TURNS + 1}
    return reader.rows(Question("conversations.turns", text, given))


def _row_id(row: tuple[Any, ...]) -> str:
    return str(row[0] or f"{row[2]}{row[1]}")


def _turn(row: tuple[Any, ...], content: Words) -> Turn:
    call_id, span_id, trace, at_ns, duration, model, status, is_error, into, out, cost, *_ = row
    return Turn(
        call_id=call_id,
        span_id=span_id,
        trace_id=str(trace),
        at_ms=int(at_ns) // NS,
        duration_ms=float(duration),
        model=model,
        status=status,
        is_error=bool(is_error),
        input_tokens=into,
        output_tokens=out,
        cost_usd=cost,
        content=content,
    )
