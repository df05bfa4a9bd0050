"""What the bench of translation translates is a whole stream in every dialect, token for token."""

import json
from typing import TYPE_CHECKING

from bench.translation import ASKED, TOKENS, chat_events, written

from pilothouse.gateway.dialects.anthropic_client_streams import EventWriter
from pilothouse.gateway.dialects.anthropic_upstream_streams import EventReader
from pilothouse.gateway.dialects.responses_client_streams import ResponseWriter
from pilothouse.gateway.dialects.responses_upstream import ResponseReader
from pilothouse.gateway.sse import payloads_of

if TYPE_CHECKING:
    from pilothouse.gateway.dialects.upstream import UpstreamStream


def texts(batch: bytes) -> list[str]:
    choices = [json.loads(payload)["choices"] for payload in payloads_of(batch)]
    found = [choice[0]["delta"].get("content") for choice in choices if choice]
    return [text for text in found if text]


def test_every_token_goes_there_and_comes_back() -> None:
    given = texts(b"".join(chat_events()))
    assert len(given) == TOKENS
    readers: list[tuple[list[bytes], UpstreamStream]] = [
        (written(EventWriter(ASKED)), EventReader(7)),
        (written(ResponseWriter(ASKED)), ResponseReader(7)),
    ]
    for events, reader in readers:
        assert texts(b"".join([reader.feed(event) for event in events])) == given
