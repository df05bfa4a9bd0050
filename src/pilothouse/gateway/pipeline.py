"""The path of a call: a list of named steps, one file each. Read this file first.

    authenticate   who calls: an API key, or the console's session         authenticate.py
    limit          is there room for it: size, time, disk                  limit.py
    read           what is asked: the few fields of the body we need       read.py
    route          which deployments answer for this model                 route.py
    spend          is it within the limits of its key, team and model      spend.py
    admit          is there a place for it, or must it wait                admit.py
    cache          was it answered before, or is it under way              cache.py → flight.py, gather.py
    call           send it, and answer with what comes back                dispatch.py → plain.py, stream.py
    record         one event in the journal before the last byte leaves    record.py

They run here, at once, on the event loop; the answer comes later by callbacks, and ends the call in
`record.end`. A step that cannot go on raises an `ApiError`, which is answered and recorded all the same.

Refuses to know sockets. Invariant: a call that enters `take` is recorded exactly once, however it ends.
"""

import logging
from collections.abc import Callable

from pilothouse.contracts.errors import ApiError, InternalError
from pilothouse.contracts.events import Operation
from pilothouse.gateway.admit import admit
from pilothouse.gateway.authenticate import authenticate
from pilothouse.gateway.cache import cache
from pilothouse.gateway.call import Call
from pilothouse.gateway.client import ClientConnection
from pilothouse.gateway.dialects.client import ClientDialect
from pilothouse.gateway.dispatch import dispatch
from pilothouse.gateway.limit import limit
from pilothouse.gateway.read import read
from pilothouse.gateway.record import refuse
from pilothouse.gateway.request import Request
from pilothouse.gateway.route import route
from pilothouse.gateway.spend import spend
from pilothouse.gateway.state import GatewayState

Step = Callable[[Call], None]

STEPS: tuple[Step, ...] = (authenticate, limit, read, route, spend, admit, cache, dispatch)

logger = logging.getLogger(__name__)


def take(
    state: GatewayState,
    client: ClientConnection,
    request: Request,
    operation: Operation,
    speaks: ClientDialect | None = None,
) -> None:
    """Runs the steps of one call, of a client whose dialect is `speaks` where it is not OpenAI's chat."""
    call = Call(state, client, request, operation)
    if speaks is not None:
        call.speaks, call.dialect = speaks, speaks.name
        call.names += b"request-id: %b\r\n" % call.request_id.encode()  # as Anthropic names it
    call.go_on = go_on
    state.in_flight += 1
    state.requests_total += 1
    go_on(call)


def go_on(call: Call) -> None:
    """Runs the steps that are left. A step that sets `call.is_held` calls `call.go_on(call)` later."""
    call.is_held = False
    try:
        while not call.is_held and call.next_step < len(STEPS):
            step = STEPS[call.next_step]
            call.next_step += 1
            step(call)
    except ApiError as error:
        refuse(call, error)
    except Exception:  # the border of the process: one call's fault must not end the worker
        logger.exception("call %s failed inside the gateway", call.call_id)
        refuse(call, InternalError("The gateway met a fault of its own.", hint="See the gateway's log."))
