"""One call: everything known about it, from the request's last byte to the record's.

Refuses to know how any field comes to be: each is set by the step that is named beside it. Invariant: a
call ends once, in `record.end`.
"""

import msgspec

from pilothouse.contracts.events import Attempt, Operation, Parameters, RequestStarted
from pilothouse.contracts.snapshot import KeyRecord, Price, RecordPolicy
from pilothouse.gateway.client import ClientConnection
from pilothouse.gateway.directory import Route, Target
from pilothouse.gateway.figures import UNKNOWN, Tokens
from pilothouse.gateway.request import Request
from pilothouse.gateway.state import GatewayState
from pilothouse.gateway.wire import CallRequest

NO_PARAMETERS = Parameters()
KEEP_NOTHING = RecordPolicy(content="none")


class Call(msgspec.Struct, kw_only=True, weakref=False):
    """One call and its state."""

    state: GatewayState
    client: ClientConnection
    request: Request
    operation: Operation
    # pipeline.take
    call_id: str
    request_id: str
    trace_id: str
    span_id: str
    parent_span_id: str | None
    trace_flags: str
    names: bytes
    """Header lines that say the request's id and trace, the same to the client and to the upstream."""
    purpose: str = "serve"
    # authenticate
    key: KeyRecord | None = None
    key_id: str | None = None
    team: str | None = None
    # read
    asked: CallRequest | None = None
    model: str | None = None
    is_stream: bool = False
    parameters: Parameters = NO_PARAMETERS
    subject: str | None = None
    conversation_id: str | None = None
    # route
    route: Route | None = None
    policy: RecordPolicy = KEEP_NOTHING
    wants_confidence: bool = False
    """Log-probabilities are asked for on our own account, and taken out of the answer."""
    wants_usage: bool = False
    """The same of usage in a stream."""
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
    tokens: Tokens = UNKNOWN
    finish_reasons: tuple[str, ...] = ()
    confidence: tuple[float, float] | None = None
    first_token_ms: float | None = None
    last_token_ms: float | None = None
    response_bytes: int = 0
    # record
    is_ended: bool = False

    def headers(self) -> bytes:
        """Returns the header lines of every answer to this call."""
        return self.names + self.state.clock.line
