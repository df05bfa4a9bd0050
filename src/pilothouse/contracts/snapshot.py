"""The signed snapshot: all that the serving plane must know, as one immutable document.

The control plane builds, signs and publishes it as a file; gateways and the supervisor verify and obey it.
It carries no secret in clear: keys are HMAC digests, providers name the secret they need.

Refuses to know who decided. Invariant: a consumer accepts a snapshot only if its signature verifies and its
revision is not lower than the one it holds.
"""

from typing import Literal

import msgspec

from pilothouse.contracts.traffic import (
    NO_LIMITS,
    Admission,
    Batching,
    Cache,
    Counters,
    Limits,
    Priority,
    Routing,
)

SNAPSHOT_VERSION = 1
"""Raised when an older gateway could not obey a new snapshot; a field with a default needs no new version."""

ContentRecording = Literal["full", "none"]
ConfidenceRecording = Literal["off", "sampled", "on"]
Role = Literal["root", "admin", "member", "viewer"]
DialectName = Literal["openai", "anthropic"]
EngineName = Literal["llama_cpp"]
ModelKind = Literal["chat", "embedding"]


class RecordPolicy(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of a call is kept; a key's policy narrows its model's (the stricter of the two holds)."""

    content: ContentRecording = "full"
    confidence: ConfidenceRecording = "off"
    max_body_bytes: int = 262_144
    """The most of one body that is kept, in bytes; of a longer one its head, size and digest are."""


class Price(msgspec.Struct, frozen=True, omit_defaults=True):
    """US dollars for a million tokens. A deployment without a `Price` is unpriced, which is never $0."""

    input_usd: float
    output_usd: float
    cached_input_usd: float | None = None
    source: str = "configuration"
    """`configuration`, `genai-prices <version>` or `self-hosted`."""


class Provider(msgspec.Struct, frozen=True, omit_defaults=True):
    """A vendor (or an engine of ours) as the gateway must speak to it."""

    name: str
    base_url: str
    """`https://host/v1`, `http://host:port/v1`, or `unix:/path/to.sock:/v1` for an engine of ours."""
    dialect: DialectName = "openai"
    secret: str | None = None
    """The name under which the gateway was handed this provider's API key, never the key itself."""
    auth_header: str = "authorization"
    auth_prefix: str = "Bearer "
    headers: dict[str, str] = {}
    """Constant headers of this vendor, none secret."""
    query: str = ""
    """A constant query string (Azure's `api-version=…`), without the question mark."""
    paths: dict[str, str] = {}
    """Overrides of `/chat/completions`, `/completions`, `/embeddings` where the vendor's differ."""
    drops: tuple[str, ...] = ()
    """Top-level request fields this vendor refuses (say `stream_options`); they are taken out."""
    verify_tls: bool = True
    responses: bool = False
    """Whether it answers `/responses` itself; then such calls go to it as they came, and it may hold their
    state (`previous_response_id`, `store`)."""


class EngineSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """An engine of ours to be run: which program, on which artefact, at which socket."""

    engine: EngineName
    kind: ModelKind
    artefact: str
    """Absolute path of the weights in the artefact store."""
    digest: str
    """`sha256:…` of the weights; checked before they are loaded."""
    socket: str
    """Absolute path of the Unix socket the engine listens on (inside a 0700 folder)."""
    alias: str
    """The name the engine itself gives the model."""
    context_tokens: int = 8192
    """Context for each parallel slot, in tokens."""
    parallel: int = 8
    threads: int = 0
    """0 leaves it to the engine (llama.cpp: all cores but one)."""
    options: dict[str, str] = {}


class Deployment(msgspec.Struct, frozen=True, omit_defaults=True):
    """One served instance behind a public model name."""

    id: str
    """Unique in the snapshot, for example `smollm2-135m-instruct/llama_cpp-0`."""
    provider: str
    upstream_model: str
    weight: int = 1
    """Share of the traffic; 0 takes part only when the deployments with a weight cannot answer."""
    engine: EngineSpec | None = None
    price: Price | None = None
    arm: str | None = None
    """The arm of the model's experiment that it stands in."""
    max_concurrency: int | None = None
    """Calls it is sent at once by one worker; further ones queue by priority. `None` is no bound."""


class ModelRoute(msgspec.Struct, frozen=True, omit_defaults=True):
    """A public model name and the deployments that answer for it, in order of preference and by weight."""

    name: str
    kind: ModelKind
    deployments: tuple[Deployment, ...]
    record: RecordPolicy = RecordPolicy()
    created_s: int = 0
    """Unix seconds, as `GET /v1/models` shows it."""
    routing: Routing = Routing()
    limits: Limits = NO_LIMITS
    cache: Cache = Cache()
    batching: Batching | None = None
    """Embeddings: whether requests are sent upstream together."""


class KeyRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """An API key or a browser session, known only by the HMAC-SHA256 of its text under the pepper."""

    id: str
    """Public identifier (`key_…` or `ses_…`); this is what the record of a call names."""
    digest: bytes
    """32 bytes."""
    kind: Literal["key", "session"] = "key"
    name: str = ""
    role: Role = "member"
    team: str | None = None
    models: tuple[str, ...] | None = None
    """Allowed public model names; `None` allows all."""
    expires_at_s: int | None = None
    record: RecordPolicy | None = None
    limits: Limits = NO_LIMITS
    priority: Priority = "normal"
    counted_as: str | None = None
    """The id under which its calls are counted, where that is not its own: a session counts as the key it was
    opened with, a rotated key as the one it came from; so neither gives a limit anew."""


class Snapshot(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole state of what serves."""

    version: int
    revision: int
    """Grows by one with each publication in a home."""
    created_at_ms: int
    keys: tuple[KeyRecord, ...]
    models: tuple[ModelRoute, ...]
    providers: tuple[Provider, ...]
    wildcard_providers: tuple[str, ...] = ()
    """Providers that answer for any model named `<provider>/<model>`."""
    prices: dict[str, Price] = {}
    """Prices for wildcard models, by `<provider>/<model>`."""
    default_record: RecordPolicy = RecordPolicy()
    teams: dict[str, Limits] = {}
    """Limits by team label."""
    counters: Counters = Counters()
    admission: Admission = Admission()
    forgotten_subjects: tuple[str, ...] = ()
    """Data subjects whose answers no cache may keep, as the record of a call names them."""


class SignedSnapshot(msgspec.Struct, frozen=True):
    """What stands in the file: the snapshot's msgpack bytes, and an Ed25519 signature over exactly these."""

    payload: bytes
    signature: bytes
    """64 bytes, over `b"pilothouse-snapshot-v1\\0" + payload`."""


SIGNATURE_CONTEXT = b"pilothouse-snapshot-v1\0"
