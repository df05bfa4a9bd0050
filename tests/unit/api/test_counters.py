"""Calls are counted by model and provider, in a bounded number of series that Prometheus accepts."""

from typing import Any

import pytest

from pilothouse.api.counters import Counters, error_kind, overhead_ms
from pilothouse.contracts.events import Attempt, RequestCompleted
from pilothouse.telemetry.export.histograms import OTHER
from pilothouse.telemetry.prometheus import Sample, render, render_openmetrics
from pilothouse.telemetry.settings import PrometheusSettings

MOST_SERIES = PrometheusSettings().most_series


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
    labels = 'model="m",provider="p",deployment="m/p-0",team=""'
    assert f'pilothouse_requests_total{{{labels},status="200",outcome="completed"}} 2\n' in text
    assert f'pilothouse_requests_total{{{labels},status="502",outcome="failed"}} 1\n' in text
    assert f"pilothouse_input_tokens_total{{{labels}}} 11\n" in text
    assert f"pilothouse_output_tokens_total{{{labels}}} 5\n" in text
    assert f"pilothouse_cached_tokens_total{{{labels}}} 1\n" in text
    assert f"pilothouse_cost_usd_total{{{labels}}} 0.75\n" in text
    assert f"pilothouse_unpriced_calls_total{{{labels}}} 0\n" in text


def test_a_call_of_unknown_cost_is_counted_as_such_not_as_free() -> None:
    text = page(call(cost_usd=None), call(status=400, outcome="refused", deployment=None))
    assert 'pilothouse_unpriced_calls_total{model="m",provider="p",deployment="m/p-0",team=""} 1\n' in text
    assert 'pilothouse_unpriced_calls_total{model="",provider="",deployment="",team=""} 0\n' in text


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
    labels = 'model="m",provider="p",deployment="m/p-0",team=""'
    assert f'pilothouse_requests_total{{{labels},status="200",outcome="completed"}} 1\n' in text
    assert f"pilothouse_cost_usd_total{{{labels}}} 1\n" in text
    assert f"pilothouse_output_tokens_total{{{labels}}} 0\n" in text
    assert 'pilothouse_request_duration_seconds_count{model="m",provider="p"} 1\n' in text
    cached = 'model="m",provider="p",deployment="",team=""'
    assert f'pilothouse_cache_hits_total{{{cached},kind="exact"}} 1\n' in text
    assert f"pilothouse_saved_usd_total{{{cached}}} 0.5\n" in text
    assert f"pilothouse_shadow_requests_total{{{labels}}} 1\n" in text
    assert f"pilothouse_shadow_cost_usd_total{{{labels}}} 3\n" in text


def test_attempts_are_counted_by_why_they_were_made() -> None:
    again = Attempt(deployment="d", provider="p", reason="retry")
    tries = (Attempt(deployment="d", provider="q", reason="first"), again, again)
    text = page(call(attempts=tries))
    assert (
        'pilothouse_attempts_total{model="m",provider="p",deployment="d",team="",reason="retry"} 2\n' in text
    )
    assert (
        'pilothouse_attempts_total{model="m",provider="q",deployment="d",team="",reason="first"} 1\n' in text
    )
    assert 'pilothouse_requests_total{model="m",provider="q"' not in text


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, None),
        ({"outcome": "cut", "error_type": "upstream_error"}, "provider"),
        ({"status": 502, "outcome": "failed", "error_type": "upstream_error"}, "provider"),
        ({"status": 500, "outcome": "failed", "error_type": "api_error"}, "server"),
        ({"status": 400, "outcome": "refused", "error_code": "guardrail_blocked"}, "guardrail"),
        ({"status": 429, "outcome": "refused", "error_code": "rate_limit_exceeded"}, "client"),
    ],
)
def test_an_error_is_somebodys_doing(fields: dict[str, Any], kind: str | None) -> None:
    assert error_kind(call(**fields)) == kind
    labels = 'model="m",provider="p",deployment="m/p-0",team=""'
    assert (f'pilothouse_errors_total{{{labels},kind="{kind}"}} 1\n' in page(call(**fields))) is bool(kind)


def test_our_own_time_is_what_no_upstream_worked_in() -> None:
    def tried(start: float, took: float) -> Attempt:
        return Attempt(deployment="d", provider="p", started_ms=start, duration_ms=took)

    assert overhead_ms(call(duration_ms=10.0)) is None
    assert overhead_ms(call(duration_ms=10.0, attempts=(tried(1, 8),))) == 1 + 1
    assert overhead_ms(call(duration_ms=20.0, attempts=(tried(1, 8), tried(5, 10)))) == 1 + 5
    assert overhead_ms(call(duration_ms=20.0, attempts=(tried(1, 4), tried(10, 10)))) == 1 + 5
    assert overhead_ms(call(duration_ms=5.0, attempts=(tried(0, 9),))) == 0


def test_the_conventions_histograms_tell_the_client_that_we_are_from_the_server() -> None:
    failed = Attempt(deployment="d", provider="q", status=503, started_ms=0, duration_ms=30)
    good = Attempt(deployment="e", provider="p", status=200, started_ms=30, duration_ms=70, reason="fallback")
    text = page(
        call(
            attempts=(failed, good), duration_ms=101.0, is_stream=True, first_token_ms=50.0,
            last_token_ms=90.0, input_tokens=5, output_tokens=5, model_answered="m-1",
        )
    )  # fmt: skip
    place = 'gen_ai_operation_name="chat",gen_ai_provider_name="%s",gen_ai_request_model="m"'
    p, q, answered = place % "p", place % "q", ',gen_ai_response_model="m-1"'
    assert f'operation_duration_seconds_bucket{{{q},error_type="503",le="0.04"}} 1\n' in text
    assert f"operation_duration_seconds_sum{{{p}{answered}}} 0.07\n" in text
    assert f'token_usage_sum{{{p}{answered},gen_ai_token_type="output"}} 5\n' in text
    assert f"server_request_duration_seconds_sum{{{p}{answered}}} 0.101\n" in text
    assert f'server_time_to_first_token_seconds_bucket{{{p}{answered},le="0.06"}} 1\n' in text
    assert f"server_time_per_output_token_seconds_sum{{{p}{answered}}} 0.01\n" in text


def test_a_bucket_shows_the_trace_of_its_last_value() -> None:
    counters = Counters()
    counters.add([call(trace_id="aa"), call(trace_id="bb"), call(duration_ms=9e9)])
    text = render_openmetrics(counters.families())
    assert 'le="0.1"} 2 # {trace_id="bb"} 0.1 ' in text
    assert "aa" not in text


def test_keys_are_no_label_unless_wanted() -> None:
    assert "key=" not in page(call(key_id="key_1"))
    counters = Counters(PrometheusSettings(label_keys=True))
    counters.add([call(key_id="key_1")])
    assert 'team="",key="key_1",status="200"' in render(counters.families())
