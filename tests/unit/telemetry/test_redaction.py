"""No credential reaches a log."""

import json
import logging

import pytest

from pilothouse.telemetry.logs import JsonLines, redact


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer SECRETsecret123",
        '{"authorization": "Bearer SECRETsecret123"}',
        "x-api-key: SECRETsecret123",
        "cookie: pilothouse_session=SECRETsecret123; a=b",
        "key ph_abc_SECRETsecret123 was used",
        "sk-SECRETsecret123 is wrong",
        "got bearer SECRETsecret123 here",
        "/signin?token=SECRETsecret123",
    ],
)
def test_credentials_are_taken_out(text: str) -> None:
    assert "SECRETsecret123" not in redact(text)
    assert "[redacted]" in redact(text)


def test_ordinary_words_stay() -> None:
    text = 'output_tokens: 33, tokens 12, "model": "sky-1", path /v1/chat'
    assert redact(text) == text


def test_a_line_is_json_with_extra_fields_even_when_redacted() -> None:
    record = logging.makeLogRecord(
        {
            "name": "a.b",
            "levelname": "WARNING",
            "msg": 'token: "%s"\nnext',
            "args": ('x"y\\z',),
            "call_id": "c1",
        }
    )
    line = json.loads(JsonLines("gateway-0").format(record))
    assert (line["level"], line["process"], line["logger"], line["call_id"]) == (
        "warning",
        "gateway-0",
        "a.b",
        "c1",
    )
    assert "\n" not in JsonLines("g").format(record)
