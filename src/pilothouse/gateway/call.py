"""One call: everything known about it, from the request's last byte to the record's.

Refuses to know how any field comes to be: each is set by the step that is named beside it, and stands on the
class until then (structs cannot, once compiled). Invariant: a call ends once, in `record.end`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pilothouse.contracts.events import (
    Attempt,
    CacheHit,
    ClientDialect,
    Operation,
    Parameters,
    RequestStarted,
)
from pilothouse.contracts.snapshot import KeyRecord, Price, RecordPolicy
from pilothouse.contracts.traffic import Priority
from pilothouse.gateway.client import ClientConnection
from pilothouse.gateway.dialects.client import ClientDialect as Speaker
from pilothouse.gateway.directory import Route, Target
from pilothouse.gateway.figures import UNKNOWN
from pilothouse.gateway.ids import new_call_id, new_span_id, parse_traceparent, usable_request_id
from pilothouse.gateway.limits.gate import Ticket
from pilothouse.gateway.mirror_end import MirrorEnd
from pilothouse.gateway.request import Request
from pilothouse.gateway.state import GatewayState
from pilothouse.gateway.wire import CallRequest

if TYPE_CHECKING:
    from pilothouse.gateway.capture import Capture

NO_PARAMETERS = Parameters()
KEEP_NOTHING = RecordPolicy(content="none")


class Call:
    """One call and its state."""

    purpose: str = "serve"
    dialect: ClientDialect = "openai"
    """The protocol that the client speaks."""
    speaks: Speaker | None = None
    """What translates it; `None` for OpenAI's own chats, completions and embeddings."""
    # authenticate
    key: KeyRecord | None = None
    key_id: str | None = None
    team: str | None = None
    # read
    asked: CallRequest | None = None
    model: str | None = None
    is_stream: bool = False
    original: bytes = b""
    """The body as it came, where it was no chat; `request.body` is then the chat made of it."""
    only_native: str | None = None
    """What of it only a provider of the client's own dialect can serve."""
    subject: str | None = None
    conversation_id: str | None = None
    # route
    route: Route | None = None
    wants_confidence: bool = False
    """Log-probabilities are asked for on our own account, and taken out of the answer."""
    wants_usage: bool = False
    """The same of usage in a stream."""
    experiment: str | None = None
    arm: str | None = None
    shadow_of: str | None = None
    """The call that this one mirrors."""
    affinity: int = 0
    """What its deployment is chosen by where the route wants that: the same number, the same deployment."""
    # spend
    ticket: Ticket | None = None
    """What it holds of its key's, team's and model's limits."""
    limit_lines: bytes = b""
    """Header lines that say what is left of them; the cache adds its own."""
    has_waited: bool = False
    """It has waited for the shared store once."""
    # admit
    priority: Priority = "normal"
    is_admitted: bool = False
    """It is counted among the calls that this worker works on."""
    # cache
    cache: CacheHit | None = None
    """How the answer came without an upstream call of its own."""
    saved_usd: float | None = None
    is_abandoned: bool = False
    """Its client has gone, and it goes on for those who wait for the same."""
    # call
    target: Target | None = None
    provider: str | None = None
    deployment: str | None = None
    price: Price | None = None
    attempts: tuple[Attempt, ...] = ()
    queue_ms: float = 0.0
    is_start_recorded: bool = False
    held_start: RequestStarted | None = None
    """The start of a stream that came whole: it is recorded together with the end."""
    # the answer
    model_answered: str | None = None
    finish_reasons: tuple[str, ...] = ()
    confidence: tuple[float, float, float | None] | None = None
    """Mean and least log-probability, and mean entropy where the likeliest tokens were given."""
    first_token_ms: float | None = None
    last_token_ms: float | None = None
    response_bytes: int = 0
    # pipeline
    next_step: int = 0
    is_held: bool = False
    """A step waits, for room or for an answer of its own; then it calls `go_on`, or ends the call."""
    go_on: Callable[["Call"], None]
    # record
    is_ended: bool = False

    def __init__(
        self,
        state: GatewayState,
        client: ClientConnection | MirrorEnd,
        request: Request,
        operation: Operation,
    ) -> None:
        headers = request.headers
        self.state = state
        self.client: ClientConnection | MirrorEnd = client
        self.request = request
        self.operation: Operation = operation
        self.call_id = new_call_id(request.at_ns)
        self.request_id = usable_request_id(headers.get(b"x-request-id")) or self.call_id
        parent = parse_traceparent(headers.get(b"traceparent"))
        self.span_id = new_span_id()
        if parent is None:
            self.trace_id = self.call_id
            self.parent_span_id: str | None = None
            self.trace_flags = "01"
        else:
            self.trace_id, self.parent_span_id, self.trace_flags = parent
        self.parameters = NO_PARAMETERS
        self.policy = KEEP_NOTHING
        self.tokens = UNKNOWN
        self.capture: Capture | None = None
        """Who takes the answer besides the client. Set here: mypyc leaves this one undefined on the class."""
        self.names = (
            f"x-request-id: {self.request_id}\r\n"
            f"traceparent: 00-{self.trace_id}-{self.span_id}-{self.trace_flags}\r\n"
        ).encode()
        """Header lines that say the request's id and trace, the same to the client and to the upstream."""

    def headers(self) -> bytes:
        """Returns the header lines of every answer to this call."""
        return self.names + self.limit_lines + self.state.clock.line
