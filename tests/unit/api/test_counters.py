"""Calls are counted by model and provider, in a bounded number of series that Prometheus accepts."""

from typing import Any

from pilothouse.api.counters import MOST_SERIES, OTHER, Counters
from pilothouse.contracts.events import Attempt, RequestCompleted
from pilothouse.telemetry.prometheus import Sample, render


def call(**fields: Any) -> RequestCompleted:
    known: dict[str, Any] = {
        "call_id": "c", "request_id": "r", "at_ns": 0, "operation": "chat", "status": 200,
        "outcome": "completed", "model": "m", "provider": "p", "deployment": "m/p-0", "duration_ms": 100.0,
    }  # fmt: skip
    return RequestCompleted(**known | fields)


def page(*calls: RequestCompleted) -> str:
    counters = Counters()
    counters.add(calls)
    return render(counters.families())


def test_calls_tokens_and_cost_add_up() -> None:
    text = page(
        call(input_tokens=10, output_tokens=4, cost_usd=0.5),
        call(input_tokens=1, output_tokens=1, cost_usd=0.25, cached_tokens=1),
        call(status=502, outcome="failed"),
    )
    labels = 'model="m",provider="p"'
    assert f'pilothouse_requests_total{{{labels},status="200",outcome="completed"}} 2\n' in text
    assert f'pilothouse_requests_total{{{labels},status="502",outcome="failed"}} 1\n' in text
    assert f"pilothouse_input_tokens_total{{{labels}}} 11\n" in text
    assert f"pilothouse_output_tokens_total{{{labels}}} 5\n" in text
    assert f"pilothouse_cached_tokens_total{{{labels}}} 1\n" in text
    assert f"pilothouse_cost_usd_total{{{labels}}} 0.75\n" in text
    assert f"pilothouse_unpriced_calls_total{{{labels}}} 0\n" in text


def test_a_call_of_unknown_cost_is_counted_as_such_not_as_free() -> None:
    text = page(call(cost_usd=None), call(status=400, outcome="refused", deployment=None))
    assert 'pilothouse_unpriced_calls_total{model="m",provider="p"} 1\n' in text
    assert 'pilothouse_unpriced_calls_total{model="",provider=""} 0\n' in text


def test_latencies_are_in_seconds_and_a_bound_includes_itself() -> None:
    text = page(call(duration_ms=100.0, first_token_ms=10.0), call(duration_ms=101.0), call(duration_ms=1e9))
    assert 'pilothouse_request_duration_seconds_bucket{model="m",provider="p",le="0.1"} 1\n' in text
    assert 'pilothouse_request_duration_seconds_bucket{model="m",provider="p",le="0.25"} 2\n' in text
    assert 'pilothouse_request_duration_seconds_bucket{model="m",provider="p",le="120"} 2\n' in text
    assert 'pilothouse_request_duration_seconds_count{model="m",provider="p"} 3\n' in text
    assert 'pilothouse_first_token_seconds_count{model="m",provider="p"} 1\n' in text


def test_a_name_that_was_never_routed_is_no_label() -> None:
    text = page(
        call(model="whatever a client typed", deployment=None, provider=None, status=404, outcome="refused")
    )
    assert "whatever" not in text


def test_the_number_of_series_is_bounded() -> None:
    counters = Counters()
    counters.add(call(model=f"openai/{number}") for number in range(MOST_SERIES * 2))
    (requests,) = (family for family in counters.families() if family.name == "pilothouse_requests_total")
    samples = [sample for sample in requests.samples if isinstance(sample, Sample)]
    assert len(samples) == MOST_SERIES + 1
    assert sum(sample.value for sample in samples if sample.labels["model"] == OTHER) == MOST_SERIES


def test_shadows_and_cached_answers_are_counted_apart() -> None:
    text = page(
        call(cost_usd=1.0),
        call(cost_usd=3.0, shadow_of="c", output_tokens=9),
        call(cost_usd=0.0, cache="exact", saved_usd=0.5, deployment=None, output_tokens=9, duration_ms=0.1),
    )
    labels = 'model="m",provider="p"'
    assert f'pilothouse_requests_total{{{labels},status="200",outcome="completed"}} 2\n' in text
    assert f"pilothouse_cost_usd_total{{{labels}}} 1\n" in text
    assert f"pilothouse_output_tokens_total{{{labels}}} 0\n" in text
    assert f"pilothouse_request_duration_seconds_count{{{labels}}} 1\n" in text
    assert f'pilothouse_cache_hits_total{{{labels},kind="exact"}} 1\n' in text
    assert f"pilothouse_saved_usd_total{{{labels}}} 0.5\n" in text
    assert f"pilothouse_shadow_requests_total{{{labels}}} 1\n" in text
    assert f"pilothouse_shadow_cost_usd_total{{{labels}}} 3\n" in text


def test_attempts_are_counted_by_why_they_were_made() -> None:
    again = Attempt(deployment="d", provider="p", reason="retry")
    tries = (Attempt(deployment="d", provider="q", reason="first"), again, again)
    text = page(call(attempts=tries))
    assert 'pilothouse_attempts_total{model="m",provider="p",reason="retry"} 2\n' in text
    assert 'pilothouse_attempts_total{model="m",provider="q",reason="first"} 1\n' in text
    assert 'pilothouse_requests_total{model="m",provider="q"' not in text
