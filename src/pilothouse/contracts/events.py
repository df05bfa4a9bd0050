"""The events of the journal: what happened, in clear metadata and, apart from it, sealed content.

Events are in the past tense and versioned. A field is added with a default and never renamed or reused.
Metadata holds nothing a person wrote; all that can is in `Content`, which is sealed under the data
subject's key before it reaches a file.

Refuses to know how a frame is written. Invariant: `decode(encode(event)) == event` for each event here.
"""

from typing import Literal

import msgspec

from pilothouse.contracts.traffic import Priority

Operation = Literal["chat", "text_completion", "embeddings"]
Outcome = Literal["completed", "refused", "failed", "cancelled", "cut"]
"""completed: a whole answer left. refused: stopped by us before any upstream call (4xx, or 503 at intake).
failed: the upstream or we could not answer. cancelled: the client hung up. cut: the answer ended midway."""


class Parameters(msgspec.Struct, frozen=True, omit_defaults=True):
    """The settings of a call that hold nothing a person wrote. All are as OpenAI names them."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    n: int | None = None
    seed: int | None = None
    stop_count: int = 0
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    echo: bool | None = None
    response_format: str | None = None
    """`text`, `json_object` or `json_schema`."""
    tool_count: int = 0
    tool_choice: str | None = None
    message_count: int | None = None
    encoding_format: str | None = None
    dimensions: int | None = None


AttemptReason = Literal["first", "retry", "fallback", "hedge"]
ClientDialect = Literal["openai", "responses", "anthropic"]
CacheHit = Literal["exact", "semantic", "coalesced"]


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """One try at one deployment."""

    deployment: str
    provider: str
    status: int | None = None
    error_code: str | None = None
    started_ms: float = 0.0
    """Milliseconds after the call was accepted."""
    duration_ms: float = 0.0
    reason: AttemptReason = "first"
    """Why it was made."""


class RequestStarted(msgspec.Struct, frozen=True, omit_defaults=True, tag="request_started.v1"):
    """A streamed call is about to send its first byte. Its content is the request."""

    call_id: str
    """UUIDv7 in hex, 32 characters: the identity of a call, sorted by time."""
    request_id: str
    """What `x-request-id` says: the client's own, if it sent one, so not necessarily unique."""
    at_ns: int
    """Unix nanoseconds when the call was accepted."""
    operation: Operation
    """What was asked for."""
    model: str
    """The public name that was asked for."""
    key_id: str | None = None
    """The API key's or session's id."""
    team: str | None = None
    """The key's team label."""
    purpose: str = "serve"
    """`serve`, or what the caller sent as `x-pilothouse-purpose`: calls of tests and judges say so."""
    subject: str | None = None
    """Pseudonym of the data subject: HMAC of the `safety_identifier` or `user` sent, else the key's id."""
    conversation_id: str | None = None
    """From the `x-conversation-id` header, else `metadata.conversation_id`, else a keyed hash."""
    provider: str | None = None
    """The vendor, or the engine of ours, that was called last."""
    deployment: str | None = None
    """The deployment that was called last."""
    trace_id: str | None = None
    """The trace of `traceparent`, else the call's own id."""


