"""The figures of one answer: tokens, cost and confidence.

Refuses to know where they are written. Invariant: what is not known is `None`, never 0.
"""

from math import exp, log

import msgspec

from pilothouse.contracts.snapshot import Price
from pilothouse.gateway import wire
from pilothouse.gateway.wire import Raw, Usage

TOKENS_PRICED = 1_000_000
LEAST_REST = 1e-9
"""A rest of probability under this is rounding."""


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


def confidence_of(logprobs: list[Raw]) -> tuple[float, float, float | None] | None:
    """Returns mean and minimum log-probability over all tokens of all choices, or `None` without any.

    The third is the mean entropy of the steps at which the likeliest tokens were given; `None` without them.
    """
    values: list[float] = []
    steps: list[float] = []
    for raw in logprobs:
        if wire.is_there(raw):
            _read(raw, values, steps)
    if not values:
        return None
    return sum(values) / len(values), min(values), sum(steps) / len(steps) if steps else None


def entropy_of(tops: list[float]) -> float:
    """Returns the entropy, in nats, of a step whose likeliest tokens have these log-probabilities.

    All tokens that were not given count as one, so it is the least that the entropy can be.
    """
    rest, total = 1.0, 0.0
    for top in tops:
        chance = exp(min(top, 0.0))
        rest -= chance
        total -= chance * top
    return total - rest * log(rest) if rest > LEAST_REST else total


def _read(raw: Raw, values: list[float], steps: list[float]) -> None:
    """Adds each token's log-probability to `values`, and each step's entropy to `steps`."""
    try:
        parsed = wire.decode_logprobs(raw)
    except msgspec.DecodeError:
        return
    if parsed.content is not None:
        for token in parsed.content:
            if token.logprob is not None:
                values.append(token.logprob)
            if token.top_logprobs:
                tops = [top.logprob for top in token.top_logprobs if top.logprob is not None]
                steps.append(entropy_of(tops))
        return
    values.extend([value for value in parsed.token_logprobs or () if value is not None])
    steps.extend([entropy_of(list(each.values())) for each in parsed.top_logprobs or () if each])
