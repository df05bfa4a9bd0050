"""What the programs of all outside clients share: their questions, and a runner that tries every part.

Standard library only: it is imported in each client's own environment (PYTHONPATH names this folder).
"""

import base64
import inspect
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

LOCAL = "smollm2-135m-instruct"
"""The real model, on our own engine."""
CLAUDE, GPT = "claude-sonnet-5", "gpt-scripted"
"""Scripted upstreams: one speaks Anthropic's protocol, one OpenAI's. Each tells what it saw."""
FAILING_CLAUDE, FAILING_GPT = "failing-claude", "failing-gpt"
"""The same, apart, so that their breakers may open."""
REMOTE = (CLAUDE, GPT)
EVERY = (LOCAL, CLAUDE, GPT)
ADDRESS = os.environ.get("CLIENT_ADDRESS", "")
KEY = os.environ.get("CLIENT_KEY", "")
CITY = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
    },
    "required": ["city", "unit"],
    "additionalProperties": False,
}
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def seen(text: str) -> dict[str, Any]:
    """Returns what a scripted upstream says it was asked."""
    assert text.startswith("I saw "), text
    found: dict[str, Any] = json.loads(text.removeprefix("I saw "))
    return found


def run(*parts: Callable[..., Any]) -> None:
    """Tries each part, whatever became of the others, and prints a JSON object: its name and its fault."""
    import asyncio

    faults: dict[str, str | None] = {}
    for part in parts:
        faults[part.__name__] = None
        try:
            if inspect.iscoroutinefunction(part):
                asyncio.run(part())
            else:
                part()
        except Exception:  # noqa: BLE001 - each fault is reported; the other parts are tried all the same
            faults[part.__name__] = traceback.format_exc(limit=-6)
    json.dump(faults, sys.stdout)
