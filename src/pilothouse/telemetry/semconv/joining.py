"""Joins a span's content with what came of it apart: the conventions' events, which are log records.

Refuses to know where contents are kept. Invariant: pieces are joined in the order given, and none is dropped.
"""

from collections.abc import Iterable
from typing import Any

__all__ = ["joined"]


def joined(pieces: Iterable[tuple[Any, Any]]) -> tuple[Any, Any]:
    """Returns one request and one response of a span's pieces.

    Args:
        pieces: Requests and responses as `fold_log` made them; each holds one message, one choice, or
            (of 1.37 and later) the whole conversation.
    """
    request: dict[str, Any] = {}
    choices: list[Any] = []
    for asked, answered in pieces:
        if isinstance(asked, dict):
            messages = [*request.get("messages", ()), *asked.get("messages", ())]
            request = {**request, **asked} | ({"messages": messages} if messages else {})
        if isinstance(answered, dict):
            choices += answered.get("choices", ())
    return request or None, {"choices": choices} if choices else None
