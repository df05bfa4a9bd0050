"""Step 8: the call itself. Chooses how it will be answered, sends it on its way, and mirrors it if asked to.

Refuses to know bytes. Invariant: after this step the call belongs to its answer, which ends it.
"""

from pilothouse.gateway.call import Call
from pilothouse.gateway.plain import PlainAnswer
from pilothouse.gateway.shadow import mirror
from pilothouse.gateway.stream import StreamAnswer


def dispatch(call: Call) -> None:
    """Sends the call to a deployment of its route."""
    route = call.route
    assert route is not None
    answer = StreamAnswer(call) if call.is_stream else PlainAnswer(call)
    answer.start(route)
    if route.shadows:
        mirror(call)
