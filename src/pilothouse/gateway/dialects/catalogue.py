"""The catalogue of dialects, in both directions; OpenAI's chat is the pivot, and needs no translator.

Refuses to know what a dialect does. Invariant: each name that a snapshot or a path can give is here.
"""

from pilothouse.contracts.snapshot import DialectName
from pilothouse.gateway.dialects.anthropic_client import AnthropicClient
from pilothouse.gateway.dialects.anthropic_upstream import AnthropicUpstream
from pilothouse.gateway.dialects.client import ClientDialect
from pilothouse.gateway.dialects.responses_client import ResponsesClient
from pilothouse.gateway.dialects.responses_upstream import ResponsesUpstream
from pilothouse.gateway.dialects.upstream import UpstreamDialect

ANTHROPIC_CLIENT: ClientDialect = AnthropicClient()
RESPONSES_CLIENT: ClientDialect = ResponsesClient()
RESPONSES_UPSTREAM: UpstreamDialect = ResponsesUpstream()
UPSTREAM: dict[DialectName, UpstreamDialect | None] = {
    "openai": None,
    "anthropic": AnthropicUpstream(),
}
