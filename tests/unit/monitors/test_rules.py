"""Rules: their defaults, contradictions, labels, links and words."""

from urllib.parse import parse_qs, urlsplit

import pytest

from pilothouse.analytics.filters.parser import parse_filter
from pilothouse.monitors.alerts.judge import Verdict
from pilothouse.monitors.alerts.links import filter_of, link_to
from pilothouse.monitors.alerts.rules import (
    DEFAULT_RULES,
    configured,
    fingerprint,
    group_key,
    problems,
    rule_of,
)
from pilothouse.monitors.alerts.settings import AlertSettings, RuleSettings
from pilothouse.monitors.alerts.sources import known_measures
from pilothouse.monitors.alerts.wording import summary_of
from pilothouse.monitors.objectives.budget import WINDOWS_S, Tally, conditions
from pilothouse.monitors.objectives.keeper import Kept
from pilothouse.monitors.objectives.settings import ObjectiveSettings


def test_the_default_rules_can_be_judged() -> None:
    for settings in DEFAULT_RULES.values():
        assert list(problems(settings, measures=known_measures(), receivers=[])) == []


def test_a_rule_of_the_file_takes_a_default_ones_place() -> None:
    off = RuleSettings(measure="availability", below=0.5, is_off=True)
    rules = {rule.name: rule for rule in configured(AlertSettings(rules={"availability": off}))}
    assert rules["availability"].origin == "configuration"
    assert rules["ingest-lag"].origin == "default"
    assert configured(AlertSettings(has_default_rules=False)) == []


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        (RuleSettings(above=1.0), "measure"),
        (RuleSettings(measure="nonsense", above=1.0), "measure"),
        (RuleSettings(measure="calls"), "above"),
        (RuleSettings(measure="calls", above=1.0, below=0.5), "above"),
        (RuleSettings(measure="calls", above=1.0, clears_at=2.0), "clears_at"),
        (RuleSettings(measure="calls", below=1.0, clears_at=0.5), "clears_at"),
        (RuleSettings(kind="change", measure="calls"), "rises_by"),
        (RuleSettings(kind="anomaly", measure="calls", window_s=60), "window_s"),
        (RuleSettings(kind="burn_rate", measure="calls"), "measure"),
        (RuleSettings(measure="calls", above=1.0, only={"colour": "red"}), "only"),
        (RuleSettings(measure="calls", above=1.0, receivers=["nobody"]), "receivers"),
    ],
)
def test_a_rule_that_contradicts_itself_is_named(settings: RuleSettings, wrong: str) -> None:
    assert [found[0] for found in problems(settings, measures=known_measures(), receivers=["ops"])] == [wrong]


def test_a_custom_metric_may_be_watched() -> None:
    assert list(problems(RuleSettings(measure="metric.politeness", below=0.5), measures=[])) == []


def test_an_alert_is_known_by_its_rule_and_labels_alone() -> None:
    around = AlertSettings(receivers=["ops"])
    rule = rule_of("slow", RuleSettings(measure="latency_p95_ms", above=1.0, by="model"), "stored", around)
    one, other = rule.labels("a"), rule.labels("b")
    assert one == {"rule": "slow", "severity": "warning", "model": "a"}
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(one) != fingerprint({**one, "severity": "critical"})
    assert group_key(rule, one) == group_key(rule, other)
    apart = rule_of("slow", RuleSettings(measure="calls", by="model", group_by=["model"]), "stored", around)
    assert group_key(apart, one) != group_key(apart, other)


def test_a_link_names_the_calls_behind_an_alert() -> None:
    text = filter_of("availability", {"model": 'a "b" \\ c', "rule": "x"}, 0.95)
    failed = "(status >= 500 or outcome in (failed, cut))"
    assert text == f'model = "a \\"b\\" \\\\ c" and {failed} and shadow = false'
    parse_filter(text)
    slow = filter_of("latency_p95_ms", {"key": "key_1"}, 1500.0)
    assert slow == 'key = "key_1" and latency_ms > 1500 and shadow = false'
    url = urlsplit(link_to("http://host:8080/", text, start_ms=1, end_ms=2))
    assert url.path == "/traces"
    assert parse_qs(url.query) == {"filter": [text], "from_ms": ["1"], "to_ms": ["2"]}


@pytest.mark.parametrize(
    ("settings", "verdict", "said"),
    [
        (
            RuleSettings(measure="error_rate", above=0.05),
            Verdict("met", 0.1234, 0.05),
            "Errors (m): 12.3 %, above 5 %",
        ),
        (
            RuleSettings(measure="latency_p95_ms", above=1500.0),
            Verdict("met", 2500.0, 1500.0),
            "Latency, 95th percentile (m): 2.5 s, above 1.5 s",
        ),
        (
            RuleSettings(kind="absence", measure="calls", window_s=600),
            Verdict("met", 0.0, 0.0),
            "Calls (m): nothing for 600 s",
        ),
        (
            RuleSettings(kind="change", measure="cost_usd", rises_by=0.5),
            Verdict("met", 20.0, 15.0),
            "Cost (m): 20 USD, above 15 USD against last week",
        ),
        (
            RuleSettings(kind="burn_rate"),
            Verdict("met", 20.0, 14.4),
            "Error budget burns (m) 20 times too fast, alert above 14.4",
        ),
    ],
)
def test_an_alert_says_what_is_wrong_in_one_line(settings: RuleSettings, verdict: Verdict, said: str) -> None:
    rule = rule_of("r", settings, "stored", AlertSettings())
    assert summary_of(rule, verdict, {"rule": "r", "model": "m"}) == said


def test_an_outage_burns_fast_though_it_burns_slowly_too() -> None:
    windows = dict.fromkeys(WINDOWS_S, Tally(0, 100))
    kept = Kept("o", ObjectiveSettings(), 1, judged=conditions(windows, 0.99, min_calls=1))
    assert kept.alarming is not None
    assert (kept.alarming.pair.rate, kept.alarming.pair.severity) == (14.4, "critical")
