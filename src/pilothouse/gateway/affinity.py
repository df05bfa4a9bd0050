"""What keeps calls together: the beginning of a prompt, or the conversation.

Refuses to know deployments. Invariant: every turn of a chat that only grows at its end gives the same number
on every worker and host.
"""

import msgspec

from pilothouse.contracts.traffic import Strategy
from pilothouse.gateway import wire
from pilothouse.gateway.call import Call
from pilothouse.gateway.routing.seat import stable_number

PREFIX_BYTES = 4_096
"""How much of each of the first messages, or of a prompt, is looked at."""
INSTRUCTIONS = frozenset(("system", "developer"))


def affinity_of(call: Call, strategy: Strategy) -> int:
    """Returns the number that a call's deployment is chosen by; 0 when any will do."""
    if strategy == "prefix_affinity":
        prefix = prefix_of(call.asked)
        if prefix:
            return stable_number(*prefix)
    return stable_number(call.conversation_id) if call.conversation_id is not None else 0


def prefix_of(asked: wire.CallRequest | None) -> list[bytes]:
    """Returns the beginning of what is asked: instructions and the first turn, or a prompt's first bytes."""
    if isinstance(asked, wire.CompletionRequest):
        return [bytes(asked.prompt[:PREFIX_BYTES])] if wire.is_there(asked.prompt) else []
    if not isinstance(asked, wire.ChatRequest):
        return []
    parts: list[bytes] = []
    for message in asked.messages:
        parts.append(bytes(message)[:PREFIX_BYTES])
        try:
            role = wire.decode_role(message).role
        except msgspec.DecodeError:
            break
        if role not in INSTRUCTIONS:
            break
    return parts
