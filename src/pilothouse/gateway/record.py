"""Step 9: the record. One event a call, in the journal before the last byte of the answer leaves.

Refuses to know how the journal seals and writes. Invariant: a call is recorded exactly once; when it cannot
be recorded, its answer does not leave.
"""

import logging
from time import perf_counter

from pilothouse.contracts.errors import ApiError, JournalError, UnavailableError
from pilothouse.contracts.events import Content, Outcome, RequestCompleted, RequestStarted
from pilothouse.gateway.answers import OK, error_bytes
from pilothouse.gateway.call import Call
from pilothouse.gateway.content import content_of
from pilothouse.gateway.figures import cost_usd
from pilothouse.gateway.settle import settle

CLIENT_CLOSED = 499
"""The status of a call whose client hung up before it was given one (nginx's number for it)."""

logger = logging.getLogger(__name__)


def started(call: Call, *, is_whole: bool) -> None:
    """Records that a stream is about to send its first byte; its content is the request.

    Args:
        call: The call.
        is_whole: Whether the end is here already: then both are recorded in one write, by `end`.

    Raises:
        JournalError: It cannot be recorded, so the stream must not begin.
    """
    call.is_start_recorded = True
    event = RequestStarted(
        call.call_id,
        call.request_id,
        call.request.at_ns,
        call.operation,
        call.model or "",
        call.key_id,
        call.team,
        call.purpose,
        call.subject,
        call.conversation_id,
        call.provider,
        call.deployment,
        call.trace_id,
    )
    if is_whole:
        call.held_start = event
    else:
        call.state.journal.append(event, _content(call, call.request.body, None))


def end(
    call: Call,
    *,
    status: int,
    outcome: Outcome,
    response: bytes | None = None,
    error: ApiError | None = None,
    error_message: str | None = None,
) -> None:
    """Records the end of a call.

    Args:
        call: The call, with all that its steps found out.
        status: The status that the client was given.
        outcome: How it ended.
        response: What was answered, as it is to be kept; `None` keeps nothing.
        error: The error that was answered.
        error_message: Our own words for the error, where its message holds an upstream's.

    Raises:
        JournalError: It cannot be recorded.
    """
    if call.is_ended:
        return
    call.is_ended = True
    came_to = outcome
    if call.is_abandoned:
        status, outcome = status_of(call), "cancelled"
    call.state.in_flight -= 1
    if call.is_admitted or call.ticket is not None:
        settle(call, outcome)
    call.state.errors_total += error is not None
    message = error_message or (error.message if error is not None else None)
    event = _completed(call, status, outcome, error, message)
    start = call.held_start
    request = call.request.body if start is not None or not call.is_start_recorded else None
    try:
        call.state.journal.append(event, _content(call, request, response), before=start)
    finally:
        if call.capture is not None:
            call.capture.ended(came_to, error)


def _completed(
    call: Call, status: int, outcome: Outcome, error: ApiError | None, message: str | None
) -> RequestCompleted:
    tokens, mean, least, entropy = call.tokens, None, None, None
    cost, source = _cost(call)
    if call.confidence is not None:
        mean, least, entropy = call.confidence
    # By position, in the order of the event's fields: by name it takes ten times as long (2.5 µs).
    return RequestCompleted(
        call.call_id,
        call.request_id,
        call.request.at_ns,
        call.operation,
        status,
        outcome,
        call.model,
        call.model_answered,
        call.provider,
        call.deployment,
        call.key_id,
        call.team,
        call.purpose,
        call.subject,
        call.conversation_id,
        call.trace_id,
        call.span_id,
        call.parent_span_id,
        call.is_stream,
        None if error is None else error.type,  # error_type
        None if error is None else error.code,  # error_code
        message,  # error_message
        call.finish_reasons,
        since_ms(call),  # duration_ms
        call.queue_ms,
        call.first_token_ms,
        call.last_token_ms,
        _rate(call) if call.is_stream else None,  # tokens_per_second
        tokens.input,  # input_tokens
        tokens.output,  # output_tokens
        tokens.cached,  # cached_tokens
        tokens.reasoning,  # reasoning_tokens
        cost,  # cost_usd
        source,  # price_source
        mean,  # logprob_mean
        least,  # logprob_min
        len(call.original or call.request.body),  # request_bytes
        call.response_bytes,
        call.parameters,
        call.attempts,
        call.dialect,
        call.cache,
        call.experiment,
        call.arm,
        call.shadow_of,
        call.priority,
        call.saved_usd,
        entropy,  # logprob_entropy
    )


def _cost(call: Call) -> tuple[float | None, str | None]:
    """Returns a call's cost and where its price is from; what a copied answer would have cost was saved."""
    price = call.price
    cost = None if price is None else cost_usd(call.tokens, price)
    source = price.source if price is not None and cost is not None else None
    if call.cache is None:
        return cost, source
    call.saved_usd = cost
    return 0.0, source


def refuse(call: Call, error: ApiError, *, outcome: Outcome = "refused", message: str | None = None) -> None:
    """Ends a call with an error as its whole answer."""
    end_quietly(call, status=error.status, outcome=outcome, error=error, error_message=message)
    body = None if call.speaks is None else call.speaks.error(error, request_id=call.request_id)
    call.client.complete(
        error_bytes(error, extra=call.headers(), will_close=call.client.will_close, body=body)
    )


def end_quietly(
    call: Call,
    *,
    status: int,
    outcome: Outcome,
    error: ApiError | None = None,
    error_message: str | None = None,
) -> None:
    """Records the end of a call that gave no answer; if even that cannot be recorded, the log says so."""
    try:
        end(call, status=status, outcome=outcome, error=error, error_message=error_message)
    except JournalError as fault:
        log_unrecorded(call, fault)


def log_unrecorded(call: Call, fault: JournalError) -> None:
    """Says in the log that a call is missing from the record."""
    logger.error("call %s could not be recorded: %s", call.call_id, fault.message)


def unrecorded(error: JournalError) -> ApiError:
    """Returns what is answered in place of an answer that cannot be recorded."""
    return UnavailableError(
        f"The answer was held back because it cannot be recorded: {error.message}",
        hint="The operator must make room for the journal.",
        code="record_full",
        retry_after_s=5,
    )


def since_ms(call: Call) -> float:
    """Returns the milliseconds since the call was accepted."""
    return (perf_counter() - call.request.started_s) * 1000


def status_of(call: Call) -> int:
    """Returns the status that the client of a cancelled call was given."""
    return OK if call.is_start_recorded else CLIENT_CLOSED


def _content(call: Call, request: bytes | None, response: bytes | None) -> Content | None:
    if call.policy.content == "none" or call.route is None:
        return None
    if request is None and response is None:
        return None
    return content_of(request, response, max_bytes=call.policy.max_body_bytes)


def _rate(call: Call) -> float | None:
    """Returns output tokens a second between a stream's first and last token."""
    first, last, count = call.first_token_ms, call.last_token_ms, call.tokens.output
    if first is None or last is None or count is None or count < 2 or last <= first:  # noqa: PLR2004 - a rate needs two
        return None
    return round(count / (last - first) * 1000, 3)
