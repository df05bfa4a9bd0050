"""The figures of one answer: tokens, cost and confidence.

Refuses to know where they are written. Invariant: what is not known is `None`, never 0.
"""

import msgspec

from pilothouse.contracts.snapshot import Price
from pilothouse.gateway import wire
from pilothouse.gateway.wire import Raw, Usage

TOKENS_PRICED = 1_000_000


class Tokens(msgspec.Struct, frozen=True):
    """Token counts as the upstream gave them."""

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    reasoning: int | None = None


UNKNOWN = Tokens()


def tokens_of(usage: Usage | None) -> Tokens:
    """Returns the counts in `usage`."""
    if usage is None:
        return UNKNOWN
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return Tokens(
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.prompt_cache_hit_tokens if prompt is None else prompt.cached_tokens,
        None if completion is None else completion.reasoning_tokens,
    )


def cost_usd(tokens: Tokens, price: Price | None) -> float | None:
    """Returns what a call cost in US dollars, or `None` without a price or token counts."""
    if price is None or tokens.input is None:
        return None
    cached = min(tokens.cached or 0, tokens.input)
    cached_price = price.input_usd if price.cached_input_usd is None else price.cached_input_usd
    total = (tokens.input - cached) * price.input_usd + cached * cached_price
    return (total + (tokens.output or 0) * price.output_usd) / TOKENS_PRICED


def confidence_of(logprobs: list[Raw]) -> tuple[float, float] | None:
    """Returns mean and minimum log-probability over all tokens of all choices, or `None` without any."""
    values: list[float] = []
    for raw in logprobs:
        if wire.is_there(raw):
            values.extend(_values(raw))
    return (sum(values) / len(values), min(values)) if values else None


def _values(raw: Raw) -> list[float]:
    try:
        parsed = wire.decode_logprobs(raw)
    except msgspec.DecodeError:
        return []
    if parsed.content is not None:
        return [token.logprob for token in parsed.content if token.logprob is not None]
    return [value for value in parsed.token_logprobs or () if value is not None]