class RequestCompleted(msgspec.Struct, frozen=True, omit_defaults=True, tag="request_completed.v1"):
    """A call has ended, in whatever way; exactly one for each call that was accepted from a socket."""

    call_id: str
    """UUIDv7 in hex, 32 characters: the identity of a call, sorted by time."""
    request_id: str
    """What `x-request-id` says: the client's own, if it sent one, so not necessarily unique."""
    at_ns: int
    """Unix nanoseconds when the call was accepted."""
    operation: Operation
    """What was asked for."""
    status: int
    """The HTTP status that the client was given (499 when it hung up before one)."""
    outcome: Outcome
    """In which of the ways it ended."""
    model: str | None = None
    """The public name that was asked for; `None` when the request did not say."""
    model_answered: str | None = None
    """The name that the upstream gave in its answer."""
    provider: str | None = None
    """The vendor, or the engine of ours, that was called last."""
    deployment: str | None = None
    """The deployment that was called last."""
    key_id: str | None = None
    """The API key's or session's id."""
    team: str | None = None
    """The key's team label."""
    purpose: str = "serve"
    """`serve`, or what the caller sent as `x-pilothouse-purpose`: calls of tests and judges say so."""
    subject: str | None = None
    """Pseudonym of the data subject: HMAC of the `safety_identifier` or `user` sent, else the key's id."""
    conversation_id: str | None = None
    """From the `x-conversation-id` header, else `metadata.conversation_id`, else a keyed hash."""
    trace_id: str | None = None
    """The trace of `traceparent`, else the call's own id."""
    span_id: str | None = None
    """This call's span, as it was sent on in `traceparent`."""
    parent_span_id: str | None = None
    """The caller's span, from its `traceparent`."""
    is_stream: bool = False
    """Whether the answer was streamed."""
    error_type: str | None = None
    """As the error body's `type`."""
    error_code: str | None = None
    """As the error body's `code`."""
    error_message: str | None = None
    """Our own words only, never an upstream's or a user's."""
    finish_reasons: tuple[str, ...] = ()
    """One a choice, as the upstream gave it."""
    duration_ms: float = 0.0
    """From accepted to the last byte given to the socket."""
    queue_ms: float = 0.0
    """From accepted to the first upstream attempt's first byte sent."""
    first_token_ms: float | None = None
    """From accepted to the first content token (streams), or to the answer's first byte."""
    last_token_ms: float | None = None
    """From accepted to the last content token."""
    tokens_per_second: float | None = None
    """Output tokens divided by the time between first and last token; only for streams of two and more."""
    input_tokens: int | None = None
    """As the upstream counted; `None` when it did not say."""
    output_tokens: int | None = None
    """As the upstream counted; `None` when it did not say."""
    cached_tokens: int | None = None
    """Input tokens that the upstream read from its cache."""
    reasoning_tokens: int | None = None
    """Output tokens spent on reasoning that is not shown."""
    cost_usd: float | None = None
    """`None` when no price is known; never 0 in its place."""
    price_source: str | None = None
    """Where the price came from: `configuration`, `genai-prices <version>`."""
    logprob_mean: float | None = None
    """Mean log-probability of the answer's tokens, where recorded."""
    logprob_min: float | None = None
    """Log-probability of the least likely token, where recorded."""
    request_bytes: int = 0
    """Size of the request's body."""
    response_bytes: int = 0
    """Size of the answer's body."""
    parameters: Parameters = Parameters()
    """The settings of the call."""
    attempts: tuple[Attempt, ...] = ()
    """Each try at a deployment, in order."""
    dialect: ClientDialect = "openai"
    """The protocol that the client spoke."""
    cache: CacheHit | None = None
    """How the answer came without an upstream call of its own."""
    experiment: str | None = None
    """The experiment that the call took part in …"""
    arm: str | None = None
    """… and the arm it fell in."""
    shadow_of: str | None = None
    """The call that this one is a mirror of."""
    priority: Priority = "normal"
    """The class it was admitted in."""
    saved_usd: float | None = None
    """What a cached answer would have cost; its `cost_usd` is then 0."""
    logprob_entropy: float | None = None
    """Mean entropy, in nats, of the likeliest next tokens at each step, where the upstream gave them."""


Signal = Literal["traces", "metrics", "logs"]
Encoding = Literal["protobuf", "json"]


class TelemetryReceived(msgspec.Struct, frozen=True, omit_defaults=True, tag="telemetry_received.v1"):
    """An application sent OpenTelemetry data. Its content's `request` is the body as it came.

    It stands in the journal of telemetry, apart from that of calls, until it is folded in.
    """

    batch_id: str
    """UUIDv7 in hex, 32 characters: the identity of what was sent at once."""
    at_ns: int
    """Unix nanoseconds when it was accepted."""
    signal: Signal
    encoding: Encoding
    is_gzipped: bool = False
    """Whether the body is kept compressed, as it came."""
    items: int = 0
    """Spans, data points or log records that were accepted."""
    key_id: str | None = None
    """The API key's or session's id."""
    team: str | None = None
    """The key's team label."""
    subject: str | None = None
    """Under whose key the body is sealed: the key's id."""

    @property
    def call_id(self) -> str:
        """What its content is bound to."""
        return self.batch_id


FeedbackKind = Literal["thumbs", "stars", "score", "text", "correction", "measure"]


class FeedbackGiven(msgspec.Struct, frozen=True, omit_defaults=True, tag="feedback_given.v1"):
    """Somebody judged an answer, or an application sent a number about it.

    Its content's `request` is the text, its `response` the corrected answer.
    """

    feedback_id: str
    """UUIDv7 in hex, 32 characters."""
    at_ns: int
    """Unix nanoseconds when it was accepted."""
    request_id: str
    """The judged call: its `x-request-id`, or its call id."""
    kind: FeedbackKind
    name: str = "feedback"
    """What was judged; of a measure, the name of the number."""
    value: float | None = None
    """thumbs: 1 up, 0 down; stars: 1 to 5; score and measure: the number."""
    key_id: str | None = None
    """The API key's or session's id."""
    team: str | None = None
    """The key's team label."""
    subject: str | None = None
    """Pseudonym of the data subject, as a call's."""

    @property
    def call_id(self) -> str:
        """What its content is bound to."""
        return self.feedback_id


class Content(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a person or a model wrote in one call. Never in clear outside a process."""

    request: bytes | None = None
    """The request's JSON body; images and audio replaced by their digest and size."""
    response: bytes | None = None
    """The answer's JSON body; a stream is folded into the shape the plain answer would have had."""
    request_truncated_from: int | None = None
    """Original size in bytes where `request` is only the head of it."""
    response_truncated_from: int | None = None
    request_sha256: bytes | None = None
    """Digest of the whole, where truncated."""
    response_sha256: bytes | None = None
    attributes: bytes | None = None
    """Of a span that an application sent: the attributes that may hold what a person wrote, as JSON."""


Event = RequestStarted | RequestCompleted | FeedbackGiven | TelemetryReceived
"""What stands in a journal; telemetry has one of its own."""
