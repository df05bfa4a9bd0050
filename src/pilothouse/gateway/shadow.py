"""Mirrors calls to another model: their answers are recorded and thrown away.

A mirror is a call of its own, without a client, on record with its content and cost, `purpose` "shadow" and
`shadow_of` the call it mirrors. It begins after the original was sent, and is neither limited nor charged to
a key. Refuses to know answers. Invariant: nothing a mirror does delays or fails the original; at most
`MOST_SHADOWS` are under way on a worker, further ones are not begun and counted.
"""

import logging
from random import random

from pilothouse.contracts.errors import ApiError, InternalError
from pilothouse.gateway.call import Call
from pilothouse.gateway.mirror_end import MirrorEnd
from pilothouse.gateway.plain import PlainAnswer
from pilothouse.gateway.record import refuse
from pilothouse.gateway.stream import StreamAnswer

MOST_SHADOWS = 64
PURPOSE = "shadow"

logger = logging.getLogger(__name__)


def mirror(call: Call) -> None:
    """Begins the mirrors that the call's route asks for, once the event loop has nothing more urgent."""
    assert call.route is not None
    state = call.state
    for shadow in call.route.shadows:
        if call.shadow_of is not None or random() >= shadow.share:  # noqa: S311 - a sample
            continue
        if state.shadows >= MOST_SHADOWS:
            state.shadows_dropped_total += 1
            continue
        state.shadows += 1
        state.shadows_total += 1
        state.loop.call_soon(_begin, call, shadow.model)


def _begin(original: Call, model: str) -> None:
    state = original.state
    client = MirrorEnd(state)
    state.mirrors = [end for end in state.mirrors if not end.is_gone]
    state.mirrors.append(client)
    try:
        route = state.directory.route(model)
        if route is None:
            client.leave()
            return
        call = Call(state, client, original.request, original.operation)
        state.in_flight += 1
        state.requests_total += 1
        call.purpose, call.shadow_of, call.model = PURPOSE, original.call_id, model
        call.key, call.key_id, call.team = original.key, original.key_id, original.team
        call.asked, call.is_stream, call.parameters = original.asked, original.is_stream, original.parameters
        call.subject, call.conversation_id = original.subject, original.conversation_id
        call.policy, call.affinity, call.priority = original.policy, original.affinity, "low"
        call.wants_usage, call.only_native = original.wants_usage, original.only_native
        call.route = route
    except ApiError:
        client.leave()
        return
    try:
        (StreamAnswer(call) if call.is_stream else PlainAnswer(call)).start(route)
    except ApiError as error:
        refuse(call, error, outcome="failed")
    except Exception:  # the border of the process: a mirror's fault must not reach the original
        logger.exception("shadow call %s failed inside the gateway", call.call_id)
        refuse(call, InternalError("The gateway met a fault of its own."), outcome="failed")
