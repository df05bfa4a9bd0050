"""The expression language: what it computes, what it refuses and where, and what has no value."""

from typing import Any

import pytest

from pilothouse.contracts.events import Parameters, RequestCompleted
from pilothouse.monitors.metrics.expression import read_expression
from pilothouse.monitors.metrics.faults import ExpressionError, NoValueError
from pilothouse.monitors.metrics.fields import FIELDS, Scope, words_of

CALL = RequestCompleted(
    call_id="c",
    request_id="r",
    at_ns=1,
    operation="chat",
    status=200,
    outcome="completed",
    model="m",
    cost_usd=0.5,
    output_tokens=20,
    input_tokens=0,
    duration_ms=100.0,
    finish_reasons=("stop",),
    parameters=Parameters(temperature=0.5),
)
ANSWER = 'As an AI, I say {"no"}. Total: 42, total: 7'
SCOPE = Scope(CALL, question="How much?", answer=ANSWER, body='{"usage": {"total": [1, 2.5]}, "id": "x"}')


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3 - -4", 11),
        ("7 // 2 + 7 % 4", 6),
        ("cost_usd / output_tokens * 1000", 25.0),
        ("temperature", 0.5),
        ("attempts", 0),
        ('finish_reason == "stop"', True),
        ('model in ("m", "n")', True),
        ('model not in ["n"]', True),
        ("first_token_ms", None),
        ("first_token_ms + 1", None),
        ("first_token_ms > 1", None),
        ("coalesce(first_token_ms, duration_ms)", 100.0),
        ("has(first_token_ms)", False),
        ("1 if status < 400 else 0", 1),
        ('status < 400 and outcome == "completed"', True),
        ("first_token_ms > 1 and status > 400", False),
        ("first_token_ms > 1 or status == 200", True),
        ("first_token_ms > 1 or status > 400", None),
        ("not is_stream", True),
        ("one(is_stream) + 1", 1),
        ("max(1, output_tokens, 3)", 20),
        ("round(cost_usd / 3, 2)", 0.17),
        ("length(question)", 9),
        ("words(question)", 2),
        ('matches(answer, "(?i)as an ai")', True),
        ('count(answer, "(?i)total")', 2),
        ('number(extract(answer, "Total: ([0-9]+)"))', 42.0),
        ('extract(answer, "nothing")', None),
        ('number(json(body, "$.usage.total[-1]"))', 2.5),
        ('json(body, "$.id") == "x"', True),
        ('json(answer, "$.id")', None),
        ('number("much")', None),
        ("\n  1 +\n  1\n", 2),
    ],
)
def test_an_expression_is_computed(text: str, expected: Any) -> None:
    assert read_expression(text).value(SCOPE) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cost_usd / input_tokens", "division_by_zero"),
        ("1 // 0", "division_by_zero"),
        ("1 % 0", "division_by_zero"),
        ("1e308 * 10", "not_finite"),
        ("exp(1000)", "not_finite"),
        ("sqrt(-1)", "not_finite"),
        ("log(0)", "not_finite"),
    ],
)
def test_what_comes_to_no_number_is_said_and_never_a_crash(text: str, reason: str) -> None:
    with pytest.raises(NoValueError) as told:
        read_expression(text).value(SCOPE)
    assert told.value.reason == reason


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("", 1, "cannot be read"),
        ("1 +", 4, "cannot be read"),
        ("cost + 1", 1, "no field `cost`"),
        ("1 + é_ms", 5, "no field"),
        ('"é" == cots', 8, "no field `cots`"),
        ('cost_usd + "1"', 12, "is a text, and a number is needed"),
        ("cost_usd + model", 12, "is a text"),
        ("model > 1", 9, "is a number, and a text is needed"),
        ("is_stream > is_stream", 1, "no order"),
        ("1 < 2 < 3", 1, "not chained"),
        ("cost_usd ** 9", 1, "no such operation"),
        ("__import__('os')", 1, "no function"),
        ("answer.__class__", 1, "not part of the language"),
        ("().__class__", 1, "not part of the language"),
        ("answer[0]", 1, "not part of the language"),
        ("[x for x in answer]", 1, "not part of the language"),
        ("lambda: 1", 1, "not part of the language"),
        ("(y := 1)", 2, "not part of the language"),
        ('f"{answer}"', 1, "not part of the language"),
        ("None", 1, "no value"),
        ("1j", 1, "no value"),
        ("round(1, 2, 3)", 1, "takes 1 to 2 arguments"),
        ("abs()", 1, "takes 1 argument"),
        ("abs(value=1)", 1, "only functions"),
        ('matches(answer, "(a")', 17, "missing"),
        ('matches(answer, "(?=a)")', 17, "invalid"),
        ("matches(answer, model)", 17, "text in quotes"),
        ('json(answer, "total")', 14, "begins with `$`"),
        ('json(answer, "$.a..b")', 14, "no step"),
        ("model in question", 10, "takes a list"),
        ("model in (1,)", 11, "no text"),
        ("1 if cost_usd else 2", 6, "a boolean is needed"),
        ("(" * 300 + "1" + ")" * 300, None, "cannot be read"),
        ("-" * 100 + "1", None, "too deep"),
        ("1 + " * 600 + "1", None, "longer"),
    ],
)
def test_a_mistake_is_told_with_its_column(text: str, position: int | None, said: str) -> None:
    with pytest.raises(ExpressionError) as told:
        read_expression(text)
    assert said in told.value.message
    assert told.value.hint
    if position is not None:
        assert told.value.position == position


def test_only_what_reads_words_needs_them() -> None:
    assert read_expression("length(answer)").needs_words
    assert not read_expression("cost_usd + 1").needs_words


def test_every_field_can_be_read_of_an_empty_call() -> None:
    empty = RequestCompleted(call_id="c", request_id="r", at_ns=1, operation="chat", status=0, outcome="cut")
    for name in FIELDS:
        read_expression(name).value(Scope(empty))


def test_words_are_found_in_bodies_of_many_shapes() -> None:
    request = b'{"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, {"role": "x"}]}'
    assert words_of(request, b'{"choices": [{"message": {"content": "Yo"}}]}')[:2] == ("Hi", "Yo")
    assert words_of(b'{"prompt": "Hi"}', b'{"choices": [{"text": "Yo"}]}')[:2] == ("Hi", "Yo")
    for odd in (b"", b"[]", b'{"choices": [7]}', b'{"choices": []}', b"\xff", b"[" * 5000):
        assert words_of(odd, odd)[:2] == (None, None)
    assert words_of(None, None) == (None, None, None)
