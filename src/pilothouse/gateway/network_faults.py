"""What an error on the way out means: for the client in words, for the deployment, and for a retry.

Refuses to know calls. Invariant: addresses stay in the log; what nothing was sent for may be tried elsewhere
for free.
"""

from pilothouse.contracts.errors import ApiError, UnavailableError, UpstreamError, UpstreamTimeoutError
from pilothouse.gateway.directory import Target
from pilothouse.gateway.routing.faults import Fault
from pilothouse.network.errors import (
    BadResponseError,
    ConnectError,
    DeadlineError,
    NetworkError,
    PoolFullError,
    TruncatedError,
)

NEVER_SENT = frozenset(("connect", "wait"))
"""Phases of an exchange in which nothing has left."""


def fault_of(error: NetworkError, target: Target) -> Fault:
    """Returns what an error on the way out means."""
    is_unsent = isinstance(error, (ConnectError, PoolFullError)) or (
        isinstance(error, DeadlineError) and error.phase in NEVER_SENT
    )
    return Fault(
        api_error(error, target),
        blame="unknown" if isinstance(error, PoolFullError) else "failed",
        is_unsent=is_unsent,
    )


def api_error(error: NetworkError, target: Target) -> ApiError:
    """Returns what a client is told of an error on the way out; addresses stay in the log."""
    provider = target.provider
    if isinstance(error, PoolFullError):
        return UnavailableError(
            f"Too many calls already wait for {provider!r}.", hint="Try again.", retry_after_s=1
        )
    if isinstance(error, DeadlineError):
        if error.phase == "wait":
            return UnavailableError(
                f"No connection to {provider!r} came free in time.", hint="Try again.", retry_after_s=1
            )
        return UpstreamTimeoutError(
            f"The provider {provider!r} did not answer in time.", hint="Try again, or ask for fewer tokens."
        )
    if isinstance(error, ConnectError):
        if target.is_engine:
            return UnavailableError(
                f"The engine of {target.deployment!r} is not ready.",
                hint="It is starting or has stopped; the console's list of models says which.",
                code="engine_not_ready",
                retry_after_s=2,
            )
        return UpstreamError(
            f"The provider {provider!r} could not be reached.",
            hint="Ask the operator to check its base_url and the network.",
            code="upstream_unreachable",
        )
    if isinstance(error, BadResponseError):
        return bad_answer(target)
    what = "in the middle of its answer" if isinstance(error, TruncatedError) else "before it answered"
    return UpstreamError(
        f"The provider {provider!r} closed the connection {what}.", hint="Try again.", code="upstream_reset"
    )


def bad_answer(target: Target) -> ApiError:
    """Returns the error for an answer that is none."""
    return UpstreamError(
        f"The provider {target.provider!r} answered with something that is not an answer.",
        hint="Ask the operator to check that its base_url leads to an OpenAI-compatible server.",
        code="upstream_bad_answer",
    )
