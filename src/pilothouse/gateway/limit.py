"""Step 2: is there room for this call. Its size and time were watched while it was read; here it counts.

Refuses to know who calls. Invariant: nothing is taken in that could not be recorded.
"""

from pilothouse.contracts.errors import InvalidRequestError, UnavailableError
from pilothouse.gateway.call import Call


def limit(call: Call) -> None:
    """Refuses a call that was not read to its end, has no body, or could not be recorded."""
    request = call.request
    if request.fault is not None:
        raise request.fault
    if not request.body:
        raise InvalidRequestError(
            "The request has no body.", hint="Send a JSON object with at least `model`.", code="empty_body"
        )
    reason = call.state.journal.refusal()
    if reason is not None:
        raise UnavailableError(
            f"No new calls are taken in: {reason}.",
            hint="The operator must make room: calls are answered only when they can be recorded.",
            code="record_full",
            retry_after_s=5,
        )
