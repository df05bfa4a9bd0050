"""Mistakes in `alerts:` and `receivers:` are named with their place; secrets are references."""

import msgspec
import pytest

from pilothouse.config.alerting import alerting_problems, receiver_secrets
from pilothouse.config.document import parse
from pilothouse.config.references import Problems, resolve
from pilothouse.config.sections import Configuration

GOOD = """
receivers:
  ops: {kind: slack, webhook_url: "${HOOK}"}
  box: {kind: email, smtp_host: h, sender: a@b, to: [c@d], username: u, password: "${MAIL}"}
alerts:
  receivers: [ops]
  rules:
    slow: {measure: latency_p95_ms, above: 2000, receivers: [box]}
"""


def configuration(text: str) -> tuple[Configuration, Problems]:
    document = parse(text, "c.yaml")
    problems = Problems(document)
    values = resolve(document, {"HOOK": "https://example.com/hidden", "MAIL": "hidden"}, problems)
    return msgspec.convert(values, Configuration), problems


def test_a_good_section_has_no_problem_and_keeps_its_references() -> None:
    found, problems = configuration(GOOD)
    assert list(alerting_problems(found)) == []
    assert problems.found == []
    assert found.receivers["ops"].webhook_url == "${HOOK}"
    assert receiver_secrets(found) == {
        ("receivers", "ops", "webhook_url"): "HOOK",
        ("receivers", "box", "password"): "MAIL",
    }
    assert b"hidden" not in msgspec.json.encode(found)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("alerts: {receivers: [nobody]}", ("alerts", "receivers", 0)),
        ("alerts: {rules: {x: {measure: calls}}}", ("alerts", "rules", "x", "above")),
        ("alerts: {rules: {x: {measure: nonsense, above: 1}}}", ("alerts", "rules", "x", "measure")),
        (
            "alerts: {rules: {x: {measure: calls, above: 1, receivers: [n]}}}",
            ("alerts", "rules", "x", "receivers"),
        ),
        ("receivers: {x: {kind: webhook}}", ("receivers", "x", "webhook_url")),
        ("receivers: {x: {kind: pagerduty}}", ("receivers", "x", "routing_key")),
    ],
)
def test_a_contradiction_is_named_with_its_place(text: str, place: tuple[str | int, ...]) -> None:
    found, _ = configuration(text)
    [(where, message, hint)] = alerting_problems(found)
    assert where == place
    assert message.endswith(".")
    assert hint


@pytest.mark.parametrize("setting", ["webhook_url", "signing_secret", "routing_key", "password"])
def test_a_secret_in_clear_is_refused_and_not_repeated(setting: str) -> None:
    _, problems = configuration(f"receivers:\n  x: {{kind: webhook, {setting}: my-token}}")
    [(message, hint)] = problems.found
    assert message.startswith("c.yaml:2")
    assert "my-token" not in message + hint
