"""How much of each limit is used; keys are told of only where that is wanted."""

from pilothouse.api.limit_metrics import limit_families
from pilothouse.contracts.status import LimitUsage
from pilothouse.contracts.traffic import Limits
from pilothouse.telemetry.prometheus import render

USAGE = (
    LimitUsage("team", "red", Limits(requests_per_minute=100, budget_day_usd=4.0), requests=25, day_usd=1.0),
    LimitUsage("key", "key_1", Limits(concurrency=2), under_way=2),
)


def test_shares_of_limits_are_shown() -> None:
    text = render(limit_families(USAGE, has_keys=False))
    assert 'pilothouse_limit_used_ratio{scope="team",name="red",limit="requests_per_minute"} 0.25\n' in text
    assert 'limit="budget_day_usd"} 0.25\n' in text
    assert "key_1" not in text


def test_keys_are_shown_where_they_may_be_labels() -> None:
    text = render(limit_families(USAGE, has_keys=True))
    assert 'pilothouse_limit_used_ratio{scope="key",name="key_1",limit="concurrency"} 1\n' in text
